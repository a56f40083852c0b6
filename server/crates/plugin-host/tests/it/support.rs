//! One host for all tests, a knowledge base that answers from memory, and a small guest written in WebAssembly text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use plugin_host::{
    BoxFuture, CallContext, CallError, CallErrorKind, CallReport, Entry, Grants, Hit, HostConfig, HostError, Limits,
    ListRequest, Page, Plugin, PluginError, PluginHost, SearchRequest, SearchResult, SearchStatus, ServerAccess,
};
use serde_json::{Map, Value, json};

pub(crate) const SLOTS: u32 = 8;

/// Every test's host; its cache lies under the target folder, so a second run compiles nothing.
pub(crate) fn host() -> &'static PluginHost {
    static HOST: OnceLock<PluginHost> = OnceLock::new();
    HOST.get_or_init(|| {
        let mut config = HostConfig::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache"));
        config.pool_slots = SLOTS;
        config.limits.cpu_ms = 2_000;
        config.limits.wall_ms = 20_000;
        PluginHost::new(config).expect("the host starts")
    })
}

pub(crate) fn context() -> CallContext {
    CallContext {
        tenant: "tenant".to_owned(),
        grants: Grants { knowledge: BTreeSet::from(["*".to_owned()]), ..Grants::default() },
        config: Map::new(),
        limits: None,
        access: Arc::new(Shelf::default()),
        idempotency_key: None,
    }
}

pub(crate) fn without_grants() -> CallContext {
    CallContext { grants: Grants::default(), ..context() }
}

pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> CallContext {
    let mut limits = *host().limits();
    change(&mut limits);
    CallContext { limits: Some(limits), ..context() }
}

pub(crate) async fn call(plugin: &Plugin, tool: &str, input: Value) -> CallReport {
    host().call(plugin, tool, input, context()).await
}

/// The error of a call that must fail this way; its text must name the plugin.
pub(crate) fn failure(plugin: &Plugin, report: CallReport, kind: CallErrorKind) -> CallError {
    let error = report.result.expect_err("the call must fail");
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.message.contains(&format!("`{}` {}", plugin.manifest().id, plugin.manifest().version)), "{error:?}");
    error
}

/// Two entries in every base but `missing`; `slow` takes 400 ms, `stuck` never answers, `broken` panics.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) asked: AtomicUsize,
}

impl Shelf {
    async fn open(&self, base: &str) -> Result<(), HostError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match base {
            "missing" => return Err(HostError::NotFound("there is no knowledge base `missing`".to_owned())),
            "slow" => tokio::time::sleep(Duration::from_millis(400)).await,
            "stuck" => std::future::pending().await,
            "broken" => panic!("the shelf fell over, as this test wants"),
            _ => {}
        }
        Ok(())
    }

    fn entry(id: &str) -> Entry {
        let fields = json!({"name": "麻婆豆腐", "spice_level": 3, "price": 28});
        let Value::Object(fields) = fields else { unreachable!("it is an object") };
        Entry { id: id.to_owned(), document: "menu.csv".to_owned(), text: format!("麻婆豆腐 特辣 {id}"), fields }
    }
}

impl ServerAccess for Shelf {
    fn search(&self, request: SearchRequest) -> BoxFuture<'_, Result<SearchResult, HostError>> {
        Box::pin(async move {
            self.open(&request.knowledge_base).await?;
            let hits = vec![Hit { entry: Self::entry("1"), score: 0.9 }, Hit { entry: Self::entry("2"), score: 0.5 }];
            Ok(SearchResult { status: SearchStatus::Ok, reason: None, hits })
        })
    }

    fn get(&self, knowledge_base: String, id: String) -> BoxFuture<'_, Result<Entry, HostError>> {
        Box::pin(async move {
            self.open(&knowledge_base).await?;
            Ok(Self::entry(&id))
        })
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Page, HostError>> {
        Box::pin(async move {
            self.open(&request.knowledge_base).await?;
            Ok(Page { entries: vec![Self::entry("1")], next_cursor: None })
        })
    }
}

/// What a plugin that `cargo xtask plugins` builds is called on disk; missing means the build was not run.
pub(crate) fn built(file: &str) -> Vec<u8> {
    let path = repository().join("plugins/dist").join(file);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("`{}` cannot be read ({error}). Run `cargo xtask plugins` first.", path.display())
    })
}

pub(crate) async fn load_built(file: &str) -> Plugin {
    host().load(built(file)).await.unwrap_or_else(|error| panic!("`{file}` does not load: {error}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The manifest of the guest below.
pub(crate) fn manifest(id: &str) -> Value {
    let both = |text: &str| json!({"en": text, "zh": text});
    let names =
        ["ask", "bomb", "calls", "echo", "flood", "grow", "junk", "loop", "mark", "noise", "recurse", "trap", "unlike"];
    let tools: Vec<Value> = names
        .iter()
        .map(|name| {
            let output = if *name == "unlike" { json!({"type": "string"}) } else { json!({}) };
            json!({
                "name": name, "title": both(name), "description": both(name), "output": output, "effects": "reads",
                "input": {"type": "object", "properties": {"base": {"type": "string"}}}
            })
        })
        .collect();
    json!({
        "id": id, "version": "1.0.0", "title": both(id), "description": both(id), "tools": tools,
        "permissions": {"knowledge": [{"name": "menu", "reason": both("why")}, {"name": "slow", "reason": both("why")},
            {"name": "stuck", "reason": both("why")}, {"name": "broken", "reason": both("why")}]}
    })
}

/// A core module with the contract's description, as a compiler with `wit-bindgen` would leave it.
///
/// The tool's first letter decides what it does. `base` is the knowledge base that `ask` and `calls` look into.
pub(crate) fn guest(manifest: &str, base: &str) -> Vec<u8> {
    let text = include_str!("guest.wat")
        .replace("{manifest}", &escaped(manifest))
        .replace("{manifest_length}", &manifest.len().to_string())
        .replace("{base}", &escaped(base))
        .replace("{base_length}", &base.len().to_string());
    described(&text)
}

pub(crate) fn described(text: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(repository().join("plugin-sdk/wit")).expect("the contract is WIT");
    described_as(text, &resolve, package, "plugin")
}

/// A module for a world that has the contract and more.
pub(crate) fn described_with(text: &str, more: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_path(repository().join("plugin-sdk/wit")).expect("the contract is WIT");
    let package = resolve.push_str("more.wit", more).expect("what is more is WIT");
    described_as(text, &resolve, package, "guest")
}

fn described_as(text: &str, resolve: &wit_parser::Resolve, package: wit_parser::PackageId, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).expect("the text is WebAssembly");
    let world = resolve.select_world(&[package], Some(world)).expect("the package has the world");
    wit_component::embed_component_metadata(&mut module, resolve, world, wit_component::StringEncoding::UTF8)
        .expect("the description goes in");
    module
}

pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\{byte:02x}")).collect()
}

/// The guest, loaded, that looks into `base`.
pub(crate) async fn plugin(base: &str) -> Plugin {
    load(&manifest("fixture").to_string(), base).await.expect("the guest loads")
}

pub(crate) async fn load(manifest: &str, base: &str) -> Result<Plugin, PluginError> {
    host().load(guest(manifest, base)).await
}
