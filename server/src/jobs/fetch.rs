//! Documents that come from an address: one page or file, or all that a sitemap lists. Everything goes through the guarded
//! client, so an author reaches no more of the operator's network than a workflow does.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use crate::app::incoming::Incoming;
use crate::app::{App, AppError, Result};
use crate::egress::{Arrived, EgressError, Outgoing};
use crate::error_codes::ErrorCode;

/// An answer is held in memory as it comes.
const MAX_BYTES: u64 = 64 << 20;
const MAX_SITEMAP_BYTES: u64 = 10 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
/// Pages of one sitemap, or of an index of sitemaps, that are taken in.
const MAX_PAGES: usize = 2_000;
/// Sitemaps of one index.
const MAX_SITEMAPS: usize = 50;

pub(super) struct Fetched {
    pub(super) file: Incoming,
    pub(super) media_type: Option<String>,
}

impl App {
    pub(super) async fn fetch_address(&self, address: &str) -> Result<Fetched> {
        let arrived = self.get(address, MAX_BYTES).await?;
        let media_type = arrived.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).map(str::to_owned);
        if arrived.body.is_empty() {
            return Err(unreadable(format!("{} answered with nothing", host_of(&arrived.url))));
        }
        Ok(Fetched { file: self.receive_bytes(&arrived.body).await?, media_type })
    }

    async fn get(&self, address: &str, max_bytes: u64) -> Result<Arrived> {
        let url = parsed(address)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8"),
        );
        let outgoing =
            Outgoing { method: Method::GET, url, headers, body: None, max_bytes, time: PATIENCE, rules: None };
        let arrived = self.egress().send(outgoing).await.map_err(not_fetched)?;
        if !arrived.status.is_success() {
            let host = host_of(&arrived.url);
            let error = AppError::new(
                // What is not there will not be there in a minute either.
                if arrived.status.is_client_error() {
                    ErrorCode::InvalidDocument
                } else {
                    ErrorCode::SourceUnavailable
                },
                format!("{host} answered with {}", arrived.status),
            );
            return Err(error
                .hint("open the address in a browser to see what it says; pages behind a sign-in cannot be fetched"));
        }
        Ok(arrived)
    }

    /// The addresses that a sitemap lists, those of the sitemaps that it names among them.
    ///
    /// # Errors
    /// It cannot be fetched, or is no sitemap.
    pub(crate) async fn sitemap(&self, address: &str) -> Result<Vec<Url>> {
        let mut sitemaps = vec![parsed(address)?];
        let mut pages: Vec<Url> = Vec::new();
        let mut at = 0;
        while let Some(sitemap) = sitemaps.get(at).cloned() {
            at += 1;
            let arrived = self.get(sitemap.as_str(), MAX_SITEMAP_BYTES).await?;
            let listed = listed(&arrived.body, &sitemap)?;
            sitemaps.extend(listed.sitemaps.into_iter().take(MAX_SITEMAPS.saturating_sub(sitemaps.len())));
            for page in listed.pages {
                if !pages.contains(&page) {
                    pages.push(page);
                }
            }
            if pages.len() > MAX_PAGES {
                return Err(AppError::new(
                    ErrorCode::TooLarge,
                    format!("the sitemap lists more than {MAX_PAGES} pages"),
                )
                .hint("add the sitemaps of its parts one by one"));
            }
        }
        if pages.is_empty() {
            return Err(unreadable("the sitemap lists no pages".to_owned()));
        }
        Ok(pages)
    }
}

struct Listed {
    pages: Vec<Url>,
    sitemaps: Vec<Url>,
}

/// `<urlset>` or `<sitemapindex>` (sitemaps.org, protocol 0.9), or plain text with an address on each line.
fn listed(body: &[u8], of: &Url) -> Result<Listed> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let address = |it: &str| of.join(it.trim()).ok().filter(|it| matches!(it.scheme(), "http" | "https"));
    if !text.starts_with('<') {
        let pages: Vec<Url> = text.lines().filter(|it| it.trim().starts_with("http")).filter_map(address).collect();
        return Ok(Listed { pages, sitemaps: Vec::new() });
    }
    let parsed = roxmltree::Document::parse(text)
        .map_err(|error| unreadable(format!("{} answered with XML that is damaged: {error}", host_of(of))))?;
    let root = parsed.root_element().tag_name().name();
    let locations: Vec<Url> = parsed
        .descendants()
        .filter(|it| it.tag_name().name() == "loc")
        // Images and films have places of their own below an entry.
        .filter(|it| it.parent().is_some_and(|parent| matches!(parent.tag_name().name(), "url" | "sitemap")))
        .filter_map(|it| address(it.text()?))
        .collect();
    match root {
        "urlset" => Ok(Listed { pages: locations, sitemaps: Vec::new() }),
        "sitemapindex" => Ok(Listed { pages: Vec::new(), sitemaps: locations }),
        other => Err(unreadable(format!("it is no sitemap: its outermost element is `{other}`"))
            .hint("a sitemap is usually at /sitemap.xml; a single page is added as an address")),
    }
}

