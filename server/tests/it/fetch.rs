//! Requests of workflows against servers of the test's own: what is sent, what is refused, and what stays inside.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use axum::routing::{any, get};
use domain::TenantId;
use futures::StreamExt as _;
use parlour::app::accounts::Scope;
use serde::Deserialize;
use serde_json::{Value, json};
use workflow_engine::{EffectError, HttpAuth, HttpBody, HttpRequest, ResponseFormat, SecretPart, SecretText};

use crate::support::TestApp;

const TIME: Duration = Duration::from_secs(10);

/// One request as the server got it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|it| it.to_str().unwrap())
    }
}

/// A server on the loopback that writes down what it is asked.
struct Host {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Deserialize)]
struct To {
    to: String,
    status: Option<u16>,
}

impl Host {
    async fn start() -> Host {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let endless = || async {
            let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1 << 10])));
            Response::new(Body::from_stream(pieces))
        };
        let trickle = || async {
            let pieces = futures::stream::iter(0..100).then(|_| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, std::io::Error>(Bytes::from("."))
            });
            Response::new(Body::from_stream(pieces))
        };
        let router = Router::new()
            .route(
                "/echo",
                any(|| async {
                    (AppendHeaders([("x-twice", "a"), ("x-twice", "b")]), axum::Json(json!({ "辣": [1] })))
                }),
            )
            .route("/busy", any(|| async { (StatusCode::SERVICE_UNAVAILABLE, "try later") }))
            .route("/flaky", any(flaky))
            .route("/menu.csv", get(|| async { ([(header::CONTENT_TYPE, "text/csv")], "dish,price\n面,8\n") }))
            .route(
                "/page",
                get(|| async { ([(header::CONTENT_TYPE, "text/html; charset=gbk")], b"\xc0\xb1".as_slice()) }),
            )
            .route("/file.png", get(|| async { ([(header::CONTENT_TYPE, "image/png")], b"\x89PNG".as_slice()) }))
            .route("/empty", any(|| async { StatusCode::NO_CONTENT }))
            .route("/zipped", get(|| async { ([(header::CONTENT_ENCODING, "gzip")], b"\x1f\x8b".as_slice()) }))
            .route("/large", get(|| async { "x".repeat(5000) }))
            .route("/endless", get(endless))
            .route("/trickle", get(trickle))
            .route("/silent", get(std::future::pending::<&str>))
            .route(
                "/redirect",
                any(|Query(To { to, status }): Query<To>| async move {
                    let mut response = Redirect::temporary(&to).into_response();
                    *response.status_mut() = StatusCode::from_u16(status.unwrap_or(307)).unwrap();
                    response
                }),
            )
            .with_state(seen.clone())
            .layer(axum::middleware::from_fn_with_state(seen.clone(), write_down));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Host { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of a redirect from here to there.
    fn redirect(&self, to: &str, status: u16) -> String {
        let mut url: reqwest::Url = self.url("/redirect").parse().unwrap();
        url.query_pairs_mut().append_pair("to", to).append_pair("status", &status.to_string());
        url.into()
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Has no time for the first two requests.
async fn flaky(State(seen): State<Arc<Mutex<Vec<Seen>>>>) -> Response {
    if seen.lock().unwrap().len() < 3 {
        return (StatusCode::SERVICE_UNAVAILABLE, "try later").into_response();
    }
    axum::Json(json!({ "done": true })).into_response()
}

async fn write_down(
    State(seen): State<Arc<Mutex<Vec<Seen>>>>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    let line = format!("{} {}", parts.method, parts.uri.path());
    seen.lock().unwrap().push(Seen { line, headers: parts.headers.clone(), body: text });
    next.run(Request::from_parts(parts, Body::from(body))).await
}

struct Caller {
    app: TestApp,
    tenant: TenantId,
}

impl Caller {
    /// Of a server that allows these hosts and nothing else inside.
    async fn allowed(hosts: &[&Host]) -> Caller {
        let hosts = hosts.iter().map(|it| it.address.to_string()).collect();
        let app = TestApp::with(|config| config.allowed_hosts = hosts).await;
        let tenant = app.app.first_tenant().await.unwrap().id;
        Caller { app, tenant }
    }

    async fn send(&self, request: HttpRequest) -> Result<Value, EffectError> {
        self.app.app.fetch(self.tenant, request, "run-7", TIME).await
    }

    /// Asserts that the request is refused with this code, and that the error helps.
    async fn refused(&self, request: HttpRequest, code: &str) -> EffectError {
        let asked = format!("{} {}", request.method, request.url);
        let error = match self.send(request).await {
            Err(error) => error,
            Ok(answer) => panic!("{asked} was answered: {answer}"),
        };
        assert_eq!(error.code, code, "{asked}: {error:?}");
        assert!(error.hint.as_ref().is_some_and(|it| !it.is_empty()), "{asked}: {error:?}");
        error
    }

    async fn secret(&self, name: &str, value: &str) {
        let client = self.app.key("main", &[Scope::Manage]).await;
        client.put(&format!("/api/v1/secrets/{name}"), json!({ "value": value })).await.ok();
    }
}

fn request(method: &str, url: &str) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        query: Vec::new(),
        body: HttpBody::None,
        auth: HttpAuth::None,
        response: ResponseFormat::Auto,
        max_bytes: 1 << 20,
    }
}

