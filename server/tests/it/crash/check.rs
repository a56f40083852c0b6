//! What must be true when everything is over.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use serde_json::Value;

use super::WORDS;
use super::load::{Api, Entries, Event, Ledger};
use super::service::{Call, Service};

/// Runs whose events are read at the same time.
const AT_ONCE: usize = 8;
/// What a server has sent may be heard so many milliseconds after it was killed.
const HEARD_LATE: i64 = 100;

/// What the checks have counted.
#[derive(Default)]
struct Figures {
    runs: usize,
    finished_requests: usize,
    interrupted: usize,
    repeated: usize,
    messages: usize,
}

/// The runs, and what was found out about them.
struct Told {
    calls: BTreeMap<String, Vec<Call>>,
    /// When a server was killed.
    crashes: Vec<i64>,
    /// Names of requests that a run has asked for.
    asked: BTreeSet<String>,
    /// Runs by the ticket that they were started with.
    tickets: BTreeMap<String, Vec<String>>,
    answers: BTreeMap<String, String>,
    figures: Figures,
}

pub(super) async fn everything(api: &Api, ledger: &Ledger, service: &Service) -> String {
    let runs = api.runs().await;
    let entries = ledger.entries();
    let mut told = Told {
        calls: service.calls(),
        crashes: service.crashes(),
        asked: BTreeSet::new(),
        tickets: BTreeMap::new(),
        answers: BTreeMap::new(),
        figures: Figures { runs: runs.len(), ..Figures::default() },
    };
    let reading = runs.iter().map(|run| async move { (run, api.events(text(run, "id")).await) });
    let mut read = futures::stream::iter(reading).buffered(AT_ONCE);
    while let Some((run, events)) = read.next().await {
        let last = events.last().map(|it| &it.data);
        assert_eq!(run["status"], "finished", "{run}: {last:?}");
        told.run(run, &events, &entries);
    }
    children(&runs);
    told.ledger(&entries);
    for (conversation, said) in &entries.conversations {
        told.conversation(api, conversation, said).await;
    }
    told.figures(&entries, service, &runs)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

/// A nested workflow is begun once, however often its parent was taken up.
fn children(runs: &[Value]) {
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        if let Some(parent) = run["parent_run"].as_str() {
            *begun.entry(parent).or_default() += 1;
        }
    }
    for run in runs {
        let expected = match text(run, "name") {
            "outer" => 2,
            "shop" => 1,
            _ => 0,
        };
        assert_eq!(begun.get(text(run, "id")).copied().unwrap_or_default(), expected, "nested runs of {run}");
    }
}

