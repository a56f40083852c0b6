//! `parlour knowledge reindex` with the real binary: a damaged index says what to do, and doing it helps.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::binary::{Server, key, parlour};

struct Api {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Api {
    fn new(server: &Server, key: &str) -> Api {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Api { client: reqwest::Client::new(), url: server.url.clone(), key: key.to_owned() }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}/api/v1/knowledge-bases{path}", self.url)).bearer_auth(&self.key);
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn search(&self, query: &str) -> (u16, Value) {
        self.post("/handbook/search", json!({ "query": query })).await
    }
}

fn reindex(data: &Path, more: &[&str]) -> Output {
    parlour(data).args(["knowledge", "reindex"]).args(more).output().expect("it runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn indexes(data: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.join("knowledge")).unwrap().map(|it| it.unwrap().path());
    files.filter(|it| it.is_file()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_says_what_to_do_and_doing_it_helps() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let mut server = Server::start(data, |_| {});
    let key = key(data, "chat,run,manage");
    let api = Api::new(&server, &key);
    for name in ["handbook", "other"] {
        assert_eq!(api.post("", json!({ "name": name })).await.0, 200);
    }
    let records = json!([{ "content": "工作满一年有五天年假。" }, { "content": "病假需要医院证明。" }]);
    let document = json!({ "name": "handbook", "records": records });
    let (status, taken) = api.post("/handbook/documents?wait=60", document).await;
    assert_eq!(status, 200, "{taken}");
    let (_, found) = api.search("年假").await;
    assert!(found["hits"][0]["text"].as_str().unwrap().contains("五天年假"), "{found}");

    let refused = reindex(data, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("another process") && said(&refused).contains("hint: stop the server"),
        "{}",
        said(&refused)
    );
    assert!(server.terminate().success());

    // What can be read is kept as it is.
    for more in [&[][..], &["--tenant", "main", "--base", "handbook"], &["--base", "other"]] {
        let done = reindex(data, more);
        assert!(done.status.success(), "{}", said(&done));
        assert!(said(&done).contains("main: indexed anew"), "{}", said(&done));
        assert_eq!(indexes(data).len(), 1, "{:?}", indexes(data));
    }
    for (wrong, words) in
        [(["--tenant", "nobody"], "tenant `nobody`"), (["--base", "nothing"], "knowledge base `nothing`")]
    {
        let refused = reindex(data, &wrong);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(words), "{}", said(&refused));
    }

    let index = indexes(data).pop().unwrap();
    std::fs::write(&index, "not an index any more ".repeat(1000)).unwrap();
    let mut server = Server::start(data, |_| {});
    let api = Api::new(&server, &key);
    let (status, problem) = api.search("年假").await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("index_damaged")), "{problem}");
    assert!(problem["hint"].as_str().unwrap().contains("parlour knowledge reindex"), "{problem}");
    assert!(server.terminate().success());

    let done = reindex(data, &[]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("documents 1, records 2") && said(&done).contains("was damaged"), "{}", said(&done));
    let aside = indexes(data).into_iter().find(|it| it.to_string_lossy().contains(".sqlite.damaged-20")).unwrap();
    assert!(std::fs::read_to_string(aside).unwrap().starts_with("not an index"));
    let server = Server::start(data, |_| {});
    let (status, found) = Api::new(&server, &key).search("病假").await;
    assert_eq!(status, 200, "{found}");
    assert!(found["hits"][0]["text"].as_str().unwrap().contains("医院证明"), "{found}");
}
