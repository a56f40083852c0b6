//! WeCom's group robot: <https://developer.work.weixin.qq.com/document/path/91770>.

use parlour_plugin_sdk::{Error, Result, Value, http, json};

use crate::message::{Format, Message, code_of};
use crate::notify::Settings;

const ADDRESS: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send";

pub(crate) fn send(settings: &Settings, message: &Message) -> Result<usize> {
    let Some(key) = &settings.wecom_key else {
        return Err(Error::failed("WeCom needs the robot's key; fill in the plugin's setting `wecom_key`"));
    };
    let request = |part: &str, last: bool| {
        let body = match message.format {
            Format::Text => {
                let mut mentioned = message.mention.clone();
                mentioned.extend(message.mention_all.then(|| "@all".to_owned()));
                let mentioned = if last { mentioned } else { Vec::new() };
                json!({"msgtype": "text", "text": {"content": part, "mentioned_list": mentioned}})
            }
            Format::Markdown => {
                let mentions = message.mention.iter().filter(|_| last).map(|id| format!("<@{id}>")).collect::<String>();
                let content = if mentions.is_empty() { part.to_owned() } else { format!("{part}\n{mentions}") };
                json!({"msgtype": "markdown", "markdown": {"content": content}})
            }
        };
        Ok(http::post(ADDRESS).query("key", key).json(&body))
    };
    message.send_parts(request, verdict)
}

fn verdict(answer: &Value) -> Result<()> {
    let (code, words) = code_of(answer, "errcode", "errmsg");
    let message = format!("WeCom answered {code}: {words}");
    match code {
        0 => Ok(()),
        45_009 | 45_033 => Err(Error::RateLimited(Some(60))),
        -1 => Err(Error::Unavailable(message)),
        93_000 | 93_004 | 93_008 => Err(Error::Denied(format!(
            "{message}; the setting `wecom_key` is what follows `key=` in the address of a robot that is in the group"
        ))),
        40_001..=40_099 | 44_001..=44_099 | 45_002 => Err(Error::InvalidInput(message)),
        _ => Err(Error::Failed(message)),
    }
}
