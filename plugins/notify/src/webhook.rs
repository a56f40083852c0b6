//! Whatever takes a JSON object by POST.

use parlour_plugin_sdk::serde_json;
use parlour_plugin_sdk::{Error, Result, Value, http};

use crate::notify::{Answered, Settings, ToWebhook};

/// As much of an answer as a workflow can use.
const MAX_ANSWER_CHARACTERS: usize = 10_000;

pub(crate) fn send(settings: &Settings, input: ToWebhook) -> Result<Answered> {
    let url = settings.webhook_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    let Some(url) = url else {
        return Err(Error::failed("there is no webhook; fill in the plugin's setting `webhook_url`"));
    };
    let ToWebhook { text, data: mut body } = input;
    if let Some(text) = text {
        if body.contains_key("text") {
            return Err(Error::invalid_input("`text` is given twice: by itself and in `data`"));
        }
        body.insert("text".to_owned(), text.into());
    }
    if body.is_empty() {
        return Err(Error::invalid_input("there is nothing to send; give `text` or `data`"));
    }
    let mut request = http::post(url).json(&body);
    if let Some(token) = &settings.webhook_token {
        request = request.bearer(token);
    }
    let response = request.send()?.error_for_status()?;
    let answer = serde_json::from_slice(&response.body)
        .unwrap_or_else(|_| Value::String(response.text().chars().take(MAX_ANSWER_CHARACTERS).collect()));
    Ok(Answered { status: response.status, answer })
}
