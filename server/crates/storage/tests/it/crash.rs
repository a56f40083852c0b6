//! `kill -9` in the middle of many steps: what was answered is there, whole, and nothing is there by half.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use domain::RunId;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use storage::{RunSnapshot, Storage};

use crate::support::{again, begin, child, run, step, tenant};

const RUNS: usize = 16;
const KILLED_AFTER: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_steps_survive_kill_9() {
    if let Some((role, path)) = child() {
        return step_until_killed(&role, &path).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.sqlite");
    for round in 0..3 {
        let answered = run_and_kill(&path, &format!("round{round}"));
        assert!(answered.len() > 1, "several runs were under way");
        let storage = Storage::open(&path).await.unwrap();
        let tenants = storage.all_tenants_list_tenants().await.unwrap();
        let a = tenants.iter().find(|it| it.slug == format!("round{round}")).unwrap().id;
        for (id, answered) in answered {
            let events = storage.run_events(a, id, 0, i64::MAX).await.unwrap();
            let stored = i64::try_from(events.len()).unwrap();
            assert!(stored >= answered, "run {id}: {answered} steps were answered, {stored} are stored");
            assert!(stored <= answered + 1, "a driver waits for each answer");
            assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gap");
            let snapshot = storage.run_snapshot(a, id).await.unwrap();
            assert_eq!(
                snapshot,
                Some(RunSnapshot { step: stored, snapshot: stored.to_string() }),
                "event and snapshot of a step come together"
            );
        }
        let unfinished = storage.all_tenants_adrift_runs("me", 0).await.unwrap();
        let unfinished: Vec<_> = unfinished.iter().filter(|(tenant, _)| *tenant == a).collect();
        assert_eq!(unfinished.len(), RUNS, "all can be taken up again");
        storage.record_step(a, unfinished[0].1.id, step(1_000_000)).await.unwrap();
        storage.close().await;
        assert_eq!(complaints(&path).await, ["ok"]);
    }
}

/// Starts a process that stores steps, kills it, and tells which step of each run it had an answer for.
fn run_and_kill(path: &Path, role: &str) -> BTreeMap<RunId, i64> {
    let mut command = again("crash::answered_steps_survive_kill_9", role, path);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut answered = BTreeMap::new();
    let mut count = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        // The test runner writes lines of its own, and the last one may be cut off.
        let (Some("answered"), Some(id), Some(seq), Some("!")) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        answered.insert(id.parse().unwrap(), seq.parse().unwrap());
        count += 1;
        if count == KILLED_AFTER {
            // SIGKILL; what is in the pipe already is still read.
            process.kill().unwrap();
        }
    }
    assert!(count >= KILLED_AFTER, "the process ended by itself after {count} answers");
    assert!(!process.wait().unwrap().success());
    answered
}

async fn step_until_killed(role: &str, path: &Path) {
    let storage = Storage::open(path).await.unwrap();
    let a = tenant_of_process(&storage, role).await;
    let tasks = (0..RUNS).map(|n| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let it = run_of_process(i64::try_from(n).unwrap());
            storage.begin_run(a, begin(it.clone())).await.unwrap();
            for seq in 1.. {
                storage.record_step(a, it.id, step(seq)).await.unwrap();
                // One write per line, so that lines of different tasks do not mix.
                std::io::stdout().write_all(format!("answered {} {seq} !\n", it.id).as_bytes()).unwrap();
            }
        })
    });
    futures::future::join_all(tasks.collect::<Vec<_>>()).await;
}

/// Ids of several processes meet in one file here, so they have to be different.
fn run_of_process(n: i64) -> domain::Run {
    domain::Run { id: RunId::from_uuid(uuid::Uuid::new_v4()), ..run("w", n) }
}

async fn tenant_of_process(storage: &Storage, slug: &str) -> domain::TenantId {
    let id = domain::TenantId::from_uuid(uuid::Uuid::new_v4());
    let it = domain::Tenant { id, slug: slug.into(), name: String::new(), created_at: 1 };
    storage.all_tenants_create_tenant(it).await.unwrap();
    id
}

/// What SQLite itself finds wrong with the file.
async fn complaints(path: &Path) -> Vec<String> {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let rows = sqlx::query("pragma integrity_check").fetch_all(&mut connection).await.unwrap();
    let orphans = sqlx::query("pragma foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert!(orphans.is_empty());
    connection.close().await.unwrap();
    rows.iter().map(|it| it.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_that_was_cut_off_leaves_the_old_records() {
    use crate::support::{base, document};
    if let Some((_, path)) = child() {
        return replace_until_killed(&path).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.sqlite");
    let storage = Storage::open(&path).await.unwrap();
    let a = tenant(&storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    storage.create_document(a, document(menu.id, "menu.csv", 1)).await.unwrap();
    let mut process = again("crash::a_replacement_that_was_cut_off_leaves_the_old_records", "replace", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|it| it.unwrap().contains("replaced 2 !")), "it came to the second version");
    std::thread::sleep(std::time::Duration::from_millis(15));
    process.kill().unwrap();
    process.wait().unwrap();
    let stored = storage.document_by_name(a, menu.id, "menu.csv").await.unwrap().unwrap();
    let chunks = storage.chunks(a, stored.id, None, (None, i64::MAX)).await.unwrap();
    assert!(stored.version >= 2);
    assert_eq!(chunks.len(), 3000);
    assert!(chunks.iter().all(|it| it.version == stored.version), "never a mixture");
    storage.all_tenants_purge_chunks().await.unwrap();
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0);
    assert_eq!(
        storage.chunks(a, stored.id, None, (None, i64::MAX)).await.unwrap(),
        chunks,
        "only left-overs were removed"
    );
}

async fn replace_until_killed(path: &Path) {
    let storage = Storage::open(path).await.unwrap();
    let a = storage.all_tenants_list_tenants().await.unwrap()[0].id;
    let menu = storage.knowledge_base(a, "menu").await.unwrap().unwrap();
    let document = storage.document_by_name(a, menu.id, "menu.csv").await.unwrap().unwrap().id;
    for _ in 0.. {
        let version = crate::support::replace(&storage, a, document, 3000).await;
        std::io::stdout().write_all(format!("replaced {version} !\n").as_bytes()).unwrap();
    }
}
