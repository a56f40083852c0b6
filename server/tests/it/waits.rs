//! Runs that wait for people and for moments: they hold nothing meanwhile, survive a restart, and take one answer.

use std::time::Duration;

use domain::Role;
use futures::future::join_all;
use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::mock_model::{MockModel, Reply};
use crate::support::{Client, TestApp};

const ORDER: &str = "workflow: order\nnodes:\n  place:\n    use: ask\n    with: { question: 堂食还是外带？, options: { eat_in: 堂食, take_away: 外带 }, timeout: 2h }\n  \
    in: { use: answer, after: [place.eat_in], with: { text: 请坐。 } }\n  \
    away: { use: answer, after: [place.take_away], with: { text: 马上打包。 } }\n  \
    late: { use: answer, after: [place.timeout], with: { text: 需要时再叫我。 } }\n";

const REFUND: &str = "workflow: refund\nnodes:\n  check: { use: approve, with: { title: Refund?, who: admin } }\n  \
    yes: { use: answer, after: [check.approved], with: { text: \"by {{ check.by.name }}\" } }\n  \
    no: { use: answer, after: [check.rejected], with: { text: \"no: {{ check.comment }}\" } }\n";

const PAUSE: &str = "workflow: pause\nnodes:\n  first: { use: answer, with: { text: one } }\n  \
    rest: { use: wait, after: [first], with: { for: 1h } }\n  \
    second: { use: answer, after: [rest], with: { text: two } }\n";

async fn publish(client: &Client<'_>, kind: &str, name: &str, yaml: &str) {
    client.put(&format!("/api/v1/{kind}/{name}"), json!({ "yaml": yaml })).await.ok();
}

/// Starts a workflow that comes to wait, and answers its view.
async fn waiting(client: &Client<'_>, name: &str) -> Value {
    let run = client.post(&format!("/api/v1/workflows/{name}/runs"), json!({ "inputs": {} })).await.ok();
    assert_eq!(run["status"], "waiting", "{run}");
    run
}

fn place(run: &Value) -> String {
    let wait = &run["waiting_for"][0];
    format!("/api/v1/runs/{}/waits/{}", wait["run"].as_str().unwrap(), wait["effect"])
}

/// The run when it is no longer on its way.
async fn settled(client: &Client<'_>, run: &Value) -> Value {
    let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    for _ in 0..200 {
        let run = client.get(&path).await.ok();
        if run["status"] != "running" {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the run does not come to rest: {}", client.get(&path).await.text());
}

#[tokio::test]
async fn a_question_holds_nothing_and_is_answered_after_a_restart() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "order", ORDER).await;
    let run = waiting(&client, "order").await;
    assert_eq!(app.app.live().count(), 0, "no task and no memory");
    let wait = &run["waiting_for"][0];
    assert_eq!((wait["kind"].as_str(), wait["node"].as_str()), (Some("ask"), Some("place")));
    assert_eq!(wait["question"], "堂食还是外带？");
    assert_eq!(wait["options"][1], json!({ "name": "take_away", "title": "外带" }));
    assert!(wait["due_at"].as_i64().unwrap() > wait["created_at"].as_i64().unwrap());
    let events = client.get(&format!("/api/v1/runs/{}/events", run["id"].as_str().unwrap())).await.events();
    let named = |name: &str| events.iter().find(|it| it.1 == name).unwrap_or_else(|| panic!("no {name}")).2.clone();
    assert_eq!(named("interrupt")["effect"], wait["effect"]);
    assert_eq!(named("run.waiting")["waiting_for"][0]["effect"], wait["effect"]);
    assert_eq!(events.last().unwrap().1, "run.waiting", "the stream ends there");
    let open = client.get("/api/v1/waits").await.ok();
    assert_eq!(open["items"][0]["run"], run["id"]);

    let headers = client.headers.clone();
    let app = app.restart().await;
    let mut client = app.anonymous();
    client.headers = headers;
    assert_eq!(app.app.resume_unfinished().await.unwrap(), 0, "nothing is to be done for it");
    assert_eq!(settled(&client, &run).await["status"], "waiting");
    client.post(&place(&run), json!({ "option": "take_away" })).await.ok();
    let ended = settled(&client, &run).await;
    assert_eq!(
        (ended["status"].as_str(), ended["answer"].as_str()),
        (Some("finished"), Some("堂食还是外带？\n\n马上打包。")),
        "{ended}"
    );
    assert_eq!(ended["waiting_for"], json!([]));
    assert_eq!(client.get("/api/v1/waits").await.ok()["items"], json!([]));
    let too_late = client.post(&place(&run), json!({ "option": "eat_in" })).await;
    too_late.problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_answers_at_the_same_moment_one_wins_whichever_server_takes_them() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "order", ORDER).await;
    let other = app.beside().await;
    for _ in 0..5 {
        let run = waiting(&client, "order").await;
        let answers =
            join_all(
                (0..10).map(|n| {
                    let mut mine = if n % 2 == 0 { app.anonymous() } else { other.anonymous() };
                    mine.headers = client.headers.clone();
                    let path = place(&run);
                    async move {
                        mine.post(&path, json!({ "option": if n % 3 == 0 { "eat_in" } else { "take_away" } })).await
                    }
                }),
            )
            .await;
        let taken: Vec<usize> = (0..10).filter(|n| answers[*n].status == 200).collect();
        assert_eq!(taken.len(), 1, "{:?}", answers.iter().map(|it| it.text()).collect::<Vec<_>>());
        for (n, refused) in answers.iter().enumerate() {
            if n != taken[0] {
                refused.problem(409, "conflict");
            }
        }
        let ended = settled(&client, &run).await;
        assert_eq!(ended["status"], "finished");
        assert_eq!(
            ended["answer"],
            if taken[0].is_multiple_of(3) {
                "堂食还是外带？\n\n请坐。"
            } else {
                "堂食还是外带？\n\n马上打包。"
            },
            "the answer that was taken"
        );
    }
}

