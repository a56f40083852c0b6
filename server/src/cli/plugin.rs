//! `parlour plugin …`: what the developer of a plugin needs, from an empty folder to a running server.

mod build;
mod inspect;
mod install;
mod language;
mod new;
mod run;
mod sdk;
mod test;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use plugin_host::{HostConfig, PluginHost};

use crate::config::{Config, PluginCommand};

/// One plugin is called at a time here; a slot reserves address space, which a small container may not have.
const SLOTS: u32 = 2;

pub(super) async fn execute(config: Config, command: PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::New(args) => new::execute(&args),
        PluginCommand::Build(args) => build::execute(config, args).await,
        PluginCommand::Test(args) => test::execute(config, args).await,
        PluginCommand::Run(args) => run::execute(config, args).await,
        PluginCommand::Inspect(args) => inspect::execute(config, args).await,
        PluginCommand::Install(args) => install::execute(args).await,
        PluginCommand::Publish(args) => install::publish(args).await,
    }
}

/// The sandbox as a server has it, with the operator's limits; compiled plugins are kept in the user's cache.
fn sandbox(mut config: Config) -> anyhow::Result<PluginHost> {
    config.use_shared_plugin_cache();
    let limits = config.plugins.limits;
    Ok(PluginHost::new(HostConfig { cache_dir: config.plugin_cache, pool_slots: SLOTS, limits })?)
}

/// A plugin's file and what is in it; a project's folder is built first.
fn read(plugin: &Path) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let file = if plugin.is_dir() { language::prepare(plugin)?.compile()? } else { plugin.to_owned() };
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok((file, bytes))
}
