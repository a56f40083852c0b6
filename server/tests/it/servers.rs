//! Several servers, each with a data folder of its own, on one Postgres database.

use std::time::Duration;

use parlour::App;
use parlour::app::accounts::Scope;
use parlour::config::{Config, Database, MasterKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Client, TestApp, config, model_settings, postgres};

/// Longer than a change by another server may go unseen.
const SEEN: Duration = Duration::from_millis(1_200);

struct Servers {
    first: TestApp,
    second: TestApp,
    url: String,
    folders: [TempDir; 2],
}

fn on(url: &str, digits: &str) -> impl Fn(&mut Config) {
    move |config| {
        config.database = Database::Server(url.to_owned());
        config.master_key = Some(MasterKey::read(&digits.repeat(32)).unwrap());
    }
}

impl Servers {
    async fn start(change: impl Fn(&mut Config)) -> Servers {
        let url = postgres::database().await;
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let change = |config: &mut Config| {
            on(&url, "5a")(config);
            change(config);
        };
        // At once, on a database with nothing in it.
        let (first, second) =
            tokio::join!(TestApp::at(folders[0].path(), change), TestApp::at(folders[1].path(), change));
        Servers { first, second, url, folders }
    }

    /// The same client of both.
    async fn clients(&self) -> (Client<'_>, Client<'_>) {
        let one = self.first.key("main", &Scope::ALL).await;
        let mut other = self.second.anonymous();
        other.headers = one.headers.clone();
        (one, other)
    }
}

async fn publish(client: &Client<'_>, name: &str, yaml: &str) {
    client.put(&format!("/api/v1/workflows/{name}"), json!({ "yaml": yaml })).await.ok();
}

