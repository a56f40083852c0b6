//! Files of models from the network. An interrupted download goes on where it stopped; a file appears under its name only
//! when it is whole and has the checksum that was promised; a lock keeps two processes from fetching at the same time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::header::RANGE;
use reqwest::{Client, StatusCode, Url};
use sha2::{Digest as _, Sha256};

/// A connection that is silent for so long is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, String>;

/// A file that is to be had.
pub(super) struct Wanted<'a> {
    pub(super) url: Url,
    pub(super) bytes: u64,
    /// Hexadecimal. None where its giver does not say.
    pub(super) sha256: Option<&'a str>,
}

/// Held until dropped, also when the process dies.
pub(super) async fn lock(dir: &Path) -> Result<File> {
    std::fs::create_dir_all(dir).map_err(|error| format!("`{}` cannot be made: {error}", dir.display()))?;
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

/// Fills the file `part`, which has what came of an earlier try, and checks it. `progress` hears of its bytes. Dropping the
/// future stops it at any point.
pub(super) async fn download(
    client: &Client,
    wanted: &Wanted<'_>,
    part: &Path,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<()> {
    let failed = |error: std::io::Error| format!("`{}` cannot be written: {error}", part.display());
    let unreachable = |error: reqwest::Error| format!("the download stopped: {}", with_causes(&error));
    let bytes = wanted.bytes;
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(part).map_err(failed)?;
    let mut done = file.metadata().map_err(failed)?.len();
    if done > bytes {
        file.set_len(0).map_err(failed)?;
        done = 0;
    }
    if done < bytes {
        let mut request = client.get(wanted.url.clone());
        if done > 0 {
            request = request.header(RANGE, format!("bytes={done}-"));
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(unreachable)?;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            file.set_len(0).map_err(failed)?;
            done = 0;
        }
        file.seek(SeekFrom::Start(done)).map_err(failed)?;
        progress(done);
        let mut stream = answer.bytes_stream();
        loop {
            let next = tokio::time::timeout(SILENCE, stream.next())
                .await
                .map_err(|_| format!("the download stopped: nothing came for {} s", SILENCE.as_secs()))?;
            let Some(piece) = next else { break };
            let piece = piece.map_err(unreachable)?;
            done += piece.len() as u64;
            if done > bytes {
                return Err("the download is longer than the file that is wanted".to_owned());
            }
            file.write_all(&piece).map_err(failed)?;
            progress(done);
        }
        file.sync_all().map_err(failed)?;
        if done < bytes {
            return Err(format!("the download stopped at {done} of {bytes} bytes; the next try goes on from there"));
        }
    }
    let Some(sha256) = wanted.sha256.map(str::to_owned) else { return Ok(()) };
    let checked = part.to_owned();
    tokio::task::spawn_blocking(move || check(&checked, &sha256)).await.map_err(|error| error.to_string())?
}

fn check(part: &Path, sha256: &str) -> Result<()> {
    let mut file = File::open(part).map_err(|error| format!("`{}` cannot be read: {error}", part.display()))?;
    copy_checked(&mut file, &mut std::io::sink(), sha256).map_err(|problem| {
        // A damaged download would be damaged at the next try too.
        let _ = std::fs::remove_file(part);
        format!("what was downloaded is damaged and was removed: {problem}")
    })
}

pub(super) fn copy_checked(from: &mut dyn Read, to: &mut dyn Write, wanted: &str) -> Result<()> {
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
pub(super) fn with_causes(error: &reqwest::Error) -> String {
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
    fn a_wrong_checksum_is_told() {
        let error = copy_checked(&mut b"abc".as_slice(), &mut std::io::sink(), "00").unwrap_err();
        assert!(error.contains("ba7816bf"), "{error}");
    }
}
