//! The clients, and their ledger of what the server has accepted: a status of success is a promise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Dice;

const RUNNERS: u64 = 5;
const TALKERS: u64 = 4;
/// Messages of one conversation before the next is begun.
const MESSAGES: u64 = 8;
/// How long the last runs may take after the load has ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that finds the server again after it was killed.
#[derive(Clone)]
pub(super) struct Api {
    client: reqwest::Client,
    address: watch::Receiver<String>,
    key: String,
}

impl Api {
    pub(super) fn new(address: watch::Receiver<String>, key: String) -> Api {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Api { client: reqwest::Client::new(), address, key }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", *self.address.borrow());
        self.client.request(method, url).bearer_auth(&self.key).timeout(PATIENCE)
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.request(method, path).json(body).send().await
    }

    async fn send_for_events(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.request(Method::POST, path).header("accept", "text/event-stream").json(body).send().await
    }

    async fn try_get(&self, path: &str) -> Option<Value> {
        let sent = self.request(Method::GET, path).send().await.ok()?;
        assert!(sent.status().is_success(), "{path}: {}", sent.status());
        sent.json().await.ok()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.unwrap_or_else(|| panic!("{path}: no answer"))
    }

    /// All runs, nested ones and turns included.
    pub(super) async fn runs(&self) -> Vec<Value> {
        let mut runs = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/api/v1/runs?limit=100{cursor}")).await;
            runs.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return runs,
            }
        }
    }

    /// The stored events of a run that is over.
    pub(super) async fn events(&self, run: &str) -> Vec<Event> {
        let sent = self.request(Method::GET, &format!("/api/v1/runs/{run}/events")).send().await.expect("an answer");
        let mut stream = Events { response: sent, text: String::new() };
        let mut all = Vec::new();
        while let Some(event) = stream.next().await {
            all.push(event);
        }
        all
    }
}

pub(super) struct Event {
    pub id: Option<i64>,
    pub name: String,
    pub data: Value,
}

/// Server-sent events, until the connection ends or breaks.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = read(event);
                self.text = rest.to_owned();
                if let Some(event) = event {
                    return Some(event);
                }
                continue;
            }
            // Every event is ASCII here, so no piece ends within a character.
            let more = self.response.chunk().await.ok()??;
            self.text.push_str(&String::from_utf8_lossy(&more));
        }
    }
}

fn read(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|it| it.strip_prefix(name)).map(str::trim_start);
    let data = serde_json::from_str(field("data:")?).expect("an event carries JSON");
    Some(Event { id: field("id:").map(|it| it.parse().unwrap()), name: field("event:")?.to_owned(), data })
}

#[derive(Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Clone, Default)]
pub(super) struct Entries {
    /// Every ticket that was sent, and whether the server said yes.
    pub tickets: BTreeMap<String, bool>,
    /// The runs that the server named, by ticket.
    pub runs: BTreeMap<String, String>,
    /// By conversation: what was said in it, and whether the server said yes.
    pub conversations: BTreeMap<String, BTreeMap<String, bool>>,
    /// By run and effect: the option whose answer the server took.
    pub answers: BTreeMap<(String, i64), &'static str>,
    pub refused: u64,
    pub broken: u64,
}

impl Ledger {
    pub(super) fn entries(&self) -> Entries {
        self.write().clone()
    }

    fn write(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().expect("no client panics while it writes")
    }
}

#[derive(Clone)]
pub(super) struct Load {
    pub api: Api,
    pub ledger: Arc<Ledger>,
    pub stop: Arc<AtomicBool>,
    /// What is started, at random.
    pub workflows: &'static [&'static str],
}

/// What became of a request.
enum Sent {
    Yes(Response),
    /// The server is too busy, or the conversation is: nothing has happened.
    Refused,
    /// The connection broke before the answer: nobody knows.
    Broken,
}

impl Load {
    pub(super) fn begin(&self, dice: &mut Dice) -> Vec<JoinHandle<()>> {
        let mut clients = Vec::new();
        for number in 0..RUNNERS {
            let (load, dice) = (self.clone(), Dice(dice.below(u64::MAX)));
            clients.push(tokio::spawn(async move { load.start_runs(number, dice).await }));
        }
        for number in 0..TALKERS {
            let (load, dice) = (self.clone(), Dice(dice.below(u64::MAX)));
            clients.push(tokio::spawn(async move { load.talk(number, dice).await }));
        }
        let load = self.clone();
        clients.push(tokio::spawn(async move {
            while !load.stop.load(Ordering::Relaxed) {
                load.answer_questions().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }));
        clients
    }

    fn judge(&self, sent: reqwest::Result<Response>) -> Sent {
        match sent {
            Err(_) => {
                self.ledger.write().broken += 1;
                Sent::Broken
            }
            Ok(response) => match response.status() {
                it if it.is_success() => Sent::Yes(response),
                StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
                    self.ledger.write().refused += 1;
                    Sent::Refused
                }
                other => panic!("{}: {other}", response.url()),
            },
        }
    }

