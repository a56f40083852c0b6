//! What plugins cost, and what of it is ours: each figure beside the same work by wasmtime alone, in the same run and in turns,
//! with the same engine settings and pool but without limits, schemas, metering and a server behind it.
//!
//! `cargo xtask plugins`, then `cargo run --release -p plugin-host --example measure_plugins`. `cargo xtask bench plugins` puts
//! the lines into `bench/RESULTS.md`.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a measurement prints its figures and may give up")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugin_host::{CallContext, Grants, HostConfig, NoServer, Plugin, PluginHost};
use serde_json::{Map, Value, json};

#[path = "measure_plugins/bare.rs"]
mod bare;

const BATCHES: usize = 15;
/// Processor time of a batch, about; so that large inputs do not take for ever.
const BATCH: Duration = Duration::from_millis(8);
/// How long throughput and neighbours are watched.
const WATCHED: Duration = Duration::from_secs(4);
const INSTALLED: usize = 100;

fn main() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let host = PluginHost::new(HostConfig::new(cache.path().join("compiled"))).expect("the host starts");
    println!("allocation: {:?}", host.allocation());
    let one = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    one.block_on(async {
        for file in ["testing/echo.wasm", "filter_spicy_dishes.wasm", "code_javascript.wasm"] {
            load(&host, file).await;
        }
        let (echo, spicy) = (loaded(&host, "testing/echo.wasm").await, loaded(&host, "filter_spicy_dishes.wasm").await);
        let (bare_echo, bare_spicy) =
            (bare::Bare::load(&file("testing/echo.wasm")), bare::Bare::load(&file("filter_spicy_dishes.wasm")));
        for bytes in [0, 1 << 10, 100 << 10] {
            call(&host, &echo, &bare_echo, "echo", &json!({ "value": dishes(bytes) })).await;
        }
        for bytes in [1 << 10, 100 << 10] {
            let input = json!({ "dishes": dishes(bytes), "min_level": 2 });
            call(&host, &spicy, &bare_spicy, "filter_spicy_dishes", &input).await;
        }
    });
    let two = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    two.block_on(async {
        throughput(&host).await;
        neighbours(&host).await;
    });
    one.block_on(resident(&host));
}

fn file(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins/dist").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask plugins` builds it", path.display()))
}

fn context(tenant: &str) -> CallContext {
    CallContext {
        tenant: tenant.to_owned(),
        grants: Grants::default(),
        config: Map::new(),
        limits: None,
        access: Arc::new(NoServer),
        idempotency_key: None,
    }
}

fn dishes(bytes: usize) -> Vec<Value> {
    let dish = json!({"name": "麻婆豆腐", "category": "热菜", "price": 28, "spice_level": 3, "allergens": ["soy"]});
    vec![dish.clone(); bytes.div_ceil(dish.to_string().len())]
}

async fn loaded(host: &PluginHost, name: &str) -> Plugin {
    host.load(file(name)).await.expect("it loads")
}

async fn load(host: &PluginHost, name: &str) {
    let bytes = file(name);
    let size = bytes.len();
    let began = Instant::now();
    let plugin = host.load(bytes.clone()).await.expect("it loads");
    let cold = began.elapsed();
    let compiled = std::fs::metadata(host.cache_file(plugin.sha256())).map_or(0, |it| it.len());
    drop(plugin);
    let mut again: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        drop(host.load(bytes.clone()).await.expect("it loads"));
        again.push(began.elapsed());
    }
    again.sort();
    let cached = again.get(2).copied().unwrap_or_default();
    println!(
        "load {name}: {size} bytes, compiled {compiled} bytes, cold {} us, cached {} us",
        cold.as_micros(),
        cached.as_micros()
    );
}

/// Ours and bare in turns, so that whatever else the machine does meets both.
async fn call(host: &PluginHost, plugin: &Plugin, bare: &bare::Bare, tool: &str, input: &Value) {
    let text = input.to_string();
    let ours_once = async |input: Value| {
        host.call(plugin, tool, input, context("tenant")).await.result.expect("the call succeeds");
    };
    let began = process_time();
    ours_once(input.clone()).await;
    ours_once(input.clone()).await;
    let once = (process_time() - began) / 2;
    let calls = u32::try_from(BATCH.as_nanos() / once.as_nanos().max(1)).unwrap_or(1).max(3);
    let (mut ours, mut alone, mut encoding) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        // A call takes its values and keeps them; making them is the measurement's own.
        let inputs = vec![input.clone(); calls as usize];
        let began = process_time();
        for input in inputs {
            ours_once(input).await;
        }
        ours.push((process_time() - began) / calls);
        let began = process_time();
        for _ in 0..calls {
            bare.call(tool, &text).await;
        }
        alone.push((process_time() - began) / calls);
        // The host is given a value and gives one back; a caller of wasmtime alone would do this by himself.
        let inputs = vec![input.clone(); calls as usize];
        let began = process_time();
        for input in inputs {
            let given = serde_json::to_string(&std::hint::black_box(input)).expect("it is JSON");
            std::hint::black_box(serde_json::from_str::<Value>(&given).expect("it is JSON"));
        }
        encoding.push((process_time() - began) / calls);
    }
    let (ours, alone, encoding) = (Spread::of(ours), Spread::of(alone), Spread::of(encoding));
    println!("call {tool} {} bytes: ours {ours}, bare {alone}, json {encoding}", text.len());
}

