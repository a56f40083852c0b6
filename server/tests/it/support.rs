//! A server in the test's own process, and clients of it: nobody, an owner, an API key.

pub mod mock_model;
pub mod postgres;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use parlour::App;
use parlour::app::accounts::Scope;
use parlour::config::{Config, DATABASE_FILE, Database, EmbeddingPrefixes, Limits, ModelSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The repository's root: shipped projects are tested where they stand.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the server's folder is in the repository").to_owned()
}

pub struct TestApp {
    pub app: App,
    pub router: Router,
    config: Config,
    /// Gone when the test is; none where somebody else keeps it.
    folder: Option<Arc<TempDir>>,
}

/// A data folder of its own, no embedding model, no language model.
pub fn config(folder: &Path) -> Config {
    Config {
        data: folder.to_owned(),
        database: Database::File(folder.join(DATABASE_FILE)),
        // Compiled once for all tests.
        plugin_cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache"),
        listen: ([127, 0, 0, 1], 0).into(),
        projects: Vec::new(),
        model: None,
        // Nobody listens on the discard port: no Ollama of the machine gets into a test.
        ollama_url: "http://127.0.0.1:9".to_owned(),
        embedding: None,
        embedding_provider: None,
        embedding_prefixes: EmbeddingPrefixes::default(),
        reranker: None,
        qdrant: None,
        public_url: None,
        timezone: Some("Asia/Shanghai".to_owned()),
        allowed_hosts: Vec::new(),
        master_key: None,
        log: "warn".to_owned(),
        limits: Limits::default(),
        plugins: parlour::config::Plugins::default(),
    }
}

pub fn model_settings(model: &mock_model::MockModel) -> ModelSettings {
    ModelSettings { base_url: model.base_url().to_owned(), api_key: None, name: "mock".to_owned(), price: None }
}

/// Where the embedding model is kept between test runs: the same place that a user's server takes.
pub fn model_dir() -> PathBuf {
    let given = std::env::var_os("PARLOUR_MODEL_DIR").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|it| PathBuf::from(it).join(".cache"));
    given.or_else(|| cache.or(home).map(|it| it.join("parlour").join("models"))).expect("HOME is set")
}

impl TestApp {
    pub async fn new() -> TestApp {
        TestApp::with(|_| {}).await
    }

