//! The node kind `code`: real JavaScript through the API, what goes wrong in it, and that nothing leaves its call.

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, repository};

/// Runs a workflow of one node with this `with`; answers the run with its nodes.
pub(crate) async fn run(client: &Client<'_>, with: Value) -> Value {
    let yaml = format!(
        "workflow: probe\nnodes:\n  code:\n    use: code\n    with: {with}\noutputs: {{ all: '{{{{ code }}}}' }}\n"
    );
    client.put("/api/v1/workflows/probe", json!({ "yaml": yaml })).await.ok();
    let run = client.post("/api/v1/workflows/probe/runs", json!({ "inputs": {} })).await.ok();
    client.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.ok()
}

/// What the source gives for these inputs.
async fn value(client: &Client<'_>, source: &str, inputs: Value) -> Value {
    let run = run(client, json!({ "source": source, "inputs": inputs })).await;
    assert_eq!(run["status"], "finished", "{source}: {run}");
    run["outputs"]["all"].clone()
}

/// The error that the source ends in, as `code: message`.
async fn error(client: &Client<'_>, source: &str) -> String {
    let run = run(client, json!({ "source": source })).await;
    assert_eq!(run["status"], "failed", "{source}: {run}");
    assert_eq!(run["error"]["node"], "code", "{run}");
    format!("{}: {}", run["error"]["code"].as_str().unwrap(), run["error"]["message"].as_str().unwrap())
}

#[tokio::test]
async fn javascript_computes_with_the_types_it_is_given() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let dishes =
        json!([{ "name": "辣子鸡", "price": 38.5, "hot": true }, { "name": "米饭", "price": 2, "hot": false }]);
    let bill = "const { dishes, none } = inputs;
        const sum = dishes.reduce((sum, dish) => sum + dish.price, 0);
        return { sum, hot: dishes.filter((it) => it.hot).map((it) => `${it.name}！`), none, kind: typeof dishes[0].hot };";
    assert_eq!(
        value(&client, bill, json!({ "dishes": dishes, "none": null })).await,
        json!({ "sum": 40.5, "hot": ["辣子鸡！"], "none": null, "kind": "boolean" })
    );
    for (source, expected) in [
        ("return 1 + 1", json!({ "result": 2 })),
        ("return [1, 'a']", json!({ "result": [1, "a"] })),
        ("// nothing", json!({ "result": null })),
        ("return undefined", json!({ "result": null })),
        ("return { a: undefined, b: new Date(0) }", json!({ "b": "1970-01-01T00:00:00.000Z" })),
        ("return '黄焖鸡'.replace(/\\p{Script=Han}$/u, '鱼').length", json!({ "result": 3 })),
        ("return '{{ inputs.nothing }}{% if %}'", json!({ "result": "{{ inputs.nothing }}{% if %}" })),
        // Promises, in every shape.
        ("const two = await Promise.resolve(2); return { two }", json!({ "two": 2 })),
        ("return Promise.all([1, Promise.resolve(2)]).then((all) => all.length)", json!({ "result": 2 })),
        (
            "async function* count() { yield 1; yield 2 } let sum = 0; for await (const it of count()) sum += it; return sum",
            json!({ "result": 3 }),
        ),
        (
            "try { await Promise.reject(new Error('no')) } catch (error) { return error.message }",
            json!({ "result": "no" }),
        ),
        // Clock and randomness are the host's.
        (
            "const now = Date.now(); return [now > 1.7e12, new Date() - now < 1000, Math.random() !== Math.random()]",
            json!({ "result": [true, true, true] }),
        ),
        (
            "return [crypto.getRandomValues(new Uint8Array(5000)).some((it) => it > 0), crypto.randomUUID().length]",
            json!({ "result": [true, 36] }),
        ),
    ] {
        assert_eq!(value(&client, source, json!({})).await, expected, "{source}");
    }
}

