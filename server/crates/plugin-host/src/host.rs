//! The host: one engine, its clock, the pool of threads, the slots and the cache, shared by all plugins.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::cache::Cache;
use crate::call::{self, CallContext, CallReport};
use crate::capabilities::system::{OperatingSystem, SystemSource};
use crate::component::{self, Plugin};
use crate::engine::{self, Allocation, Clock};
use crate::error::PluginError;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::turns::Tenants;

/// Calls that may run or wait for the host at once. 64 slots of four memories reserve one terabyte of address space, of
/// which nothing is used until it is touched.
const DEFAULT_POOL_SLOTS: u32 = 64;

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Compiled plugins. Made if it is missing, and closed to other users: what lies there becomes machine code.
    pub cache_dir: PathBuf,
    /// Calls at once; further ones queue.
    pub pool_slots: u32,
    /// The operator's ceilings for one call.
    pub limits: Limits,
}

impl HostConfig {
    /// The defaults with this folder.
    #[must_use]
    pub fn new(cache_dir: PathBuf) -> Self {
        Self { cache_dir, pool_slots: DEFAULT_POOL_SLOTS, limits: Limits::default() }
    }
}

/// Loads and calls plugins. Cheap to clone; everything ends with the last clone.
#[derive(Clone)]
pub struct PluginHost {
    inner: Arc<HostInner>,
}

pub(crate) struct HostInner {
    pub(crate) engine: Engine,
    allocation: Allocation,
    pub(crate) clock: Clock,
    pub(crate) pool: Pool,
    pub(crate) cache: Cache,
    /// As many as the engine has, so that callers queue here instead of failing there.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) tenants: Tenants,
    pub(crate) compiling: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) system: Arc<dyn SystemSource>,
}

impl PluginHost {
    /// Starts the engine with the machine's own clock and randomness.
    pub fn new(config: HostConfig) -> Result<Self, PluginError> {
        Self::with_system(config, Arc::new(OperatingSystem))
    }

    /// Starts the engine; guests get time and randomness from `system`.
    pub fn with_system(config: HostConfig, system: Arc<dyn SystemSource>) -> Result<Self, PluginError> {
        let HostConfig { cache_dir, pool_slots, limits } = config;
        let pool_slots = pool_slots.clamp(1, 4_096);
        let (engine, allocation) = engine::start(pool_slots, limits.memory_bytes)?;
        let clock = Clock::start(&engine)?;
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let pool = Pool::new(threads)
            .map_err(|error| PluginError::Engine { reason: format!("its threads did not start: {error}") })?;
        let cache = Cache::open(cache_dir, &engine)?;
        let slots = usize::try_from(pool_slots).unwrap_or(1);
        let inner = HostInner {
            engine,
            allocation,
            clock,
            pool,
            cache,
            slots: Arc::new(Semaphore::new(slots)),
            tenants: Tenants::new(slots, threads),
            compiling: Arc::new(Semaphore::new(1)),
            limits,
            system,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Accepts, compiles and validates an uploaded file. The same bytes are compiled at most once per cache folder.
    pub fn load(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Plugin, PluginError>> {
        Box::pin(component::load(Arc::clone(&self.inner), bytes))
    }

    /// Runs one tool in a fresh instance. Dropping the future ends the call; nothing of it is used again.
    pub fn call(
        &self,
        plugin: &Plugin,
        tool: &str,
        input: Value,
        context: CallContext,
    ) -> BoxFuture<'static, CallReport> {
        Box::pin(call::call(Arc::clone(&self.inner), plugin.clone(), tool.to_owned(), input, context))
    }

    /// How instances get their memory on this machine.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.inner.allocation
    }

    /// The operator's ceilings.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Where the compiled form of an upload with this hash lies, once it has been compiled.
    #[must_use]
    pub fn cache_file(&self, sha256: &str) -> PathBuf {
        self.inner.cache.file_of(sha256)
    }

    /// The folder of compiled plugins.
    #[must_use]
    pub fn cache_dir(&self) -> &Path {
        self.inner.cache.folder()
    }
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PluginHost").field("allocation", &self.inner.allocation).finish_non_exhaustive()
    }
}