async fn run(client: &Client<'_>, name: &str, inputs: Value) -> Value {
    client.post(&format!("/api/v1/workflows/{name}/runs"), json!({ "inputs": inputs })).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_publishes_the_other_runs_by_its_newest_tables() {
    let servers = Servers::start(|_| {}).await;
    let (one, other) = servers.clients().await;
    one.upload("/api/v1/tables", "prices.csv", b"level,discount\n-,0.1\n").await.ok();
    let yaml = "workflow: discount\ninputs: { level: string }\nnodes:\n  found:\n    use: rules\n    with: { rules: { \
                when: { level: \"{{ inputs.level }}\" }, then: [discount], table: prices.csv } }\n\
                outputs: { discount: \"{{ found.result.discount }}\" }\n";
    publish(&one, "discount", yaml).await;
    assert_eq!(run(&other, "discount", json!({ "level": "x" })).await["outputs"]["discount"], 0.1);
    one.upload("/api/v1/tables", "prices.csv", b"level,discount\n-,0.7\n").await.ok();
    tokio::time::sleep(SEEN).await;
    assert_eq!(run(&other, "discount", json!({ "level": "x" })).await["outputs"]["discount"], 0.7);
    publish(&other, "discount", &yaml.replace("found.result.discount", "'new'")).await;
    tokio::time::sleep(SEEN).await;
    assert_eq!(run(&one, "discount", json!({ "level": "x" })).await["outputs"]["discount"], "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_one_takes_are_found_by_the_other() {
    let servers = Servers::start(|_| {}).await;
    let (one, other) = servers.clients().await;
    let base = json!({ "name": "menu", "fields": { "name": { "type": "text", "embed": true } } });
    one.post("/api/v1/knowledge-bases", base).await.ok();
    let found = async |client: &Client<'_>, query: &str| {
        tokio::time::sleep(SEEN).await;
        let found = client.post("/api/v1/knowledge-bases/menu/search", json!({ "query": query })).await.ok();
        found["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["fields"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&other, "豆腐").await, [] as [&str; 0]);
    one.upload("/api/v1/knowledge-bases/menu/documents?wait=60", "menu.csv", "name\n麻婆豆腐\n扬州炒饭\n".as_bytes())
        .await
        .ok();
    assert_eq!(found(&other, "豆腐").await, ["麻婆豆腐"]);
    one.upload("/api/v1/knowledge-bases/menu/documents?wait=60", "menu.csv", "name\n家常豆腐\n".as_bytes()).await.ok();
    assert_eq!(found(&other, "豆腐").await, ["家常豆腐"]);
    assert_eq!(found(&one, "豆腐").await, ["家常豆腐"]);
    let documents = one.get("/api/v1/knowledge-bases/menu/documents").await.ok();
    let id = documents["items"][0]["id"].as_str().unwrap();
    let gone = other.delete(&format!("/api/v1/knowledge-bases/menu/documents/{id}")).await;
    assert!(gone.status.is_success(), "{}", gone.text());
    assert_eq!(found(&one, "豆腐").await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_followed_answered_and_stopped_from_the_other_server() {
    let model = MockModel::start().await;
    model.on("", Reply::text("word ".repeat(20)).delay(Duration::from_millis(50)));
    let settings = model_settings(&model);
    let servers = Servers::start(move |config| config.model = Some(settings.clone())).await;
    let (one, other) = servers.clients().await;
    publish(
        &one,
        "talk",
        "workflow: talk\nnodes:\n  say: { use: llm, with: { prompt: hi } }\n  \
        ready: { use: ask, after: [say], with: { question: ready? } }\n  \
        end: { use: answer, after: [ready], with: { text: \"{{ ready.answer }}\" } }\n",
    )
    .await;
    let sent = one.clone().header("accept", "text/event-stream");
    let body = json!({ "inputs": {} });
    let watching = async {
        let id = newest_run(&other).await;
        // The other server does not drive it, and tells it all the same until it waits.
        let events = other.get(&format!("/api/v1/runs/{id}/events")).await.events();
        (id, events)
    };
    let (_, (id, events)) = tokio::join!(sent.post("/api/v1/workflows/talk/runs", body.clone()), watching);
    assert_eq!(events.last().unwrap().1, "run.waiting", "{events:?}");
    let numbers: Vec<i64> = events.iter().filter_map(|it| it.0).collect();
    assert!(numbers.iter().zip(1..).all(|(seen, expected)| *seen == expected), "{numbers:?}");
    let waiting = other.get(&format!("/api/v1/runs/{id}")).await.ok();
    let effect = &waiting["waiting_for"][0]["effect"];
    other.post(&format!("/api/v1/runs/{id}/waits/{effect}"), json!({ "text": "yes" })).await.ok();
    let ended = loop {
        let run = one.get(&format!("/api/v1/runs/{id}")).await.ok();
        if run["status"] == "finished" {
            break run;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    assert!(ended["answer"].as_str().unwrap().ends_with("yes"), "{ended}");

    // A server that stops gives its runs away, and the other goes on with them.
    publish(
        &one,
        "slow",
        "workflow: slow\nnodes:\n  say: { use: llm, with: { prompt: hi } }\n  \
        end: { use: answer, after: [say], with: { text: \"{{ say.text }}\" } }\n",
    )
    .await;
    let stopping = async {
        while servers.first.app.live().count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        servers.first.app.stop().await;
    };
    tokio::join!(sent.post("/api/v1/workflows/slow/runs", body), stopping);
    assert_eq!(servers.second.app.resume_unfinished().await.unwrap(), 1);
    let id = newest_run(&other).await;
    let events = other.get(&format!("/api/v1/runs/{id}/events")).await.events();
    assert_eq!(events.last().unwrap().1, "run.finished", "{events:?}");
}

async fn newest_run(client: &Client<'_>) -> String {
    loop {
        let runs = client.get("/api/v1/runs").await.ok();
        if let Some(id) = runs["items"][0]["id"].as_str() {
            return id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_need_the_same_master_key() {
    let servers = Servers::start(|_| {}).await;
    let mut other = config(servers.folders[1].path());
    on(&servers.url, "77")(&mut other);
    let error = App::open(other).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("another master key") && error.contains("PARLOUR_MASTER_KEY"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_be_used_is_told_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["postgres://me:geheim@127.0.0.1:1/x", "mysql://me:geheim@127.0.0.1/x"] {
        let mut config = config(folder.path());
        on(url, "5a")(&mut config);
        assert!(!format!("{config:?}").contains("geheim"));
        let error = format!("{:#}", App::open(config).await.map(|_| ()).unwrap_err());
        assert!(error.contains("postgres://") && !error.contains("geheim"), "{error}");
    }
}