#[tokio::test]
async fn outputs_are_held_against_their_declaration() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let outputs = json!({ "sum": "number", "note": "string?" });
    let fits = run(&client, json!({ "source": "return { sum: 1, note: null }", "outputs": outputs })).await;
    assert_eq!(fits["outputs"]["all"], json!({ "sum": 1, "note": null }), "{fits}");
    let wrong = run(&client, json!({ "source": "return { sum: 'one' }", "outputs": outputs })).await;
    assert_eq!(wrong["error"]["code"], "code_bad_output", "{wrong}");
    assert!(wrong["error"]["message"].as_str().unwrap().contains("`sum` must be a number"), "{wrong}");
}

#[tokio::test]
async fn what_goes_wrong_is_said_with_its_place() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    for (source, code, words) in [
        ("const a = 1;\n  a.b.c();", "error", "TypeError: cannot read property 'c' of undefined (line 2, column 3)"),
        ("const f = () => { throw new Error('坏了') };\nawait null;\nf();", "error", "坏了 (line 1, column 29)"),
        ("throw 'plain words'", "error", "plain words"),
        ("throw { code: 5 }", "error", "the code threw {\"code\":5}"),
        ("throw new Proxy({}, { get() { throw 1 } })", "error", "cannot be shown"),
        ("let a = ;", "invalid_input", "SyntaxError: unexpected token in expression: ';' (line 1, column 9)"),
        ("return 1;\n}\n{", "invalid_input", "(line 3, column 1)"),
        ("import fs from 'fs'", "invalid_input", "SyntaxError"),
        ("misspelt = 1", "error", "ReferenceError: misspelt is not defined"),
        ("return { list: [1, { big: 10n }] }", "error", "`list[1].big` is a BigInt"),
        ("const a = { b: {} }; a.b.c = a; return a", "error", "`b.c` contains itself"),
        ("return { f() {} }", "error", "`f` is a function"),
        ("return new Map()", "error", "what the code returned is a Map"),
        ("return 0 / 0", "error", "NaN"),
        ("let deep = []; for (let n = 0; n < 5000; n++) deep = [deep]; return deep", "error", "more than 120 levels"),
        ("await new Promise(() => {})", "error", "waits for something that never comes"),
        ("await fetch('https://example.com')", "error", "fetch is not defined"),
        // Limits.
        ("for (;;);", "plugin_limit", "ms of processor time"),
        ("for (;;) await null", "plugin_limit", "ms of processor time"),
        ("const all = []; for (;;) all.push(new Array(1000).fill(1))", "plugin_limit", "bytes of memory"),
        ("return 'x'.repeat(100 << 20)", "plugin_limit", "bytes of memory"),
        ("return 'x'.repeat(6 << 20)", "plugin_limit", "more data than the limit"),
        ("function f(n) { return 1 + f(n + 1) } f(0)", "plugin_trap", "stack"),
        ("await import('fs')", "plugin_trap", "code_javascript"),
    ] {
        let found = error(&client, source).await;
        assert!(found.starts_with(&format!("{code}: ")) && found.contains(words), "{source}: {found}");
        assert_eq!(value(&client, "return 1", json!({})).await, json!({ "result": 1 }), "after {source}");
    }
    // The contract's interfaces are there, as they are for every plugin; this one asks for no permission, so nobody can grant it any.
    let send = "const { send } = await import('parlour:plugin/http@1.0.0');
        try { send({ method: 'GET', url: 'https://example.com/', headers: [], body: null, timeoutMs: null }) } catch (error) { return error.payload.tag }";
    assert_eq!(value(&client, send, json!({})).await, json!({ "result": "denied" }));
    let absent = "return ['fetch', 'XMLHttpRequest', 'WebSocket', 'setTimeout', 'require', 'process', 'wit'].filter((it) => it in globalThis)";
    assert_eq!(value(&client, absent, json!({})).await, json!({ "result": [] }));
}

