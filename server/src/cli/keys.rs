//! `parlour key` and `parlour tenant`: work on the data folder, beside a running server or without one.

use std::process::ExitCode;

use crate::app::App;
use crate::config::{Config, KeyCommand, TenantCommand};

pub(super) async fn key(config: Config, command: KeyCommand) -> anyhow::Result<ExitCode> {
    let app = App::open(config).await?;
    match command {
        KeyCommand::Create { name, tenant, scopes } => {
            let tenant = app.tenant(tenant.as_deref()).await?;
            let (_, secret) = app.create_key(tenant.id, &name, scopes).await?;
            // The key alone, so that scripts can take it.
            println!("{secret}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn tenant(config: Config, command: TenantCommand) -> anyhow::Result<ExitCode> {
    let app = App::open(config).await?;
    match command {
        TenantCommand::Create { slug, name } => {
            let tenant = app.create_tenant(&slug, name.as_deref()).await?;
            println!("{}", tenant.slug);
            eprintln!("made the tenant `{slug}`; `parlour key create --tenant {slug} --name …` makes a key for it");
        }
        TenantCommand::List => {
            for tenant in app.storage().all_tenants_list_tenants().await? {
                println!("{}\t{}", tenant.slug, tenant.name);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
