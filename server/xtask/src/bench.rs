//! `cargo xtask bench`: builds what is measured and the program that measures it, and lets that run.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process::{cargo, run, target_directory};
use crate::server::{self, Profile};

/// The crates' own measurements; the benchmark starts them and reads their lines.
const EXAMPLES: [&str; 5] =
    ["measure_engine", "measure_expressions", "measure_plugins", "measure_quality", "measure_storage"];

/// The arguments are the benchmark's own: parts to measure, and `--quick`.
///
/// # Errors
/// Something does not compile, or a part could not be measured.
pub(crate) fn bench(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let server = server::build_all(root, Profile::Release)?;
    let mut command = cargo(root);
    // The server is named again so that one selection of features holds for everything.
    command.args(["build", "--release", "--workspace", "--bin", "parlour", "--bin", "bench"]);
    for name in EXAMPLES {
        command.args(["--example", name]);
    }
    run(&mut command)?;
    let work = target_directory(root).join("bench");
    std::fs::create_dir_all(&work).with_context(|| format!("cannot make `{}`", work.display()))?;
    let built = target_directory(root).join("release");
    // Ten thousand streams need two sockets each in the server and here; the shell raises the limit as far as it may be
    // raised, which a program could do only by a system call of its own.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"", "bench"]);
    command.arg(built.join("bench")).arg("--root").arg(root).arg("--server").arg(server);
    command.arg("--examples").arg(built.join("examples")).arg("--work").arg(work).args(arguments);
    run(command.current_dir(root))
}
