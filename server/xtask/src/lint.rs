//! `cargo xtask lint`: what a machine can say about style, so that reviews need not.

use std::path::Path;

use anyhow::bail;

use crate::process::{cargo, run};
use crate::web;

/// The two cargo workspaces: the server's, and that of the plugins and the kit they are written with.
const WORKSPACES: [&str; 2] = ["Cargo.toml", "plugins/Cargo.toml"];

/// # Errors
/// Something is not formatted or a linter complains.
pub(crate) fn lint(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let fix = match arguments {
        [] => false,
        [only] if only == "--fix" => true,
        _ => bail!("`cargo xtask lint` takes `--fix` and nothing else"),
    };
    for manifest in WORKSPACES {
        let mut command = cargo(root);
        command.args(["fmt", "--all", "--manifest-path", manifest]);
        if !fix {
            command.arg("--check");
        }
        run(&mut command)?;
    }
    // `-D warnings` after the dashes reaches our crates only; in RUSTFLAGS it would rebuild every dependency.
    run(cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    web::script(root, "lint")
}
