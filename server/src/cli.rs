//! The commands, one file each. Only this folder prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command line does")]

mod keys;
mod knowledge;
mod models;
mod plugin;
mod run;
mod serve;
mod validate;

use std::process::ExitCode;

use crate::app::AppError;
use crate::config::{Command, Config};

/// # Errors
/// What the command says when it cannot do its work; the caller prints it.
pub async fn execute(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(_) => serve::execute(config).await,
        Command::Validate(args) => validate::execute(config, args).await,
        Command::Run(args) => run::execute(config, args).await,
        Command::Plugin(command) => plugin::execute(config, command).await,
        Command::Key(command) => keys::key(config, command).await,
        Command::Tenant(command) => keys::tenant(config, command).await,
        Command::Knowledge(command) => knowledge::execute(config, command).await,
        Command::Models(command) => models::execute(config, command).await,
        Command::Openapi => {
            println!("{}", serde_json::to_string_pretty(crate::http::openapi::current())?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            println!("{}", serde_json::to_string_pretty(&workflow_engine::workflow_json_schema())?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Reference => {
            print!("{}", workflow_engine::workflow_reference());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whoever reads what a command prints may stop, as `head` does; there is nothing left to do then, and nothing to say. Not for a
/// server, which goes on when nobody reads what it says.
pub fn end_when_nobody_reads() {
    /// What a shell says of a program that the closed pipe has ended: 128 and SIGPIPE.
    const NOBODY_READS: i32 = 141;
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // The standard library's own words for it; there is no other sign.
        if panic.payload_as_str().is_some_and(|it| it.starts_with("failed printing to stdout: Broken pipe")) {
            std::process::exit(NOBODY_READS);
        }
        usual(panic);
    }));
}

/// An error with what caused it and, where there is one, its hint.
pub fn say_error(error: &anyhow::Error) {
    match error.downcast_ref::<AppError>() {
        // The code is for programs; who reads this has the words.
        Some(AppError { detail, .. }) => eprintln!("error: {detail}"),
        None => eprintln!("error: {error}"),
    }
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    if let Some(hint) = error.downcast_ref::<AppError>().and_then(|it| it.hint.as_ref()) {
        eprintln!("hint: {hint}");
    }
}
