//! A provider's "no": an error status, or an error object in the middle of a stream that began with 200.
//!
//! The shapes differ: OpenAI nests `error.message`, FastAPI servers say `detail`, Gemini wraps the object in an array,
//! proxies send a page. Whatever it is, its words are kept, shortened, for the author.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::base_url;

/// The longest provider's message that is kept; more is a web page, not a message.
const MAX_MESSAGE_CHARS: usize = 600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub base_url: String,
    /// The HTTP status, or the one that an error object inside a stream names.
    pub status: Option<u16>,
    /// The provider's own words.
    pub provider_message: String,
    /// The provider's own code or type, such as `insufficient_quota`.
    pub provider_code: Option<String>,
    pub retry_after: Option<Duration>,
    pub hint: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(formatter, "the model provider at {} answered {status}", self.base_url),
            None => write!(formatter, "the model provider at {} reported an error", self.base_url),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(crate) fn from_response(base_url: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
        let (message, code) = match serde_json::from_slice::<Value>(body) {
            Ok(value) => words(&value),
            Err(_) => (plain_text(&String::from_utf8_lossy(body)), None),
        };
        Refusal {
            base_url: base_url.to_owned(),
            status: Some(status),
            provider_message: shortened(&message),
            provider_code: code,
            retry_after: retry_after(headers, SystemTime::now()),
            hint: None,
        }
    }

    /// The error of a chunk, if it is one.
    pub(crate) fn from_chunk(base_url: &str, chunk: &Value) -> Option<Refusal> {
        let error = chunk.get("error").filter(|error| !error.is_null())?;
        let (message, code) = words(chunk);
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let status = ["status", "status_code", "code"]
            .into_iter()
            .find_map(|name| error.get(name).and_then(number))
            .and_then(|number| u16::try_from(number).ok())
            .filter(|status| (400..600).contains(status));
        Some(Refusal {
            base_url: base_url.to_owned(),
            status,
            provider_message: shortened(&message),
            provider_code: code,
            retry_after: None,
            hint: None,
        })
    }

    pub(crate) fn code(&self) -> &'static str {
        if self.is_out_of_credit() {
            return "rate_limited";
        }
        match self.status {
            Some(401 | 403) => "unauthorized",
            Some(408 | 504) => "timeout",
            Some(429) => "rate_limited",
            Some(status) if status >= 500 => "unavailable",
            Some(_) => "invalid_request",
            None if self.mentions(&["rate limit", "rate_limit", "too many requests"]) => "rate_limited",
            None => "unavailable",
        }
    }

    /// Whether the same request may well succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self.status {
            _ if self.is_out_of_credit() => false,
            Some(501 | 505) => false,
            Some(status) => matches!(status, 408 | 429) || status >= 500,
            None => true,
        }
    }

    /// An empty account answers 402 (DeepSeek) or 429 (OpenAI), and stays empty however often it is asked.
    pub(crate) fn is_out_of_credit(&self) -> bool {
        self.status == Some(402) || self.mentions(&["insufficient_quota", "insufficient balance", "arrearage"])
    }

    /// Whether the provider's words hold one of these, in any case.
    pub(crate) fn mentions(&self, words: &[&str]) -> bool {
        let message = self.provider_message.to_lowercase();
        let code = self.provider_code.as_deref().unwrap_or_default().to_lowercase();
        words.iter().any(|word| message.contains(word) || code.contains(word))
    }

    /// 404 with a word about the model (without one the address is wrong), or 400 as some gateways have it.
    pub(crate) fn is_unknown_model(&self) -> bool {
        match self.status {
            Some(404) => self.mentions(&["model"]),
            Some(400) => {
                self.mentions(&["model_not_found", "invalid model", "unknown model"])
                    || self.mentions(&["model"]) && self.mentions(&["not found", "not exist"])
            }
            Some(_) | None => false,
        }
    }

    pub(crate) fn author_message(&self) -> String {
        if self.provider_message.is_empty() { self.to_string() } else { format!("{self}: {}", self.provider_message) }
    }

    /// No text of a provider leaves this crate with the key in it, whatever the provider echoes.
    pub(crate) fn redact(&mut self, key: Option<&str>) {
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            self.provider_message = self.provider_message.replace(key, "[key]");
            self.provider_code = self.provider_code.take().map(|code| code.replace(key, "[key]"));
        }
    }

    /// Writes the advice; `available` are the provider's models where it could be asked for them.
    pub(crate) fn advise(&mut self, model: &str, has_key: bool, available: &[String]) {
        let hint = match self.status {
            _ if self.is_out_of_credit() => "the account has no credit left: top it up at the provider".to_owned(),
            Some(401) if has_key => "check PARLOUR_MODEL_API_KEY: the provider does not accept the key".to_owned(),
            Some(401) => "set PARLOUR_MODEL_API_KEY: the provider wants a key and none is set".to_owned(),
            Some(403) => format!("check that the key in PARLOUR_MODEL_API_KEY may use `{model}`, and from this country"),
            _ if self.is_unknown_model() => self.unknown_model_hint(model, available),
            Some(404) => "nothing answers at that path: check PARLOUR_MODEL_BASE_URL, most providers want it to end in `/v1`".to_owned(),
            Some(413) => "the messages are too long for the provider: remember fewer messages or retrieve fewer passages".to_owned(),
            Some(429) => "the provider limits how often it may be asked: try again in a while".to_owned(),
            Some(400 | 422) if self.is_too_long() => {
                "the messages are too long for this model: remember fewer messages, retrieve fewer passages, or take a model with a larger context".to_owned()
            }
            Some(status) if status < 500 => return,
            Some(_) | None => "the provider has trouble of its own: try again in a while".to_owned(),
        };
        self.hint = Some(hint);
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.mentions(&[
            "context_length",
            "context length",
            "maximum context",
            "context size",
            "too many tokens",
            "too long",
        ])
    }

    fn unknown_model_hint(&self, model: &str, available: &[String]) -> String {
        const SHOWN: usize = 12;
        let mut hint = if base_url::is_ollama(&self.base_url) || self.mentions(&["pulling it"]) {
            format!("fetch it with `ollama pull {model}`")
        } else {
            "check PARLOUR_MODEL_NAME".to_owned()
        };
        if !available.is_empty() {
            let names: Vec<_> = available.iter().take(SHOWN).map(String::as_str).collect();
            hint.push_str("; the provider has ");
            hint.push_str(&names.join(", "));
            if available.len() > SHOWN {
                hint.push_str(&format!(" and {} more", available.len() - SHOWN));
            }
        }
        hint
    }
}

