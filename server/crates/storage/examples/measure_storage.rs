//! How many steps of runs can be stored per second: `cargo run --release -p storage --example measure_storage [FOLDER [WAYS…]]`.
//!
//! The folder decides which disk is measured; without one it is the system's temporary folder.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::{Run, RunId, RunKind, RunStatus, Tenant, TenantId};
use serde_json::json;
use serde_json::value::RawValue;
use storage::{BeginRun, Durability, NewEvent, RunStep, Storage};
use uuid::Uuid;

const MEASURED: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let asked = arguments.map(|it| it.parse()).collect::<Result<Vec<u32>, _>>()?;
    let all = if asked.is_empty() { vec![1, 8, 64] } else { asked };
    let each = [Durability::PowerLoss, Durability::ProcessCrash].map(|it| [(it, 256, "together"), (it, 1, "apart")]);
    for (durability, group, commits) in each.into_iter().flatten() {
        for &ways in &all {
            let path = folder.join(format!("measure-{}.sqlite", Uuid::now_v7().simple()));
            let storage = Storage::open_grouping(&path, durability, group).await?;
            let (rate, median, slow) = measure(&storage, ways).await?;
            println!(
                "{durability:?}, commits {commits}: {ways:>2} at a time: {rate:>6.0} steps/s, median {median:?}, \
                 99th of 100 {slow:?}"
            );
            for suffix in ["", "-wal", "-shm"] {
                // The log and its index are gone already after a clean close.
                let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
            }
        }
    }
    Ok(())
}

async fn measure(storage: &Storage, ways: u32) -> Result<(f64, Duration, Duration), Box<dyn Error>> {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    let first = Tenant { id: tenant, slug: "measured".into(), name: "Measured".into(), created_at: 0 };
    storage.all_tenants_create_tenant(first).await?;
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..ways {
        let (storage, count) = (storage.clone(), count.clone());
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < MEASURED {
                let run = RunId::from_uuid(Uuid::now_v7());
                let begin = BeginRun { run: new_run(run), first: step(1), turn: None, lease: None };
                storage.begin_run(tenant, begin).await?;
                // A run of ten nodes: as many steps as a model, a search and a few tools make.
                for number in 2..=10 {
                    let before = Instant::now();
                    storage.record_step(tenant, run, step(number)).await?;
                    times.push(before.elapsed());
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok::<_, storage::StorageError>(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    storage.close().await;
    times.sort();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    Ok((rate, at(50), at(99)))
}

fn new_run(id: RunId) -> Run {
    Run {
        id,
        kind: RunKind::Workflow,
        name: "measured".into(),
        version: None,
        conversation: None,
        message: None,
        parent_run: None,
        parent_node: None,
        status: RunStatus::Running,
        inputs: json!({ "question": "喜欢辣味的菜品" }),
        outputs: None,
        answer: None,
        error: None,
        started_at: 0,
        finished_at: None,
        origin: None,
    }
}

/// Two events of 300 bytes and an outcome of the same size, as a step with a short prompt has.
fn step(number: i64) -> RunStep {
    let text = format!("{{\"text\":\"{:280}\"}}", "");
    let event = || NewEvent { name: "node.finished", data: RawValue::from_string(text.clone()).unwrap_or_default() };
    RunStep {
        number,
        cause: format!("{{\"outcomes\":[{text}]}}"),
        first_seq: number * 2 - 1,
        events: vec![event(), event()],
        ..RunStep::default()
    }
}