fn plain(text: &str) -> SecretText {
    SecretText(vec![SecretPart::Text(text.to_owned())])
}

fn secret(before: &str, name: &str) -> SecretText {
    SecretText(vec![SecretPart::Text(before.to_owned()), SecretPart::Secret(name.to_owned())])
}

#[tokio::test]
async fn a_request_goes_out_whole_and_its_answer_comes_back_as_a_value() {
    let host = Host::start().await;
    let caller = Caller::allowed(&[&host]).await;
    let mut post = request("POST", &host.url("/echo?a=1#part"));
    post.query = vec![("q".into(), "辣 & 酸".into())];
    post.headers = vec![("X-Own".into(), plain("yes"))];
    post.body = HttpBody::Json(json!({ "菜": "面" }));
    let answer = caller.send(post).await.unwrap();
    assert_eq!(answer["status"], 200);
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["body"], json!({ "辣": [1] }));
    assert_eq!(answer["headers"]["x-twice"], "a, b");
    let seen = host.take().remove(0);
    assert_eq!((seen.line.as_str(), seen.body.as_str()), ("POST /echo", r#"{"菜":"面"}"#));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key"), Some("run-7"));
    assert_eq!(seen.header("x-own"), Some("yes"));
    assert_eq!(seen.header("accept-encoding"), None);

    let mut own = request("DELETE", &host.url("/empty"));
    own.headers = vec![("Idempotency-Key".into(), plain("mine"))];
    own.response = ResponseFormat::Json;
    assert_eq!(caller.send(own).await.unwrap()["body"], Value::Null);
    caller.send(request("GET", &host.url("/echo"))).await.unwrap();
    let seen = host.take();
    assert_eq!(seen[0].header("idempotency-key"), Some("mine"));
    assert_eq!(seen[1].header("idempotency-key"), None, "a request that only reads needs none");

    assert_eq!(caller.send(request("GET", &host.url("/page"))).await.unwrap()["body"], "辣");
    let file = json!({ "name": "file.png", "media_type": "image/png", "base64": "iVBORw==", "size": 4 });
    assert_eq!(caller.send(request("GET", &host.url("/file.png"))).await.unwrap()["body"], file);
    let busy = caller.send(request("GET", &host.url("/busy"))).await.unwrap();
    assert_eq!((&busy["status"], &busy["ok"], &busy["body"]), (&json!(503), &json!(false), &json!("try later")));
    let mut json = request("GET", &host.url("/busy"));
    json.response = ResponseFormat::Json;
    assert!(caller.refused(json, "bad_response").await.message.contains("503"));
    caller.refused(request("GET", &host.url("/zipped")), "bad_response").await;
}

const WORKFLOW: &str = r#"workflow: order
inputs: { host: string }
nodes:
  send:
    use: http
    retry: { attempts: 3, delay: 1ms }
    with:
      method: POST
      url: "{{ inputs.host }}/flaky"
      headers: { X-Token: "v1 {{ secrets.TOKEN }}" }
      auth: { bearer: "{{ secrets.TOKEN }}" }
      body: { dish: 面 }
  fetched:
    use: http
    after: [send]
    with: { url: "{{ inputs.host }}/menu.csv", response: file }
  menu: { use: parse_document, with: { file: "{{ fetched.body }}" } }
  reply: { use: answer, with: { text: "{{ send.body.done }}: {{ menu.tables[0][1][0] }}" } }
outputs: { rows: "{{ menu.tables[0] }}", name: "{{ menu.metadata.name }}" }
"#;

#[tokio::test]
async fn a_workflow_tries_again_with_one_key_and_its_trace_has_no_secret() {
    let host = Host::start().await;
    let caller = Caller::allowed(&[&host]).await;
    caller.secret("TOKEN", "sk-in-no-trace").await;
    let client = caller.app.key("main", &Scope::ALL).await;
    client.put("/api/v1/workflows/order", json!({ "yaml": WORKFLOW })).await.ok();
    let inputs = json!({ "inputs": { "host": host.url("") } });
    let run = client.post("/api/v1/workflows/order/runs", inputs).await.ok();
    assert_eq!((run["status"].as_str(), run["answer"].as_str()), (Some("finished"), Some("true: 面")), "{run}");
    assert_eq!(run["outputs"], json!({ "rows": [["dish", "price"], ["面", "8"]], "name": "menu.csv" }));

    let seen = host.take();
    let lines: Vec<_> = seen.iter().map(|it| it.line.as_str()).collect();
    assert_eq!(lines, ["POST /flaky", "POST /flaky", "POST /flaky", "GET /menu.csv"]);
    let id = run["id"].as_str().unwrap();
    for attempt in &seen[..3] {
        assert_eq!(attempt.header("authorization"), Some("Bearer sk-in-no-trace"));
        assert_eq!(attempt.header("x-token"), Some("v1 sk-in-no-trace"));
        assert_eq!(attempt.header("idempotency-key"), Some(format!("{id}-send").as_str()));
    }
    for path in [format!("/api/v1/runs/{id}"), format!("/api/v1/runs/{id}/events")] {
        let text = client.get(&path).await.text();
        assert!(text.contains("flaky") && !text.contains("sk-in-no-trace"), "{path}: {text}");
    }
}

#[tokio::test]
async fn nothing_inside_is_asked_under_whatever_name() {
    let inside = Host::start().await;
    let caller = Caller::allowed(&[]).await;
    let port = inside.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LocalHost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00::1]",
    ] {
        let error = caller.refused(request("GET", &format!("http://{host}:{port}/echo")), "denied").await;
        let hint = error.hint.unwrap();
        assert!(hint.contains("allowed_hosts") && hint.contains(&format!(":{port}")), "{host}: {hint}");
    }
    assert!(inside.take().is_empty(), "somebody inside was asked");
    caller.refused(request("GET", "http://no-such-host.invalid/"), "unavailable").await;
}