#[tokio::test]
async fn when_nobody_answers_in_time_the_run_goes_on_without() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "order", ORDER).await;
    let run = waiting(&client, "order").await;
    app.app.wake_answered().await.unwrap();
    assert_eq!(settled(&client, &run).await["status"], "waiting", "it is not time yet");
    app.app.clock().hold_at(app.app.clock().now_ms() + 3 * 3_600_000);
    let late = client.post(&place(&run), json!({ "option": "eat_in" })).await.problem(409, "conflict");
    assert!(late["detail"].as_str().unwrap().contains("time"), "{late}");
    assert_eq!(client.get("/api/v1/waits").await.ok()["items"], json!([]), "it is not open any more");
    app.app.wake_answered().await.unwrap();
    let ended = settled(&client, &run).await;
    assert_eq!(
        (ended["status"].as_str(), ended["answer"].as_str()),
        (Some("finished"), Some("堂食还是外带？\n\n需要时再叫我。")),
        "{ended}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_uses_nothing_up() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let fields = "workflow: book\nnodes:\n  table:\n    use: ask\n    with: { question: How many?, fields: { people: { type: integer, required: true } } }\n  \
        done: { use: answer, with: { text: \"{{ table.fields.people }}\" } }\n";
    publish(&client, "workflows", "order", ORDER).await;
    publish(&client, "workflows", "refund", REFUND).await;
    publish(&client, "workflows", "book", fields).await;
    let order = waiting(&client, "order").await;
    for (body, code) in [
        (json!({}), "invalid_input"),
        (json!({ "text": "   " }), "invalid_input"),
        (json!({ "option": "deliver" }), "invalid_input"),
        (json!({ "fields": { "people": 2 } }), "invalid_input"),
        (json!({ "approved": true }), "invalid_input"),
        (json!({ "option": 7 }), "invalid_input"),
        (json!({ "text": "辣".repeat(350_000) }), "message_too_long"),
    ] {
        let refused = client.post(&place(&order), body).await.problem(422, code);
        assert_ne!(refused["detail"], "", "{refused}");
    }
    client.post(&place(&order), json!({ "text": "我要外带" })).await.ok();
    assert_eq!(
        settled(&client, &order).await["answer"],
        "堂食还是外带？\n\n马上打包。",
        "after all that the answer still counts"
    );

    let refund = waiting(&client, "refund").await;
    for body in [json!({}), json!({ "text": "yes" }), json!({ "approved": "yes" }), json!({ "comment": "hm" })] {
        client.post(&place(&refund), body).await.problem(422, "invalid_input");
    }
    let too_long = json!({ "approved": false, "comment": "x".repeat(1_000_000) });
    client.post(&place(&refund), too_long).await.problem(422, "message_too_long");
    client.post(&place(&refund), json!({ "approved": false, "comment": "not now" })).await.ok();
    assert_eq!(settled(&client, &refund).await["answer"], "no: not now");

    let book = waiting(&client, "book").await;
    let refused =
        client.post(&place(&book), json!({ "fields": { "people": "two" } })).await.problem(422, "invalid_input");
    assert_eq!(refused["errors"][0]["path"], "/fields/people", "{refused}");
    client.post(&place(&book), json!({ "fields": { "people": 2 } })).await.ok();
    assert_eq!(settled(&client, &book).await["answer"], "How many?\n\n2");
}

#[tokio::test]
async fn a_foreign_tenant_neither_sees_nor_answers() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "order", ORDER).await;
    let run = waiting(&client, "order").await;
    let foreign = app.key("second", &Scope::ALL).await;
    assert_eq!(foreign.get("/api/v1/waits").await.ok()["items"], json!([]));
    foreign.post(&place(&run), json!({ "option": "eat_in" })).await.problem(404, "not_found");
    let id = run["id"].as_str().unwrap();
    client.post(&format!("/api/v1/runs/{id}/waits/999"), json!({ "text": "x" })).await.problem(404, "not_found");
    client.post(&format!("/api/v1/runs/{id}/waits/x"), json!({ "text": "x" })).await.problem(404, "not_found");
    assert_eq!(settled(&client, &run).await["status"], "waiting");
}

