//! Brings a provider's address, as people paste it, into the one form that paths are appended to.

use reqwest::Url;

use crate::error::ModelError;

/// The port on which an Ollama listens unless told otherwise.
const OLLAMA_PORT: u16 = 11434;

/// The ends of addresses that documentation shows and people paste whole.
const PASTED_ENDS: [&str; 5] = ["/chat/completions", "/completions", "/embeddings", "/models", "/responses"];

/// The ends of Ollama's own interface, which is not OpenAI's.
const OLLAMA_ENDS: [&str; 4] = ["/api/chat", "/api/generate", "/api/tags", "/api"];

/// `http://localhost:11434` → `http://localhost:11434/v1`, `https://api.deepseek.com/v1/chat/completions/` →
/// `https://api.deepseek.com/v1`. A path of the provider's own (`/api/paas/v4`, `/compatible-mode/v1`) stays.
pub(crate) fn normalized(given: &str) -> Result<String, ModelError> {
    let refuse = |reason: &str| ModelError::BaseUrl { given: without_credentials(given), reason: reason.to_owned() };
    let trimmed = given.trim();
    if trimmed.is_empty() {
        return Err(refuse("it is empty"));
    }
    let mut url = Url::parse(&with_scheme(trimmed)).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("only http and https are spoken"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it carries a user name or password; give the key separately"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let mut path = url.path().trim_end_matches('/').to_owned();
    for end in PASTED_ENDS {
        if let Some(rest) = path.strip_suffix(end) {
            path = rest.trim_end_matches('/').to_owned();
            break;
        }
    }
    if url.port() == Some(OLLAMA_PORT)
        && let Some(rest) = OLLAMA_ENDS.iter().find_map(|end| path.strip_suffix(end))
    {
        path = rest.to_owned();
    }
    if path.is_empty() {
        path = "/v1".to_owned();
    }
    url.set_path(&path);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether the address looks like an Ollama, for advice that names its commands.
pub(crate) fn is_ollama(base_url: &str) -> bool {
    Url::parse(base_url).is_ok_and(|url| url.port() == Some(OLLAMA_PORT))
}

/// Whether the address is this machine, for advice about what should be running.
pub(crate) fn is_local(base_url: &str) -> bool {
    Url::parse(base_url).is_ok_and(|url| url.host_str().is_some_and(is_local_host))
}

/// The address for people and logs: without user, password and query, any of which may hold a secret.
pub(crate) fn without_credentials(given: &str) -> String {
    let shown = given.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = shown.split_once("://").map_or(("", shown), |(scheme, rest)| (scheme, rest));
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

/// `localhost:11434` is a host with a port and no scheme, which a URL parser takes for a scheme.
fn with_scheme(given: &str) -> String {
    if given.contains("://") {
        return given.to_owned();
    }
    let authority = given.split('/').next().unwrap_or_default();
    let host = if authority.starts_with('[') {
        authority.split_inclusive(']').next().unwrap_or_default()
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    if is_local_host(host) { format!("http://{given}") } else { format!("https://{given}") }
}

fn is_local_host(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]" | "0.0.0.0" | "host.docker.internal" | "ollama") || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::{normalized, without_credentials};

    #[test]
    fn every_pasted_form_becomes_the_one_that_paths_are_appended_to() {
        for (given, expected) in [
            ("http://localhost:11434", "http://localhost:11434/v1"),
            ("http://localhost:11434/", "http://localhost:11434/v1"),
            ("http://localhost:11434/v1/", "http://localhost:11434/v1"),
            ("http://localhost:11434/api", "http://localhost:11434/v1"),
            ("http://localhost:11434/api/chat", "http://localhost:11434/v1"),
            ("localhost:11434", "http://localhost:11434/v1"),
            ("127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
            ("[::1]:8080", "http://[::1]:8080/v1"),
            (" https://api.deepseek.com ", "https://api.deepseek.com/v1"),
            ("api.deepseek.com", "https://api.deepseek.com/v1"),
            ("https://api.deepseek.com/chat/completions", "https://api.deepseek.com/v1"),
            ("https://api.openai.com/v1/chat/completions?x=1#y", "https://api.openai.com/v1"),
            ("https://open.bigmodel.cn/api/paas/v4/", "https://open.bigmodel.cn/api/paas/v4"),
            (
                "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions",
                "https://dashscope.aliyuncs.com/compatible-mode/v1",
            ),
            ("https://example.com/gateway/v1/models", "https://example.com/gateway/v1"),
        ] {
            assert_eq!(normalized(given).expect(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_a_secret() {
        for given in ["", "  ", "ftp://example.com", "http://", "https://me:hunter2@example.com/v1?key=hunter2"] {
            let error = normalized(given).expect_err(given);
            assert_eq!(error.code(), "invalid_request", "{given}");
            for text in [error.to_string(), error.author_message(), format!("{error:?}")] {
                assert!(!text.contains("hunter2"), "{text}");
            }
        }
        assert_eq!(without_credentials("https://a:b@c.d/v1?key=e"), "https://c.d/v1");
    }
}