fn parsed(address: &str) -> Result<Url> {
    let url = Url::parse(address.trim()).map_err(|error| {
        AppError::invalid(format!("`{address}` is not an address: {error}"))
            .hint("for example https://example.com/manual.pdf")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(AppError::invalid(format!("`{address}` does not begin with http:// or https://")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AppError::invalid("the address has a password in it")
            .hint("everybody who manages the knowledge base would see it; leave it out"));
    }
    Ok(url)
}

/// What a document from an address is called: where it is, without what only computers read of it.
///
/// # Errors
/// It is no address.
pub(crate) fn document_name(address: &str) -> Result<(String, String)> {
    let mut url = parsed(address)?;
    url.set_fragment(None);
    let mut name = format!("{}{}", host_of(&url), url.path().trim_end_matches('/'));
    if let Some(query) = url.query() {
        name = format!("{name}?{query}");
    }
    if name.chars().count() > 200 {
        let hash: u64 = url
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        name = format!("{}…{hash:016x}", name.chars().take(180).collect::<String>());
    }
    Ok((name, url.into()))
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or("the server").to_owned()
}

fn unreadable(detail: String) -> AppError {
    AppError::new(ErrorCode::InvalidDocument, detail)
}

fn not_fetched(error: EgressError) -> AppError {
    let code = match error.code() {
        "invalid_input" => ErrorCode::InvalidInput,
        "denied" | "bad_response" => ErrorCode::InvalidDocument,
        "too_large" => ErrorCode::TooLarge,
        _ => ErrorCode::SourceUnavailable,
    };
    AppError::new(code, error.to_string()).maybe_hint(error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sitemaps_of_every_form_are_read() {
        let of = Url::parse("https://example.com/sitemap.xml").unwrap();
        let pages = |text: &str| {
            let listed = listed(text.as_bytes(), &of).unwrap();
            let texts = |it: Vec<Url>| it.into_iter().map(String::from).collect::<Vec<_>>();
            (texts(listed.pages), texts(listed.sitemaps))
        };
        let set = "<?xml version=\"1.0\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
                   xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"><url><loc> /a </loc>\
                   <image:image><image:loc>https://example.com/a.png</image:loc></image:image></url>\
                   <url><loc>https://example.com/b?x=1&amp;y=2</loc></url><url><loc>file:///etc/passwd</loc></url></urlset>";
        let both = ["https://example.com/a".to_owned(), "https://example.com/b?x=1&y=2".to_owned()];
        assert_eq!(pages(set), (both.to_vec(), vec![]));
        let index = "<sitemapindex><sitemap><loc>https://example.com/s1.xml</loc></sitemap></sitemapindex>";
        assert_eq!(pages(index), (vec![], vec!["https://example.com/s1.xml".to_owned()]));
        assert_eq!(pages("https://example.com/a\nhttps://example.com/b\n").0.len(), 2);
        let laughs =
            "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><urlset><url><loc>&b;</loc></url></urlset>";
        assert!(listed(laughs.as_bytes(), &of).is_err());
        assert!(listed(b"<html></html>", &of).err().unwrap().detail.contains("no sitemap"));
    }

    #[test]
    fn an_address_gives_a_name() {
        let name = |address: &str| document_name(address).map(|it| it.0).map_err(|it| it.detail);
        assert_eq!(name("https://example.com/a/b.pdf#page=3").as_deref(), Ok("example.com/a/b.pdf"));
        assert_eq!(name("https://example.com/?id=3").as_deref(), Ok("example.com?id=3"));
        assert!(name(&format!("https://example.com/{}", "x".repeat(999))).unwrap().chars().count() < 220);
        assert!(name("ftp://example.com").is_err() && name("example").is_err());
        assert!(name("https://me:secret@example.com").unwrap_err().contains("password"));
    }
}