#[tokio::test]
async fn who_may_approve_is_a_matter_of_the_role() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "refund", REFUND).await;
    let run = waiting(&client, "refund").await;
    let operator = app.key("main", &[Scope::Run, Scope::Chat]).await;
    let refused = operator.post(&place(&run), json!({ "approved": true })).await.problem(403, "missing_scope");
    assert!(refused["detail"].as_str().unwrap().contains("admin"), "{refused}");
    assert_eq!(operator.get("/api/v1/waits").await.ok()["items"], json!([]), "it is not theirs");
    let author = app.person(Role::Author, "author@example.com").await;
    author.post(&place(&run), json!({ "approved": true })).await.problem(403, "missing_scope");
    let member = app.person(Role::Member, "member@example.com").await;
    member.post(&place(&run), json!({ "approved": true })).await.problem(404, "not_found");
    let admin = app.person(Role::Admin, "admin@example.com").await;
    assert_eq!(admin.get("/api/v1/waits").await.ok()["items"][0]["title"], "Refund?");
    admin.post(&place(&run), json!({ "approved": true })).await.ok();
    assert_eq!(settled(&client, &run).await["answer"], "by admin@example.com", "the outcome says who it was");
}

#[tokio::test]
async fn a_run_that_waits_can_be_stopped_and_so_can_one_inside_another() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "order", ORDER).await;
    let outer = "workflow: outer\nnodes:\n  inner: { use: workflow/order, on_error: { value: { text: stopped } } }\n  \
        said: { use: answer, with: { text: \"{{ inner.text }}\" } }\n";
    publish(&client, "workflows", "outer", outer).await;
    let run = waiting(&client, "order").await;
    let stopped = client.post(&format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap()), json!({})).await.ok();
    assert_eq!(stopped["status"], "cancelled");
    client.post(&place(&run), json!({ "option": "eat_in" })).await.problem(409, "conflict");

    // The outer one is stopped: the inner one goes with it.
    let run = waiting(&client, "outer").await;
    let inner = run["waiting_for"][0]["run"].as_str().unwrap().to_owned();
    assert_ne!(run["id"], inner.as_str());
    assert_eq!(client.get(&format!("/api/v1/runs/{inner}")).await.ok()["status"], "waiting");
    client.post(&format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap()), json!({})).await.ok();
    let ended = settled(&client, &json!({ "id": inner })).await;
    for _ in 0..100 {
        if client.get(&format!("/api/v1/runs/{inner}")).await.ok()["status"] == "cancelled" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.get(&format!("/api/v1/runs/{inner}")).await.ok()["status"], "cancelled", "{ended}");
    assert_eq!(client.get("/api/v1/waits").await.ok()["items"], json!([]));

    // The inner one is stopped: the outer one is told.
    let run = waiting(&client, "outer").await;
    let inner = run["waiting_for"][0]["run"].as_str().unwrap();
    client.post(&format!("/api/v1/runs/{inner}/cancel"), json!({})).await.ok();
    let ended = settled(&client, &run).await;
    assert_eq!(
        (ended["status"].as_str(), ended["answer"].as_str()),
        (Some("finished"), Some("堂食还是外带？\n\nstopped")),
        "{ended}"
    );
}

