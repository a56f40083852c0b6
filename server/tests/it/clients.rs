//! The official `openai` Python package against the real binary.

use std::path::PathBuf;
use std::process::Command;

use crate::binary::{Server, key};
use crate::support::mock_model::MockModel;
use crate::support::repository;

/// A virtual environment with the pinned packages, made once per target folder.
fn python() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("openai-client");
    let python = folder.join("bin/python");
    let requirements = repository().join("server/tests/clients/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("requirements.txt");
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) {
        return python;
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
    assert!(
        made.is_ok_and(|it| it.success()),
        "python3 with venv is needed: on Debian and Ubuntu `apt-get install python3-venv`"
    );
    let installed = Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements).status();
    assert!(installed.is_ok_and(|it| it.success()), "the `openai` package could not be installed with pip");
    std::fs::write(&stamp, wanted).expect("a stamp");
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_python_package_lists_chats_streams_and_raises_its_own_errors() {
    let data = tempfile::tempdir().unwrap();
    let model = MockModel::start().await;
    model.default_reply("我们晚上十点关门。");
    let base_url = model.base_url().to_owned();
    let server = Server::start(data.path(), |command| {
        command.env("PARLOUR_MODEL_BASE_URL", &base_url).env("PARLOUR_MODEL_NAME", "mock");
        command.args(["--project", "workflows/restaurant"]);
    });
    let key = key(data.path(), "chat");
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let script = repository().join("server/tests/clients/openai_client.py");
    let ran = Command::new(python)
        .arg(script)
        .args(["--base-url", &format!("{}/v1", server.url), "--api-key", &key, "--model", "huangmenji"])
        .args(["--expect", "十点关门"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.contains("OK"), "{told}");
}
