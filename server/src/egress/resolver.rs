//! Looks names up for the guarded client and leaves out every address that is not public. What is connected to is exactly
//! what comes out of here, so a name that answers differently the second time gains nothing.

use std::net::SocketAddr;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::is_public;

/// A name that leads only to addresses inside.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` has no public address")]
pub(super) struct NotPublic {
    pub(super) host: String,
}

/// How a name's addresses are found out.
type Lookup = fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;

pub(super) struct PublicOnly {
    lookup: Lookup,
}

impl PublicOnly {
    /// By the operating system.
    pub(super) fn new() -> Self {
        Self { lookup: |host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }) }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = (self.lookup)(host.clone());
        Box::pin(async move {
            let found = found.await?;
            if found.is_empty() {
                return Err(format!("`{host}` has no address").into());
            }
            let public: Vec<SocketAddr> = found.into_iter().filter(|it| is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic { host }.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A name whose owner shows a public address to whoever looks first, and then leads inside.
    fn changing(host: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let addresses = match (host.as_str(), ASKED.fetch_add(1, Ordering::SeqCst)) {
            ("both.example.com", _) => vec!["127.0.0.1:0", "93.184.215.14:0", "[::1]:0", "10.0.0.1:0"],
            (_, 0) => vec!["93.184.215.14:0"],
            _ => vec!["127.0.0.1:0", "169.254.169.254:0"],
        };
        Box::pin(async move { Ok(addresses.iter().filter_map(|it| it.parse().ok()).collect()) })
    }

    #[tokio::test]
    async fn a_name_that_changes_its_answer_gains_nothing() {
        let resolver = PublicOnly { lookup: changing };
        let resolve = async |host: &str| {
            let found = resolver.resolve(host.parse().unwrap()).await;
            found.map(|it| it.map(|address| address.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(resolve("changing.example.com").await.unwrap(), ["93.184.215.14"]);
        assert!(resolve("changing.example.com").await.unwrap_err().is::<NotPublic>());
        assert_eq!(
            resolve("both.example.com").await.unwrap(),
            ["93.184.215.14"],
            "only what is public is connected to"
        );

        // What a client is given is what it connects to: nobody looks a second time, and nothing arrives inside.
        let inside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(resolver)).build().unwrap();
        let port = inside.local_addr().unwrap().port();
        let refused = client.get(format!("http://changing.example.com:{port}/")).send().await.unwrap_err();
        let mut cause: &(dyn std::error::Error + 'static) = &refused;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        assert!(cause.is::<NotPublic>(), "{cause}");
        assert!(futures::poll!(std::pin::pin!(inside.accept())).is_pending(), "somebody connected");
    }
}
