//! The same call by wasmtime alone: a fresh instance from a pool with the host's settings, its export called, and no more.

use wasmtime::component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, TypedFunc};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

/// The contract's `error`; its cases are not looked at.
#[derive(ComponentType, Lift, Debug)]
#[component(variant)]
#[expect(dead_code, reason = "only shown when a measurement fails")]
enum Error {
    #[component(name = "invalid-input")]
    InvalidInput(String),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "rate-limited")]
    RateLimited(Option<u32>),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "failed")]
    Failed(String),
}

type Invoke = TypedFunc<(String, String), (Result<String, Error>,)>;

pub(crate) struct Bare {
    engine: Engine,
    ready: InstancePre<()>,
    invoke: ComponentExportIndex,
}

impl Bare {
    pub(crate) fn load(module: &[u8]) -> Self {
        let engine = Engine::new(&config()).expect("the engine starts");
        let component = wit_component::ComponentEncoder::default()
            .module(module)
            .and_then(|mut encoder| encoder.encode())
            .expect("it is a core module with the contract");
        let component = Component::new(&engine, component).expect("it compiles");
        let tools = component.get_export_index(None, "parlour:plugin/tools@1.0.0").expect("it exports the tools");
        let invoke = component.get_export_index(Some(&tools), "invoke").expect("it exports `invoke`");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).expect("the imports are defined");
        let ready = linker.instantiate_pre(&component).expect("it links");
        Self { engine, ready, invoke }
    }

    pub(crate) async fn call(&self, tool: &str, input: &str) -> String {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.ready.instantiate_async(&mut store).await.expect("an instance");
        let invoke: Invoke = instance.get_typed_func(&mut store, self.invoke).expect("the contract's type");
        let (answer,) =
            invoke.call_async(&mut store, (tool.to_owned(), input.to_owned())).await.expect("it comes back");
        answer.expect("it succeeds")
    }
}

/// As in `src/engine.rs`.
fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(512 << 10).async_stack_size(1 << 20).wasm_memory64(false);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(64)
        .total_stacks(64)
        .total_core_instances(64 * 64)
        .total_memories(64 * 4)
        .total_tables(64 * 8)
        .max_core_instances_per_component(64)
        .max_memories_per_component(4)
        .max_tables_per_component(8)
        .table_elements(64 << 10)
        .max_memory_size(64 << 20)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(32)
        .pagemap_scan(Enabled::Auto);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