#[tokio::test]
async fn a_moment_comes_across_a_restart() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    publish(&client, "workflows", "pause", PAUSE).await;
    let run = waiting(&client, "pause").await;
    assert_eq!(run["waiting_for"][0]["kind"], "timer");
    assert_eq!(run["answer"], "one");
    client.post(&place(&run), json!({ "text": "now" })).await.problem(422, "invalid_input");
    assert_eq!(client.get("/api/v1/waits").await.ok()["items"], json!([]), "nobody is asked");
    let headers = client.headers.clone();
    let app = app.restart().await;
    let mut client = app.anonymous();
    client.headers = headers;
    app.app.clock().hold_at(app.app.clock().now_ms() + 3_700_000);
    app.app.wake_answered().await.unwrap();
    let ended = settled(&client, &run).await;
    assert_eq!((ended["status"].as_str(), ended["answer"].as_str()), (Some("finished"), Some("onetwo")), "{ended}");
}

async fn talk(client: &Client<'_>, assistant: &str) -> String {
    let made = client.post("/api/v1/conversations", json!({ "assistant": assistant })).await.ok();
    format!("/api/v1/conversations/{}/messages", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_message_answers_the_question_of_a_workflow_inside_the_assistant() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let visit = "workflow: visit\nnodes:\n  hello: { use: answer, with: { text: 欢迎！ } }\n  \
        place: { use: ask, after: [hello], with: { question: 堂食还是外带？, options: { eat_in: 堂食, take_away: 外带 } } }\n  \
        bye: { use: answer, after: [place], with: { text: \"好的，{{ place.option }}。\" } }\n";
    publish(&client, "workflows", "visit", visit).await;
    publish(&client, "assistants", "desk", "assistant: desk\nfallback: workflow/visit\n").await;
    let path = talk(&client, "desk").await;
    let first = client.post(&path, json!({ "content": "你好" })).await.ok();
    assert_eq!(first["run"]["status"], "waiting", "{first}");
    assert_eq!(first["message"]["status"], "complete");
    assert!(first["message"]["content"].as_str().unwrap().starts_with("欢迎！"), "{first}");
    let headers = client.headers.clone();
    let app = app.restart().await;
    let mut client = app.anonymous();
    client.headers = headers;
    let second = client.post(&path, json!({ "content": "外带" })).await.ok();
    assert_eq!(second["run"]["id"], first["run"]["id"], "the same run goes on");
    assert_eq!(
        (second["run"]["status"].as_str(), second["message"]["content"].as_str()),
        (Some("finished"), Some("好的，take_away。")),
        "{second}"
    );
    let all = client.get(&path).await.ok();
    let read: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["role"].as_str().unwrap(), it["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        read,
        [("user", "complete"), ("assistant", "complete"), ("user", "complete"), ("assistant", "complete")],
        "{all}"
    );
    assert_eq!(all["items"][2]["content"], "外带");
    // And the next message begins a turn of its own.
    let third = client.post(&path, json!({ "content": "再来" })).await.ok();
    assert_ne!(third["run"]["id"], first["run"]["id"]);
}

#[tokio::test]
async fn a_streamed_answer_to_a_question_has_only_its_own_part() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let visit = "workflow: visit\nnodes:\n  hello: { use: answer, with: { text: 欢迎！ } }\n  \
        name: { use: ask, after: [hello], with: { question: 贵姓？ } }\n  \
        bye: { use: answer, after: [name], with: { text: \"{{ name.answer }}，再见。\" } }\n";
    publish(&client, "workflows", "visit", visit).await;
    publish(&client, "assistants", "desk", "assistant: desk\nfallback: workflow/visit\n").await;
    let path = talk(&client, "desk").await;
    let streaming = client.clone().header("accept", "text/event-stream");
    let first = streaming.post(&path, json!({ "content": "你好" })).await.events();
    assert_eq!(first.last().unwrap().1, "run.waiting", "{first:?}");
    let second = streaming.post(&path, json!({ "content": "李" })).await.events();
    assert_eq!(second.last().unwrap().1, "run.finished", "{second:?}");
    assert!(
        second.iter().all(|it| it.1 != "run.started" && it.0.is_none_or(|id| id > first.last().unwrap().0.unwrap()))
    );
    let mut text = String::new();
    for (_, name, data) in &second {
        match name.as_str() {
            "message.snapshot" => text = data["text"].as_str().unwrap().to_owned(),
            "message.delta" => text.push_str(data["text"].as_str().unwrap()),
            _ => {}
        }
    }
    assert!(text == "李，再见。" || text.is_empty(), "{text}");
    assert_eq!(client.get(&path).await.ok()["items"][3]["content"], "李，再见。");
}

