//! `kill -9` at random moments, again and again, under a load of mixed workflows: every accepted run ends, finished nodes
//! are not repeated, nothing is lost, and no message is there twice.
//!
//! * `service` is what the workflows call: it counts every request.
//! * `load` are the clients, and their ledger of what the server has accepted.
//! * `check` holds what the server tells at the end against the ledger and the service.
//!
//! `CRASH_KILLS=200` kills so often instead of 10 times, which takes some minutes; `CRASH_SEED` repeats the moments of an
//! earlier run.

mod check;
mod load;
mod service;
mod workflows;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::binary::{Server, key_of};
use crate::support::mock_model::{MockModel, Reply};
use load::{Api, Ledger, Load};
use service::Service;

/// Unless somebody asks for more.
const KILLS: u32 = 10;
/// What the model answers, word by word.
const WORDS: usize = 30;

/// Moments are as good as random, and the same for the same seed: splitmix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % most
    }
}

fn seed() -> u64 {
    let given = std::env::var("CRASH_SEED").ok().and_then(|it| it.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_nothing_is_lost_and_nothing_is_done_twice() {
    under_fire(1, |_| {}).await;
}

/// The clients go to the other server when theirs is killed, which leaves runs at both.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_postgres_that_are_killed_in_turn_lose_nothing_and_do_nothing_twice() {
    let url = crate::support::postgres::database().await;
    under_fire(2, |command| {
        command.env("PARLOUR_DATABASE_URL", &url).env("PARLOUR_MASTER_KEY", "5a".repeat(32));
    })
    .await;
}

#[expect(clippy::print_stdout, reason = "the figures of a long run are what it is for")]
async fn under_fire(servers: usize, place: impl Fn(&mut Command)) {
    let kills: u32 = std::env::var("CRASH_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(KILLS);
    let seed = seed();
    println!("CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let service = Service::start(dice.clone()).await;
    let model = MockModel::start().await;
    model.on("", Reply::text("word ".repeat(WORDS)).delay(Duration::from_millis(8)));
    let base_url = model.base_url().to_owned();
    let host = service.host();
    let start = |data: &Path| {
        let began = Instant::now();
        let server = Server::start(data, |command| {
            command.env("PARLOUR_MODEL_BASE_URL", &base_url).env("PARLOUR_MODEL_NAME", "mock");
            command.env("PARLOUR_ALLOWED_HOSTS", &host);
            place(command);
        });
        (server, began.elapsed())
    };
    let folders: Vec<TempDir> = (0..servers).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut running: Vec<Server> = folders.iter().map(|it| start(it.path()).0).collect();
    let (addresses, address) = watch::channel(running[0].url.clone());
    let api = Api::new(address, key_of(folders[0].path(), "chat,run,manage", &place));
    workflows::publish(&api, &format!("http://{host}")).await;

    let ledger = Arc::new(Ledger::default());
    let stop = Arc::new(AtomicBool::new(false));
    let workflows = if kills > KILLS { &workflows::STARTED } else { &workflows::STARTED[1..] };
    let load = Load { api: api.clone(), ledger: ledger.clone(), stop: stop.clone(), workflows };
    let clients = load.begin(&mut dice);
    let began = Instant::now();
    let mut starting = Duration::ZERO;
    for kill in 0..kills as usize {
        // Now and then at once, while what the last life has left is being taken up.
        let most = if dice.below(4) == 0 { 50 } else { 900 };
        tokio::time::sleep(Duration::from_millis(dice.below(most))).await;
        let hit = kill % servers;
        running.remove(hit).kill();
        service.crashed();
        if let Some(other) = running.first() {
            addresses.send_replace(other.url.clone());
        }
        let (next, took) = start(folders[hit].path());
        starting += took;
        if running.is_empty() {
            addresses.send_replace(next.url.clone());
        }
        running.insert(hit, next);
    }
    let under_load = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no client panics");
    }
    let left = load.settle().await;
    let told = check::everything(&api, &ledger, &service).await;
    println!(
        "{kills} kills in {:.0} s, {:.2} s to start again on average; the last runs ended {:.1} s after the load\n{told}",
        under_load.as_secs_f64(),
        starting.as_secs_f64() / f64::from(kills),
        left.as_secs_f64(),
    );
    drop(running);
}

/// What a client sends to publish a document.
async fn put(api: &Api, path: &str, yaml: &str) {
    let sent = api.send(Method::PUT, path, &json!({ "yaml": yaml })).await.expect("an answer");
    let status = sent.status();
    assert!(status.is_success(), "{path}: {status} {}", sent.text().await.unwrap_or_default());
}
