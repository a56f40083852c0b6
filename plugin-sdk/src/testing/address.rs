//! As much of a web address as the fake host needs: who is asked, and where a redirect leads.

use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: String,
    authority: String,
    /// Path and query; begins with `/` or `?`.
    rest: String,
}

impl Address {
    pub(super) fn read(text: &str) -> Result<Self> {
        let wrong = || {
            Error::InvalidInput(format!("`{text}` begins with neither `https://` nor `http://`, or has a user in it"))
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).ok_or_else(wrong)?;
        let usual = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(wrong()),
        };
        if authority.is_empty() || authority.contains(['@', ' ', '\\']) {
            return Err(wrong());
        }
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(usual).unwrap_or(&authority).to_owned();
        let rest = rest.split('#').next().unwrap_or_default();
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        Ok(Self { scheme, authority, rest })
    }

    /// The host in small letters, with its port where that is not the usual one.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn text(&self) -> String {
        let Self { scheme, authority, rest } = self;
        format!("{scheme}://{authority}{rest}")
    }

    /// Where a `Location` leads: a whole address, or a path on the same host.
    pub(super) fn join(&self, location: &str) -> Result<Self> {
        if location.contains("://") {
            return Self::read(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::read(&format!("{}://{rest}", self.scheme));
        }
        let Self { scheme, authority, rest } = self;
        let folder = rest.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let path = if location.starts_with('/') { location.to_owned() } else { format!("{folder}/{location}") };
        Self::read(&format!("{scheme}://{authority}{path}"))
    }

    pub(super) fn same_origin(&self, other: &Self) -> bool {
        (&self.scheme, &self.authority) == (&other.scheme, &other.authority)
    }
}
