//! From an uploaded file to a plugin: accept, compile or take from the cache, ask for the manifest in a sandbox without
//! grants, check it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};

use crate::accept::{accept, first_line};
use crate::access::NoServer;
use crate::bindings::{Plugin as Contract, PluginPre};
use crate::call::{CallContext, Guest, GuestCall, caller_runtime, run_guest};
use crate::error::{CallError, CallErrorKind, PluginError};
use crate::grants::Grants;
use crate::host::HostInner;
use crate::limits::Limits;
use crate::manifest::{self, CheckedManifest, MAX_MANIFEST_BYTES, Manifest, ToolSchemas};
use crate::schema::Schema;
use crate::wasi;

/// `describe` only prints a constant; whatever needs more than this does something else.
const DESCRIBE_LIMITS: Limits = Limits {
    cpu_ms: 100,
    wall_ms: 5_000,
    memory_bytes: 32 << 20,
    output_bytes: MAX_MANIFEST_BYTES as u64,
    input_bytes: 0,
    log_lines: 32,
    log_line_bytes: 2_048,
    host_calls: 1,
    http_requests: 0,
    http_bytes: 0,
};

/// A loaded plugin: compiled, described, validated. Cheap to clone; dropping the last clone gives its memory back.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) inner: Arc<PluginInner>,
}

pub(crate) struct PluginInner {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) tools: BTreeMap<String, ToolSchemas>,
    config: Option<Schema>,
    pub(crate) sha256: String,
    pub(crate) ready: PluginPre<Guest>,
}

impl Plugin {
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// Of the uploaded file, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// What keeps these settings from being this plugin's: each problem in words, empty when they are fine.
    #[must_use]
    pub fn config_problems(&self, config: &Map<String, Value>) -> Vec<String> {
        manifest::config_problems(self.inner.config.as_ref(), config)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Manifest { id, version, .. } = self.manifest();
        formatter
            .debug_struct("Plugin")
            .field("id", id)
            .field("version", version)
            .field("sha256", &self.sha256())
            .finish()
    }
}

pub(crate) async fn load(host: Arc<HostInner>, bytes: Vec<u8>) -> Result<Plugin, PluginError> {
    let (sha256, cached, bytes) = on_blocking_thread(&host, |host| {
        let sha256 = hexadecimal(&Sha256::digest(&bytes));
        let cached = host.cache.read(&host.engine, &sha256);
        Ok((sha256, cached, bytes))
    })
    .await?;
    let component = match cached {
        Some(component) => component,
        None => compile(&host, sha256.clone(), bytes).await?,
    };
    let ready = link(&host, &component)?;
    let CheckedManifest { manifest, tools, config } = describe(&host, ready.clone()).await?;
    Ok(Plugin { inner: Arc::new(PluginInner { manifest: Arc::new(manifest), tools, config, sha256, ready }) })
}

/// One compilation at a time: it uses all cores, and a queue of large uploads must not take the machine.
async fn compile(host: &Arc<HostInner>, sha256: String, bytes: Vec<u8>) -> Result<Component, PluginError> {
    let turn = Arc::clone(&host.compiling)
        .acquire_owned()
        .await
        .map_err(|_closed| PluginError::Engine { reason: "it is shutting down".to_owned() })?;
    on_blocking_thread(host, move |host| {
        // The turn stays with the work even when whoever asked for it is gone.
        let _turn = turn;
        // Whoever had the turn before may have compiled the same file.
        if let Some(component) = host.cache.read(&host.engine, &sha256) {
            return Ok(component);
        }
        let component = accept(bytes)?;
        let component = Component::new(&host.engine, component)
            .map_err(|error| PluginError::Compile { reason: first_line(&format!("{error:#}")) })?;
        host.cache.write(&sha256, &component);
        Ok(component)
    })
    .await
}

async fn on_blocking_thread<T: Send + 'static>(
    host: &Arc<HostInner>,
    work: impl FnOnce(&HostInner) -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    let shared = Arc::clone(host);
    host.pool
        .handle()
        .spawn_blocking(move || work(&shared))
        .await
        .map_err(|error| PluginError::Engine { reason: format!("loading a plugin ended early: {error}") })?
}

/// Connects the component's imports. Types are compared exactly here, which names alone cannot do.
fn link(host: &HostInner, component: &Component) -> Result<PluginPre<Guest>, PluginError> {
    let wrong = |error: wasmtime::Error| PluginError::WrongContract { reason: first_line(&format!("{error:#}")) };
    let mut linker = Linker::new(&host.engine);
    Contract::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)
        .map_err(|error| PluginError::Engine { reason: format!("{error:#}") })?;
    wasi::add_to_linker(&mut linker, component, &host.engine).map_err(wrong)?;
    PluginPre::new(linker.instantiate_pre(component).map_err(wrong)?).map_err(wrong)
}

async fn describe(host: &Arc<HostInner>, ready: PluginPre<Guest>) -> Result<CheckedManifest, PluginError> {
    let context = CallContext {
        tenant: String::new(),
        grants: Grants::default(),
        config: Map::new(),
        limits: None,
        access: Arc::new(NoServer),
        idempotency_key: None,
    };
    let limits = Limits { memory_bytes: DESCRIBE_LIMITS.memory_bytes.min(host.limits.memory_bytes), ..DESCRIBE_LIMITS };
    let share = host.tenants.share(&context.tenant);
    let guest = Guest::new(host, None, limits, context, (share, caller_runtime(host)));
    match run_guest(Arc::clone(host), ready, guest, GuestCall::Describe).await.result {
        Ok(text) => manifest::check(&text).map_err(|problems| PluginError::InvalidManifest { problems }),
        Err(CallError { kind: CallErrorKind::Unavailable, message, .. }) => {
            Err(PluginError::Engine { reason: message })
        }
        Err(CallError { message, detail, .. }) => {
            let reason = match detail {
                Some(detail) => format!("{message} ({})", first_line(&detail)),
                None => message,
            };
            let hint = "`describe` runs at installation without any grant, with 100 ms of processor time and 32 MiB. It must \
                        only say what the plugin offers; the SDK's `#[plugin]` does that.";
            Err(PluginError::DescribeFailed { reason, hint: Some(hint.to_owned()) })
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
