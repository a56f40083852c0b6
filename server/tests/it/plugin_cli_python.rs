//! `parlour plugin …` for a project in Python, by the real binary and with the packages that a user gets.

use std::path::{Path, PathBuf};

use parlour::app::accounts::Scope;
use serde_json::json;

use crate::plugin_cli::{edit, said, splits_a_bill};
use crate::support::TestApp;

/// Always the same folder, so that packages which an earlier run of the test has fetched are there already. What is beside is
/// taken in again by [`with_packages`].
fn fresh_project() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cli-python").join("wine_list");
    let (packages, aside) = (folder.join(".parlour/venv"), aside(&folder));
    if packages.exists() {
        let _ = std::fs::remove_dir_all(&aside);
        std::fs::rename(packages, aside).expect("the packages move");
    }
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn aside(folder: &Path) -> PathBuf {
    folder.with_extension("venv")
}

fn with_packages(folder: &Path) {
    if aside(folder).exists() {
        std::fs::rename(aside(folder), folder.join(".parlour/venv")).expect("the packages move");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_folder_to_a_plugin_in_python_on_a_server() {
    let project = fresh_project();
    let folder = project.to_str().unwrap();
    said(&["new", folder, "--lang", "python"]).ok();
    with_packages(&project);

    let tested = said(&["test", folder, "--format", "json"]).ok();
    assert!(tested.err.contains("Ran 3 tests"), "{}", tested.err);
    let tested = tested.json();
    assert_eq!((&tested["ok"], &tested["examples"][0]["verdict"]), (&json!(true), &json!("passed")), "{tested}");

    let file = project.join("wine_list.wasm");
    let wasm = file.to_str().unwrap();
    splits_a_bill(wasm);

    // To a server, and from there.
    let app = TestApp::new().await;
    let client = app.key("main", &Scope::ALL).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = app.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let key = client.headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let install = ["install".to_owned(), wasm.to_owned(), "--url".to_owned(), url, "--key".to_owned(), key];
    let installed = tokio::task::spawn_blocking(move || said(&install.iter().map(String::as_str).collect::<Vec<_>>()));
    let installed = installed.await.unwrap().ok().out;
    assert!(installed.contains("installed `wine_list` 0.1.0"), "{installed}");
    let yaml = "workflow: bill\nnodes:\n  shares: { use: wine_list, with: { total: 10, guests: 4 } }\noutputs: { each: '{{ shares.each }}' }\n";
    client.put("/api/v1/workflows/bill", json!({ "yaml": yaml })).await.ok();
    let run = client.post("/api/v1/workflows/bill/runs", json!({ "inputs": {} })).await.ok();
    let run = client.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.ok();
    assert_eq!(run["outputs"], json!({ "each": 2 }), "{run}");

    // A mistake is told where it is, before anything is compiled.
    edit(&project.join("src/wine_list.py"), |it| {
        it.replace("guests: Annotated[int, \"How many pay\", zh(\"几个人付\")]", "guests")
    });
    said(&["build", folder]).refused(1, &["the tool `split_bill`: `guests` needs a type", "does not compile"]);
    edit(&project.join("src/wine_list.py"), |it| it.replace("from dataclasses", "import numppy\nfrom dataclasses"));
    said(&["build", folder]).refused(1, &["No module named 'numppy'", "wine_list.py\", line "]);
}

#[test]
fn names_that_a_module_cannot_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    said(&["new", &path("json"), "--lang", "python"])
        .refused(1, &["Python has a module `json` already", "hint: for example `json_tools`"]);
    said(&["new", &path("lambda"), "--lang", "python"]).refused(1, &["a word of Python"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}