impl Told {
    /// A run's events are a story without gaps in which everything happens once.
    fn run(&mut self, run: &Value, events: &[Event], entries: &Entries) {
        let id = text(run, "id");
        let stored: Vec<&Event> = events.iter().filter(|it| it.id.is_some()).collect();
        let numbers: Vec<i64> = stored.iter().filter_map(|it| it.id).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as i64), "{run}: events {numbers:?}");
        let names: Vec<&str> = stored.iter().map(|it| it.name.as_str()).collect();
        let count = |name: &str| names.iter().filter(|it| **it == name).count();
        assert_eq!((names.first(), names.last()), (Some(&"run.started"), Some(&"run.finished")), "{run}: {names:?}");
        assert_eq!((count("run.started"), count("run.finished")), (1, 1), "{run}: {names:?}");
        let mut started: BTreeMap<&str, &Value> = BTreeMap::new();
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        for event in &stored {
            let Some(node) = event.data["node"].as_str() else { continue };
            match event.name.as_str() {
                "node.started" => {
                    assert!(started.insert(node, &event.data).is_none(), "{run}: `{node}` starts twice");
                    assert!(!settled.contains(node), "{run}: `{node}` starts after it settled");
                }
                "node.skipped" => assert!(settled.insert(node), "{run}: `{node}` settles twice"),
                "node.finished" | "node.failed" => {
                    assert!(settled.insert(node), "{run}: `{node}` settles twice");
                    let input = &started.get(node).unwrap_or_else(|| panic!("{run}: `{node}` never started"))["input"];
                    let place = format!("{run}: `{node}`");
                    self.request(&place, (input, &event.data), event.name == "node.finished");
                }
                _ => {}
            }
            if event.name == "node.finished"
                && let Some(option) = entries.answers.iter().find(|((run, _), _)| run == id).map(|it| *it.1)
                && node == "which"
            {
                assert_eq!(event.data["port"], option, "{run}: the answer that was taken counts");
            }
        }
        let begun: BTreeSet<&str> = started.keys().copied().filter(|it| !settled.contains(it)).collect();
        assert!(begun.is_empty(), "{run}: {begun:?} never settled");
        let (first, last) = (&stored[0].data, &stored[stored.len() - 1].data);
        self.answers.insert(id.to_owned(), text(last, "answer").to_owned());
        if let Some(ticket) = first["inputs"]["ticket"].as_str().filter(|_| run["parent_run"].is_null()) {
            assert_eq!(last["outputs"]["ticket"], ticket, "{run}");
            let question = if run["name"] == "question" { "This or that?\n\n" } else { "" };
            assert_eq!(last["answer"], format!("{question}{ticket} is done"), "{run}");
            self.tickets.entry(ticket.to_owned()).or_default().push(id.to_owned());
        }
    }

    /// A request was made as often as it may have been, and its answer is that of the service.
    fn request(&mut self, place: &str, (input, settled): (&Value, &Value), finished: bool) {
        let changes = input["method"] == "POST";
        let name = if changes { &input["body"]["name"] } else { &input["query"]["name"] };
        let Some(name) = name.as_str() else { return };
        assert!(self.asked.insert(name.to_owned()), "{place}: two nodes are called {name}");
        let calls = self.calls.get(name).map(Vec::as_slice).unwrap_or_default();
        if !finished {
            assert!(changes, "{place}: what only reads is repeated, not given up: {settled}");
            assert_eq!(settled["error"]["code"], "interrupted", "{place}: {settled}");
            assert_eq!(settled["handled"], true, "{place}: {settled}");
            assert!(calls.len() <= 1, "{place}: {calls:?}");
            self.figures.interrupted += 1;
            return;
        }
        self.figures.finished_requests += 1;
        self.figures.repeated += calls.len() - 1;
        let last = calls.last().unwrap_or_else(|| panic!("{place}: the service was never asked"));
        assert_eq!(settled["output"]["body"]["serial"], last.serial, "{place}: another request's answer");
        let at = settled["at"].as_i64().unwrap();
        assert!(last.at_ms <= at, "{place}: asked again at {} after it was done at {at}", last.at_ms);
        if changes {
            assert_eq!(calls.len(), 1, "{place}: {calls:?}");
            assert!(last.idempotency_key.is_some(), "{place}: {calls:?}");
        }
        for (first, again) in calls.iter().zip(calls.iter().skip(1)) {
            let why = self.crashes.iter().find(|at| (first.at_ms - HEARD_LATE..=again.at_ms).contains(at));
            assert!(why.is_some(), "{place}: asked twice although nothing was killed: {calls:?}, {:?}", self.crashes);
        }
    }

    fn ledger(&self, entries: &Entries) {
        for (ticket, accepted) in &entries.tickets {
            let runs = self.tickets.get(ticket).map_or(0, Vec::len);
            assert!(runs <= 1, "{ticket} was started {runs} times");
            assert!(runs == 1 || !accepted, "{ticket} was accepted and is lost");
        }
        for (ticket, run) in &entries.runs {
            assert_eq!(self.tickets.get(ticket), Some(&vec![run.clone()]), "{ticket}");
        }
        let known: BTreeSet<&String> = entries.tickets.keys().collect();
        let strange: Vec<&String> = self.tickets.keys().filter(|it| !known.contains(it)).collect();
        assert!(strange.is_empty(), "nobody started {strange:?}");
        let unasked: Vec<&String> = self.calls.keys().filter(|it| !self.asked.contains(*it)).collect();
        assert!(unasked.is_empty(), "requests that no stored run asked for: {unasked:?}");
        let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, calls) in &self.calls {
            for key in calls.iter().filter_map(|it| it.idempotency_key.as_deref()) {
                let before = keys.insert(key, name);
                assert!(before.is_none_or(|it| it == name), "{key} is the key of {before:?} and of {name}");
            }
        }
    }

    /// Every message once, each followed by its answer, and the answers are what the runs have said.
    async fn conversation(&mut self, api: &Api, conversation: &str, said: &BTreeMap<String, bool>) {
        let all = api.get(&format!("/api/v1/conversations/{conversation}/messages")).await;
        let messages = all["items"].as_array().unwrap();
        self.figures.messages += messages.len();
        let mut parts: BTreeMap<&str, String> = BTreeMap::new();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, message) in messages.iter().enumerate() {
            let expected = if place % 2 == 0 { "user" } else { "assistant" };
            assert_eq!(message["role"], expected, "{conversation}: {all:#}");
            assert_eq!(message["status"], "complete", "{conversation}: {message}");
            let content = text(message, "content");
            if expected == "user" {
                *seen.entry(content).or_default() += 1;
            } else {
                // A blank line between two parts belongs to neither.
                let part = parts.entry(text(message, "run")).or_default();
                part.push_str(content);
                part.push('\n');
            }
        }
        for (content, times) in &seen {
            assert_eq!(*times, 1, "{conversation}: `{content}` is there {times} times");
            assert!(said.contains_key(*content), "{conversation}: nobody said `{content}`");
        }
        for (content, _) in said.iter().filter(|it| *it.1) {
            assert!(seen.contains_key(content.as_str()), "{conversation}: `{content}` was accepted and is lost");
        }
        for (run, parts) in parts {
            let answer = self.answers.get(run).unwrap_or_else(|| panic!("{conversation}: no run {run}"));
            let close = |it: &str| it.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(close(&parts), close(answer), "{conversation}: what run {run} has said");
            assert!(answer.starts_with(&"word ".repeat(WORDS)), "{conversation}: {answer}");
            assert_eq!(answer.matches("word").count(), WORDS, "{conversation}: {answer}");
        }
    }

    fn figures(&self, entries: &Entries, service: &Service, runs: &[Value]) -> String {
        let Figures { runs: count, finished_requests, interrupted, repeated, messages } = self.figures;
        let accepted = entries.tickets.values().filter(|it| **it).count();
        let spans = |at: &i64| {
            let at = *at;
            runs.iter()
                .filter(|it| it["started_at"].as_i64() <= Some(at) && Some(at) < it["finished_at"].as_i64())
                .count()
        };
        let met: usize = service.crashes().iter().map(spans).sum();
        let calls: usize = self.calls.values().map(Vec::len).sum();
        format!(
            "{} runs sent, {accepted} accepted; {count} runs finished, nested ones and turns included; {met} met by a kill on their way, each time counted\n\
             {calls} requests made for {finished_requests} nodes: {repeated} repeated, {interrupted} given up as interrupted\n\
             {} conversations with {messages} messages; {} questions answered; {} requests refused, {} connections broken",
            entries.tickets.len(),
            entries.conversations.len(),
            entries.answers.len(),
            entries.refused,
            entries.broken,
        )
    }
}
