//! All automation of the repository, as one program: `cargo xtask COMMAND`. No make, no shell scripts, nothing to install
//! first; it works the same on a fresh CI machine and on a developer's own.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: what it prints is its interface"
)]

use std::path::PathBuf;
use std::process::ExitCode;

mod bench;
mod browser;
mod codegen;
mod lint;
mod npm;
mod plugins;
mod process;
mod python;
mod qdrant;
mod report;
mod run;
mod server;
mod stamp;
mod test;
mod tools;
mod web;

#[cfg(test)]
mod manifests;
#[cfg(test)]
mod tidy;

const HELP: &str = "\
cargo xtask COMMAND

  run [--release] [--no-open] [-- ARGS]   build everything and serve the two shipped projects; ARGS go to `parlour serve`
  test [PART…]                            all tests: plugins, web, rust, browser; only the named parts if any are named
  plugins [--rust]                        compile the shipped plugins to plugins/dist/*.wasm; with --rust only those in Rust
  web                                     build the web page into web/dist
  models                                  fetch the embedding model (about 90 MB, once per user)
  codegen                                 rewrite server/openapi.json, the web client's types, and the language's schema and reference in workflows/
  bench [--quick] [PART…]                 measure the release build and write bench/RESULTS.md; needs Linux, takes 10 minutes
  lint [--fix]                            formatting, clippy and the web page's linter

`cargo xtask run` needs Rust, a C compiler, Node 20.19 or newer and Python 3.11 or newer. `test` also needs Chromium; as root on
Debian or Ubuntu it installs what is missing, elsewhere it names the command.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> anyhow::Result<()> {
    let root = root();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments),
    };
    match command {
        "run" => run::run(&root, rest),
        "test" => test::test(&root, rest),
        "plugins" => match rest {
            [] => plugins::build(&root, plugins::Part::All),
            [only] if only == "--rust" => plugins::build(&root, plugins::Part::Rust),
            _ => anyhow::bail!("`plugins` takes `--rust` or nothing\n\n{HELP}"),
        },
        "web" => web::build(&root),
        "models" => codegen::models(&root),
        "codegen" => codegen::codegen(&root),
        "bench" => bench::bench(&root, rest),
        "lint" => lint::lint(&root, rest),
        // Not for people: `run` starts it beside the server.
        run::OPEN_LINK => run::open_link(),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => anyhow::bail!("there is no command `{other}`\n\n{HELP}"),
    }
}

/// The repository, wherever cargo was called from.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or(here.clone(), std::path::Path::to_path_buf)
}
