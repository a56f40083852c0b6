//! A service that workflows call. It takes a moment, counts every request, and gives each a number of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Dice;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its number, which the answer tells.
    pub serial: u64,
    pub at_ms: i64,
    /// Only what changes something has one.
    pub idempotency_key: Option<String>,
}

pub(super) struct Service {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    server: JoinHandle<()>,
}

struct Shared {
    dice: Mutex<Dice>,
    /// When a server was killed.
    crashes: Mutex<Vec<i64>>,
    /// By the name that the workflow gave its node in this run.
    calls: Mutex<BTreeMap<String, Vec<Call>>>,
}

impl Service {
    pub(super) async fn start(dice: Dice) -> Service {
        let shared = Arc::new(Shared { dice: Mutex::new(dice), crashes: Mutex::default(), calls: Mutex::default() });
        let router = Router::new().route("/read", get(read)).route("/do", post(perform)).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Service { shared, address, server }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// A server was killed.
    pub(super) fn crashed(&self) {
        self.shared.crashes.lock().unwrap().push(now_ms());
    }

    pub(super) fn crashes(&self) -> Vec<i64> {
        self.shared.crashes.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> BTreeMap<String, Vec<Call>> {
        self.shared.calls.lock().unwrap().clone()
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn read(State(shared): State<Arc<Shared>>, Query(query): Query<BTreeMap<String, String>>) -> axum::Json<Value> {
    shared.count(&query["name"], None).await
}

async fn perform(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> axum::Json<Value> {
    let body: Value = serde_json::from_slice(&body).expect("the workflow sends JSON");
    let key = headers.get("idempotency-key").expect("what changes something has a key").to_str().unwrap().to_owned();
    shared.count(body["name"].as_str().expect("a name"), Some(key)).await
}

impl Shared {
    async fn count(&self, name: &str, idempotency_key: Option<String>) -> axum::Json<Value> {
        let pause = self.dice.lock().unwrap().below(60);
        let serial = {
            let mut calls = self.calls.lock().unwrap();
            let serial = calls.values().map(Vec::len).sum::<usize>() as u64;
            let call = Call { serial, at_ms: now_ms(), idempotency_key };
            calls.entry(name.to_owned()).or_default().push(call);
            serial
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        axum::Json(json!({ "name": name, "serial": serial }))
    }
}
