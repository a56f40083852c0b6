//! Hosts that the operator has named: for these, and only these, an address inside is fine.

use reqwest::Url;

/// `host` allows every port, `host:port` that one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AllowedHost {
    /// As the `url` crate writes it: lower case, punycode, addresses in their usual form.
    host: String,
    port: Option<u16>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AllowedHosts(Vec<AllowedHost>);

impl AllowedHosts {
    /// # Errors
    /// One of them is no `host` or `host:port`.
    pub(super) fn read(given: &[String]) -> anyhow::Result<AllowedHosts> {
        given.iter().map(|it| AllowedHost::read(it)).collect::<anyhow::Result<_>>().map(AllowedHosts)
    }

    pub(super) fn allow(&self, url: &Url) -> bool {
        let (host, port) = (url.host_str(), url.port_or_known_default());
        self.0.iter().any(|it| Some(it.host.as_str()) == host && (it.port.is_none() || it.port == port))
    }
}

impl AllowedHost {
    fn read(given: &str) -> anyhow::Result<AllowedHost> {
        let wrong =
            || anyhow::anyhow!("`{given}` is no host to allow; write `example.com`, `127.0.0.1:9000` or `[::1]`");
        let given = given.trim();
        let (host, port) = match given.rsplit_once(':') {
            // The last colon of an address in brackets is inside them.
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            Some(_) | None => (given, None),
        };
        let url = Url::parse(&format!("http://{host}/")).map_err(|_| wrong())?;
        let alone = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.port().is_none();
        match url.host_str() {
            Some(host) if alone && url.username().is_empty() && url.password().is_none() => {
                Ok(AllowedHost { host: host.to_owned(), port })
            }
            Some(_) | None => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AllowedHosts;

    fn allows(given: &str, url: &str) -> bool {
        AllowedHosts::read(&[given.to_owned()]).unwrap().allow(&url.parse().unwrap())
    }

    #[test]
    fn a_host_allows_its_ports_and_nothing_beside_it() {
        assert!(allows("Intern.Example", "http://intern.example/x"));
        assert!(allows("intern.example", "https://intern.example:8443/"));
        assert!(!allows("intern.example", "http://sub.intern.example/"));
        assert!(!allows("intern.example", "http://intern.example.org/"));
        assert!(allows("127.0.0.1:9000", "http://127.0.0.1:9000/"));
        assert!(allows("127.0.0.1:9000", "http://0x7f000001:9000/"));
        assert!(!allows("127.0.0.1:9000", "http://127.0.0.1:9001/"));
        assert!(allows("example.com:80", "http://example.com/"));
        assert!(!allows("example.com:80", "https://example.com/"));
        assert!(allows("[::1]:9000", "http://[::1]:9000/"));
        assert!(allows("[::1]", "http://[0:0::1]:7/"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for wrong in
            ["", "http://example.com", "example.com/path", "example.com:", "example.com:99999", "a b", "::1", "u@h"]
        {
            assert!(AllowedHosts::read(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
