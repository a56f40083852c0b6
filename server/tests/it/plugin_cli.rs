//! `parlour plugin …` by the real binary: from an empty folder to a plugin on a server, and what is said on wrong ways.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parlour::app::accounts::Scope;
use serde_json::{Value, json};

use crate::binary::{Server, key};
use crate::support::{TestApp, repository};

/// With the machine's own environment: compilers and their caches are found by it.
fn plugin(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PARLOUR_") {
            command.env_remove(name);
        }
    }
    // No plugin command has anything to do with a data folder; this one could not even be made.
    command.env("PARLOUR_DATA", file!()).arg("plugin").args(arguments);
    command
}

pub(crate) fn said(arguments: &[&str]) -> Said {
    Said::of(plugin(arguments).output().expect("it runs"))
}

pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Said {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}\n{}", self.out, self.err))
    }

    /// It ended with this code and all of these words.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, Some(code), "{all}");
        for expected in words {
            assert!(all.contains(expected), "`{expected}` is missing in:\n{all}");
        }
    }
}

fn guest(name: &str) -> String {
    let file = repository().join("plugins/dist/testing").join(format!("{name}.wasm"));
    assert!(file.is_file(), "{} is missing: run `cargo xtask plugins`", file.display());
    file.display().to_string()
}

/// Always the same folder, so that what was compiled by an earlier run of the test is compiled already.
fn fresh_rust_project() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cli").join("wine_list");
    let entries = std::fs::read_dir(&folder).map(|it| it.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let compiled = folder.with_extension("target");
    for entry in entries {
        let path = entry.path();
        if entry.file_name() == "target" {
            let _ = std::fs::remove_dir_all(&compiled);
            std::fs::rename(path, &compiled).expect("the target folder moves");
        } else if path.is_dir() {
            std::fs::remove_dir_all(path).expect("it can be removed");
        } else {
            std::fs::remove_file(path).expect("it can be removed");
        }
    }
    folder
}

pub(crate) fn edit(file: &Path, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(file).expect("it can be read");
    std::fs::write(file, change(text)).expect("it can be written");
}

