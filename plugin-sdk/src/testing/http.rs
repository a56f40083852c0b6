//! The services that a plugin's requests reach in a test: rules that the test gives, behind the checks of the server.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::State;
use super::address::Address;
use crate::error::{Error, Result};
use crate::http::{Outgoing, Response};
use crate::manifest::HttpPermission;

/// The server's limits; a plugin's test should meet them as its users would.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 32 << 10;
const MAX_URL_BYTES: usize = 8 << 10;
const MAX_REQUESTS: usize = 50;
const MAX_REDIRECTS: usize = 5;
/// What another host gets of the headers after a redirect.
const SENT_ON: &[&str] = &["accept", "accept-language", "content-type", "range", "user-agent"];
const SET_BY_THE_SERVER: &[&str] =
    &["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// What a service answers.
#[derive(Clone, Debug)]
pub struct Reply {
    answer: Answer,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Answer {
    Body { status: u16, body: Vec<u8> },
    Echo,
    Error(Error),
}

impl Reply {
    pub fn json(value: impl Into<Value>) -> Self {
        Self::bytes("application/json", value.into().to_string())
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes("text/plain; charset=utf-8", text.into())
    }

    pub fn html(text: impl Into<String>) -> Self {
        Self::bytes("text/html; charset=utf-8", text.into())
    }

    /// A body with its `Content-Type`.
    pub fn bytes(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            answer: Answer::Body { status: 200, body: body.into() },
            headers: vec![("content-type".to_owned(), kind.to_owned())],
        }
    }

    /// An empty answer with this status.
    pub fn status(status: u16) -> Self {
        Self { answer: Answer::Body { status, body: Vec::new() }, headers: Vec::new() }
    }

    /// Sends whoever asks on to another address.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// Repeats the request's address, headers and body as text: what a service that echoes a secret does.
    pub fn echo() -> Self {
        Self { answer: Answer::Echo, headers: Vec::new() }
    }

    /// There is no answer, for example `Error::unavailable("…")`.
    pub fn error(error: Error) -> Self {
        Self { answer: Answer::Error(error), headers: Vec::new() }
    }

    /// The same answer with another status.
    #[must_use]
    pub fn with_status(mut self, new: u16) -> Self {
        if let Answer::Body { status, .. } = &mut self.answer {
            *status = new;
        }
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A request as it went out, with its secrets filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A value of the address's query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.url.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.map(|(name, value)| (decoded(name), decoded(value))).find(|(present, _)| present == name).map(|it| it.1)
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn echo(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{} {}\n{}\n{}", self.method, self.url, headers.concat(), self.text())
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).unwrap_or_default();
                u8::from_str_radix(&digits, 16).unwrap_or(b'%')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The rules of a test and what was sent to them.
#[derive(Default)]
pub(super) struct Web {
    /// By method and beginning of the address.
    rules: BTreeMap<(String, String), VecDeque<Reply>>,
    pub(super) sent: Vec<Sent>,
    /// Of the running call.
    pub(super) requests: usize,
}

impl Web {
    pub(super) fn add(&mut self, method: &str, prefix: &str, reply: Reply) {
        self.rules.entry((method.to_owned(), prefix.to_owned())).or_default().push_back(reply);
    }

    /// The reply of the longest rule that fits. Of several replies each answers once, the last for ever.
    fn reply(&mut self, sent: &Sent) -> Result<Reply> {
        let fits =
            |(method, prefix): &(String, String)| *method == sent.method && sent.url.starts_with(prefix.as_str());
        let rules = self.rules.iter_mut().filter(|(rule, _)| fits(rule));
        let Some((_, replies)) = rules.max_by_key(|((_, prefix), _)| prefix.len()) else {
            return Err(Error::Unavailable(format!("no rule of this test answers {} {}", sent.method, sent.url)));
        };
        let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
        reply.ok_or_else(|| Error::Unavailable("there is no reply left".to_owned()))
    }
}

impl State {
    /// Sends a request as the server does: checks, fills secrets in, follows redirects, masks what comes back.
    pub(super) fn exchange(&self, request: &Outgoing) -> Result<Response> {
        let (mut sent, used) = self.ready(request)?;
        for _ in 0..=MAX_REDIRECTS {
            self.web.borrow_mut().sent.push(sent.clone());
            let reply = self.web.borrow_mut().reply(&sent)?;
            let (status, body) = match reply.answer {
                Answer::Error(error) => return Err(error),
                Answer::Echo => (200, sent.echo().into_bytes()),
                Answer::Body { status, body } => (status, body),
            };
            let location = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
            if let (301 | 302 | 303 | 307 | 308, Some((_, location))) = (status, location) {
                sent = self.redirected(sent, status, location, &used)?;
                continue;
            }
            let headers = reply.headers.into_iter().map(|(name, value)| (name, used.masked(&value))).collect();
            return Ok(Response { status, url: used.masked(&sent.url), headers, body: used.masked_bytes(body) });
        }
        Err(Error::Failed(format!("`{}` redirects more than {MAX_REDIRECTS} times", sent.url)))
    }

    fn ready(&self, request: &Outgoing) -> Result<(Sent, super::secrets::Used)> {
        let Outgoing { method, url, headers, body, timeout_ms: _ } = request;
        self.count_request()?;
        if url.len() > MAX_URL_BYTES {
            return Err(Error::InvalidInput(format!(
                "the address has {} bytes; at most {MAX_URL_BYTES} are sent",
                url.len()
            )));
        }
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers.len() > MAX_HEADERS || size > MAX_HEADER_BYTES {
            return Err(Error::InvalidInput(format!(
                "a request has at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together"
            )));
        }
        let (place, query) = url.split_once('?').map_or((url.as_str(), None), |(place, query)| (place, Some(query)));
        if place.contains(crate::secret::START) {
            return Err(Error::invalid_input(
                "a secret may stand in the query of an address or in the value of a header only",
            ));
        }
        let address = Address::read(place)?;
        let method = method.to_ascii_uppercase();
        self.may_send(&method, &address)?;
        let mut used = super::secrets::Used::default();
        let mut url = address.text();
        if let Some(query) = query {
            url.push('?');
            url.push_str(&self.filled(query, &mut used, |value| {
                let mut encoded = String::new();
                crate::http::percent_encode(value, &mut encoded);
                encoded
            })?);
        }
        let mut ready = Vec::new();
        for (name, value) in headers {
            if SET_BY_THE_SERVER.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(Error::InvalidInput(format!("the header `{name}` is set by the server")));
            }
            ready.push((name.clone(), self.filled(value, &mut used, str::to_owned)?));
        }
        Ok((Sent { method, url, headers: ready, body: body.clone().unwrap_or_default() }, used))
    }

    fn count_request(&self) -> Result<()> {
        let requests = &mut self.web.borrow_mut().requests;
        *requests += 1;
        if *requests > MAX_REQUESTS && self.asked.borrow().is_some() {
            return Err(Error::Failed(format!("the call has sent its {MAX_REQUESTS} requests")));
        }
        Ok(())
    }

    fn redirected(&self, mut sent: Sent, status: u16, location: &str, used: &super::secrets::Used) -> Result<Sent> {
        let from = Address::read(&sent.url)?;
        let to = from.join(location)?;
        if matches!(status, 301..=303) && sent.method != "HEAD" {
            sent.method = "GET".to_owned();
            sent.body.clear();
            sent.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        self.may_send(&sent.method, &to)?;
        if !to.same_origin(&from) {
            sent.headers.retain(|(name, value)| {
                SENT_ON.iter().any(|kept| name.eq_ignore_ascii_case(kept)) && used.masked(value) == *value
            });
        }
        sent.url = to.text();
        Ok(sent)
    }

    /// Asked for in the manifest, and not refused by the test.
    fn may_send(&self, method: &str, address: &Address) -> Result<()> {
        let host = address.authority();
        let config = |key: &str| {
            let text = self.config.borrow().get(key).and_then(Value::as_str).map(str::to_owned);
            text.and_then(|text| Address::read(&text).ok()).map(|address| address.authority().to_owned())
        };
        let fits = |pattern: &str| match (pattern.strip_prefix("config:"), pattern.strip_prefix("*.")) {
            (Some(key), _) => config(key).as_deref() == Some(host),
            (None, Some(parent)) => {
                host.strip_suffix(parent).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
            }
            (None, None) => pattern == "*" || pattern == host,
        };
        let refused = self.refused.borrow();
        if let Some(manifest) = self.asked.borrow().as_ref() {
            let asked: Vec<&HttpPermission> = manifest.permissions.http.iter().filter(|it| fits(&it.host)).collect();
            if asked.is_empty() {
                return Err(Error::Denied(format!("the manifest does not ask for requests to `{host}`")));
            }
            if !asked.iter().any(|it| it.methods.iter().any(|it| it == method)) {
                return Err(Error::Denied(format!("the manifest does not ask for {method} requests to `{host}`")));
            }
        }
        if refused.iter().filter_map(|grant| grant.strip_prefix("http: ")).any(fits) {
            return Err(Error::Denied(format!("requests to `{host}` are not granted to this plugin")));
        }
        Ok(())
    }
}
