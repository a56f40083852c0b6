//! Requests to other services. The manifest asks for hosts and methods, the tenant grants hosts, and both are checked here
//! for the address and by the server for every redirect. Secrets of the plugin's settings are put in here, on the way out,
//! and taken out of what comes back: the guest never has them.

use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use crate::bindings::parlour::plugin::http as wit;
use crate::bindings::parlour::plugin::types;
use crate::call::Guest;
use crate::error::HostError;
use crate::grants::Grants;
use crate::manifest::{HttpPermission, Manifest};

/// Every host, in a manifest and in a grant.
const EVERY_HOST: &str = "*";
const BELOW: &str = "*.";
/// The host of the address in a setting.
const FROM_CONFIG: &str = "config:";
/// Interfaces take a dozen; a flood of them only costs.
const MAX_HEADERS: usize = 100;
/// As much as servers usually take.
const MAX_HEADER_BYTES: usize = 32 << 10;
const MAX_URL_BYTES: usize = 8 << 10;
const USUAL_TIMEOUT_MS: u64 = 30_000;
/// Set by whoever sends the request, since they say how it is framed or whom it goes to.
const HOP_HEADERS: &[&str] =
    &["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
const PLACEHOLDER: &str = "{{secret:";
const PLACEHOLDER_END: &str = "}}";
/// What stands where a secret was.
const MASKED: &str = "[secret]";
/// Shorter ones would be found by chance.
const MIN_MASKED_BYTES: usize = 4;

#[derive(Clone, PartialEq, Eq)]
pub struct HttpHeader {
    pub name: String,
    pub value: String,
    /// Has a secret in it: not sent on to another host, and not written anywhere.
    pub secret: bool,
}

/// A request that may be sent to its first address; whoever follows redirects asks `rules` about each.
#[derive(Clone)]
pub struct HttpRequest {
    /// Upper case.
    pub method: String,
    pub url: Url,
    pub headers: Vec<HttpHeader>,
    pub body: Option<Vec<u8>>,
    /// For everything together.
    pub timeout_ms: u64,
    /// A longer answer is an error.
    pub max_bytes: u64,
    pub rules: HttpRules,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Which requests a call may send.
#[derive(Clone, Debug, Default)]
pub struct HttpRules {
    asked: Arc<[(HostPattern, Vec<String>)]>,
    granted: Arc<[HostPattern]>,
}

/// A host as manifests and grants write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Every,
    /// Below this one, at the usual ports.
    Below(String),
    /// With its port where that is not the usual one.
    Exactly(String),
    /// The setting is not there, or is no address.
    Nothing,
}

impl HostPattern {
    fn read(text: &str, config: &Map<String, Value>) -> HostPattern {
        if let Some(key) = text.strip_prefix(FROM_CONFIG) {
            let url = config.get(key).and_then(Value::as_str).and_then(|it| Url::parse(it).ok());
            return url.as_ref().and_then(authority).map_or(HostPattern::Nothing, HostPattern::Exactly);
        }
        let text = text.to_ascii_lowercase();
        match (text.as_str(), text.strip_prefix(BELOW)) {
            (EVERY_HOST, _) => HostPattern::Every,
            (_, Some(parent)) => HostPattern::Below(parent.to_owned()),
            (_, None) => HostPattern::Exactly(text),
        }
    }

    fn matches(&self, url: &Url) -> bool {
        let Some(authority) = authority(url) else { return false };
        match self {
            HostPattern::Every => true,
            HostPattern::Below(parent) => {
                authority.strip_suffix(parent.as_str()).is_some_and(|it| it.len() > 1 && it.ends_with('.'))
            }
            HostPattern::Exactly(host) => *host == authority,
            HostPattern::Nothing => false,
        }
    }

    /// Whether whoever asks for `asked` asks for `granted`.
    pub(crate) fn covers(asked: &str, granted: &str) -> bool {
        let (asked, granted) = (asked.to_ascii_lowercase(), granted.to_ascii_lowercase());
        if asked == granted {
            return true;
        }
        // What a setting says may be granted only as that setting.
        if granted.starts_with(FROM_CONFIG) {
            return false;
        }
        match asked.strip_prefix(BELOW) {
            Some(parent) => granted.strip_suffix(parent).is_some_and(|it| it.len() > 1 && it.ends_with('.')),
            None => asked == EVERY_HOST,
        }
    }

    /// What is wrong with a manifest's host, to be read after its name.
    pub(crate) fn check(text: &str, config: Option<&Value>) -> Result<(), String> {
        if let Some(key) = text.strip_prefix(FROM_CONFIG) {
            let declared = config.and_then(|it| it.get("properties")?.get(key));
            return match declared {
                Some(property) if property.get("secret").and_then(Value::as_bool) != Some(true) => Ok(()),
                Some(_) => Err("names a secret setting; an address is shown to whoever grants it".to_owned()),
                None => Err(format!("names the setting `{key}`, which `config` does not have")),
            };
        }
        if text == EVERY_HOST {
            return Ok(());
        }
        let host = text.strip_prefix(BELOW).unwrap_or(text);
        let parsed = Url::parse(&format!("http://{host}/"));
        let plain = parsed.as_ref().ok().and_then(authority).is_some_and(|it| it == host);
        // A name of one word is a machine in the operator's own network, which the operator has to allow as well.
        if plain && !host.contains('*') {
            return Ok(());
        }
        Err("is no host: write `api.example.com`, `*.example.com`, `*` or `config:KEY`, in small letters".to_owned())
    }
}

/// The host in small letters, with its port where that is not the usual one.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

impl HttpRules {
    /// What a plugin with these settings asks for and was granted.
    #[must_use]
    pub fn of(manifest: &Manifest, grants: &Grants, config: &Map<String, Value>) -> HttpRules {
        let asked = manifest.permissions.http.iter();
        let asked =
            asked.map(|HttpPermission { host, methods, .. }| (HostPattern::read(host, config), methods.clone()));
        let granted = grants.http.iter().map(|it| HostPattern::read(it, config));
        HttpRules { asked: asked.collect(), granted: granted.collect() }
    }

    /// Whether a request may go to an address. The error says what is missing.
    ///
    /// # Errors
    /// `Denied` with the grant that would allow it, or that none could.
    pub fn check(&self, method: &str, url: &Url) -> Result<(), HostError> {
        let host = authority(url).unwrap_or_default();
        let asked: Vec<_> = self.asked.iter().filter(|(pattern, _)| pattern.matches(url)).collect();
        if asked.is_empty() {
            return Err(HostError::Denied(format!(
                "the manifest does not ask for requests to `{host}`, so no grant can allow them; its `permissions` would need \
                 `http: {host}`"
            )));
        }
        if !asked.iter().any(|(_, methods)| methods.iter().any(|it| it == method)) {
            return Err(HostError::Denied(format!(
                "the manifest does not ask for {method} requests to `{host}`; its `permissions` would need the method there"
            )));
        }
        if !self.granted.iter().any(|it| it.matches(url)) {
            return Err(HostError::Denied(format!(
                "requests to `{host}` are not granted to this plugin; the grant `http: {host}` would allow them"
            )));
        }
        Ok(())
    }
}

/// Takes secrets out of a text, whichever way the other side repeats them.
#[must_use]
pub fn without_secrets(secrets: &[String], text: &str) -> String {
    Used(secrets.to_vec()).masked(text)
}

/// The values that took the places of placeholders.
#[derive(Default)]
struct Used(Vec<String>);

impl Used {
    /// Puts secrets in; `escaped` writes a value as its place wants it.
    fn fill(
        &mut self,
        text: &str,
        config: &Map<String, Value>,
        escaped: fn(&str) -> String,
    ) -> Result<String, HostError> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(PLACEHOLDER) {
            let Some((key, after)) = after.split_once(PLACEHOLDER_END) else { break };
            let value = config.get(key).and_then(Value::as_str).filter(|it| !it.is_empty());
            let value = value.ok_or_else(|| HostError::Failed(format!("the setting `{key}` is not filled in")))?;
            filled.push_str(before);
            filled.push_str(&escaped(value));
            self.0.push(value.to_owned());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in self.forms() {
            text = text.replace(&form, MASKED);
        }
        text
    }

    fn mask_bytes(&self, body: Vec<u8>) -> Vec<u8> {
        let forms = self.forms();
        let found = |form: &String| body.windows(form.len()).any(|it| it == form.as_bytes());
        if !forms.iter().any(found) {
            return body;
        }
        match String::from_utf8(body) {
            Ok(text) => self.masked(&text).into_bytes(),
            // Its places cannot be told from the bytes around them.
            Err(_) => MASKED.as_bytes().to_vec(),
        }
    }

    /// As the other side may repeat them: plain, in an address, and in small letters as in a host's name.
    fn forms(&self) -> Vec<String> {
        let long = self.0.iter().filter(|it| it.len() >= MIN_MASKED_BYTES);
        let mut forms: Vec<String> = long.flat_map(|it| [it.clone(), percent_encoded(it), it.to_lowercase()]).collect();
        forms.sort_by_key(|it| std::cmp::Reverse(it.len()));
        forms.dedup();
        forms
    }
}

fn percent_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn request(
    request: wit::Request,
    config: &Map<String, Value>,
    (timeout_ms, max_bytes): (u64, u64),
    rules: HttpRules,
) -> Result<(HttpRequest, Used), HostError> {
    let wit::Request { method, url, headers, body, timeout_ms: asked } = request;
    let invalid = |message: String| HostError::InvalidInput(message);
    if url.len() > MAX_URL_BYTES {
        return Err(invalid(format!("the address has {} bytes; at most {MAX_URL_BYTES} are sent", url.len())));
    }
    if headers.len() > MAX_HEADERS
        || headers.iter().map(|it| it.name.len() + it.value.len()).sum::<usize>() > MAX_HEADER_BYTES
    {
        return Err(invalid(format!(
            "a request has at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together"
        )));
    }
    let mut used = Used::default();
    let (address, query) = url.split_once('?').map_or((url.as_str(), None), |(address, query)| (address, Some(query)));
    if address.contains(PLACEHOLDER) {
        return Err(invalid(
            "a secret may stand in the query of an address or in the value of a header only".to_owned(),
        ));
    }
    let mut url = Url::parse(address).map_err(|error| invalid(format!("the address cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("an address begins with `https://` or `http://` and has no user in it".to_owned()));
    }
    let method = method.to_ascii_uppercase();
    rules.check(&method, &url)?;
    if let Some(query) = query {
        let (query, fragment) = query.split_once('#').unwrap_or((query, ""));
        url.set_query(Some(&used.fill(query, config, percent_encoded)?));
        url.set_fragment(Some(fragment).filter(|it| !it.is_empty()));
    }
    let mut ready = Vec::with_capacity(headers.len());
    for wit::Header { name, value } in headers {
        if HOP_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(invalid(format!("the header `{name}` is set by the server")));
        }
        let before = used.0.len();
        let value = used.fill(&value, config, str::to_owned)?;
        ready.push(HttpHeader { name, value, secret: used.0.len() > before });
    }
    let timeout_ms = asked.map_or(USUAL_TIMEOUT_MS, u64::from).min(timeout_ms).max(1);
    Ok((HttpRequest { method, url, headers: ready, body, timeout_ms, max_bytes, rules }, used))
}

impl Guest {
    /// The request as it goes out, if everything about it is allowed.
    fn outgoing(&mut self, asked: wit::Request) -> Result<(HttpRequest, Used), HostError> {
        let Some(manifest) = self.manifest.clone() else {
            return Err(HostError::Denied("nothing is granted while a plugin describes itself".to_owned()));
        };
        let limits = self.limits;
        if self.http_requests >= limits.http_requests {
            return Err(HostError::Failed(format!(
                "the call has sent its {} requests; the server's operator can raise `plugins.limits.http_requests`",
                limits.http_requests
            )));
        }
        self.http_requests += 1;
        self.http_bytes += asked.body.as_ref().map_or(0, |it| it.len() as u64);
        let left = limits.http_bytes.saturating_sub(self.http_bytes);
        if left == 0 {
            return Err(HostError::Failed(format!(
                "the call has sent and received its {} bytes; the server's operator can raise `plugins.limits.http_bytes`",
                limits.http_bytes
            )));
        }
        let time = u64::try_from(self.time_left().as_millis()).unwrap_or(u64::MAX);
        let rules = HttpRules::of(&manifest, &self.grants, &self.config);
        request(asked, &self.config, (time, left), rules)
    }
}

impl wit::Host for Guest {
    async fn send(&mut self, asked: wit::Request) -> wasmtime::Result<Result<wit::Response, types::Error>> {
        let host = Url::parse(&asked.url).ok().as_ref().and_then(authority).unwrap_or_default();
        let (request, used) = match self.outgoing(asked) {
            Ok(ready) => ready,
            Err(refusal) => return self.refuse(refusal, || format!("http: {host}")),
        };
        let sent = self.ask_server(|access| Box::pin(async move { access.send(request).await })).await?;
        Ok(match sent {
            Ok(HttpResponse { status, url, headers, body }) => {
                self.http_bytes += body.len() as u64;
                let headers = headers.into_iter();
                let headers = headers.map(|(name, value)| wit::Header { name, value: used.masked(&value) }).collect();
                Ok(wit::Response { status, url: used.masked(&url), headers, body: used.mask_bytes(body) })
            }
            Err(error) => Err(used.masked_error(error)),
        })
    }
}

impl Used {
    fn masked_error(&self, error: types::Error) -> types::Error {
        match error {
            types::Error::InvalidInput(text) => types::Error::InvalidInput(self.masked(&text)),
            types::Error::NotFound(text) => types::Error::NotFound(self.masked(&text)),
            types::Error::Denied(text) => types::Error::Denied(self.masked(&text)),
            types::Error::RateLimited(seconds) => types::Error::RateLimited(seconds),
            types::Error::Unavailable(text) => types::Error::Unavailable(self.masked(&text)),
            types::Error::Failed(text) => types::Error::Failed(self.masked(&text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(asked: Value, granted: &[&str], config: &Value) -> HttpRules {
        let text = json!({ "en": "a", "zh": "a" });
        let mut asked = asked;
        for it in asked.as_array_mut().expect("a list") {
            it["reason"] = text.clone();
        }
        let manifest: Manifest = serde_json::from_value(json!({
            "id": "p", "version": "1.0.0", "title": text, "description": text, "tools": [], "permissions": { "http": asked }
        }))
        .expect("a manifest");
        let grants = Grants { http: granted.iter().map(|it| (*it).to_owned()).collect(), ..Grants::default() };
        HttpRules::of(&manifest, &grants, config.as_object().expect("an object"))
    }

    fn allowed(rules: &HttpRules, method: &str, url: &str) -> bool {
        rules.check(method, &Url::parse(url).expect("an address")).is_ok()
    }

    #[test]
    fn only_what_is_asked_and_granted_is_sent() {
        let none = json!({});
        let one = rules(json!([{ "host": "api.example.com" }]), &["api.example.com"], &none);
        assert!(allowed(&one, "GET", "https://API.example.com/x?y"));
        for (method, url) in [
            ("POST", "https://api.example.com/"),
            ("GET", "https://api.example.com:8443/"),
            ("GET", "https://api.example.com.evil.net/"),
            ("GET", "https://evilapi.example.com/"),
            ("GET", "https://api.example.com@evil.net/"),
            ("GET", "https://example.com/"),
        ] {
            assert!(!allowed(&one, method, url), "{method} {url}");
        }
        let below = rules(json!([{ "host": "*.example.com", "methods": ["POST"] }]), &["*.example.com"], &none);
        assert!(allowed(&below, "POST", "https://a.b.example.com/"));
        for url in
            ["https://example.com/", "https://.example.com/", "https://badexample.com/", "https://a.example.com.x/"]
        {
            assert!(!Url::parse(url).is_ok_and(|it| below.check("POST", &it).is_ok()), "{url}");
        }
        let narrowed = rules(json!([{ "host": "*" }]), &["one.example"], &none);
        assert!(allowed(&narrowed, "GET", "http://one.example/") && !allowed(&narrowed, "GET", "http://two.example/"));
        let refused = rules(json!([{ "host": "api.example.com" }]), &[], &none);
        let error =
            refused.check("GET", &Url::parse("https://api.example.com/").expect("an address")).expect_err("no grant");
        assert!(error.to_string().contains("the grant `http: api.example.com` would allow"), "{error}");
        let config = json!({ "base_url": "http://search.inside:8080/search" });
        let own = rules(json!([{ "host": "config:base_url" }]), &["config:base_url"], &config);
        assert!(
            allowed(&own, "GET", "http://search.inside:8080/?q=1") && !allowed(&own, "GET", "http://search.inside/")
        );
        let unset = rules(json!([{ "host": "config:base_url" }]), &["config:base_url"], &none);
        assert!(!allowed(&unset, "GET", "http://search.inside:8080/"));
    }

    fn ask(url: &str, headers: &[(&str, &str)]) -> Result<(HttpRequest, Used), HostError> {
        let config = json!({ "key": "s3cret/&=", "empty": "" });
        let rules = rules(json!([{ "host": "api.example.com" }]), &["api.example.com"], &config);
        let headers = headers.iter().map(|(name, value)| wit::Header { name: (*name).into(), value: (*value).into() });
        let asked = wit::Request {
            method: "get".into(),
            url: url.into(),
            headers: headers.collect(),
            body: None,
            timeout_ms: Some(90_000),
        };
        request(asked, config.as_object().expect("an object"), (10_000, 1_000), rules)
    }

    #[test]
    fn secrets_go_into_headers_and_queries_and_come_back_masked() {
        let header = [("Authorization", "Bearer {{secret:key}}"), ("Accept", "text/plain")];
        let (request, used) =
            ask("https://api.example.com/a?q=1&k={{secret:key}}#top", &header).expect("it is allowed");
        assert_eq!(request.url.as_str(), "https://api.example.com/a?q=1&k=s3cret%2F%26%3D#top");
        assert_eq!((request.headers[0].value.as_str(), request.headers[0].secret), ("Bearer s3cret/&=", true));
        assert!(!request.headers[1].secret);
        assert_eq!((request.method.as_str(), request.timeout_ms), ("GET", 10_000), "no longer than the call has");
        let echoed = used.mask_bytes(b"you sent s3cret/&= and k=s3cret%2F%26%3D".to_vec());
        assert_eq!(String::from_utf8(echoed).expect("text"), "you sent [secret] and k=[secret]");
        assert_eq!(used.mask_bytes(b"\xff s3cret/&=".to_vec()), b"[secret]");
        assert_eq!(used.mask_bytes(b"\xff nothing".to_vec()), b"\xff nothing");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_in_words() {
        for (url, headers, words) in [
            ("https://api.example.com/{{secret:key}}", &[][..], "query"),
            ("https://{{secret:key}}.example.com/", &[], "query"),
            ("https://api.example.com/?k={{secret:empty}}", &[], "`empty` is not filled in"),
            ("https://api.example.com/?k={{secret:other}}", &[], "`other` is not filled in"),
            ("https://me:pw@api.example.com/", &[], "no user"),
            ("ftp://api.example.com/", &[], "https://"),
            ("api.example.com", &[], "cannot be read"),
            ("https://api.example.com/", &[("Host", "x")], "`Host` is set by the server"),
        ] {
            let error = ask(url, headers).map(|_| ()).expect_err(url).to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
        let many: Vec<(String, String)> = (0..40_000).map(|n| (format!("x-{n}"), "v".to_owned())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert!(
            ask("https://api.example.com/", &many)
                .map(|_| ())
                .expect_err("too many")
                .to_string()
                .contains("100 headers")
        );
    }

    #[test]
    fn hosts_in_manifests_are_checked() {
        let config =
            json!({ "properties": { "base_url": { "type": "string" }, "key": { "type": "string", "secret": true } } });
        for fine in [
            "api.example.com",
            "api.example.com:8443",
            "*.example.com",
            "*",
            "config:base_url",
            "127.0.0.1:8080",
            "crm:8080",
        ] {
            assert_eq!(HostPattern::check(fine, Some(&config)), Ok(()), "{fine}");
        }
        for wrong in
            ["https://api.example.com", "API.example.com", "a.*.com", "localhost/x", "config:other", "config:key", ""]
        {
            assert!(HostPattern::check(wrong, Some(&config)).is_err(), "{wrong}");
        }
    }
}