struct Spread {
    median: f64,
    best: f64,
}

impl Spread {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        let us = |it: Option<&Duration>| it.copied().unwrap_or_default().as_secs_f64() * 1e6;
        Self { median: us(all.get(all.len() / 2)), best: us(all.first()) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.1} ({:.1}) us", self.median, self.best)
    }
}

async fn throughput(host: &PluginHost) {
    let (echo, bare) =
        (loaded(host, "testing/echo.wasm").await, Arc::new(bare::Bare::load(&file("testing/echo.wasm"))));
    let input = json!({ "value": 1 });
    let ours = watched(4, |until| {
        let (host, echo, input) = (host.clone(), echo.clone(), input.clone());
        async move {
            let mut calls = 0;
            while Instant::now() < until {
                host.call(&echo, "echo", input.clone(), context("tenant")).await.result.expect("the call succeeds");
                calls += 1;
            }
            calls
        }
    })
    .await;
    let alone = watched(4, |until| {
        let (bare, text) = (Arc::clone(&bare), input.to_string());
        async move {
            let mut calls = 0;
            while Instant::now() < until {
                bare.call("echo", &text).await;
                calls += 1;
                // Ours gives way now and then by waiting for slots; this never would.
                if calls % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            calls
        }
    })
    .await;
    println!("throughput echo on 2 threads: ours {ours:.0} calls/s, bare {alone:.0} calls/s");
}

async fn watched<Work: Future<Output = u64> + Send + 'static>(tasks: usize, work: impl Fn(Instant) -> Work) -> f64 {
    let began = Instant::now();
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(work(began + WATCHED))).collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.expect("no panic");
    }
    calls as f64 / began.elapsed().as_secs_f64()
}

/// Calls of one tenant at a steady pace, alone and beside another tenant's guests that compute without end.
async fn neighbours(host: &PluginHost) {
    let (spicy, burner) =
        (loaded(host, "filter_spicy_dishes.wasm").await, loaded(host, "testing/misbehaves.wasm").await);
    for burners in [0, 1, 16] {
        let stop = Arc::new(AtomicBool::new(false));
        let burnt = Arc::new(AtomicU64::new(0));
        let burning: Vec<_> = (0..burners)
            .map(|_| {
                let (host, burner, stop, burnt) = (host.clone(), burner.clone(), Arc::clone(&stop), Arc::clone(&burnt));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let report = host.call(&burner, "loops_forever", json!({}), context("burner")).await;
                        burnt.fetch_add(report.cpu_us, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let input = json!({ "dishes": dishes(1 << 10), "min_level": 2 });
        let mut taken = Vec::new();
        let began = Instant::now();
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        while began.elapsed() < WATCHED {
            pace.tick().await;
            let began = Instant::now();
            let report = host.call(&spicy, "filter_spicy_dishes", input.clone(), context("tenant")).await;
            report.result.expect("the call succeeds");
            taken.push(began.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        for task in burning {
            task.await.expect("no panic");
        }
        taken.sort();
        let at = |share: f64| taken.get((taken.len() as f64 * share) as usize).copied().unwrap_or_default().as_micros();
        println!(
            "neighbours {burners} burning: {} calls, p50 {} us, p99 {} us; the burners used {} ms",
            taken.len(),
            at(0.5),
            at(0.99),
            burnt.load(Ordering::Relaxed) / 1_000
        );
    }
}

/// Memory of many plugins that nobody calls, and of the same after a call of each.
async fn resident(host: &PluginHost) {
    let code = file("filter_spicy_dishes.wasm");
    let numbered = |number: usize| {
        // A custom section named `n` makes it another file.
        let number = u8::try_from(number).unwrap_or_default();
        [code.as_slice(), &[0, 3, 1, b'n', number]].concat()
    };
    for number in 0..INSTALLED {
        // Compiled beforehand: the compiler's memory is no plugin's.
        drop(host.load(numbered(number)).await.expect("it loads"));
    }
    let before = Resident::now();
    let mut plugins = Vec::new();
    for number in 0..INSTALLED {
        plugins.push(host.load(numbered(number)).await.expect("it loads"));
    }
    let idle = Resident::now();
    let input = json!({ "dishes": dishes(1 << 10), "min_level": 2 });
    for plugin in &plugins {
        let report = host.call(plugin, "filter_spicy_dishes", input.clone(), context("tenant")).await;
        report.result.expect("the call succeeds");
    }
    let called = Resident::now();
    println!("resident {INSTALLED} plugins, idle: {}", idle.since(&before));
    println!("resident {INSTALLED} plugins, after a call of each: {}", called.since(&before));
}

/// Resident memory of this process in KiB: its own, and pages of files, which the system takes back when it needs the memory.
struct Resident {
    own: i64,
    files: i64,
}

impl Resident {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches("kB").trim().parse().unwrap_or_default()
        };
        Self { own: kib("RssAnon:"), files: kib("RssFile:") }
    }

    fn since(&self, before: &Resident) -> String {
        format!("{} KiB of its own, {} KiB of files", self.own - before.own, self.files - before.files)
    }
}

/// Of all threads: what takes long moves from the caller's thread to the host's own.
#[cfg(unix)]
fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(not(unix))]
fn process_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
