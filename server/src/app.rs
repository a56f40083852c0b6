//! The application: everything that outlives one request, and the use cases, one file per noun.

pub mod accounts;
pub mod again;
pub mod catalog;
mod catching_up;
pub mod chat;
pub mod chunks;
pub mod citations;
pub mod clock;
pub mod definitions;
pub mod documents;
mod embedding_models;
pub mod error;
pub mod incoming;
mod instance;
mod janitor;
mod kept_outputs;
pub mod knowledge;
pub mod limits;
pub mod models;
pub mod passages;
pub mod plugins;
pub mod projects;
mod recent;
pub mod reindexing;
pub mod retrieval_tests;
pub mod runs;
pub mod secrets;
pub mod tables;
mod taking_up;
mod timekeeper;
pub mod triggers;
pub mod waits;

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use storage::Storage;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Database};
use crate::egress::Egress;
use crate::run::live::LiveRuns;
use clock::Clock;
pub use error::{AppError, Problem, Result};

/// Cheap to clone; every handler and every run has one.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    config: Config,
    clock: Clock,
    storage: Storage,
    live: LiveRuns,
    instance: instance::Instance,
    plugin_host: plugin_host::PluginHost,
    /// Loaded plugins by the hash of their bytes; shared by all tenants, since a plugin holds nothing between calls.
    loaded_plugins: Mutex<HashMap<String, plugins::Loaded>>,
    /// Whose turn it is to load the plugin of a hash; one each, so that a large one keeps no other waiting.
    loading_plugins: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    knowledge: ::knowledge::Knowledge,
    embedding_models: embedding_models::EmbeddingModels,
    reranking: embedding_models::Reranking,
    jobs: crate::jobs::Jobs,
    models: models::Models,
    egress: Egress,
    sealer: secrets::Sealer,
    programs: catalog::Programs,
    /// Published versions by tenant, kind and name.
    published: recent::Recent<definitions::Published, Arc<domain::Version>>,
    /// API keys by their hash.
    keys: recent::Recent<String, (domain::ApiKey, domain::Tenant)>,
    catching_up: catching_up::CatchingUp,
    sign_ins: accounts::SignIns,
    turns: chat::Turns,
    limits: limits::TenantLimits,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl App {
    /// Opens the data folder and everything in it; makes the first tenant in a new one.
    ///
    /// # Errors
    /// The folder cannot be written, the database is damaged or newer, or the sandbox cannot be set up.
    pub async fn open(config: Config) -> anyhow::Result<App> {
        create_private(&config.data)?;
        let storage = match &config.database {
            Database::File(path) => Storage::open(path).await?,
            Database::Server(url) => Storage::connect(url).await?,
        };
        let instance = instance::Instance::begin(&config.data)?;
        let plugin_host = plugin_host::PluginHost::new(plugin_host::HostConfig {
            cache_dir: config.plugin_cache.clone(),
            pool_slots: config.plugins.pool_slots,
            limits: config.plugins.limits,
        })?;
        let client = models::http_client()?;
        let embedding_models = embedding_models::EmbeddingModels::new(&config, &client);
        let reranking = embedding_models::Reranking::new(&config, &client);
        let knowledge = open_knowledge(&config)?;
        let app = App(Arc::new(Parts {
            clock: Clock::new(config.timezone.as_deref())?,
            models: models::Models::new(client, config.model.clone()),
            egress: Egress::new(&config.allowed_hosts).context("`allowed_hosts` cannot be used")?,
            sealer: secrets::Sealer::new(&secrets::master_key(&config)?)?,
            config,
            storage,
            live: LiveRuns::default(),
            instance,
            plugin_host,
            loaded_plugins: Mutex::default(),
            loading_plugins: Mutex::default(),
            knowledge,
            embedding_models,
            reranking,
            jobs: crate::jobs::Jobs::default(),
            programs: catalog::Programs::default(),
            published: recent::Recent::default(),
            keys: recent::Recent::default(),
            catching_up: catching_up::CatchingUp::default(),
            sign_ins: accounts::SignIns::default(),
            turns: chat::Turns::default(),
            limits: limits::TenantLimits::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }));
        app.ensure_first_tenant().await?;
        app.check_master_key().await?;
        app.install_shipped_plugins().await?;
        Ok(app)
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    pub fn live(&self) -> &LiveRuns {
        &self.0.live
    }

    /// The one way out for what tenants name.
    pub(crate) fn egress(&self) -> &Egress {
        &self.0.egress
    }

    pub(crate) fn jobs(&self) -> &crate::jobs::Jobs {
        &self.0.jobs
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }

    /// Resolves when the server begins to stop.
    pub async fn stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    pub fn is_stopping(&self) -> bool {
        self.0.stopping.is_cancelled()
    }

    /// Lets every task come to rest. What was going on is stored and goes on at the next start.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(std::time::Duration::from_secs(10), self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not stop within 10 s");
        }
        self.free_own_leases().await;
        self.0.storage.close().await;
    }
}

/// The data folder holds conversations and plugin code: only its owner may look into it.
fn create_private(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create the data folder `{}`", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot make the data folder `{}` private", path.display()))?;
    }
    Ok(())
}

/// The search index: Qdrant's where one is configured. It is asked when it is first needed.
fn open_knowledge(config: &Config) -> anyhow::Result<::knowledge::Knowledge> {
    let folder = config.data.join("knowledge");
    match &config.qdrant {
        None => Ok(::knowledge::Knowledge::open(folder)?),
        Some(qdrant) => {
            tracing::info!(qdrant.url = qdrant.url, "knowledge is searched by Qdrant");
            ::knowledge::Knowledge::open_with_qdrant(folder, qdrant).map_err(|error| match error.hint() {
                Some(hint) => anyhow::anyhow!("{error}; {hint}"),
                None => error.into(),
            })
        }
    }
}