#[tokio::test]
async fn a_visitor_answers_when_everything_has_been_said() {
    let model = MockModel::start().await;
    model.on("", Reply::text("slow words ".repeat(10)).delay(Duration::from_millis(30)));
    let app = TestApp::with_model(&model).await;
    let client = app.key("main", &Scope::ALL).await;
    let visit = "workflow: visit\nnodes:\n  name: { use: ask, with: { question: 贵姓？ } }\n  \
        news: { use: llm, with: { prompt: news } }\n  told: { use: answer, with: { text: \"{{ news.text }}\" } }\n  \
        bye: { use: answer, after: [name], with: { text: \"{{ name.answer }}，再见。\" } }\n";
    publish(&client, "workflows", "visit", visit).await;
    publish(&client, "assistants", "desk", "assistant: desk\nfallback: workflow/visit\n").await;
    let path = talk(&client, "desk").await;
    let first = client.post(&path, json!({ "content": "你好" }));
    let second = async {
        while client.get("/api/v1/waits").await.ok()["items"].as_array().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.post(&path, json!({ "content": "李" })).await
    };
    let (first, second) = tokio::join!(first, second);
    second.problem(409, "turn_in_progress");
    assert_eq!(first.ok()["run"]["status"], "waiting");
    let second = client.post(&path, json!({ "content": "李" })).await.ok();
    assert_eq!(
        (second["run"]["status"].as_str(), second["message"]["content"].as_str()),
        (Some("finished"), Some("李，再见。"))
    );
    let all = client.get(&path).await.ok();
    let statuses: Vec<_> = all["items"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["complete"; 4], "{all}");
}

#[tokio::test]
async fn after_an_approval_a_conversation_goes_on_in_a_message_of_its_own() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let refund = format!("{REFUND}  hold: {{ use: answer, with: {{ text: 请稍等。 }} }}\n");
    publish(&client, "workflows", "refund", &refund).await;
    publish(&client, "assistants", "desk", "assistant: desk\nfallback: workflow/refund\n").await;
    let path = talk(&client, "desk").await;
    let first = client.post(&path, json!({ "content": "退款" })).await.ok();
    assert_eq!(
        (first["run"]["status"].as_str(), first["message"]["content"].as_str()),
        (Some("waiting"), Some("请稍等。")),
        "{first}"
    );
    let open = client.get("/api/v1/waits").await.ok();
    let wait = &open["items"][0];
    assert_ne!(wait["run"], first["run"]["id"], "it is the inner run that asks");
    let answer = format!("/api/v1/runs/{}/waits/{}", wait["run"].as_str().unwrap(), wait["effect"]);
    client.post(&answer, json!({ "approved": true })).await.ok();
    assert_eq!(settled(&client, &first["run"]).await["status"], "finished");
    let all = client.get(&path).await.ok();
    let read: Vec<_> = all["items"].as_array().unwrap().iter().map(|it| it["content"].as_str().unwrap()).collect();
    assert_eq!(read, ["退款", "请稍等。", "by API"], "{all}");
    assert_eq!(all["items"][2]["status"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_leaves_alone_what_the_first_one_drives() {
    let model = MockModel::start().await;
    model.on("slow", Reply::text("word ".repeat(40)).delay(Duration::from_millis(25)));
    let app = TestApp::with_model(&model).await;
    let client = app.key("main", &Scope::ALL).await;
    let say = "workflow: say\nnodes:\n  say: { use: llm, with: { prompt: slow } }\n  reply: { use: answer, with: { text: \"{{ say.text }}\" } }\n";
    publish(&client, "workflows", "say", say).await;
    let other = app.beside().await;
    let running = client.post("/api/v1/workflows/say/runs", json!({ "inputs": {} }));
    let watching = async {
        let mut taken = 0;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(80)).await;
            taken += other.app.resume_unfinished().await.unwrap();
        }
        taken
    };
    let (run, taken) = tokio::join!(running, watching);
    assert_eq!(taken, 0, "it has a driver");
    assert_eq!(run.ok()["status"], "finished");
    assert_eq!(model.requests().len(), 1, "the model was asked once");
}
