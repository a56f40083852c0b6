//! The node kind `code` in Python: the interpreter through the API, what goes wrong in it, and that nothing leaves its call.

use std::io::Read as _;
use std::path::Path;

use parlour::app::accounts::Scope;
use plugin_host::{HostConfig, Limits, PluginHost};
use serde_json::{Value, json};

use crate::code::run;
use crate::support::{Client, TestApp, repository};

/// A server that finds the interpreter compiled. Each server compiles what its cache has not, so several at once would do it
/// beside each other, which takes a small machine minutes.
async fn app() -> TestApp {
    static COMPILED: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    COMPILED.get_or_init(|| async { plugin().await.sha256().to_owned() }).await;
    TestApp::new().await
}

/// The component as it ships.
fn component() -> Vec<u8> {
    let mut component = Vec::new();
    flate2::read::GzDecoder::new(&*shipped("code_python.wasm.gz")).read_to_end(&mut component).unwrap();
    component
}

fn shipped(file: &str) -> Vec<u8> {
    std::fs::read(repository().join("plugins/dist").join(file)).expect("run `cargo xtask plugins`")
}

async fn plugin() -> plugin_host::Plugin {
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache");
    let host = PluginHost::new(HostConfig { cache_dir, pool_slots: 2, limits: Limits::default() }).unwrap();
    host.load(component()).await.unwrap()
}

/// What the source gives for these inputs.
async fn value(client: &Client<'_>, source: &str, inputs: Value) -> Value {
    let run = run(client, json!({ "language": "python", "source": source, "inputs": inputs })).await;
    assert_eq!(run["status"], "finished", "{source}: {run}");
    run["outputs"]["all"].clone()
}

/// The error that the source ends in, as `code: message`.
async fn error(client: &Client<'_>, source: &str) -> String {
    let run = run(client, json!({ "language": "python", "source": source })).await;
    assert_eq!(run["status"], "failed", "{source}: {run}");
    assert_eq!(run["error"]["node"], "code", "{run}");
    format!("{}: {}", run["error"]["code"].as_str().unwrap(), run["error"]["message"].as_str().unwrap())
}

