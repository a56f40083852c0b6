//! The index's tests on Qdrant's own engine, which a small server of the tests puts behind gRPC.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use crate::process::{cargo, run, target_directory};
use crate::python;

/// # Errors
/// Python or its packages are missing, the engine does not start, or a test fails.
pub(crate) fn test(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("server/crates/knowledge/tests/qdrant_engine");
    let python = python::environment(&folder)?;
    // The engine keeps each collection in a temporary folder; it is stopped too suddenly to remove them.
    let collections = target_directory(root).join("qdrant-engine");
    if collections.exists() {
        std::fs::remove_dir_all(&collections)?;
    }
    std::fs::create_dir_all(&collections)?;
    let mut command = Command::new(python);
    command.env("TMPDIR", &collections);
    command.arg(folder.join("server.py")).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = Stopped(command.spawn().context("cannot start Qdrant's engine")?);
    let mut url = String::new();
    if let Some(output) = server.0.stdout.take() {
        BufReader::new(output).read_line(&mut url)?;
    }
    if url.is_empty() {
        bail!("Qdrant's engine did not start\nhint: it says why above");
    }
    run(cargo(root).args(["test", "--workspace", "--test", "it", "on_qdrant"]).env("QDRANT_URL", url.trim()))
}

/// With the test's end, however it ends.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
