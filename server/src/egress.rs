//! The guarded HTTP client: everything that a tenant's workflow fetches goes through here.
//!
//! An address that a workflow names may be a trap: a name that leads into the server's own network, a redirect to a cloud's
//! metadata service, an answer without end. So only public addresses are connected to, which is decided about the very
//! addresses that are used; every redirect is judged like a first request; what was meant for one host is not sent on to
//! another; time and size are limited. The operator can name hosts inside that may be asked all the same.

mod addresses;
mod hosts;
mod resolver;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Client, Method, Response, StatusCode, Url};

use addresses::is_public;
use hosts::AllowedHosts;
use resolver::{NotPublic, PublicOnly};

/// A browser follows 20, which no interface needs; each costs a round trip.
const MAX_REDIRECTS: usize = 5;
/// A host that does not even take the connection by then is down.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Connections are kept for the next request of the same loop, not for ever: names move.
const KEPT_IDLE: Duration = Duration::from_secs(30);

/// The headers that another host gets after a redirect. Any other may be a key under a name of its own.
const SENT_ON: &[HeaderName] =
    &[header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::RANGE, header::USER_AGENT];

pub(crate) struct Egress {
    guarded: Client,
    /// For hosts that the operator has allowed.
    open: Client,
    allowed: AllowedHosts,
}

/// A request that is ready to be sent.
pub(crate) struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
    /// A longer answer is an error.
    pub max_bytes: u64,
    /// For everything together: redirects and the whole answer.
    pub time: Duration,
    /// Which addresses it may go to, for whoever is held to some; redirects are held to them too.
    pub rules: Option<plugin_host::HttpRules>,
}

/// An answer, read to its end.
pub(crate) struct Arrived {
    /// Of the last request, after redirects, as is the address.
    pub method: Method,
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why there is no answer. Messages name hosts only: an address's path and query may hold something private.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("`{scheme}:` addresses cannot be fetched")]
    Scheme { scheme: String },
    #[error("`{host}` is not on the public internet, and nothing else is fetched")]
    Denied { host: String },
    #[error("{reason}")]
    NotGranted { reason: String },
    #[error("`{host}` gave no whole answer within {limit:?}")]
    Timeout { host: String, limit: Duration },
    #[error("`{host}` cannot be reached: {detail}")]
    Unavailable { host: String, detail: String },
    #[error("the answer of `{host}` is longer than {limit} bytes")]
    TooLarge { host: String, limit: u64 },
    #[error("`{host}` redirects more than {MAX_REDIRECTS} times")]
    Redirects { host: String },
    #[error("`{host}` redirects to what is no address")]
    Location { host: String },
    #[error("the answer of `{host}` is compressed with `{encoding}`, which was not asked for")]
    Encoded { host: String, encoding: String },
}

impl EgressError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            EgressError::Scheme { .. } => "invalid_input",
            EgressError::Denied { .. } | EgressError::NotGranted { .. } => "denied",
            EgressError::Timeout { .. } => "timeout",
            EgressError::Unavailable { .. } => "unavailable",
            EgressError::TooLarge { .. } => "too_large",
            EgressError::Redirects { .. } | EgressError::Location { .. } | EgressError::Encoded { .. } => {
                "bad_response"
            }
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            EgressError::Scheme { .. } => Some("use an `https://` or `http://` address".to_owned()),
            EgressError::Denied { host } => Some(format!(
                "the operator can allow it: `allowed_hosts = [\"{host}\"]` in parlour.toml, PARLOUR_ALLOWED_HOSTS={host}, \
                 or `--allow-host {host}`"
            )),
            EgressError::NotGranted { .. } => None,
            EgressError::Timeout { .. } => Some("raise the node's `timeout`, or ask for less".to_owned()),
            EgressError::Unavailable { .. } => Some("check the address; `retry` on the node tries again".to_owned()),
            EgressError::TooLarge { .. } => Some("raise `max_bytes`, or ask for less".to_owned()),
            EgressError::Redirects { .. } | EgressError::Location { .. } => {
                Some("ask the address that it redirects to".to_owned())
            }
            EgressError::Encoded { .. } => Some("leave `Accept-Encoding` out of the headers".to_owned()),
        }
    }
}

