//! The real binary: starting, stopping, being killed, and what the command line says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::mock_model::{MockModel, Reply};
use crate::support::repository;

pub struct Server {
    child: Child,
    pub url: String,
    /// The one-time link, while it is printed.
    pub setup: Option<String>,
}

pub fn parlour(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
    command.env_clear().env("HOME", data).env("PARLOUR_DATA", data).env("PARLOUR_EMBEDDING", "off");
    command.env("PARLOUR_OLLAMA_URL", "http://127.0.0.1:9").current_dir(repository());
    command
}

impl Server {
    pub fn start(data: &Path, change: impl FnOnce(&mut Command)) -> Server {
        let mut command = parlour(data);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        change(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut next = |start: &str| loop {
            let line = lines.next().expect("the server ended before it listened").expect("text");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
            if line.contains("language model") {
                return String::new();
            }
        };
        let url = next("listening on ");
        let setup = Some(next("set up at ")).filter(|it| !it.is_empty());
        // Whatever is printed later must not block the server.
        std::thread::spawn(move || for _ in lines {});
        Server { child, url, setup }
    }

    pub fn kill(mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("it is gone");
    }

    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn key(data: &Path, scopes: &str) -> String {
    key_of(data, scopes, |_| {})
}

/// The same where the server has its database elsewhere.
pub fn key_of(data: &Path, scopes: &str, place: impl FnOnce(&mut Command)) -> String {
    let mut command = parlour(data);
    place(&mut command);
    let made = command.args(["key", "create", "--name", "test", "--scope", scopes]).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "the key alone: {text}");
    text.trim().to_owned()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

struct Api {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Api {
    fn new(server: &Server, key: &str) -> Api {
        Api { client: client(), url: server.url.clone(), key: key.to_owned() }
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.key);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Value) -> reqwest::Result<Value> {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        request.json(&body).send().await?.json().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_prints_its_links_serves_and_stops_cleanly() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path(), |_| {});
    let setup = server.setup.clone().expect("a fresh server prints the set-up link");
    assert!(setup.starts_with(&format!("{}/setup?token=", server.url)), "{setup}");
    let health = client().get(format!("{}/healthz", server.url)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let page = client().get(&setup).send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let beside = key(data.path(), "chat");
    assert!(Api::new(&server, &beside).get("/api/v1/session").await["tenant"]["slug"] == "main");
    let manage = key(data.path(), "chat,run,manage");
    let huge = json!({ "content": "辣".repeat(7_000_000) });
    let api = Api::new(&server, &manage);
    let refused = api.send(reqwest::Method::POST, "/api/v1/conversations", huge).await.unwrap();
    assert_eq!(refused["code"], "too_large", "20 MB are refused in words, not with a broken connection: {refused}");
    assert!(server.terminate().success(), "SIGTERM is a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_conversations_and_runs_are_there_and_the_answer_is_finished() {
    let data = tempfile::tempdir().unwrap();
    let model = MockModel::start().await;
    model.on("long", Reply::text("word ".repeat(100)).delay(Duration::from_millis(30)));
    model.reply_to("short", "done");
    let base_url = model.base_url().to_owned();
    let with_model = |command: &mut Command| {
        command.env("PARLOUR_MODEL_BASE_URL", &base_url).env("PARLOUR_MODEL_NAME", "mock");
    };
    let server = Server::start(data.path(), with_model);
    let key = key(data.path(), "chat,run,manage");
    let api = Api::new(&server, &key);
    api.send(
        reqwest::Method::PUT,
        "/api/v1/assistants/desk",
        json!({ "yaml": "assistant: desk\nsystem_prompt: hi\n" }),
    )
    .await
    .unwrap();
    let made = api.send(reqwest::Method::POST, "/api/v1/conversations", json!({ "assistant": "desk" })).await.unwrap();
    let messages = format!("/api/v1/conversations/{}/messages", made["id"].as_str().unwrap());
    let answered = api.send(reqwest::Method::POST, &messages, json!({ "content": "short" })).await.unwrap();
    assert_eq!(answered["message"]["content"], "done");
    let asking = tokio::spawn({
        let (api, messages) = (Api::new(&server, &key), messages.clone());
        async move { api.send(reqwest::Method::POST, &messages, json!({ "content": "long" })).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.kill();
    assert!(asking.await.unwrap().is_err(), "the client sees the connection break");

    let again = Server::start(data.path(), with_model);
    let api = Api::new(&again, &key);
    for _ in 0..200 {
        let all = api.get(&messages).await;
        let last = &all["items"][3];
        if last["status"] == "complete" {
            assert_eq!(last["content"].as_str().unwrap(), "word ".repeat(100), "the whole answer, once");
            assert_eq!(all["items"].as_array().unwrap().len(), 4, "no message twice: {all}");
            assert_eq!(all["items"][1]["content"], "done");
            let run = api.get(&format!("/api/v1/runs/{}", last["run"].as_str().unwrap())).await;
            assert_eq!(run["status"], "finished");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the run was not picked up: {}", api.get(&messages).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_in_the_middle_of_a_nested_workflow_is_no_cancel() {
    let data = tempfile::tempdir().unwrap();
    let model = MockModel::start().await;
    model.on("long", Reply::text("word ".repeat(60)).delay(Duration::from_millis(30)));
    let base_url = model.base_url().to_owned();
    let with_model = |command: &mut Command| {
        command.env("PARLOUR_MODEL_BASE_URL", &base_url).env("PARLOUR_MODEL_NAME", "mock");
    };
    let mut server = Server::start(data.path(), with_model);
    let key = key(data.path(), "chat,run,manage");
    let api = Api::new(&server, &key);
    let put = |path: &'static str, yaml: &'static str| api.send(reqwest::Method::PUT, path, json!({ "yaml": yaml }));
    let slow = "workflow: slow\nnodes:\n  say: { use: llm, with: { prompt: long } }\n  reply: { use: answer, with: { text: \"{{ say.text }}\" } }\n";
    put("/api/v1/workflows/slow", slow).await.unwrap();
    put("/api/v1/assistants/desk", "assistant: desk\nfallback: workflow/slow\n").await.unwrap();
    let made = api.send(reqwest::Method::POST, "/api/v1/conversations", json!({ "assistant": "desk" })).await.unwrap();
    let messages = format!("/api/v1/conversations/{}/messages", made["id"].as_str().unwrap());
    let asking = tokio::spawn({
        let (api, messages) = (Api::new(&server, &key), messages.clone());
        async move { api.send(reqwest::Method::POST, &messages, json!({ "content": "long" })).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(tokio::task::spawn_blocking(move || server.terminate()).await.unwrap().success());
    let _ = asking.await.unwrap();

    let again = Server::start(data.path(), with_model);
    let api = Api::new(&again, &key);
    for _ in 0..150 {
        let all = api.get(&messages).await;
        if all["items"][1]["status"] == "complete" {
            assert_eq!(all["items"][1]["content"].as_str().unwrap(), "word ".repeat(60));
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the run did not go on: {}", api.get(&messages).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_a_question_is_still_open_and_what_was_being_done_goes_on_at_once() {
    let data = tempfile::tempdir().unwrap();
    let model = MockModel::start().await;
    model.on("long", Reply::text("word ".repeat(60)).delay(Duration::from_millis(30)));
    let base_url = model.base_url().to_owned();
    let with_model = |command: &mut Command| {
        command.env("PARLOUR_MODEL_BASE_URL", &base_url).env("PARLOUR_MODEL_NAME", "mock");
    };
    let server = Server::start(data.path(), with_model);
    let key = key(data.path(), "chat,run,manage");
    let api = Api::new(&server, &key);
    let put = |path: &'static str, yaml: &'static str| api.send(reqwest::Method::PUT, path, json!({ "yaml": yaml }));
    put(
        "/api/v1/workflows/order",
        "workflow: order\nnodes:\n  place: { use: ask, with: { question: Where? } }\n  \
         reply: { use: answer, with: { text: \"{{ place.answer }}!\" } }\n",
    )
    .await
    .unwrap();
    put(
        "/api/v1/workflows/outer",
        "workflow: outer\nnodes:\n  inner: { use: workflow/order }\n  say: { use: llm, with: { prompt: long } }\n  \
         reply: { use: answer, with: { text: \"{{ inner.text }} {{ say.text }}\" } }\n",
    )
    .await
    .unwrap();
    let start = |name: &str| format!("/api/v1/workflows/{name}/runs");
    let waiting = api.send(reqwest::Method::POST, &start("order"), json!({})).await.unwrap();
    assert_eq!(waiting["status"], "waiting", "{waiting}");
    // The model is still talking while the inner workflow waits.
    let half = tokio::spawn({
        let (api, path) = (Api::new(&server, &key), start("outer"));
        async move { api.send(reqwest::Method::POST, &path, json!({})).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.kill();
    assert!(half.await.unwrap().is_err());

    let again = Server::start(data.path(), with_model);
    let began = std::time::Instant::now();
    let api = Api::new(&again, &key);
    let runs = api.get("/api/v1/runs?workflow=outer").await;
    let outer = format!("/api/v1/runs/{}", runs["items"][0]["id"].as_str().unwrap());
    let answer = |wait: &Value| format!("/api/v1/runs/{}/waits/{}", wait["run"].as_str().unwrap(), wait["effect"]);
    let until = async |path: String, status: &str| {
        for _ in 0..200 {
            let run = api.get(&path).await;
            if run["status"] == status {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} is not {status}: {}", api.get(&path).await);
    };
    let parked = until(outer.clone(), "waiting").await;
    assert!(began.elapsed() < Duration::from_secs(8), "no lease had to run out first");
    for (path, wait) in [
        (format!("/api/v1/runs/{}", waiting["id"].as_str().unwrap()), &waiting["waiting_for"][0]),
        (outer, &parked["waiting_for"][0]),
    ] {
        api.send(reqwest::Method::POST, &answer(wait), json!({ "text": "here" })).await.unwrap();
        let ended = until(path, "finished").await;
        assert!(ended["answer"].as_str().unwrap().contains("here!"), "{ended}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn validate(path: &Path, more: &[&str]) -> Output {
    let data = tempfile::tempdir().unwrap();
    parlour(data.path()).arg("validate").arg(path).args(more).output().unwrap()
}

#[test]
fn the_shipped_projects_are_valid() {
    for project in ["restaurant", "marketing"] {
        let checked = validate(&repository().join("workflows").join(project), &[]);
        assert!(checked.status.success(), "{project}: {}", text(&checked.stderr));
    }
}

#[test]
fn validate_prints_every_problem_like_a_compiler_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    std::fs::write(&file, "workflow: broken\nnodes:\n  a: { use: tempate, with: { text: hi } }\n  b: { use: answer, with: { text: \"{{ c.text }}\" } }\n").unwrap();
    let checked = validate(&file, &[]);
    assert_eq!(checked.status.code(), Some(1));
    let told = text(&checked.stderr);
    for expected in
        ["error[unknown_kind]", "broken.yaml:3:", "template", "error[unknown_reference]", "broken.yaml:4:", "hint:"]
    {
        assert!(told.contains(expected), "`{expected}` is missing in:\n{told}");
    }
    let as_json: Value = serde_json::from_slice(&validate(&file, &["--format", "json"]).stdout).unwrap();
    assert_eq!(as_json["ok"], false);
    assert_eq!(as_json["diagnostics"].as_array().unwrap().len(), 2, "{as_json}");
}

#[test]
fn run_shows_the_trace_and_ends_with_the_outcome() {
    let data = tempfile::tempdir().unwrap();
    let file = "workflows/restaurant/workflows/recommend_dishes.yaml";
    let ran = parlour(data.path()).args(["run", file, "--input", "question=喜欢辣味的菜品"]).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    assert!(text(&ran.stderr).contains("taste → spicy"), "{}", text(&ran.stderr));
    assert!(text(&ran.stdout).contains("中辣以上"), "{}", text(&ran.stdout));
    let as_json = parlour(data.path())
        .args(["run", file, "--format", "json", "--input", "question=有没有不辣的", "--input", "count=2"])
        .output()
        .unwrap();
    let last: Value = serde_json::from_str(text(&as_json.stdout).lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], "finished");
    assert_eq!(last["answer"].as_str().unwrap().matches("\n- **").count(), 2, "{last}");
    let missing = parlour(data.path()).args(["run", file]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("question"), "{}", text(&missing.stderr));
}

#[test]
fn wrong_settings_are_told_with_what_would_be_right() {
    let data = tempfile::tempdir().unwrap();
    let half =
        parlour(data.path()).args(["tenant", "list", "--model-base-url", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(half.status.code(), Some(1));
    assert!(text(&half.stderr).contains("PARLOUR_MODEL_NAME"), "{}", text(&half.stderr));
    let config = data.path().join("bad.toml");
    std::fs::write(&config, "lisen = \"127.0.0.1:1\"\n").unwrap();
    let unknown = parlour(data.path()).args(["tenant", "list", "--config"]).arg(&config).output().unwrap();
    assert!(text(&unknown.stderr).contains("lisen"), "{}", text(&unknown.stderr));
    let nowhere = parlour(data.path()).args(["key", "create", "--name", "x", "--tenant", "nobody"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("hint:"), "{}", text(&nowhere.stderr));
}