    async fn start_runs(&self, client: u64, mut dice: Dice) {
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let workflow = self.workflows[usize::try_from(dice.below(self.workflows.len() as u64)).unwrap()];
            let ticket = format!("{workflow}-{client}-{number}");
            self.ledger.write().tickets.insert(ticket.clone(), false);
            let path = format!("/api/v1/workflows/{workflow}/runs");
            let body = json!({ "inputs": { "ticket": ticket } });
            // A reader that stays, one that leaves when it knows the run, and one that wants to have it all at once.
            let manner = dice.below(4);
            let sent = match manner {
                0 => self.api.send(Method::POST, &path, &body).await,
                _ => self.api.send_for_events(&path, &body).await,
            };
            match self.judge(sent) {
                Sent::Yes(response) => {
                    self.ledger.write().tickets.insert(ticket.clone(), true);
                    if manner > 0 {
                        self.follow(response, &ticket, manner > 1).await;
                    }
                }
                Sent::Refused | Sent::Broken => {}
            }
            tokio::time::sleep(Duration::from_millis(30 + dice.below(150))).await;
        }
    }

    async fn follow(&self, response: Response, ticket: &str, stays: bool) {
        let mut events = Events { response, text: String::new() };
        while let Some(event) = events.next().await {
            if event.name == "run.started" {
                let run = event.data["run_id"].as_str().expect("a run has an id").to_owned();
                self.ledger.write().runs.insert(ticket.to_owned(), run);
                if !stays {
                    return;
                }
            }
        }
    }

    async fn talk(&self, client: u64, mut dice: Dice) {
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let assistant = if (client + number).is_multiple_of(2) { "desk" } else { "shop" };
            let made = self.api.send(Method::POST, "/api/v1/conversations", &json!({ "assistant": assistant })).await;
            let Sent::Yes(made) = self.judge(made) else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(made) = made.json::<Value>().await else { continue };
            let conversation = made["id"].as_str().expect("a conversation has an id").to_owned();
            self.ledger.write().conversations.insert(conversation.clone(), BTreeMap::new());
            for message in 0..MESSAGES {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                self.say(&conversation, &format!("message {client}-{number}-{message}")).await;
                tokio::time::sleep(Duration::from_millis(20 + dice.below(200))).await;
            }
        }
    }

    async fn say(&self, conversation: &str, content: &str) {
        let note = |accepted: bool| {
            let mut entries = self.ledger.write();
            let said = entries.conversations.get_mut(conversation).expect("a conversation of the ledger");
            said.insert(content.to_owned(), accepted);
        };
        note(false);
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let sent = self.api.send_for_events(&path, &json!({ "content": content })).await;
        if let Sent::Yes(response) = self.judge(sent) {
            note(true);
            let mut events = Events { response, text: String::new() };
            while events.next().await.is_some() {}
        }
    }

    /// Answers what workflows ask. An answer that was taken is followed by another one, which must not be.
    async fn answer_questions(&self) -> Vec<Value> {
        let Some(open) = self.api.try_get("/api/v1/waits?limit=100").await else { return Vec::new() };
        let items = open["items"].as_array().cloned().unwrap_or_default();
        for wait in items.iter().filter(|it| it["conversation"].is_null()) {
            let (run, effect) = (wait["run"].as_str().unwrap(), wait["effect"].as_i64().unwrap());
            let (first, other) = if run.as_bytes()[35] % 2 == 0 { ("this", "that") } else { ("that", "this") };
            let path = format!("/api/v1/runs/{run}/waits/{effect}");
            let sent = self.api.send(Method::POST, &path, &json!({ "option": first })).await;
            let Sent::Yes(_) = self.judge(sent) else { continue };
            self.ledger.write().answers.insert((run.to_owned(), effect), first);
            if let Ok(again) = self.api.send(Method::POST, &path, &json!({ "option": other })).await {
                assert_eq!(again.status(), StatusCode::CONFLICT, "the first answer counts");
            }
        }
        items
    }

    /// Waits until every run is over, and answers what is still asked.
    pub(super) async fn settle(&self) -> Duration {
        let began = Instant::now();
        loop {
            for wait in self.answer_questions().await {
                if let Some(conversation) = wait["conversation"].as_str() {
                    self.say(conversation, &format!("so be it, {}", wait["effect"])).await;
                }
            }
            let mut open = self.api.runs().await;
            open.retain(|it| it["finished_at"].is_null());
            if open.is_empty() {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "these do not end: {open:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
