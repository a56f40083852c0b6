//! Models of a hub: Hugging Face's, or one with the same addresses, such as its mirrors. The hub's API tells which files a
//! model has, how long they are and, of the large ones, their SHA-256; they are fetched at the commit that it names.
//! <https://huggingface.co/docs/hub/api>

use std::path::{Path, PathBuf};

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::DownloadProgress;
use super::download::{self, SILENCE, Wanted, with_causes};
use super::folder::{self, OPTIONAL_FILES, WEIGHTS_FILE};

/// Larger models would take seconds for each text on a processor.
const MAX_BYTES: u64 = 4 << 30;
const DEFAULT_REVISION: &str = "main";

type Result<T> = std::result::Result<T, String>;

#[derive(Deserialize)]
struct Told {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    sha256: String,
    size: Option<u64>,
}

impl Sibling {
    fn bytes(&self) -> Option<u64> {
        self.lfs.as_ref().and_then(|it| it.size).or(self.size)
    }
}

/// `org/name@revision`, or without the revision.
pub(super) fn id_and_revision(id: &str) -> (&str, &str) {
    id.split_once('@').unwrap_or((id, DEFAULT_REVISION))
}

/// Where a hub's model is, or will be.
pub(super) fn folder(model_dir: &Path, id: &str) -> PathBuf {
    let (id, revision) = id_and_revision(id);
    // One folder for each: an id has one slash, and a revision may have some.
    model_dir.join(format!("{id}@{revision}").replace(['/', '\\', ':'], "--"))
}

/// Fetches the model's files into its folder unless they are there. Dropping the future stops it at any point.
pub(super) async fn fetch(
    client: &Client,
    (endpoint, id): (&str, &str),
    dir: &Path,
    progress: &(dyn Fn(DownloadProgress) + Send + Sync),
) -> Result<()> {
    if folder::missing(dir).is_none() {
        return Ok(());
    }
    check_id(id)?;
    let _lock = download::lock(dir).await?;
    if folder::missing(dir).is_none() {
        return Ok(());
    }
    let told = ask(client, endpoint, id).await?;
    let files = wanted(&told, id)?;
    let total: u64 = files.iter().filter_map(|it| it.bytes()).sum();
    if total > MAX_BYTES {
        return Err(format!("`{id}` has {} MB of weights; at most {} are run here", total >> 20, MAX_BYTES >> 20));
    }
    let (mut before, mut whole) = (0, Vec::new());
    for file in files {
        let name = &file.rfilename;
        let bytes = file.bytes().ok_or_else(|| format!("the hub does not say how long `{name}` of `{id}` is"))?;
        let address = format!("{}/{name}", resolve(endpoint, id, &told.sha));
        let url = Url::parse(&address).map_err(|error| format!("`{address}` is no address: {error}"))?;
        let sha256 = file.lfs.as_ref().map(|it| it.sha256.as_str());
        let part = dir.join(format!("{}.{}.part", name.replace('/', "--"), told.sha));
        let tell = |done| progress(DownloadProgress { done: before + done, total: Some(total) });
        download::download(client, &Wanted { url, bytes, sha256 }, &part, &tell).await?;
        whole.push((part, dir.join(name)));
        before += bytes;
    }
    // Files of two commits are never beside each other: they get their names when all are there.
    for (part, target) in whole {
        let failed = |error: std::io::Error| format!("`{}` cannot be written: {error}", target.display());
        std::fs::create_dir_all(target.parent().unwrap_or(dir)).map_err(failed)?;
        std::fs::rename(&part, &target).map_err(failed)?;
    }
    // What an interrupted download of an earlier commit left is only space.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == "part") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// # Errors
/// It is no id, which becomes a part of names and addresses.
pub(super) fn check_id(id: &str) -> Result<()> {
    let (plain, revision) = id_and_revision(id);
    let word = |it: &str| {
        !it.is_empty() && !it.starts_with('.') && it.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
    };
    if plain.split('/').count() == 2 && plain.split('/').chain(revision.split('/')).all(word) {
        return Ok(());
    }
    Err(format!(
        "`{id}` is neither `owner/name` of a model on the hub, as `BAAI/bge-reranker-base`, nor a folder's path"
    ))
}

fn resolve(endpoint: &str, id: &str, commit: &str) -> String {
    let (id, _) = id_and_revision(id);
    format!("{}/{id}/resolve/{commit}", endpoint.trim_end_matches('/'))
}

async fn ask(client: &Client, endpoint: &str, id: &str) -> Result<Told> {
    let (plain, revision) = id_and_revision(id);
    let address = format!("{}/api/models/{plain}/revision/{revision}?blobs=true", endpoint.trim_end_matches('/'));
    let elsewhere = "HF_ENDPOINT names another hub, for example https://hf-mirror.com";
    let failed = |error: reqwest::Error| format!("`{address}` cannot be reached: {}; {elsewhere}", with_causes(&error));
    let answer = client.get(&address).timeout(SILENCE).send().await.map_err(failed)?;
    // The hub answers 401 for what is not there, so as not to tell it from what is not public.
    if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return Err(format!("the hub has no public model `{plain}` with a revision `{revision}` ({address})"));
    }
    let text = answer.error_for_status().map_err(failed)?.text().await.map_err(failed)?;
    let strange = |why: String| format!("`{address}` does not answer as a hub does: {why}; {elsewhere}");
    let told: Told = serde_json::from_str(&text).map_err(|error| strange(error.to_string()))?;
    // It becomes a part of names and addresses.
    if told.sha.is_empty() || !told.sha.chars().all(|it| it.is_ascii_alphanumeric()) {
        return Err(strange("its commit is none".to_owned()));
    }
    Ok(told)
}

/// The files that are needed, the weights last: whoever has them has everything.
fn wanted<'a>(told: &'a Told, id: &str) -> Result<Vec<&'a Sibling>> {
    let find = |name: &str| told.siblings.iter().find(|it| it.rfilename == name);
    let mut files: Vec<&Sibling> = OPTIONAL_FILES.iter().filter_map(|it| find(it)).collect();
    for name in folder::FILES {
        files.push(find(name).ok_or_else(|| match *name {
            WEIGHTS_FILE => format!("`{id}` has no `{name}`; its weights have another form, or lie in several files"),
            _ => format!("`{id}` has no `{name}`"),
        })?);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_an_owner_and_a_model() {
        for good in ["BAAI/bge-reranker-base", "a/b@main", "a/b.c@refs/pr/1", "a/b@0f3c"] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", "bge", "a/b/c", "a/..", "../b", "a/b@", "a/b@../c", "a b/c", "a/b?x"] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_revision_is_part_of_the_folder_and_no_part_of_the_address() {
        assert_eq!(folder(Path::new("m"), "BAAI/bge-m3"), Path::new("m/BAAI--bge-m3@main"));
        assert_eq!(folder(Path::new("m"), "a/b@refs/pr/1"), Path::new("m/a--b@refs--pr--1"));
        assert_eq!(resolve("https://hub.example/", "a/b@c", "0f"), "https://hub.example/a/b/resolve/0f");
    }
}
