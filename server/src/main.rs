//! The command-line entry: what was typed, what it means, and the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use parlour::cli;
use parlour::config::{Cli, Command, Config};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let Cli { command, settings } = Cli::parse();
    let serve = match &command {
        Command::Serve(args) => Some(args),
        Command::Validate(_)
        | Command::Run(_)
        | Command::Plugin(_)
        | Command::Key(_)
        | Command::Tenant(_)
        | Command::Knowledge(_)
        | Command::Models(_)
        | Command::Openapi
        | Command::Schema
        | Command::Reference => None,
    };
    if serve.is_none() {
        cli::end_when_nobody_reads();
    }
    let outcome = Config::resolve(settings, serve).and_then(|config| {
        tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(&config.log)?).with_writer(std::io::stderr).init();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(cli::execute(command, config))
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            cli::say_error(&error);
            ExitCode::FAILURE
        }
    }
}