    /// With a language model that answers by script.
    pub async fn with_model(model: &mock_model::MockModel) -> TestApp {
        TestApp::with(|config| config.model = Some(model_settings(model))).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> TestApp {
        static LOG: Once = Once::new();
        LOG.call_once(|| {
            let _ = tracing_subscriber::fmt().with_test_writer().with_env_filter("warn").try_init();
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = config(folder.path());
        change(&mut config);
        TestApp::open(config, Some(Arc::new(folder))).await
    }

    /// One more server on a data folder that outlives it.
    pub async fn at(folder: &Path, change: impl FnOnce(&mut Config)) -> TestApp {
        let mut config = config(folder);
        change(&mut config);
        TestApp::open(config, None).await
    }

    async fn open(config: Config, folder: Option<Arc<TempDir>>) -> TestApp {
        let app = App::open(config.clone()).await.expect("the app opens");
        app.keep_reading_documents();
        TestApp { router: parlour::router(app.clone()), app, config, folder }
    }

    /// Stops, and starts again on the same data folder.
    pub async fn restart(self) -> TestApp {
        self.app.stop().await;
        self.beside().await
    }

    /// A second server on the same data folder.
    pub async fn beside(&self) -> TestApp {
        TestApp::open(self.config.clone(), self.folder.clone()).await
    }

    /// Loads a shipped project; it must have no problems.
    pub async fn load(&self, project: &str) {
        let tenant = self.app.first_tenant().await.expect("a tenant").id;
        let path = repository().join("workflows").join(project);
        let loaded = self.app.load_project(tenant, &path).await.expect("the project loads");
        if self.app.local_model().is_some() {
            self.app.embed_everything().await.expect("the embedding model works");
        }
        assert_eq!(
            loaded.problems,
            Vec::<String>::new(),
            "{project} has problems; are the plugins built (cargo xtask plugins)?"
        );
    }

    pub fn anonymous(&self) -> Client<'_> {
        Client { app: self, headers: HeaderMap::new() }
    }

    /// Signs in through the set-up link, as a browser does.
    pub async fn owner(&self) -> Client<'_> {
        let token = self.app.setup_token().await.expect("a token").expect("no owner yet");
        let answer = self.anonymous().post("/api/v1/setup", json!({ "token": token })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let cookie =
            answer.headers[header::SET_COOKIE].to_str().expect("text").split(';').next().expect("a pair").to_owned();
        let mut client = self.anonymous();
        client.headers.insert(header::COOKIE, cookie.parse().expect("a header"));
        client
    }

    /// A person of the first tenant, signed in with a password; their name is their address.
    pub async fn person(&self, role: domain::Role, email: &str) -> Client<'_> {
        let tenant = self.app.first_tenant().await.expect("a tenant");
        let user = domain::User {
            id: domain::UserId::from_uuid(uuid::Uuid::now_v7()),
            tenant: tenant.id,
            name: email.to_owned(),
            email: Some(email.to_owned()),
            password_hash: None,
            role,
            created_at: 1,
        };
        self.app.storage().create_user(tenant.id, user.clone()).await.expect("a user");
        let caller =
            parlour::app::accounts::Caller { tenant, user: Some(user), key: None, scopes: vec![], groups: None };
        let change = parlour::app::accounts::AccountChange {
            name: None,
            email: None,
            password: Some("a long enough password".into()),
            current_password: None,
        };
        self.app.change_account(&caller, change).await.expect("a password");
        let body = json!({ "email": email, "password": "a long enough password" });
        let signed_in = self.anonymous().post("/api/v1/session", body).await;
        let cookie = signed_in.headers[header::SET_COOKIE].to_str().expect("text").split(';').next().expect("a pair");
        let mut client = self.anonymous();
        client.headers.insert(header::COOKIE, cookie.parse().expect("a header"));
        client
    }

    /// A client with an API key of the tenant; the tenant is made if it is not there.
    pub async fn key(&self, tenant: &str, scopes: &[Scope]) -> Client<'_> {
        let tenant = match self.app.tenant(Some(tenant)).await {
            Ok(tenant) => tenant,
            Err(_) => self.app.create_tenant(tenant, None).await.expect("a tenant"),
        };
        let scopes = scopes.iter().map(|it| it.as_str().to_owned()).collect();
        let (_, secret) = self.app.create_key(tenant.id, "test", scopes).await.expect("a key");
        let mut client = self.anonymous();
        client.headers.insert(header::AUTHORIZATION, format!("Bearer {secret}").parse().expect("a header"));
        client
    }
}

#[derive(Clone)]
pub struct Client<'a> {
    app: &'a TestApp,
    pub headers: HeaderMap,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON of an answer that must be 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// Asserts a problem with this status and code, and that it says something.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert!(body["detail"].as_str().is_some_and(|it| !it.is_empty()), "{body}");
        body
    }

    /// Server-sent events as (id, name, data).
    pub fn events(&self) -> Vec<(Option<i64>, String, Value)> {
        let mut events = Vec::new();
        for block in self.text().split("\n\n") {
            let field = |key: &str| block.lines().find_map(|it| it.strip_prefix(key)).map(str::trim);
            if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                let data = serde_json::from_str(data).expect("event data is JSON");
                events.push((field("id:").and_then(|it| it.parse().ok()), name.to_owned(), data));
            }
        }
        events
    }
}

impl Client<'_> {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header"));
        self
    }

    pub async fn send(&self, method: Method, path: &str, kind: Option<&str>, body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.app.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// As a browser's form sends a file.
    pub async fn upload(&self, path: &str, name: &str, bytes: &[u8]) -> Answer {
        let mut body = format!(
            "--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--boundary--\r\n");
        self.send(Method::POST, path, Some("multipart/form-data; boundary=boundary"), body).await
    }

    /// Sends a message in a new conversation and waits for the answer.
    pub async fn ask(&self, assistant: &str, content: &str) -> Value {
        let conversation = self.post("/api/v1/conversations", json!({ "assistant": assistant })).await.ok();
        let id = conversation["id"].as_str().expect("an id");
        self.post(&format!("/api/v1/conversations/{id}/messages"), json!({ "content": content })).await.ok()
    }
}
