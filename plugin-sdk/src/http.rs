//! Requests to other services. Needs the permission `http(host = "…")` in `#[plugin]` and the tenant's grant.
//!
//! ```ignore
//! let found: Found = http::get("https://api.example.com/v1/search")
//!     .query("q", &input.query)
//!     .bearer(&config::secret("api_key")?)
//!     .send()?
//!     .error_for_status()?
//!     .json()?;
//! ```

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host;
use crate::secret::{self, Part, Secret};

/// As much of an answer's own words as an error repeats.
const QUOTED_CHARACTERS: usize = 300;

/// A request, as it grows. What is wrong with it is told by [`Request::send`].
#[derive(Clone, Debug)]
#[must_use = "a request goes out by `send`"]
pub struct Request {
    method: String,
    url: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    timeout_ms: Option<u32>,
    problem: Option<Error>,
}

/// A request as it crosses to the host: secrets are placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) timeout_ms: Option<u32>,
}

/// What came back. Any status is an answer; [`Response::error_for_status`] makes an error of the bad ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// The last address, after redirects.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

pub fn head(url: impl Into<String>) -> Request {
    Request::new("HEAD", url)
}

pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

pub fn patch(url: impl Into<String>) -> Request {
    Request::new("PATCH", url)
}

pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

impl Request {
    /// `url` may have a query of its own; [`Request::query`] adds to it.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let url: String = url.into();
        let problem = url.contains(secret::START).then(|| {
            Error::invalid_input("the address has a secret's placeholder in it; add secrets by `query` or `header`")
        });
        Self {
            method: method.into(),
            url,
            query: String::new(),
            headers: Vec::new(),
            body: None,
            timeout_ms: None,
            problem,
        }
    }

    /// Adds to the address's query: a text, a number, or a [`Secret`]. It is encoded here.
    pub fn query(mut self, name: &str, value: impl Into<Part>) -> Self {
        let Part { text, placeholder } = value.into();
        if !self.query.is_empty() {
            self.query.push('&');
        }
        percent_encode(name, &mut self.query);
        self.query.push('=');
        percent_encode(&text, &mut self.query);
        self.query.push_str(placeholder.as_deref().unwrap_or_default());
        self
    }

    /// Sets a header to a text, a number, or a [`Secret`]. One of the same name is replaced.
    pub fn header(mut self, name: &str, value: impl Into<Part>) -> Self {
        let Part { mut text, placeholder } = value.into();
        if text.contains(secret::START) {
            self.problem.get_or_insert_with(|| {
                Error::invalid_input(format!("the header `{name}` has a secret's placeholder in its text"))
            });
        }
        text.push_str(placeholder.as_deref().unwrap_or_default());
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), text));
        self
    }

    /// `Authorization: Bearer …`.
    pub fn bearer(self, secret: &Secret) -> Self {
        self.header("Authorization", secret.after("Bearer "))
    }

    /// A JSON body, with its `Content-Type`.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes),
            Err(error) => {
                self.problem
                    .get_or_insert_with(|| Error::failed(format!("the body cannot be written as JSON: {error}")));
            }
        }
        self.header("Content-Type", "application/json")
    }

    /// A body as forms in pages send it, with its `Content-Type`.
    pub fn form<'a>(mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            percent_encode(name, &mut body);
            body.push('=');
            percent_encode(value, &mut body);
        }
        self.body = Some(body.into_bytes());
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    /// A body as it is; its `Content-Type` is yours to set.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// For everything together, redirects and the whole answer; 30 seconds unless said otherwise, and never more than is
    /// left of the call's own time.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// # Errors
    /// `Denied` when the host or the method is not granted, `Unavailable` when there was no answer, `InvalidInput` when the
    /// request cannot be sent at all, `Failed` when a secret is not filled in or the call's budget is used up.
    pub fn send(self) -> Result<Response> {
        let Self { method, url, query, headers, body, timeout_ms, problem } = self;
        if let Some(problem) = problem {
            return Err(problem);
        }
        // A fragment never leaves a browser either, and a query after it would be part of it.
        let mut url = url.split_once('#').map_or(url.as_str(), |(url, _)| url).to_owned();
        if !query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
        }
        host::current(|host| host.send(&Outgoing { method, url, headers, body, timeout_ms }))
    }
}

impl Response {
    /// The first header of this name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as UTF-8; what is not becomes `U+FFFD`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a type of yours; the error names the field that does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let (path, problem) = (error.path().to_string(), error.inner());
            let place = if path == "." { String::new() } else { format!("`{path}`: ") };
            Error::Failed(format!("the answer of {} does not fit: {place}{problem}", self.place()))
        })
    }

    /// Passes 2xx on. Otherwise: 404 is `NotFound`, 401 and 403 are `Denied`, 408 and 429 are `RateLimited` for as many
    /// seconds as `Retry-After` says, 5xx is `Unavailable`, and anything else `Failed`.
    pub fn error_for_status(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let said = self.said();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message = format!("{} answered {}{said}", self.place(), self.status);
        Err(match self.status {
            404 => Error::NotFound(message),
            401 | 403 => Error::Denied(message),
            408 | 429 => Error::RateLimited(self.retry_after()),
            500..=599 => Error::Unavailable(message),
            _ => Error::Failed(message),
        })
    }

    /// The seconds of `Retry-After`. A date there is not read: the engine has a pause of its own.
    fn retry_after(&self) -> Option<u32> {
        self.header("Retry-After")?.trim().parse().ok()
    }

    /// The address without its query, which may say what a visitor asked.
    fn place(&self) -> String {
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        format!("`{}`", self.url.get(..end).unwrap_or_default())
    }

    /// The beginning of what the other side said, on one line. A page would say nothing to anybody.
    fn said(&self) -> String {
        let kind = self.header("Content-Type").unwrap_or_default().to_ascii_lowercase();
        if kind.contains("html") || !(kind.is_empty() || kind.contains("json") || kind.starts_with("text/")) {
            return String::new();
        }
        let text = self.text();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut said: String = line.chars().take(QUOTED_CHARACTERS).collect();
        if said.len() < line.len() {
            said.push('…');
        }
        said
    }
}

/// Everything but letters, digits and `-._~` becomes `%XX`, so braces in a text can never look like a placeholder.
pub(crate) fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
            _ => {
                into.push('%');
                for digit in [byte >> 4, byte & 15] {
                    into.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
}