impl Egress {
    /// `allowed` are hosts as `host` or `host:port`.
    ///
    /// # Errors
    /// One of them is neither, or no client can be made.
    pub(crate) fn new(allowed: &[String]) -> anyhow::Result<Egress> {
        // A proxy would look the names up itself, where nobody can judge the addresses.
        let plain = || {
            Client::builder()
                .user_agent(concat!("parlour/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .connect_timeout(CONNECT_PATIENCE)
                .pool_idle_timeout(KEPT_IDLE)
        };
        Ok(Egress {
            guarded: plain().dns_resolver(Arc::new(PublicOnly::new())).build()?,
            open: plain().build()?,
            allowed: AllowedHosts::read(allowed)?,
        })
    }

    pub(crate) async fn send(&self, request: Outgoing) -> Result<Arrived, EgressError> {
        let (host, limit) = (host_of(&request.url), request.time);
        match tokio::time::timeout(limit, self.follow(request)).await {
            Ok(result) => result,
            Err(_) => Err(EgressError::Timeout { host, limit }),
        }
    }

    async fn follow(&self, mut request: Outgoing) -> Result<Arrived, EgressError> {
        for _ in 0..=MAX_REDIRECTS {
            if let Some(rules) = &request.rules {
                let checked = rules.check(request.method.as_str(), &request.url);
                checked.map_err(|error| EgressError::NotGranted { reason: error.to_string() })?;
            }
            let response = self.once(&request).await?;
            match next_of(&request.url, &response)? {
                None => return arrived(request, response).await,
                Some(next) => request.redirect(response.status(), next),
            }
        }
        Err(EgressError::Redirects { host: host_of(&request.url) })
    }

    async fn once(&self, request: &Outgoing) -> Result<Response, EgressError> {
        let client = self.client_for(&request.url)?;
        let mut sending = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        sending.send().await.map_err(|error| failure(&request.url, error))
    }

    /// A literal address never comes to the resolver, so it is judged here.
    fn client_for(&self, url: &Url) -> Result<&Client, EgressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EgressError::Scheme { scheme: url.scheme().to_owned() });
        }
        if self.allowed.allow(url) {
            return Ok(&self.open);
        }
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !is_public(address) => Err(EgressError::Denied { host: host_of(url) }),
            Ok(_) | Err(_) => Ok(&self.guarded),
        }
    }
}

impl Outgoing {
    /// As browsers do it: only 307 and 308 keep the method and the body.
    fn redirect(&mut self, status: StatusCode, next: Url) {
        let keeps = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        let turns = if status == StatusCode::SEE_OTHER { !reads } else { self.method == Method::POST };
        if turns && !keeps {
            self.method = Method::GET;
            self.body = None;
            self.headers.remove(header::CONTENT_TYPE);
        }
        if next.origin() != self.url.origin() {
            let mut kept = HeaderMap::new();
            for (name, value) in &self.headers {
                if SENT_ON.contains(name) && !value.is_sensitive() {
                    kept.append(name.clone(), value.clone());
                }
            }
            self.headers = kept;
        }
        self.url = next;
    }
}

/// Where a redirect leads; none if the answer is no redirect.
fn next_of(url: &Url, response: &Response) -> Result<Option<Url>, EgressError> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response.headers().get(header::LOCATION).filter(|_| redirects) else { return Ok(None) };
    let wrong = || EgressError::Location { host: host_of(url) };
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| wrong())?;
    let mut next = url.join(location).map_err(|_| wrong())?;
    // Whoever redirects has no business to say who we are. These fail only for addresses without a host.
    let _ = next.set_username("");
    let _ = next.set_password(None);
    Ok(Some(next))
}

async fn arrived(request: Outgoing, mut response: Response) -> Result<Arrived, EgressError> {
    let Outgoing { method, url, headers: _, body: _, max_bytes: limit, time: _, rules: _ } = request;
    let too_large = || EgressError::TooLarge { host: host_of(&url), limit };
    let encoding = response.headers().get(header::CONTENT_ENCODING).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(EgressError::Encoded { host: host_of(&url), encoding: encoding.to_owned() });
    }
    if response.content_length().is_some_and(|it| it > limit) {
        return Err(too_large());
    }
    let mut body: Vec<u8> = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&url, error))? {
        let length = u64::try_from(body.len() + piece.len()).unwrap_or(u64::MAX);
        if length > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Arrived { method, url, status, headers, body })
}

/// The host with its port where that is not the usual one, as it can be allowed.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn failure(url: &Url, error: reqwest::Error) -> EgressError {
    let (host, timed_out) = (host_of(url), error.is_timeout());
    let error = error.without_url();
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.downcast_ref::<NotPublic>().is_some() {
        return EgressError::Denied { host };
    }
    if timed_out {
        return EgressError::Timeout { host, limit: CONNECT_PATIENCE };
    }
    EgressError::Unavailable { host, detail: cause.to_string() }
}
