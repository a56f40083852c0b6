//! The wasmtime engine and its clock. Every setting has its reason beside it; figures are from measurements with wasmtime
//! 48 on Linux, processor time of a fresh instance per call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::PluginError;
use crate::limits::MAX_TABLE_ENTRIES;

const WASM_PAGE_BYTES: u64 = 64 << 10;
/// What 32-bit WebAssembly can address.
const MAX_MEMORY_BYTES: u64 = 4 << 30;
/// How long a busy guest computes before it gives way: short beside what a person notices, long beside a thread switch.
pub(crate) const TICK: Duration = Duration::from_millis(2);
/// Ticks without a call after which the clock stops, so that an idle server does not wake the processor.
const IDLE_TICKS: u32 = 500;
/// Half of the fiber stack below, so that host functions always have room.
const WASM_STACK_BYTES: usize = 512 << 10;
const FIBER_STACK_BYTES: usize = 1 << 20;
/// Memories, tables and core instances per component: QuickJS has 3 memories, CPython more than 32 instances.
const MEMORIES_PER_COMPONENT: u32 = 4;
const TABLES_PER_COMPONENT: u32 = 8;
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
/// Pages of a slot kept for the next call instead of given back: 256 KiB halves the cost of a 1 KB JSON call.
const KEEP_MEMORY_BYTES: usize = 256 << 10;
const KEEP_TABLE_BYTES: usize = 16 << 10;
const KEEP_STACK_BYTES: usize = 64 << 10;
/// Slots that stay warm while unused: bounds what an idle server keeps to some megabytes.
const WARM_SLOTS: u32 = 32;

/// How instances get their memory; the first that this machine allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// 4 GiB of address space per memory and no bounds checks: the fastest.
    Pooled,
    /// 64 MiB per memory with bounds checks (9 % slower), for machines that limit address space.
    PooledSmall,
    /// Mapped for each call: three to five times the cost of an empty call.
    OnDemand,
}

/// Starts the engine, falling back to what the machine allows.
pub(crate) fn start(pool_slots: u32, memory_bytes: u64) -> Result<(Engine, Allocation), PluginError> {
    let memory_bytes = memory_bytes.clamp(WASM_PAGE_BYTES, MAX_MEMORY_BYTES).next_multiple_of(WASM_PAGE_BYTES);
    for allocation in [Allocation::Pooled, Allocation::PooledSmall] {
        match Engine::new(&config(allocation, pool_slots, memory_bytes)) {
            Ok(engine) => return Ok((engine, allocation)),
            Err(error) => tracing::warn!(
                ?allocation, pool_slots, %error,
                "the plugin engine cannot reserve its memory this way, so plugin calls will cost more; fewer plugin slots \
                 or a higher limit on address space (`ulimit -v`) would help"
            ),
        }
    }
    Engine::new(&config(Allocation::OnDemand, pool_slots, memory_bytes))
        .map(|engine| (engine, Allocation::OnDemand))
        .map_err(|error| PluginError::Engine { reason: error.to_string() })
}

fn config(allocation: Allocation, pool_slots: u32, memory_bytes: u64) -> Config {
    let mut config = Config::new();
    // Epochs cost about what fuel costs (20 % on real code), and unlike fuel they can be given in milliseconds.
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(FIBER_STACK_BYTES);
    // No plugin may have more than 4 GiB, and 64-bit memories need bounds checks everywhere.
    config.wasm_memory64(false);
    config.parallel_compilation(true);
    match allocation {
        Allocation::Pooled => {}
        Allocation::PooledSmall => {
            config.memory_reservation(memory_bytes.max(64 << 20)).memory_guard_size(64 << 10);
        }
        Allocation::OnDemand => return config,
    }
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(pool_slots)
        .total_stacks(pool_slots)
        .total_core_instances(pool_slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(pool_slots.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_tables(pool_slots.saturating_mul(TABLES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(MAX_TABLE_ENTRIES)
        .max_memory_size(usize::try_from(memory_bytes).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_MEMORY_BYTES)
        .table_keep_resident(KEEP_TABLE_BYTES)
        .async_stack_keep_resident(KEEP_STACK_BYTES)
        .max_unused_warm_slots(WARM_SLOTS)
        // Asks the kernel which pages a call touched instead of dropping all: 13 instead of 30 microseconds for an echo.
        .pagemap_scan(Enabled::Auto);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The thread that moves the engine's epoch on while calls run. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Clock {
    state: Arc<ClockState>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct ClockState {
    /// Running calls. Written by [`Running`], read by the clock.
    running: AtomicUsize,
    /// Written by the clock before it sleeps; whoever begins a call then wakes it.
    asleep: AtomicBool,
    stopped: AtomicBool,
}

/// Keeps the clock going for the length of one call.
pub(crate) struct Running(Arc<ClockState>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clock {
    pub(crate) fn start(engine: &Engine) -> Result<Self, PluginError> {
        let state = Arc::new(ClockState::default());
        let (engine, shared) = (engine.weak(), Arc::clone(&state));
        let handle = std::thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(move || tick(&engine, &shared))
            .map_err(|error| PluginError::Engine { reason: format!("its clock did not start: {error}") })?;
        Ok(Self { state, thread: handle.thread().clone() })
    }

    pub(crate) fn running(&self) -> Running {
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(Arc::clone(&self.state))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &EngineWeak, state: &ClockState) {
    let mut idle = 0;
    while !state.stopped.load(Ordering::SeqCst) {
        idle = if state.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle > IDLE_TICKS {
            state.asleep.store(true, Ordering::SeqCst);
            // Looked at again after saying so: a call that began in between has seen `asleep` or is seen here.
            if state.running.load(Ordering::SeqCst) == 0 && !state.stopped.load(Ordering::SeqCst) {
                std::thread::park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            idle = 0;
            continue;
        }
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_allocate_starts_even_with_odd_limits() {
        for allocation in [Allocation::Pooled, Allocation::PooledSmall, Allocation::OnDemand] {
            Engine::new(&config(allocation, 2, 1 << 20)).unwrap_or_else(|error| panic!("{allocation:?}: {error}"));
        }
        for memory_bytes in [0, 1, 100_000, u64::MAX] {
            start(1, memory_bytes).unwrap_or_else(|error| panic!("{memory_bytes} bytes: {error}"));
        }
    }

    #[test]
    fn the_clock_ends_with_its_owner() {
        let (engine, _allocation) = start(1, 1 << 20).expect("the engine starts");
        let clock = Clock::start(&engine).expect("the clock starts");
        let state = Arc::downgrade(&clock.state);
        let running = clock.running();
        drop(running);
        drop(clock);
        for _ in 0..200 {
            if state.strong_count() == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the clock's thread is still there after a second");
    }

    #[test]
    fn the_clock_sleeps_when_idle_and_wakes_for_a_call() {
        let (engine, _allocation) = start(1, 1 << 20).expect("the engine starts");
        let clock = Clock::start(&engine).expect("the clock starts");
        let asleep = || clock.state.asleep.load(Ordering::SeqCst);
        let wait_for = |wanted: bool| {
            (0..2_000).any(|_| {
                std::thread::sleep(Duration::from_millis(5));
                asleep() == wanted
            })
        };
        assert!(wait_for(true), "nothing runs, so it falls asleep");
        let _running = clock.running();
        assert!(wait_for(false), "a call wakes it");
    }
}