#[tokio::test]
async fn the_console_writes_to_the_nodes_log() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let source = "console.log('你好', { a: 1n, f() {}, m: new Map([['k', [1]]]) }, undefined, new Error('e'));
        const self = {}; self.self = self; console.warn(self); console.error(NaN, [1, 2]); console.debug('x'.repeat(20000)); console.info()";
    let run = run(&client, json!({ "source": source })).await;
    let logs = run["nodes"][0]["logs"].as_array().unwrap_or_else(|| panic!("{run}"));
    let lines: Vec<(&str, &str)> =
        logs.iter().map(|it| (it["level"].as_str().unwrap(), it["message"].as_str().unwrap())).collect();
    assert_eq!(lines[0], ("info", r#"你好 {"a":"1n","f":"[function f]","m":{"k":[1]}} undefined Error: e"#));
    assert_eq!(lines[1], ("warn", r#"{"self":"[itself]"}"#));
    assert_eq!(lines[2], ("error", "NaN [1,2]"));
    assert_eq!((lines[3].0, lines[3].1.len() <= 8192), ("debug", true));
    assert_eq!(lines[4], ("info", ""));
}

#[tokio::test]
async fn nothing_reaches_the_next_call_or_another_tenant() {
    let app = TestApp::new().await;
    let (one, other) = (app.key("main", &Scope::ALL).await, app.key("other", &Scope::ALL).await);
    let spoil = "globalThis.marker = inputs.secret; Object.prototype.leak = inputs.secret; Array.prototype.map = () => inputs.secret;
        JSON.stringify = () => '\"evil\"'; JSON.parse = () => ({ source: 'return 1', inputs: {} }); Date.now = () => 0; console.log = null;
        Promise.prototype.then = null; Function.prototype.call = null; return { x: [1, { y: 2 }] }";
    let spoiled = run(&one, json!({ "source": spoil, "inputs": { "secret": "s3cret" } })).await;
    assert!(["finished", "failed"].contains(&spoiled["status"].as_str().unwrap()), "{spoiled}");
    let look = "console.log('still here'); return { marker: typeof globalThis.marker, leak: ({}).leak ?? null, map: [1].map((it) => it + 1),
        text: JSON.stringify({}), now: Date.now() > 0, two: await Promise.resolve(2) }";
    let clean = json!({ "marker": "undefined", "leak": null, "map": [2], "text": "{}", "now": true, "two": 2 });
    for client in [&one, &other] {
        assert_eq!(value(client, look, json!({})).await, clean);
    }
}

#[tokio::test]
async fn nobody_can_put_a_plugin_of_their_own_in_its_place() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let file = repository().join("plugins/dist/code_javascript.wasm");
    let bytes =
        std::fs::read(&file).unwrap_or_else(|_| panic!("{} is missing: run `cargo xtask plugins`", file.display()));
    client.upload("/api/v1/plugins", "code_javascript.wasm", &bytes).await.problem(409, "conflict");
    client.delete("/api/v1/plugins/code_javascript").await.problem(409, "conflict");
    let installed = client.get("/api/v1/plugins/code_javascript").await.ok();
    assert_eq!(installed["manifest"]["tools"][0]["idempotent"], true, "a call that a crash cut short is made again");
    assert_eq!((&installed["system"], &installed["manifest"]["permissions"]["http"]), (&json!(true), &json!([])));
}

/// Servers on one database are built apart, and a build of the plugin is never the same bytes twice.
#[tokio::test]
async fn another_servers_build_of_the_plugin_is_this_ones() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let tenant = app.app.tenant(Some("main")).await.unwrap().id;
    let ours = app.app.storage().plugin(tenant, "code_javascript").await.unwrap().unwrap();
    let theirs = domain::Plugin { sha256: "0".repeat(64), ..ours.clone() };
    app.app.storage().install_plugin(tenant, theirs, Vec::new()).await.unwrap();
    assert_eq!(value(&client, "return 1", json!({})).await, json!({ "result": 1 }));
    let newer = domain::Plugin { sha256: "1".repeat(64), version: "99.0.0".to_owned(), ..ours };
    app.app.storage().install_plugin(tenant, newer, Vec::new()).await.unwrap();
    assert!(error(&client, "return 1").await.starts_with("not_found: "));
}