#[tokio::test]
async fn an_allowed_host_opens_no_other_door() {
    let (open, inside) = (Host::start().await, Host::start().await);
    let caller = Caller::allowed(&[&open]).await;
    let port = inside.address.port();
    for to in [
        inside.url("/echo"),
        format!("http://localhost:{port}/echo"),
        format!("//[::1]:{port}/echo"),
        format!("http://localhost:{}/echo", open.address.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        caller.refused(request("GET", &open.redirect(&to, 302)), "denied").await;
    }
    assert!(inside.take().is_empty(), "a redirect got in");
    caller.refused(request("GET", &open.redirect("file:///etc/passwd", 302)), "invalid_input").await;
}

#[tokio::test]
async fn redirects_end() {
    let host = Host::start().await;
    let caller = Caller::allowed(&[&host]).await;
    let chain = |length: usize| (0..length).fold("/echo".to_owned(), |to, _| host.redirect(&to, 302));
    assert_eq!(caller.send(request("GET", &chain(5))).await.unwrap()["status"], 200);
    assert_eq!(host.take().len(), 6);
    let error = caller.refused(request("GET", &chain(6)), "bad_response").await;
    assert!(error.message.contains("5 times"), "{error:?}");
    assert_eq!(host.take().len(), 6);
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_secret_along() {
    let (first, second) = (Host::start().await, Host::start().await);
    let caller = Caller::allowed(&[&first, &second]).await;
    caller.secret("TOKEN", "sk-very-secret").await;
    let with_secrets = |url: &str| {
        let mut post = request("POST", url);
        post.headers = vec![
            ("X-Api-Key".into(), secret("", "TOKEN")),
            ("X-Typed-Key".into(), plain("typed")),
            ("Cookie".into(), plain("session=1")),
            ("Accept".into(), plain("application/json")),
            ("Accept-Language".into(), secret("zh;", "TOKEN")),
        ];
        post.auth = HttpAuth::Bearer(secret("", "TOKEN"));
        post.body = HttpBody::Text("words".into());
        post
    };
    // By way of the second host and back: what was taken off stays off.
    let back = second.redirect(&first.url("/echo"), 307);
    caller.send(with_secrets(&first.redirect(&back, 307))).await.unwrap();
    let (at_first, at_second) = (first.take(), second.take());
    assert_eq!(at_first[0].header("authorization"), Some("Bearer sk-very-secret"));
    assert_eq!(at_first[0].header("x-api-key"), Some("sk-very-secret"));
    for seen in [&at_second[0], &at_first[1]] {
        for name in ["authorization", "x-api-key", "x-typed-key", "cookie", "accept-language"] {
            assert_eq!(seen.header(name), None, "{name} was sent on: {seen:?}");
        }
        assert!(!format!("{:?}", seen.headers).contains("very-secret"), "{seen:?}");
        assert_eq!(seen.header("accept"), Some("application/json"));
        assert_eq!((seen.body.as_str(), seen.line.split(' ').next()), ("words", Some("POST")));
    }
    // On the same host nothing is taken off; 303 reads.
    caller.send(with_secrets(&first.redirect("/echo", 303))).await.unwrap();
    let seen = first.take().remove(1);
    assert_eq!(seen.header("authorization"), Some("Bearer sk-very-secret"));
    assert_eq!((seen.line.as_str(), seen.body.as_str(), seen.header("content-type")), ("GET /echo", "", None));
}

#[tokio::test]
async fn size_and_time_are_limited() {
    let host = Host::start().await;
    let caller = Caller::allowed(&[&host]).await;
    for path in ["/large", "/endless"] {
        let mut get = request("GET", &host.url(path));
        get.max_bytes = 4999;
        let error = caller.refused(get, "too_large").await;
        assert!(error.message.contains("4999"), "{error:?}");
    }
    let mut just_fits = request("GET", &host.url("/large"));
    just_fits.max_bytes = 5000;
    assert_eq!(caller.send(just_fits).await.unwrap()["body"].as_str().unwrap().len(), 5000);
    for path in ["/silent", "/trickle"] {
        let started = Instant::now();
        let limit = Duration::from_millis(300);
        let outcome = caller.app.app.fetch(caller.tenant, request("GET", &host.url(path)), "k", limit).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.code, "timeout", "{path}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{path}: {:?}", started.elapsed());
    }
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let app = TestApp::with(|config| config.allowed_hosts = vec!["127.0.0.1".to_owned()]).await;
    let tenant = app.app.first_tenant().await.unwrap().id;
    let nobody = app.app.fetch(tenant, request("GET", &format!("http://{free}/")), "k", TIME).await.unwrap_err();
    assert_eq!(nobody.code, "unavailable", "{nobody:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_before_it_is_tried() {
    let host = Host::start().await;
    let caller = Caller::allowed(&[&host]).await;
    let url = host.url("/echo");
    let with_header = |name: &str, value: SecretText| {
        let mut get = request("GET", &url);
        get.headers = vec![(name.to_owned(), value)];
        get
    };
    for wrong in [
        request("CONNECT", &url),
        request("get", &url),
        request("GET", "ftp://example.com/"),
        request("GET", "/relative"),
        request("GET", "http://"),
        request("GET", &format!("http://user:pass@{}/echo", host.address)),
        request("GET", &host.url(&format!("/{}", "x".repeat(9000)))),
        with_header("Host", plain("example.com")),
        with_header("transfer-encoding", plain("chunked")),
        with_header("Connection", plain("close")),
        with_header("bad name", plain("x")),
        with_header("", plain("x")),
        with_header("X-Split", plain("a\r\nX-More: b")),
    ] {
        caller.refused(wrong, "invalid_input").await;
    }
    let mut twice = with_header("Authorization", plain("Bearer a"));
    twice.auth = HttpAuth::Bearer(plain("b"));
    caller.refused(twice, "invalid_input").await;
    assert!(host.take().is_empty());
}

#[tokio::test]
async fn secrets_are_put_in_on_the_way_out_and_stand_in_no_error() {
    let host = Host::start().await;
    let caller = Caller::allowed(&[&host]).await;
    caller.secret("USER", "人").await;
    caller.secret("PASSWORD", "p:w").await;
    caller.secret("BROKEN", "sk-broken\nsk-broken").await;
    caller.secret("TOKEN", "sk-Repeated").await;
    let mut get = request("GET", &host.url("/echo"));
    get.auth = HttpAuth::Basic { username: secret("", "USER"), password: secret("x", "PASSWORD") };
    get.headers = vec![("X-Token".into(), secret("v1 ", "TOKEN"))];
    caller.send(get).await.unwrap();
    let seen = host.take().remove(0);
    assert_eq!(seen.header("authorization"), Some("Basic 5Lq6OnhwOnc="));
    assert_eq!(seen.header("x-token"), Some("v1 sk-Repeated"));

    let mut broken = request("GET", &host.url("/echo"));
    broken.headers = vec![("X-Token".into(), secret("", "BROKEN"))];
    let error = caller.refused(broken, "invalid_input").await;
    assert!(error.message.contains("x-token") && !format!("{error:?}").contains("sk-broken"), "{error:?}");

    let mut unknown = request("GET", &host.url("/echo"));
    unknown.auth = HttpAuth::Bearer(secret("", "token"));
    let error = caller.refused(unknown, "secret_missing").await;
    assert!(error.message.contains("`token`"), "{error:?}");
    assert!(host.take().is_empty());

    // The host repeats the secret in the address that it redirects to.
    let mut repeated = request("GET", &host.redirect("http://sk-repeated.invalid/", 302));
    repeated.auth = HttpAuth::Bearer(secret("", "TOKEN"));
    let error = caller.refused(repeated, "unavailable").await;
    assert!(!format!("{error:?}").to_lowercase().contains("sk-repeated"), "{error:?}");
}