/// The template's tool, whatever language it is written in.
pub(crate) fn splits_a_bill(wasm: &str) {
    let ran = said(&["run", wasm, "split_bill", "--input", r#"{"total": 100, "guests": 3}"#]).ok();
    for expected in ["debug  splitting 100 among 3", " of CPU, ", " MiB of memory"] {
        assert!(ran.err.contains(expected), "`{expected}` is missing in:\n{}", ran.err);
    }
    assert_eq!(ran.json(), json!({ "each": 33, "left_over": 1 }));
    said(&["run", wasm, "split_bill", "--input", r#"{"total": 100, "guests": 0}"#])
        .refused(1, &["error[invalid_input]", "somebody has to pay"]);
    let seen = said(&["inspect", wasm, "--format", "json"]).ok().json();
    assert_eq!(seen["ok"], true);
    assert_eq!(seen["manifest"]["title"], json!({ "en": "Wine list", "zh": "Wine list" }));
    let input = &seen["manifest"]["tools"][0]["input"];
    assert_eq!((&input["required"], &input["additionalProperties"]), (&json!(["total", "guests"]), &json!(false)));
    assert_eq!(input["properties"]["guests"]["x-description"], json!({ "zh": "几个人付" }), "{input}");
    assert!(seen["imports"].as_array().unwrap().iter().all(|it| it["offered"] == true), "{seen}");
}

#[test]
fn from_an_empty_folder_to_a_plugin_that_runs() {
    let project = fresh_rust_project();
    let folder = project.to_str().unwrap();
    let made = said(&["new", folder]).ok();
    assert!(made.out.contains("parlour plugin test"), "{}", made.out);
    said(&["new", folder]).refused(1, &["is there already", "hint: choose another name"]);
    let compiled = project.with_extension("target");
    if compiled.exists() {
        std::fs::rename(compiled, project.join("target")).unwrap();
    }

    let built = said(&["build", folder]).ok();
    assert!(built.out.contains("wine_list.wasm: `wine_list` 0.1.0, "), "{}", built.out);
    let file = project.join("wine_list.wasm");
    let wasm = file.to_str().unwrap();
    assert!(std::fs::read(&file).unwrap().starts_with(b"\0asm"));

    splits_a_bill(wasm);
    let seen = said(&["inspect", wasm, "--format", "json"]).ok().json();
    assert_eq!(seen["imports"], json!([{ "name": "parlour:plugin/log@1.0.0", "offered": true }]));
    let shown = said(&["inspect", wasm]).ok().out;
    for expected in ["`wine_list` 0.1.0", "tool split_bill", "guests  integer   How many pay", "asks for nothing"] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }

    let tested = said(&["test", folder, "--format", "json"]).ok();
    assert!(tested.err.contains("test result: ok. 2 passed"), "{}", tested.err);
    let tested = tested.json();
    assert_eq!((&tested["ok"], &tested["examples"][0]["verdict"]), (&json!(true), &json!("passed")), "{tested}");

    // An SDK of another binary is replaced; an example that is not true fails in the sandbox as well.
    std::fs::write(project.join(".parlour/sdk/stamp.txt"), "an older one").unwrap();
    std::fs::write(project.join(".parlour/sdk/src/lib.rs"), "compile_error!(\"older\");").unwrap();
    edit(&project.join("src/lib.rs"), |it| {
        let (tools, _) = it.split_once("#[cfg(test)]").unwrap();
        tools.replace(r#""left_over": 1}"#, r#""left_over": 2}"#)
    });
    said(&["test", folder]).refused(
        1,
        &["replacing the SDK", "✗ split_bill", r#"stated {"each":3333,"left_over":2}"#, "0 passed, 1 failed"],
    );
    edit(&project.join("src/lib.rs"), |it| it.replace("total / guests", "total / gests"));
    said(&["build", folder]).refused(1, &["cannot find value `gests`", "does not compile"]);
}

#[test]
fn from_an_empty_folder_to_a_plugin_in_typescript() {
    let scratch = tempfile::tempdir().unwrap();
    let project = scratch.path().join("wine_list");
    let folder = project.to_str().unwrap();
    said(&["new", folder, "--lang", "typescript"]).ok();

    let tested = said(&["test", folder, "--format", "json"]).ok();
    assert!(tested.err.contains("npm ci --ignore-scripts") && tested.err.contains("pass 3"), "{}", tested.err);
    let tested = tested.json();
    assert_eq!((&tested["ok"], &tested["examples"][0]["verdict"]), (&json!(true), &json!("passed")), "{tested}");
    let file = project.join("wine_list.wasm");
    let wasm = file.to_str().unwrap();
    splits_a_bill(wasm);

    // An SDK of another binary is replaced; an example that is not true fails in the tests.
    std::fs::write(project.join(".parlour/sdk/stamp.txt"), "an older one").unwrap();
    std::fs::write(project.join(".parlour/sdk/src/index.ts"), "export const older = true;").unwrap();
    let source = project.join("src/plugin.ts");
    let good = std::fs::read_to_string(&source).unwrap();
    edit(&source, |it| it.replace("left_over: 1 }", "left_over: 2 }"));
    said(&["test", folder]).refused(1, &["replacing the SDK", "is not true", r#"stated {"each":3333,"left_over":2}"#]);

    // What cannot be built is said at the author's line.
    let top = |line: &str| format!("{good}\n{line}\n");
    for (text, words) in [
        (good.replace("total % guests", "`${total}`"), "is not assignable to type 'number'"),
        (top("setTimeout(() => undefined, 1);"), "Cannot find name 'setTimeout'"),
        (top("export const at = Date.now();"), "`Date.now()` was called while the plugin is being built"),
        (top("export const chance = Math.random();"), "call it inside a tool instead (src/plugin.ts:"),
        (top("throw new RangeError('no');"), "error: no (src/plugin.ts:"),
        (good.replace("export default plugin(", "export const it = plugin("), "it ends with `export default plugin("),
        (good.replace("parlour-plugin\";", "parlour-plugins\";"), "Cannot find module 'parlour-plugins'"),
    ] {
        std::fs::write(&source, text).unwrap();
        said(&["build", folder]).refused(1, &[words, "does not compile"]);
    }
    // Without tests of its own the sandbox finds it.
    std::fs::write(&source, good.replace("left_over: 1 }", "left_over: 2 }")).unwrap();
    std::fs::remove_dir_all(project.join("tests")).unwrap();
    said(&["test", folder]).refused(1, &["there are no tests", "✗ split_bill"]);
}

/// Node may be missing, or be one that a distribution has had for years.
#[cfg(unix)]
#[test]
fn without_a_node_that_is_new_enough_it_is_said_what_to_get() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = tempfile::tempdir().unwrap();
    let project = scratch.path().join("wine_list");
    let folder = project.to_str().unwrap();
    said(&["new", folder, "--lang", "ts"]).ok();
    let programs = scratch.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    let build = || Said::of(plugin(&["build", folder]).env("PATH", &programs).output().unwrap());
    build().refused(1, &["`node` was not found", "20.19 or newer", "hint: ", "nodejs.org"]);
    for name in ["node", "npm"] {
        let file = programs.join(name);
        std::fs::write(&file, "#!/bin/sh\necho v18.20.4\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    build().refused(1, &["`node` is 18.20.4", "20.19 or newer", "hint: "]);
}

#[test]
fn new_and_build_on_wrong_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    said(&["new", &path("Wine-List")]).refused(1, &["`Wine-List` is no name", "hint: ", "`wine_list`"]);
    said(&["new", &path("wine_list"), "--lang", "cobol"]).refused(2, &["'cobol'", "rust", "typescript"]);
    said(&["new", &path("loop"), "--lang", "rust"]).refused(1, &["a word of Rust", "`loop_tools`"]);
    said(&["new", &path("typescript"), "--lang", "typescript"]).refused(1, &["a package", "`typescript_tools`"]);
    said(&["build", &path("")])
        .refused(1, &["there is no project in", "no Cargo.toml", "no package.json", "hint: `parlour plugin new NAME`"]);
    said(&["test", &path("nowhere")]).refused(1, &["there is no project in"]);
    said(&["inspect", &path("nowhere.wasm")]).refused(1, &["cannot read `", "nowhere.wasm"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

/// A core module that imports one function.
fn importing(module: &str, function: &str) -> Vec<u8> {
    let name = |it: &str| [&[u8::try_from(it.len()).unwrap()], it.as_bytes()].concat();
    let import = [&[1][..], &name(module), &name(function), &[0, 0]].concat();
    let types = [1, 4, 1, 0x60, 0, 0];
    [b"\0asm\x01\0\0\0", &types[..], &[2, u8::try_from(import.len()).unwrap()], &import].concat()
}

#[tokio::test]
async fn a_file_that_is_refused_is_refused_in_the_words_of_the_upload() {
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<(PathBuf, &str)> = ["wrong_contract", "bad_manifest", "describes_forever"]
        .into_iter()
        .zip(["plugin_wrong_contract", "plugin_invalid_manifest", "plugin_describe_failed"])
        .map(|(name, code)| (guest(name).into(), code))
        .collect();
    let bytes = std::fs::read(guest("echo")).unwrap();
    let broken = [
        ("text.wasm", b"fn main() {}".to_vec(), "plugin_not_wasm"),
        ("cut.wasm", bytes[..bytes.len() / 2].to_vec(), "plugin_malformed"),
        ("wasi.wasm", importing("wasi_snapshot_preview1", "fd_write"), "plugin_unsupported_import"),
    ];
    for (name, bytes, code) in broken {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        files.push((file, code));
    }
    for (file, code) in files {
        let uploaded = client.upload("/api/v1/plugins", "x.wasm", &std::fs::read(&file).unwrap()).await;
        let problem: Value = serde_json::from_slice(&uploaded.body).unwrap();
        let words = [problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap()];
        let file = file.to_str().unwrap();
        said(&["inspect", file]).refused(1, &words);
        said(&["run", file, "anything"]).refused(1, &words);
        let told = said(&["inspect", file, "--format", "json"]);
        assert_eq!(told.code, Some(1));
        let told = told.json();
        assert_eq!((&told["ok"], &told["error"]["code"]), (&json!(false), &json!(code)), "{told}");
        assert_eq!(told["error"]["hint"], problem["hint"]);
        // The upload tells the problems of a manifest one by one, the command line in one text.
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(words[0]), "{message}");
        for it in problem["errors"].as_array().unwrap() {
            assert!(message.contains(it["message"].as_str().unwrap()), "{it} is missing in {message}");
        }
    }
    let wasi = folder.path().join("wasi.wasm");
    let marked = &["wasi_snapshot_preview1   ✗ the sandbox does not offer this"];
    said(&["inspect", wasi.to_str().unwrap()]).refused(1, marked);
}

#[test]
fn a_call_that_fails_says_why_and_what_would_help() {
    let (echo, misbehaves) = (&guest("echo")[..], &guest("misbehaves")[..]);
    said(&["run", echo, "ecco"]).refused(1, &["error[not_found]", "no such tool", "`echo`", "`time_and_chance`"]);
    said(&["run", echo, "echo", "--input", r#"{"value": }"#])
        .refused(2, &["--input <JSON>", "expected value at line 1, column 11, after `{\"value\": `"]);
    said(&["run", echo, "echo", "--input", r#"{"valeu": 1}"#])
        .refused(1, &["error[invalid_input]", "\"value\" is a required property", "parlour plugin inspect"]);
    said(&["run", echo, "echo", "--grant", "menu"]).refused(2, &["--grant <KIND=NAME>", "`knowledge=menu`"]);
    said(&["run", echo, "echo", "--grant", "knowledge=staff"])
        .refused(1, &["does not ask for `knowledge: staff`", "read the knowledge base `menu`"]);
    said(&["run", echo, "configured", "--setting", "number=many"]).refused(1, &["the settings do not fit", "/number"]);
    let set = said(&["run", echo, "configured", "--setting", "number=7", "--setting", "greeting=你好"]).ok().json();
    assert_eq!((&set["number"], &set["greeting"]), (&json!(7), &json!("你好")));

    let search = ["run", echo, "everything_known", "--input", r#"{"knowledge_base": "menu", "query": "鱼"}"#];
    said(&search).refused(1, &["error[denied]", "hint: "]);
    said(&[&search[..], &["--grant", "knowledge=menu"]].concat())
        .refused(1, &["error[not_found]", "there is no knowledge base `menu` here"]);

    said(&["run", misbehaves, "panics", "--input", r#"{"message": "at the author's own line"}"#])
        .refused(1, &["error[trap]", "  | ", "panicked at", "at the author's own line"]);
    let told = said(&["run", misbehaves, "loops_forever", "--format", "json"]);
    assert_eq!(told.code, Some(1));
    let told = told.json();
    assert_eq!((&told["ok"], &told["error"]["kind"]), (&json!(false), &json!("cpu_limit")), "{told}");
    assert!(told["report"]["cpu_us"].as_u64().unwrap() >= 1_000_000, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_goes_to_a_server_which_says_what_it_asks_for() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), |_| {});
    let manage = key(data.path(), "manage");
    let echo = guest("echo");
    let install = |url: &str, key: &str| said(&["install", &echo, "--url", url, "--key", key]);
    let installed = install(&server.url, &manage).ok().out;
    for expected in ["installed `echo` 1.0.0", "use: echo/time_and_chance", "knowledge: menu   read the knowledge base"]
    {
        assert!(installed.contains(expected), "`{expected}` is missing in:\n{installed}");
    }
    // What it says about granting is what works.
    let (_, command) = installed.split_once("curl ").unwrap();
    let address = command.split_whitespace().find(|it| it.starts_with("http")).unwrap();
    let (_, body) = command.split_once("-d '").unwrap();
    let body = body.trim_end().trim_end_matches('\'').to_owned();
    let granted = reqwest::Client::new()
        .put(address)
        .bearer_auth(&manage)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(granted.status(), 200, "{}", granted.text().await.unwrap());

    let replaced = install(&server.url, &manage).ok().out;
    assert!(replaced.contains("all of it is granted") && !replaced.contains("curl"), "{replaced}");
    let published = said(&["publish", &echo, "--url", &server.url, "--key", &manage]).ok().out;
    assert!(published.contains("published `echo` 1.0.0") && published.contains("in use already"), "{published}");
    let environment = plugin(&["install", &echo, "--format", "json"])
        .env("PARLOUR_URL", format!("{}/", server.url))
        .env("PARLOUR_KEY", &manage)
        .output()
        .unwrap();
    let again = Said::of(environment).ok().json();
    assert_eq!((&again["id"], &again["grants"]["knowledge"]), (&json!("echo"), &json!(["menu"])), "{again}");

    let needs_a_key = "hint: `parlour key create";
    install(&server.url, "pk_wrong").refused(1, &["this API key is not known", needs_a_key]);
    install(&server.url, &key(data.path(), "chat")).refused(1, &["manage", needs_a_key]);
    let bad = guest("bad_manifest");
    said(&["install", &bad, "--url", &server.url, "--key", &manage])
        .refused(1, &["the plugin's manifest has", "hint: "]);
    install("http://127.0.0.1:9", &manage)
        .refused(1, &["there is no answer from `http://127.0.0.1:9`", "parlour serve"]);
    install("not an address", &manage).refused(1, &["`not an address` is no address"]);
    let other = axum::Router::new().fallback(|_: axum::body::Bytes| async { "welcome" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, other).await });
    install(&url, &manage).refused(1, &["is not a Parlour server", "hint: "]);
    said(&["install", &echo]).refused(2, &["--key <KEY>"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_ends_a_command_in_silence() {
    let file = repository().join("plugins/dist/testing/echo.wasm");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = Said::of(plugin(&["inspect", file.to_str().unwrap()]).stdout(writer).output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(141), ""));
}
