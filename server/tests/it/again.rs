//! Runs that are made from other runs, outputs that are kept, and limits.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Client, TestApp};

const CHAIN: &str = r#"workflow: chain
inputs: { word: string }
nodes:
  first: { use: llm, with: { prompt: "one {{ inputs.word }}" } }
  second: { use: llm, with: { prompt: "two {{ first.text }}" } }
  many: { use: each, with: { items: [a, b] }, do: { part: { use: template, with: { text: "{{ item }}: {{ second.text }}" } } }, collect: "{{ part.text }}" }
  reply: { use: answer, with: { text: "{{ first.text }} | {{ many.items | join(', ') }}" } }
outputs: { all: "{{ many.items }}" }
"#;

async fn publish(client: &Client<'_>, name: &str, yaml: &str) {
    client.put(&format!("/api/v1/workflows/{name}"), json!({ "yaml": yaml })).await.ok();
}

async fn run(client: &Client<'_>, name: &str, inputs: Value) -> Value {
    client.post(&format!("/api/v1/workflows/{name}/runs"), json!({ "inputs": inputs })).await.ok()
}

/// A run as it stands when it is over.
async fn ended(client: &Client<'_>, id: &str) -> Value {
    for _ in 0..200 {
        let view = client.get(&format!("/api/v1/runs/{id}")).await.ok();
        if ["finished", "failed", "cancelled"].contains(&view["status"].as_str().unwrap()) {
            return view;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the run {id} does not end");
}

fn state<'v>(view: &'v Value, node: &str) -> &'v str {
    let nodes = view["nodes"].as_array().unwrap();
    nodes.iter().find(|it| it["id"] == node).unwrap_or_else(|| panic!("no node {node}: {view}"))["state"]
        .as_str()
        .unwrap()
}

async fn chain(model: &MockModel) -> TestApp {
    model.reply_to("one x", "ONE");
    model.reply_to("two ONE", "TWO");
    TestApp::with_model(model).await
}

#[tokio::test]
async fn a_run_begins_again_from_a_node() {
    let model = MockModel::start().await;
    let app = chain(&model).await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "chain", CHAIN).await;
    let first = run(&client, "chain", json!({ "word": "x" })).await;
    assert_eq!(first["answer"], "ONE | a: TWO, b: TWO", "{first}");
    assert_eq!(first["origin"], Value::Null);
    let (id, asked) = (first["id"].as_str().unwrap(), model.requests().len());

    model.reply_to("two ONE", "OTHER");
    let again = client.post(&format!("/api/v1/runs/{id}/rerun"), json!({ "from": "second" })).await.ok();
    let again = ended(&client, again["id"].as_str().unwrap()).await;
    assert_eq!(again["answer"], "ONE | a: OTHER, b: OTHER", "{again}");
    assert_eq!(model.requests().len(), asked + 1, "only what comes from `second` on is asked again");
    assert_eq!((state(&again, "first"), state(&again, "second")), ("kept", "done"));
    assert_eq!(again["origin"], json!({ "kind": "rerun", "run": id, "from": "second" }));

    // With the published version: what was finished is kept by the nodes' names.
    publish(&client, "chain", &CHAIN.replace("two {{ first.text }}", "three {{ first.text }}")).await;
    model.reply_to("three ONE", "THREE");
    let latest =
        client.post(&format!("/api/v1/runs/{id}/rerun"), json!({ "from": "second", "latest": true })).await.ok();
    let latest = ended(&client, latest["id"].as_str().unwrap()).await;
    assert_eq!(latest["answer"], "ONE | a: THREE, b: THREE", "{latest}");
    // A run that was begun again can be begun again.
    let third = client
        .post(&format!("/api/v1/runs/{}/rerun", latest["id"].as_str().unwrap()), json!({ "from": "many" }))
        .await
        .ok();
    let third = ended(&client, third["id"].as_str().unwrap()).await;
    assert_eq!((&third["answer"], state(&third, "second")), (&latest["answer"], "kept"));

    let wrong = client.post(&format!("/api/v1/runs/{id}/rerun"), json!({ "from": "part" })).await;
    let problem = wrong.problem(422, "invalid_input");
    assert!(problem["hint"].as_str().unwrap().contains("second"), "{problem}");
    let stranger = app.key("other", &Scope::ALL).await;
    stranger.post(&format!("/api/v1/runs/{id}/rerun"), json!({ "from": "second" })).await.problem(404, "not_found");
    stranger.post(&format!("/api/v1/runs/{id}/replay"), json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_replay_calls_nobody_and_comes_to_the_same() {
    let model = MockModel::start().await;
    let app = chain(&model).await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "chain", CHAIN).await;
    let first = run(&client, "chain", json!({ "word": "x" })).await;
    let asked = model.requests().len();
    let replayed = client.post(&format!("/api/v1/runs/{}/replay", first["id"].as_str().unwrap()), json!({})).await.ok();
    assert_eq!(replayed["status"], "finished");
    let replayed = ended(&client, replayed["id"].as_str().unwrap()).await;
    assert_eq!(model.requests().len(), asked);
    for key in ["answer", "outputs", "inputs"] {
        assert_eq!(replayed[key], first[key]);
    }
    assert_eq!(state(&replayed, "many[1].part"), "done");

    // Outcomes come in the order in which they came then: what is said first stays first.
    model.on("slow", Reply::text("SLOW").delay(std::time::Duration::from_millis(150)));
    model.reply_to("quick", "QUICK");
    publish(&client, "race", "workflow: race\nnodes:\n  slow: { use: llm, with: { prompt: slow } }\n  quick: { use: llm, with: { prompt: quick } }\n  one: { use: answer, after: [slow], with: { text: one } }\n  two: { use: answer, after: [quick], with: { text: two } }\n").await;
    let raced = run(&client, "race", json!({})).await;
    assert_eq!(raced["answer"], "twoone", "{raced}");
    let again = client.post(&format!("/api/v1/runs/{}/replay", raced["id"].as_str().unwrap()), json!({})).await.ok();
    assert_eq!(ended(&client, again["id"].as_str().unwrap()).await["answer"], "twoone");

    // What failed for want of a model fails again without asking, and goes on from there when it is begun again.
    publish(&client, "stops", "workflow: stops\nnodes:\n  a: { use: llm, with: { prompt: unknown } }\n  b: { use: http, with: { url: 'http://127.0.0.1:9/' } }\n  reply: { use: answer, with: { text: '{{ a.text }}{{ b.status }}' } }\n").await;
    let failed = run(&client, "stops", json!({})).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let again = client.post(&format!("/api/v1/runs/{}/replay", failed["id"].as_str().unwrap()), json!({})).await.ok();
    let again = ended(&client, again["id"].as_str().unwrap()).await;
    assert_eq!(again["error"]["code"], failed["error"]["code"], "{again}");
}

