//! DingTalk's group robot: <https://open.dingtalk.com/document/robots/custom-robot-access>.

use parlour_plugin_sdk::{Error, Result, Value, http, json, system};

use crate::message::{Format, Message, code_of};
use crate::notify::Settings;
use crate::signing;

const ADDRESS: &str = "https://oapi.dingtalk.com/robot/send";

pub(crate) fn send(settings: &Settings, message: &Message) -> Result<usize> {
    let Some(token) = &settings.dingtalk_token else {
        return Err(Error::failed("DingTalk needs the robot's token; fill in the plugin's setting `dingtalk_token`"));
    };
    let signing_key = settings.dingtalk_signing_key.as_deref().map(str::trim).filter(|key| !key.is_empty());
    let request = |part: &str, last: bool| {
        let mention: &[String] = if last { &message.mention } else { &[] };
        // A Markdown message mentions whom its text names as well.
        let named: String = mention.iter().map(|id| format!(" @{id}")).collect();
        let mut body = match message.format {
            Format::Text => json!({"msgtype": "text", "text": {"content": part}}),
            Format::Markdown => {
                json!({"msgtype": "markdown", "markdown": {"title": message.title, "text": format!("{part}{named}")}})
            }
        };
        if let Some(body) = body.as_object_mut() {
            body.insert("at".to_owned(), json!({"atUserIds": mention, "isAtAll": message.mention_all && last}));
        }
        let mut request = http::post(ADDRESS).query("access_token", token);
        if let Some(key) = signing_key {
            let now = system::now_ms();
            request = request.query("timestamp", now).query("sign", signing::dingtalk(key, now));
        }
        Ok(request.json(&body))
    };
    message.send_parts(request, verdict)
}

fn verdict(answer: &Value) -> Result<()> {
    let (code, _) = code_of(answer, "errcode", "errmsg");
    let words = answer.get("errmsg").and_then(Value::as_str).unwrap_or("it did not say why");
    let message = format!("DingTalk answered {code}: {words}");
    match code {
        0 => Ok(()),
        130_101 | 410_100 => Err(Error::RateLimited(Some(60))),
        310_000 => Err(Error::Denied(format!(
            "{message}; the robot's security settings want a keyword in the text, a signature (setting \
             `dingtalk_signing_key`), or this server's address"
        ))),
        -1 => Err(Error::Unavailable(message)),
        300_001 | 300_005 | 400_013 | 400_101 | 400_102 | 400_106 => Err(Error::Denied(format!(
            "{message}; the setting `dingtalk_token` is what follows `access_token=` in the address of a robot in the group"
        ))),
        40_035 | 400_105 | 430_101..=430_104 => Err(Error::InvalidInput(message)),
        _ => Err(Error::Failed(message)),
    }
}
