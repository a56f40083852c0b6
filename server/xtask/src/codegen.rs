//! What is generated from the server and committed, and what is fetched through it.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process::{output, run};
use crate::server::{self, Profile};
use crate::web;

/// `server/openapi.json`, the language's schema and reference in `workflows`, and the web client's types, from the one declaration of each.
///
/// # Errors
/// The server does not compile, or a file cannot be written.
pub(crate) fn codegen(root: &Path) -> anyhow::Result<()> {
    let parlour = server::build(root, Profile::Debug)?;
    write(root, "server/openapi.json", &output(Command::new(&parlour).arg("openapi"))?)?;
    write(root, "workflows/workflow.schema.json", &output(Command::new(&parlour).arg("schema"))?)?;
    write(root, "workflows/README.md", &output(Command::new(&parlour).arg("reference"))?)?;
    web::script(root, "codegen")
}

/// The embedding model in the user's cache.
///
/// # Errors
/// The server does not compile, or no source has the model.
pub(crate) fn models(root: &Path) -> anyhow::Result<()> {
    server::build(root, Profile::Debug)?;
    run(&mut model_fetch(root))
}

/// The command of the built server that fetches the model; it does nothing when the model is there.
pub(crate) fn model_fetch(root: &Path) -> Command {
    let mut command = Command::new(server::binary(root, Profile::Debug));
    command.current_dir(root).args(["models", "fetch"]);
    command
}

fn write(root: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let file = root.join(name);
    let text = format!("{}\n", text.trim_end());
    if std::fs::read_to_string(&file).is_ok_and(|it| it == text) {
        eprintln!("{name} is up to date");
        return Ok(());
    }
    eprintln!("{name} written");
    std::fs::write(&file, text).with_context(|| format!("cannot write `{name}`"))
}