#[tokio::test]
async fn python_computes_with_the_types_it_is_given() {
    let app = app().await;
    let client = app.key("main", &Scope::ALL).await;
    let dishes =
        json!([{ "name": "辣子鸡", "price": 38.5, "hot": true }, { "name": "米饭", "price": 2, "hot": false }]);
    let bill = "dishes = inputs['dishes']
return {'sum': sum(dish['price'] for dish in dishes), 'hot': [f\"{it['name']}！\" for it in dishes if it['hot']],
    'none': inputs['none'], 'kinds': [type(it['price']).__name__ for it in dishes]}";
    assert_eq!(
        value(&client, bill, json!({ "dishes": dishes, "none": null })).await,
        json!({ "sum": 40.5, "hot": ["辣子鸡！"], "none": null, "kinds": ["float", "int"] })
    );
    for (source, expected) in [
        ("return 1 + 1", json!({ "result": 2 })),
        ("return 1, 'a'", json!({ "result": [1, "a"] })),
        ("# nothing", json!({ "result": null })),
        ("return '{{ inputs.nothing }}{% if %}'", json!({ "result": "{{ inputs.nothing }}{% if %}" })),
        ("return 2 ** 63", json!({ "result": 9_223_372_036_854_775_808_u64 })),
        // The library, and what in it is only imported when it is used.
        (
            "import re, statistics, decimal\nreturn [re.sub(r'\\d+', '', 'a1b22'), statistics.mean([1, 2]), str(decimal.Decimal('0.1') * 3)]",
            json!({ "result": ["ab", 1.5, "0.3"] }),
        ),
        (
            "import datetime, zoneinfo\nreturn datetime.datetime.strptime('2026-01-02', '%Y-%m-%d').replace(tzinfo=zoneinfo.ZoneInfo('Asia/Shanghai')).isoformat()",
            json!({ "result": "2026-01-02T00:00:00+08:00" }),
        ),
        (
            "import csv, io, hashlib, base64\nrows = list(csv.DictReader(io.StringIO('a,b\\n1,鱼')))\nreturn [rows, hashlib.sha256(b'x').hexdigest()[:8], base64.b64encode('鱼'.encode('gbk')).decode()]",
            json!({ "result": [[{ "a": "1", "b": "鱼" }], "2d711642", "0+M="] }),
        ),
        (
            "import sqlite3\ntable = sqlite3.connect(':memory:')\ntable.execute('create table t (a)')\ntable.executemany('insert into t values (?)', [(1,), (2,)])\nreturn table.execute('select sum(a) from t').fetchone()",
            json!({ "result": [3] }),
        ),
        // Clock and randomness are the host's.
        (
            "import time, datetime, random, uuid, os\nreturn [time.time() > 1.7e9, datetime.datetime.now().year > 2024, random.random() != random.random(), len(str(uuid.uuid4())), len(os.urandom(9))]",
            json!({ "result": [true, true, true, 36, 9] }),
        ),
        (
            "import time\nbegan = time.monotonic()\ntime.sleep(0.02)\nreturn time.monotonic() - began > 0.01",
            json!({ "result": true }),
        ),
    ] {
        assert_eq!(value(&client, source, json!({})).await, expected, "{source}");
    }
    let draw = "import random\nreturn random.random()";
    assert_ne!(
        value(&client, draw, json!({})).await,
        value(&client, draw, json!({})).await,
        "each call has a seed of its own"
    );

    let outputs = json!({ "sum": "number" });
    let wrong =
        run(&client, json!({ "language": "python", "source": "return {'sum': 'one'}", "outputs": outputs })).await;
    assert_eq!(wrong["error"]["code"], "code_bad_output", "{wrong}");

    let large =
        json!({ "rows": (0..2_000).map(|it| json!({ "name": format!("菜{it}"), "price": it })).collect::<Vec<_>>() });
    assert_eq!(value(&client, "return inputs", large.clone()).await, large);
}

#[tokio::test]
async fn what_goes_wrong_in_python_is_said_with_its_place() {
    let app = app().await;
    let client = app.key("main", &Scope::ALL).await;
    for (source, code, words) in [
        ("a = None\n\na.b", "error", "AttributeError: 'NoneType' object has no attribute 'b' (line 3, column 1)"),
        ("raise ValueError('坏了')", "error", "ValueError: 坏了 (line 1, column 1)"),
        ("x = ;", "invalid_input", "SyntaxError: invalid syntax (line 1, column 5)"),
        ("return {'list': [1, {'big': {1}}]}", "error", "`list[1].big` is a set"),
        ("return float('nan')", "error", "what the code returned is nan"),
        ("x = []\nfor _ in range(5000): x = [x]\nreturn x", "error", "more than 120 levels"),
        ("import numpy", "error", "there is no module `numpy` in the sandbox; there are: abc, "),
        // What the sandbox does not have.
        ("open('/etc/passwd')", "error", "No such file or directory: '/etc/passwd'"),
        ("open('notes.txt', 'w')", "error", "No such file or directory"),
        ("import os\nos.listdir('/')", "error", "FileNotFoundError"),
        ("import os\nos.system('ls')", "error", "has no attribute 'system'"),
        ("import subprocess", "error", "there is no module `subprocess`"),
        ("import socket", "error", "there is no module `socket`"),
        ("import _socket\n_socket.socket().connect(('127.0.0.1', 80))", "error", "PermissionError"),
        ("import sys\nsys.exit(0)", "error", "SystemExit"),
        ("import os\nos._exit(0)", "error", "it ended itself with status 0"),
        // Limits.
        ("while True: pass", "plugin_limit", "ms of processor time"),
        (
            "while True:\n    try:\n        raise ValueError\n    except BaseException: pass",
            "plugin_limit",
            "ms of processor time",
        ),
        ("return 10 ** 10 ** 8", "plugin_limit", "of processor time"),
        ("all = []\nwhile True: all.append(bytearray(1 << 20))", "plugin_limit", "bytes of memory"),
        ("return 'x' * (100 << 20)", "plugin_limit", "bytes of memory"),
        ("return 'x' * (6 << 20)", "plugin_limit", "more data than the limit"),
        (
            "def deep(n): return 1 + deep(n + 1)\ndeep(0)",
            "error",
            "RecursionError: maximum recursion depth exceeded (line 1, column 25)",
        ),
        (
            "import sys\nsys.setrecursionlimit(10 ** 9)\nx = []\nfor _ in range(10 ** 5): x = [x]\nrepr(x)",
            "plugin_trap",
            "stack",
        ),
    ] {
        let found = error(&client, source).await;
        assert!(found.starts_with(&format!("{code}: ")) && found.contains(words), "{source}: {found}");
        assert_eq!(value(&client, "return 1", json!({})).await, json!({ "result": 1 }), "after {source}");
    }
    assert_eq!(
        value(&client, "import os, sys\nreturn [dict(os.environ), sys.argv, os.getcwd()]", json!({})).await,
        json!({ "result": [{}, [], "/"] })
    );
}

#[tokio::test]
async fn print_and_logging_write_to_the_nodes_log() {
    let app = app().await;
    let client = app.key("main", &Scope::ALL).await;
    let source = "import sys, logging, warnings
print('你好', {'a': (1, None)}, end='')
print('!', '\\nsecond')
print('careful', file=sys.stderr)
logging.getLogger('menu').error('no %s', 'price')
warnings.warn('old')
print('x' * 20000)
print('half', end='')
def price(dish): return dish['price']
try: price({})
except KeyError: pass";
    let finished = run(&client, json!({ "language": "python", "source": source })).await;
    let lines = |run: &Value| -> Vec<(String, String)> {
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let logs = run["nodes"][0]["logs"].as_array().unwrap_or_else(|| panic!("{run}"));
        logs.iter().map(|it| (text(it, "level"), text(it, "message"))).collect()
    };
    let said = lines(&finished);
    let expected = [
        ("info", "你好 {'a': (1, None)}! "),
        ("info", "second"),
        ("warn", "careful"),
        ("error", "no price"),
        ("warn", "UserWarning: old (line 6)"),
    ];
    for (found, (level, message)) in said.iter().zip(expected) {
        assert_eq!((found.0.as_str(), found.1.as_str()), (level, message));
    }
    assert!(said[5].1.len() <= 8192, "{}", said[5].1.len());
    assert_eq!((said.len(), said[6].1.as_str()), (7, "half"));

    // What was said before the end that no code can see coming is there, too; so is the way to an error.
    let endless = run(&client, json!({ "language": "python", "source": "print('here')\nwhile True: pass" })).await;
    assert_eq!(lines(&endless)[0].1, "here");
    let source = "def price(dish):\n    return dish['price']\nprice({})";
    let failed = lines(&run(&client, json!({ "language": "python", "source": source })).await);
    assert!(failed.iter().any(|(level, line)| level == "error" && line.contains("return dish['price']")), "{failed:?}");
}

#[tokio::test]
async fn nothing_of_python_reaches_the_next_call_or_another_tenant() {
    let app = app().await;
    let (one, other) = (app.key("main", &Scope::ALL).await, app.key("other", &Scope::ALL).await);
    let spoil = "import builtins, json, sys, os
global marker
marker = inputs['secret']
sys.leak = json.leak = builtins.leak = inputs['secret']
os.environ['LEAK'] = inputs['secret']
builtins.print = builtins.len = lambda *_: inputs['secret']
json.dumps = lambda *_: 'evil'
sys.modules['json'] = None
return {'x': [1, {'y': 2}]}";
    let spoiled = run(&one, json!({ "language": "python", "source": spoil, "inputs": { "secret": "s3cret" } })).await;
    assert!(["finished", "failed"].contains(&spoiled["status"].as_str().unwrap()), "{spoiled}");
    let look = "import builtins, json, sys, os
return {'marker': 'marker' in globals(), 'leaks': [hasattr(it, 'leak') for it in (sys, json, builtins)],
    'environment': len(os.environ), 'text': json.dumps([1]), 'length': len([1, 2])}";
    let clean =
        json!({ "marker": false, "leaks": [false, false, false], "environment": 0, "text": "[1]", "length": 2 });
    for client in [&one, &other] {
        assert_eq!(value(client, look, json!({})).await, clean);
    }
}

/// What stands beside the compressed file is believed without asking it, so it has to be what it says.
#[tokio::test]
async fn what_is_known_of_the_plugin_before_it_is_loaded_is_true() {
    let app = app().await;
    let client = app.key("main", &Scope::ALL).await;
    let beside: Value = serde_json::from_slice(&shipped("code_python.json")).unwrap();
    let plugin = plugin().await;
    assert_eq!(plugin.sha256(), beside["sha256"].as_str().unwrap());
    let installed = client.get("/api/v1/plugins/code_python").await.ok();
    let told = serde_json::to_value(plugin.manifest()).unwrap();
    assert_eq!((&installed["manifest"], &installed["system"]), (&told, &json!(true)));
    assert_eq!(told["permissions"], json!({ "knowledge": [], "http": [], "model": null, "storage": null }));
    // Nobody can put one of their own in its place.
    client.upload("/api/v1/plugins", "code_python.wasm", &component()).await.problem(409, "conflict");
    client.delete("/api/v1/plugins/code_python").await.problem(409, "conflict");
}
