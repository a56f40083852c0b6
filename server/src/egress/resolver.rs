//! Looks names up for the guarded client and leaves out every address that is not public. What is connected to is exactly
//! what comes out of here, so a name that answers differently the second time gains nothing.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses::is_public;

/// A name that leads only to addresses inside.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` has no public address")]
pub(super) struct NotPublic {
    pub(super) host: String,
}

pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let mut found = tokio::net::lookup_host((host.as_str(), 0)).await?.peekable();
            if found.peek().is_none() {
                return Err(format!("`{host}` has no address").into());
            }
            let public: Vec<SocketAddr> = found.filter(|it| is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic { host }.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
