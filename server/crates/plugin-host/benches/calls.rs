//! What a call costs: processor time of the calling thread per call, everything included (schemas, store, fresh instance,
//! guest, checks). Run `cargo xtask plugins` first, then `cargo bench -p plugin-host`.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints its figures and may give up")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_host::{CallContext, Grants, HostConfig, NoServer, Plugin, PluginHost};
use serde_json::{Map, Value, json};

const BATCH: u32 = 500;
const BATCHES: usize = 15;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-cache");
        let host = PluginHost::new(HostConfig::new(cache)).expect("the host starts");
        println!(
            "{:?}; microseconds of processor time per call, median (best) of {BATCHES} batches",
            host.allocation()
        );
        let echo = load(&host, "testing/echo.wasm").await;
        measure(&host, &echo, "echo", json!({"value": 1})).await;
        measure(&host, &echo, "echo", json!({"value": dishes(1 << 10)})).await;
        measure(&host, &echo, "echo", json!({"value": dishes(10 << 10)})).await;
        let spicy = load(&host, "filter_spicy_dishes.wasm").await;
        let input = json!({"dishes": dishes(1 << 10), "min_level": 2});
        measure(&host, &spicy, "filter_spicy_dishes", input).await;
    });
}

async fn load(host: &PluginHost, file: &str) -> Plugin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins/dist").join(file);
    let bytes = std::fs::read(path).expect("`cargo xtask plugins` has built it");
    let size = bytes.len();
    let cold = Instant::now();
    drop(host.load(bytes.clone()).await.expect("it loads"));
    let cold = cold.elapsed();
    let warm = Instant::now();
    let plugin = host.load(bytes).await.expect("it loads");
    println!("{file}: {size} bytes, first load {cold:.2?} (compiled unless cached), again {:.2?}", warm.elapsed());
    plugin
}

async fn measure(host: &PluginHost, plugin: &Plugin, tool: &str, input: Value) {
    let context = CallContext {
        tenant: "bench".to_owned(),
        grants: Grants::default(),
        config: Map::new(),
        limits: None,
        access: Arc::new(NoServer),
        idempotency_key: None,
    };
    let mut costs = Vec::new();
    let mut guest = 0;
    for _ in 0..BATCHES {
        let began = thread_time();
        for _ in 0..BATCH {
            let report = host.call(plugin, tool, input.clone(), context.clone()).await;
            guest += report.cpu_us;
            report.result.expect("the call succeeds");
        }
        costs.push((thread_time() - began) / BATCH);
    }
    costs.sort();
    let (best, median) =
        (costs.first().expect("there are batches"), costs.get(BATCHES / 2).expect("there are batches"));
    println!(
        "  {tool}, {} bytes of input: {:.1} ({:.1}); of it instance and guest {:.1}",
        input.to_string().len(),
        median.as_secs_f64() * 1e6,
        best.as_secs_f64() * 1e6,
        guest as f64 / f64::from(BATCH) / BATCHES as f64,
    );
}

fn dishes(bytes: usize) -> Vec<Value> {
    let dish = json!({"name": "麻婆豆腐", "category": "热菜", "price": 28, "spice_level": 3, "allergens": ["soy"]});
    vec![dish.clone(); bytes.div_ceil(dish.to_string().len())]
}

#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(not(unix))]
fn thread_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