#[tokio::test]
async fn outputs_are_kept_for_equal_input() {
    let model = MockModel::start().await;
    let app = chain(&model).await;
    let client = app.key("main", &Scope::ALL).await;
    let cached = "workflow: cached\ninputs: { word: string }\nnodes:\n  a: { use: llm, cache: 1h, with: { prompt: 'one {{ inputs.word }}' } }\n  reply: { use: answer, with: { text: '{{ a.text }}' } }\n";
    publish(&client, "cached", cached).await;
    let first = run(&client, "cached", json!({ "word": "x" })).await;
    let asked = model.requests().len();
    // The output is kept beside the run; a moment later at the latest it is there.
    let mut second = Value::Null;
    for _ in 0..100 {
        second = run(&client, "cached", json!({ "word": "x" })).await;
        if second["nodes"][0]["saved"].is_object() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(second["nodes"][0]["saved"].is_object(), "{second}");
    assert_eq!(second["answer"], first["answer"]);
    let after = model.requests().len();
    run(&client, "cached", json!({ "word": "x" })).await;
    assert_eq!(model.requests().len(), after);
    assert!(after <= asked + 2, "{asked} {after}");
    // Other input, another prompt, another tenant: another call.
    run(&client, "cached", json!({ "word": "y" })).await;
    assert_eq!(model.requests().len(), after + 1);
    publish(&client, "cached", &cached.replace("one {{", "one  {{")).await;
    run(&client, "cached", json!({ "word": "x" })).await;
    assert_eq!(model.requests().len(), after + 2);
    let stranger = app.key("other", &Scope::ALL).await;
    publish(&stranger, "cached", cached).await;
    run(&stranger, "cached", json!({ "word": "x" })).await;
    assert_eq!(model.requests().len(), after + 3);
}

#[tokio::test]
async fn a_tenant_may_hold_its_runs_to_less() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let many = "workflow: many\nnodes:\n  all: { use: each, with: { items: '{{ range(50) }}' }, do: { n: { use: template, with: { text: x } } }, collect: '{{ n.text }}' }\noutputs: { count: '{{ all.count }}' }\n";
    publish(&client, "many", many).await;
    assert_eq!(run(&client, "many", json!({})).await["status"], "finished");
    let limits = client.put("/api/v1/limits", json!({ "max_steps": 20 })).await.ok();
    assert_eq!((&limits["max_steps"], &limits["server"]["max_steps"]), (&json!(20), &json!(500)));
    let stopped = run(&client, "many", json!({})).await;
    assert_eq!(stopped["error"]["code"], "budget_exceeded", "{stopped}");
    assert!(stopped["error"]["message"].as_str().unwrap().contains("20 steps"), "{stopped}");
    client.put("/api/v1/limits", json!({ "max_steps": 501 })).await.problem(422, "invalid_input");
    client.put("/api/v1/limits", json!({ "max_cost": -1 })).await.problem(422, "invalid_input");
    client.put("/api/v1/limits", json!({ "max_stepz": 1 })).await;
    let stranger = app.key("other", &Scope::ALL).await;
    assert_eq!(stranger.get("/api/v1/limits").await.ok()["max_steps"], Value::Null);
    client.put("/api/v1/limits", json!({})).await.ok();
    assert_eq!(run(&client, "many", json!({})).await["status"], "finished");
    // A document may hold itself to less as well.
    publish(&client, "few", &many.replace("workflow: many", "workflow: few\nlimits: { max_steps: 10 }")).await;
    assert_eq!(run(&client, "few", json!({})).await["error"]["code"], "budget_exceeded");
}
