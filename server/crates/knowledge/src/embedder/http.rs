//! One JSON question to somebody else's model over HTTP, with patience for those who are busy and without ever telling the
//! key.

use std::time::{Duration, Instant, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The wait before the first retry; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// An answer larger than this is not one to such a question.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// What is told of a provider's own words.
const MAX_TOLD_CHARS: usize = 300;

#[derive(Debug)]
pub(crate) enum PostError {
    /// Nobody answered, or not in time, or said to come later.
    Unreachable(String),
    /// An answer that repeating does not change: a wrong key, an unknown model, a text that is too long.
    Refused(String),
    /// An answer that is not what was asked for.
    Unusable(String),
}

/// Where to ask.
pub(crate) struct Post {
    pub(crate) client: reqwest::Client,
    pub(crate) url: String,
    pub(crate) key: Option<String>,
    pub(crate) retries: u32,
}

/// What one attempt came to.
enum Attempt {
    Answer(Vec<u8>),
    Failed(PostError),
    /// Worth another attempt, after the time that was asked for.
    Later(PostError, Option<Duration>),
}

impl Post {
    /// The answer to `body`, within `timeout` altogether.
    pub(crate) async fn send<Asked: Serialize, Answered: DeserializeOwned>(
        &self,
        body: &Asked,
        timeout: Duration,
    ) -> Result<Answered, PostError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| PostError::Unusable(format!("the question cannot be written: {error}")))?;
        let ends = Instant::now() + timeout;
        let answer = self.attempts(body, ends, timeout).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| PostError::Unusable(format!("it is not of the form that was asked for: {error}")))
    }

    async fn attempts(&self, body: Vec<u8>, ends: Instant, timeout: Duration) -> Result<Vec<u8>, PostError> {
        let mut wait = FIRST_WAIT;
        let mut left = self.retries;
        loop {
            let remaining = ends.saturating_duration_since(Instant::now());
            let attempt = tokio::time::timeout(remaining, self.attempt(body.clone()));
            let (error, asked_for) = match attempt.await {
                Err(_) => {
                    let error = format!("no answer within {:.0} s", timeout.as_secs_f64().max(1.0));
                    return Err(PostError::Unreachable(error));
                }
                Ok(Attempt::Answer(answer)) => return Ok(answer),
                Ok(Attempt::Failed(error)) => return Err(error),
                Ok(Attempt::Later(error, asked_for)) => (error, asked_for),
            };
            let pause = asked_for.unwrap_or(wait + jitter(wait));
            // Whoever says to come in an hour is not waited for.
            if left == 0 || Instant::now() + pause >= ends {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            left -= 1;
            wait *= 2;
        }
    }

    async fn attempt(&self, body: Vec<u8>) -> Attempt {
        let mut request = self.client.post(&self.url).header("content-type", "application/json").body(body);
        if let Some(key) = &self.key {
            let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {key}")) else {
                return Attempt::Failed(PostError::Refused(
                    "the key has characters that no header can hold".to_owned(),
                ));
            };
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Attempt::Later(PostError::Unreachable(self.told(&in_words(error))), None),
        };
        let status = response.status();
        let asked_for = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok()).and_then(retry_after);
        let mut answer = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.len() + chunk.len() <= MAX_ANSWER_BYTES => answer.extend_from_slice(&chunk),
                Ok(Some(_)) => {
                    return Attempt::Failed(PostError::Unusable("it is larger than any answer can be".to_owned()));
                }
                Ok(None) => break,
                Err(error) => return Attempt::Later(PostError::Unreachable(self.told(&in_words(error))), None),
            }
        }
        if status.is_success() {
            return Attempt::Answer(answer);
        }
        let told = match said(&answer) {
            Some(said) => self.told(&format!("status {}: {said}", status.as_u16())),
            None => format!("status {}", status.as_u16()),
        };
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Attempt::Later(PostError::Unreachable(told), asked_for);
        }
        Attempt::Failed(PostError::Refused(told))
    }

    /// Short, and without the key, which some servers repeat.
    fn told(&self, words: &str) -> String {
        let words = match self.key.as_deref().filter(|it| !it.is_empty()) {
            Some(key) => words.replace(key, "…"),
            None => words.to_owned(),
        };
        match words.char_indices().nth(MAX_TOLD_CHARS) {
            Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
            None => words,
        }
    }
}

/// What went wrong and why, without the address, which may hold a secret.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
}

/// The message of the usual error bodies.
fn said(answer: &[u8]) -> Option<String> {
    let value: serde_json::Value = match serde_json::from_slice(answer) {
        Ok(value) => value,
        Err(_) => {
            let text = String::from_utf8_lossy(answer.get(..answer.len().min(4 * MAX_TOLD_CHARS)).unwrap_or_default());
            let text = text.trim();
            return (!text.is_empty() && !text.starts_with('<')).then(|| text.to_owned());
        }
    };
    let text = |pointer: &str| value.pointer(pointer).and_then(|it| it.as_str()).map(str::to_owned);
    text("/error/message").or_else(|| text("/message")).or_else(|| text("/detail")).or_else(|| text("/error"))
}

fn retry_after(header: &str) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    httpdate::parse_http_date(header).ok()?.duration_since(SystemTime::now()).ok()
}

/// Up to half of the wait more, so that those who were refused together do not come back together.
fn jitter(wait: Duration) -> Duration {
    let chance = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |it| it.subsec_nanos());
    wait.mul_f64(f64::from(chance % 1000) / 2000.0)
}
