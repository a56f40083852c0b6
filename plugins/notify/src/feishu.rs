//! Feishu's group robot, and Lark's: <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.

use parlour_plugin_sdk::{Error, Result, Value, http, json, system};

use crate::message::{Format, Message, code_of};
use crate::notify::Settings;
use crate::signing;

const ADDRESSES: [&str; 2] =
    ["https://open.feishu.cn/open-apis/bot/v2/hook/", "https://open.larksuite.com/open-apis/bot/v2/hook/"];

pub(crate) fn send(settings: &Settings, message: &Message) -> Result<usize> {
    let url = settings.feishu_url.as_deref().map(str::trim).unwrap_or_default();
    if !ADDRESSES.iter().any(|address| url.starts_with(address)) {
        let [feishu, lark] = ADDRESSES;
        return Err(Error::Failed(format!(
            "Feishu needs the robot's address; the plugin's setting `feishu_url` begins with `{feishu}` or `{lark}`"
        )));
    }
    let signing_key = settings.feishu_signing_key.as_deref().map(str::trim).filter(|key| !key.is_empty());
    let request = |part: &str, last: bool| {
        let mut body = match message.format {
            Format::Text => {
                let text = format!("{part}{}", mentions(message, last, |id| format!("<at user_id=\"{id}\"></at>")));
                json!({"msg_type": "text", "content": {"text": text}})
            }
            Format::Markdown => {
                let text = format!("{part}{}", mentions(message, last, |id| format!("<at id={id}></at>")));
                json!({"msg_type": "interactive", "card": {
                    "config": {"wide_screen_mode": true},
                    "header": {"title": {"tag": "plain_text", "content": message.title}},
                    "elements": [{"tag": "markdown", "content": text}],
                }})
            }
        };
        if let (Some(key), Some(body)) = (signing_key, body.as_object_mut()) {
            let now = system::now_ms() / 1000;
            body.insert("timestamp".to_owned(), now.to_string().into());
            body.insert("sign".to_owned(), signing::feishu(key, now).into());
        }
        Ok(http::post(url).json(&body))
    };
    message.send_parts(request, verdict)
}

fn mentions(message: &Message, last: bool, mention: impl Fn(&str) -> String) -> String {
    let all = message.mention_all.then_some("all");
    let ids = message.mention.iter().map(String::as_str).chain(all).filter(|_| last);
    ids.map(|id| format!(" {}", mention(id))).collect()
}

fn verdict(answer: &Value) -> Result<()> {
    // Robots made long ago answer `StatusCode` alone.
    if answer.get("code").is_none() && answer.get("StatusCode").and_then(Value::as_i64) == Some(0) {
        return Ok(());
    }
    let (code, words) = code_of(answer, "code", "msg");
    let message = format!("Feishu answered {code}: {words}");
    match code {
        0 => Ok(()),
        11_232 => Err(Error::RateLimited(Some(60))),
        19_001 => Err(Error::Denied(format!("{message}; the setting `feishu_url` is no robot's address any more"))),
        19_021 => Err(Error::Denied(format!("{message}; the setting `feishu_signing_key` is not the robot's"))),
        19_022 => Err(Error::Denied(format!("{message}; the robot takes messages from other addresses only"))),
        19_024 => Err(Error::Denied(format!("{message}; the robot wants one of its keywords in the text"))),
        9_499 | 19_002 => Err(Error::InvalidInput(message)),
        _ => Err(Error::Failed(message)),
    }
}
