//! The master key: from the environment, or from a file in the data folder that is made on the first start.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::app::clock::{new_secret, new_uuid};
use crate::config::{Config, MasterKey};

const FILE: &str = "master.key";

/// # Errors
/// The file cannot be read or made, or holds no key.
pub(in crate::app) fn master_key(config: &Config) -> anyhow::Result<MasterKey> {
    if let Some(key) = &config.master_key {
        return Ok(key.clone());
    }
    let path = config.data.join(FILE);
    if !path.exists() {
        make(&path).with_context(|| format!("cannot make the master key `{}`", path.display()))?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    MasterKey::read(text.trim()).with_context(|| {
        format!("`{}` is no master key; put back the one that the secrets were stored with", path.display())
    })
}

/// Written whole under another name and then linked, so that no second process reads half a key, or makes another one.
fn make(path: &Path) -> anyhow::Result<()> {
    let draft = path.with_extension(format!("{}.new", new_uuid()));
    let written = write_private(&draft);
    let linked = written.and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => Ok(other?),
    });
    // The key has its name by now, or the error that says why not goes first.
    let _ = std::fs::remove_file(&draft);
    linked
}

fn write_private(path: &Path) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    writeln!(file, "{}", new_secret()?)?;
    Ok(file.sync_all()?)
}