/// Message and code out of whichever shape the error has.
fn words(value: &Value) -> (String, Option<String>) {
    let value = value.get(0).unwrap_or(value);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let error = value.get("error").unwrap_or(value);
    let message = text(error)
        .or_else(|| error.get("message").and_then(text))
        .or_else(|| value.get("message").and_then(text))
        .or_else(|| value.get("detail").and_then(text))
        .or_else(|| value.pointer("/detail/0/msg").and_then(text))
        .or_else(|| value.get("msg").and_then(text))
        .unwrap_or_else(|| value.to_string());
    let code = ["code", "type"].into_iter().find_map(|name| match error.get(name) {
        Some(Value::String(code)) => Some(code.clone()),
        Some(Value::Number(code)) => Some(code.to_string()),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    });
    (message, code)
}

/// A proxy's page without its markup.
fn plain_text(body: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for character in body.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if in_tag => {}
            _ => text.push(character),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn shortened(message: &str) -> String {
    let message = message.trim();
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

/// `retry-after-ms` (OpenAI), or `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(wait));
    }
    let value = text("retry-after")?;
    match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::{Refusal, retry_after};

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::from_response("http://h/v1", status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn every_shape_of_error_gives_up_its_words() {
        for (body, message, code) in [
            (r#"{"error":{"message":"no","type":"t","code":null}}"#, "no", Some("t")),
            (r#"{"error":{"message":"no","code":1301}}"#, "no", Some("1301")),
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found", None),
            (r#"{"detail":"Not Found"}"#, "Not Found", None),
            (r#"{"detail":[{"msg":"field required","loc":["body"]}]}"#, "field required", None),
            (r#"[{"error":{"message":"bad","code":400}}]"#, "bad", Some("400")),
            (r#"{"message":"余额不足","code":"Arrearage"}"#, "余额不足", Some("Arrearage")),
            ("<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway", None),
            ("", "", None),
        ] {
            let refusal = refusal(400, body);
            assert_eq!(
                (refusal.provider_message.as_str(), refusal.provider_code.as_deref()),
                (message, code),
                "{body}"
            );
        }
    }

    #[test]
    fn a_long_page_is_shortened_between_characters() {
        assert_eq!(refusal(500, &"错".repeat(5000)).provider_message.chars().count(), 601);
    }

    #[test]
    fn an_empty_account_is_not_asked_again() {
        let empty = refusal(429, r#"{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}"#);
        assert_eq!((empty.is_passing(), empty.code()), (false, "rate_limited"));
        assert!(refusal(429, "slow down").is_passing());
        assert!(!refusal(402, "Insufficient Balance").is_passing());
    }

    #[test]
    fn a_chunk_is_an_error_only_when_it_has_one() {
        assert_eq!(Refusal::from_chunk("u", &json!({"choices": [], "error": null})), None);
        let error = Refusal::from_chunk("u", &json!({"error": {"message": "busy", "code": 503}})).expect("an error");
        assert_eq!((error.status, error.code()), (Some(503), "unavailable"));
        let worded = Refusal::from_chunk("u", &json!({"error": {"message": "Rate limit reached"}})).expect("an error");
        assert_eq!((worded.status, worded.code()), (None, "rate_limited"));
    }

    #[test]
    fn retry_after_is_read_in_all_three_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (name, value, expected) in [
            ("retry-after", "3", Some(3000)),
            ("retry-after", "0.25", Some(250)),
            ("retry-after-ms", "125", Some(125)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:42 GMT", Some(5000)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).expect("a header"));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_millis), "{name}: {value}");
        }
    }
}
