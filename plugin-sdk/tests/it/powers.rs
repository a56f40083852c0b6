//! Requests, models, storage and secrets, as a plugin's author meets them.

use std::time::Duration;

use parlour_plugin_sdk::storage::Keep;
use parlour_plugin_sdk::testing::{FakeHost, Reply};
use parlour_plugin_sdk::{Error, Plugin as _, Secret, Value, config, http, json, model, plugin, storage};

/// Reads the news.
#[plugin(
    id = "news",
    title(en = "News", zh = "新闻"),
    zh = "读新闻。",
    config = Settings,
    http(host = "api.example.com", methods("GET", "POST"), en = "Reads the news.", zh = "读取新闻。"),
    http(host = "*.example.org", en = "Follows links.", zh = "打开链接。"),
    http(host = "config:base_url", en = "Asks your own server.", zh = "访问自有服务器。"),
    model(roles("fast"), max_tokens = 100, en = "Summarises.", zh = "生成摘要。"),
    storage(max_bytes = 40, en = "Remembers what was read.", zh = "记住读过的内容。")
)]
mod news {
    use parlour_plugin_sdk::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// The key of the service
        #[zh("服务密钥")]
        pub(crate) api_key: Secret,
        /// Another key
        #[expect(dead_code, reason = "its schema is looked at")]
        pub(crate) second_key: Option<Secret>,
        #[expect(dead_code, reason = "the manifest takes a host from it")]
        pub(crate) base_url: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Article {
        title: String,
    }

    /// Asks an address, with the key in a header and in the query.
    #[tool]
    fn ask(url: String, query: String, #[serde(default = "get")] method: String) -> Result<Value> {
        let settings: Settings = config::read()?;
        let request = http::Request::new(method, url).query("q", &query).query("key", &settings.api_key);
        let response = request.bearer(&settings.api_key).header("X-Page", 2).send()?.error_for_status()?;
        Ok(json!({"url": response.url, "text": response.text(), "kind": response.header("CONTENT-TYPE")}))
    }

    fn get() -> String {
        "GET".to_owned()
    }

    /// Reads titles.
    #[tool]
    fn titles() -> Result<Vec<String>> {
        let articles: Vec<Article> =
            http::get("https://api.example.com/articles").send()?.error_for_status()?.json()?;
        Ok(articles.into_iter().map(|article| article.title).collect())
    }

    /// Sends many requests.
    #[tool]
    fn flood(requests: u32) -> Result<()> {
        for _ in 0..requests {
            http::get("https://api.example.com/articles").send()?;
        }
        Ok(())
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Topic {
        /// One word
        topic: String,
    }

    /// Names the topic of a text.
    #[tool]
    fn topic(text: String, #[serde(default = "fast")] role: String) -> Result<String> {
        let request = model::ask(role).system("Name the topic.").user(text).max_tokens(50).temperature(0.0);
        Ok(request.complete_as::<Topic>()?.topic)
    }

    fn fast() -> String {
        "fast".to_owned()
    }

    /// Counts its calls.
    #[tool(effects = "writes")]
    fn count(#[serde(default)] name: String) -> Result<u64> {
        storage::update(&format!("count{name}"), |seen: Option<u64>| Ok(seen.unwrap_or(0) + 1))
    }
}

use news::Plugin;

const KEY: &str = "s3cret key&more";

fn host() -> FakeHost {
    FakeHost::new().secret("api_key", KEY)
}

fn ask(host: &FakeHost, url: &str) -> Result<Value, Error> {
    host.call::<Plugin>("ask", json!({"url": url, "query": "a b&c"}))
}

fn denied<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Denied(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_manifest_asks_and_marks_secrets() {
    let manifest = Plugin::manifest();
    let permissions: Value = parlour_plugin_sdk::serde_json::to_value(&manifest.permissions).unwrap();
    assert_eq!(permissions["http"][0]["methods"], json!(["GET", "POST"]));
    assert_eq!(permissions["http"][1]["methods"], json!(["GET", "HEAD"]));
    assert_eq!(permissions["http"][2]["host"], "config:base_url");
    assert_eq!(
        (&permissions["model"]["roles"], &permissions["model"]["max_tokens_per_call"]),
        (&json!(["fast"]), &json!(100))
    );
    assert_eq!(permissions["storage"]["max_bytes"], 40);
    let config = manifest.config.unwrap();
    let key = &config["properties"]["api_key"];
    assert_eq!(
        (&key["secret"], &key["type"], &key["x-description"]["zh"]),
        (&json!(true), &json!("string"), &json!("服务密钥"))
    );
    assert_eq!(config["properties"]["second_key"]["secret"], json!(true));
    assert_eq!(config["properties"]["second_key"]["type"], json!(["string", "null"]));
    assert_eq!(config["required"], json!(["api_key"]));
    assert!(config["properties"]["base_url"].get("secret").is_none());
    let topic = manifest.tools.iter().find(|tool| tool.name == "titles").unwrap();
    assert_eq!(topic.effects, parlour_plugin_sdk::manifest::Effects::Reads, "whoever asks for anything reads");
    let mut found = Vec::new();
    let schema = super::serde_json_from(include_str!("../../manifest.schema.json"));
    let value = super::serde_json_from(&parlour_plugin_sdk::serde_json::to_string(&Plugin::manifest()).unwrap());
    super::problems(&schema, &schema, &value, "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_secret_goes_out_and_never_comes_in() {
    let host = host().http("GET", "https://api.example.com/", Reply::echo());
    let answer = ask(&host, "https://API.example.com/search?lang=zh#top").unwrap();
    let sent = &host.requests()[0];
    assert_eq!(sent.url, "https://api.example.com/search?lang=zh&q=a%20b%26c&key=s3cret%20key%26more");
    assert_eq!((sent.query("q").as_deref(), sent.query("key").as_deref()), (Some("a b&c"), Some(KEY)));
    assert_eq!((sent.header("authorization"), sent.header("x-page")), (Some("Bearer s3cret key&more"), Some("2")));
    assert!(answer["text"].as_str().unwrap().contains("Authorization: Bearer [secret]"), "{answer}");
    assert_eq!(answer["url"], "https://api.example.com/search?lang=zh&q=a%20b%26c&key=[secret]");
    host.assert_secrets_kept();
    host.run(|| {
        let secret = config::secret("api_key").unwrap();
        assert_eq!((secret.placeholder(), format!("{secret:?}").contains(KEY)), ("{{secret:api_key}}", false));
        assert_eq!(config::get::<String>("api_key"), Ok(Some("{{secret:api_key}}".to_owned())));
        let missing = config::secret("other").unwrap_err();
        assert_eq!(missing, Error::Failed("the setting `other` is not filled in".to_owned()));
    });
}

#[test]
#[should_panic(expected = "the plugin has seen a secret:\n`api_key` in:")]
fn a_leak_is_found() {
    let host = host().http("GET", "https://api.example.com/", Reply::text(format!("{KEY} from elsewhere")));
    // Without the secret in the request nobody masks it in the answer.
    host.run(|| http::get("https://api.example.com/").send()).unwrap();
    host.assert_secrets_kept();
}

#[test]
fn a_text_that_looks_like_a_placeholder_is_not_filled_in() {
    let host = host().http("GET", "https://api.example.com/", Reply::echo());
    host.run(|| {
        let injected = "{{secret:api_key}}";
        let answer = http::get("https://api.example.com/").query("q", injected).send().unwrap();
        assert!(answer.text().contains("q=%7B%7Bsecret%3Aapi_key%7D%7D"), "{}", answer.text());
        for refused in [
            http::get(format!("https://api.example.com/?q={injected}")),
            http::get("https://api.example.com/").header("X-Note", injected),
        ] {
            assert!(matches!(refused.send(), Err(Error::InvalidInput(_))));
        }
    });
    assert_eq!(host.requests().len(), 1);
    host.assert_secrets_kept();
}

#[test]
fn only_granted_hosts_and_methods_are_asked_redirects_included() {
    let host = host()
        .http("GET", "https://api.example.com/", Reply::text("found"))
        .http("GET", "https://api.example.com/away", Reply::redirect("https://a.example.org/page"))
        .http("GET", "https://api.example.com/far", Reply::redirect("https://elsewhere.net/"))
        .http("GET", "https://a.example.org/", Reply::echo())
        .http("GET", "http://search.inside:8080/", Reply::text("own"));
    assert_eq!(ask(&host, "https://api.example.com/x").unwrap()["text"], "found");
    let away = ask(&host, "https://api.example.com/away").unwrap();
    assert_eq!(away["url"], "https://a.example.org/page");
    assert!(!away["text"].as_str().unwrap().contains("Authorization"), "a secret stays with its host: {away}");
    assert!(denied(ask(&host, "https://api.example.com/far")).contains("`elsewhere.net`"));
    for url in [
        "https://api.example.com:8443/",
        "https://example.org/",
        "https://badexample.org/",
        "http://search.inside:8080/",
    ] {
        assert!(denied(ask(&host, url)).contains("does not ask"), "{url}");
    }
    let own = host.clone().config("base_url", "http://search.inside:8080/api");
    assert_eq!(ask(&own, "http://search.inside:8080/").unwrap()["text"], "own");
    let method = |method: &str| {
        let input = json!({"url": "https://api.example.com/", "query": "", "method": method});
        denied(host.call::<Plugin>("ask", input))
    };
    assert!(method("DELETE").contains("DELETE requests"));
    let refused = host.clone().refuse("http: api.example.com");
    assert!(denied(ask(&refused, "https://api.example.com/x")).contains("not granted"));
    for wrong in ["api.example.com/", "ftp://api.example.com/", "https://me@api.example.com/"] {
        assert!(matches!(ask(&host, wrong), Err(Error::InvalidInput(_))), "{wrong}");
    }
    host.assert_secrets_kept();
}

#[test]
fn bad_answers_become_errors_of_their_kind() {
    let answered = |reply: Reply| {
        let host = host().http("GET", "https://api.example.com/articles", reply);
        host.call::<Plugin>("titles", json!({})).unwrap_err()
    };
    let place = "`https://api.example.com/articles`";
    let said = Reply::json(json!({"error": "no such\n list"})).with_status(404);
    assert_eq!(answered(said), Error::NotFound(format!("{place} answered 404: {{\"error\":\"no such\\n list\"}}")));
    assert_eq!(answered(Reply::html("<h1>No</h1>").with_status(403)), Error::Denied(format!("{place} answered 403")));
    assert_eq!(answered(Reply::status(429).header("Retry-After", "7")), Error::RateLimited(Some(7)));
    assert_eq!(answered(Reply::status(408)), Error::RateLimited(None));
    assert!(matches!(answered(Reply::status(503)), Error::Unavailable(_)));
    assert!(matches!(answered(Reply::text("x".repeat(900)).with_status(422)), Error::Failed(text) if text.len() < 400));
    let misfit = answered(Reply::json(json!([{"title": "A"}, {"title": 7}])));
    assert!(matches!(&misfit, Error::Failed(text) if text.contains("`[1].title`: invalid type")), "{misfit:?}");
    assert_eq!(answered(Reply::error(Error::unavailable("no route"))), Error::Unavailable("no route".to_owned()));
    let nobody = host().call::<Plugin>("titles", json!({})).unwrap_err();
    assert!(matches!(&nobody, Error::Unavailable(text) if text.contains("no rule of this test")), "{nobody:?}");
}

#[test]
fn bodies_replies_in_order_and_limits() {
    let host = FakeHost::new()
        .http("POST", "https://x.net/", Reply::status(500))
        .http("POST", "https://x.net/", Reply::json(json!([{"title": "new"}])))
        .http("GET", "https://api.example.com/", Reply::text("ok"));
    host.run(|| {
        let post = || http::post("https://x.net/").timeout(Duration::from_secs(5));
        assert_eq!(post().json(&json!({"a": [1]})).send().unwrap().status, 500);
        assert_eq!(post().form([("a", "1 2"), ("b", "&")]).send().unwrap().status, 200);
        assert_eq!(post().body("raw").header("X", "1").header("x", "2").send().unwrap().status, 200);
        let many = (0..200).fold(http::get("https://x.net/"), |request, n| request.header(&format!("x-{n}"), "v"));
        assert!(matches!(many.send(), Err(Error::InvalidInput(text)) if text.contains("100 headers")));
        assert!(matches!(http::get("https://x.net/").header("Host", "y").send(), Err(Error::InvalidInput(_))));
    });
    let sent = host.requests();
    assert_eq!((sent[0].json(), sent[0].header("content-type")), (json!({"a": [1]}), Some("application/json")));
    assert_eq!(sent[1].text(), "a=1%202&b=%26");
    assert_eq!((sent[2].text().as_str(), sent[2].headers.len()), ("raw", 1));
    assert_eq!(host.call::<Plugin>("flood", json!({"requests": 50})), Ok(Value::Null));
    let flood = host.call::<Plugin>("flood", json!({"requests": 51})).unwrap_err();
    assert_eq!(flood, Error::Failed("the call has sent its 50 requests".to_owned()));
}

#[test]
fn models_answer_in_types_within_their_tokens() {
    let host = FakeHost::new().model("fast", json!({"topic": "fish"}).to_string()).model("fast", "no JSON");
    let topic = |text: &str| host.call::<Plugin>("topic", json!({"text": text}));
    assert_eq!(topic("Carp!"), Ok(json!("fish")));
    let asked = &host.model_requests()[0];
    assert_eq!((asked.max_tokens, asked.messages.len(), asked.messages[1].content.as_str()), (Some(50), 2, "Carp!"));
    let schema = asked.schema.as_ref().unwrap();
    assert_eq!(
        (&schema["properties"]["topic"]["description"], &schema["additionalProperties"]),
        (&json!("One word"), &json!(false))
    );
    assert!(matches!(topic("Carp!"), Err(Error::Failed(text)) if text.contains("`fake-fast` does not fit")));
    assert!(denied(host.call::<Plugin>("topic", json!({"text": "a", "role": "default"}))).contains("`default`"));
    assert!(
        denied(host.clone().refuse("model: fast").call::<Plugin>("topic", json!({"text": "a"}))).contains("granted")
    );
    FakeHost::new().model("fast", "yes").model_fails("fast", Error::RateLimited(None)).run(|| {
        let answer = model::ask("fast").assistant("Well?").complete().unwrap();
        assert_eq!((answer.text.as_str(), answer.input_tokens, answer.output_tokens), ("yes", 2, 1));
        assert_eq!(model::ask("fast").user("?").complete(), Err(Error::RateLimited(None)));
        assert!(matches!(model::ask("fast").complete(), Err(Error::InvalidInput(_))));
        assert!(matches!(model::ask("fast").user("?").temperature(3.0).complete(), Err(Error::InvalidInput(_))));
    });
}

#[test]
fn values_stay_between_calls_within_the_quota() {
    let host = FakeHost::new();
    let count = |name: &str| host.call::<Plugin>("count", json!({"name": name}));
    assert_eq!((count(""), count(""), host.stored_value("count")), (Ok(json!(1)), Ok(json!(2)), Some("2".to_owned())));
    assert!(matches!(count(&"x".repeat(40)), Err(Error::Failed(text)) if text.contains("40 bytes")));
    assert!(matches!(count(&"x".repeat(200)), Err(Error::InvalidInput(text)) if text.contains("205")));
    assert!(denied(host.clone().refuse("storage").call::<Plugin>("count", json!({}))).contains("granted"));
}

#[test]
fn stored_values_have_versions_and_an_end() {
    let host = FakeHost::new().now_ms(1_000).stored("old", "7");
    host.run(|| {
        assert_eq!(storage::get("none"), Ok(None));
        assert_eq!((storage::set("a", "one"), storage::set("a", "two")), (Ok(1), Ok(2)));
        let expecting = |version| Keep { expected: Some(version), ..Keep::default() };
        assert!(matches!(storage::set_with("a", "x", expecting(1)), Err(Error::InvalidInput(_))));
        assert!(matches!(storage::set_with("a", "x", expecting(0)), Err(Error::InvalidInput(_))));
        assert_eq!(storage::set_with("a", "three", expecting(2)), Ok(3));
        assert_eq!(storage::set_with("b", "new", expecting(0)), Ok(1));
        storage::set_json("c", &[1, 2], Keep { ttl_s: Some(2), ..Keep::default() }).unwrap();
        let entry = storage::get_json::<Vec<u8>>("c").unwrap().unwrap();
        assert_eq!((entry.value, entry.version, entry.expires_at), (vec![1, 2], 1, Some(3_000)));
        assert!(matches!(storage::get_json::<u8>("a"), Err(Error::Failed(text)) if text.contains("`a` does not fit")));
        let page = storage::list("", None, 2).unwrap();
        assert_eq!((page.keys, page.next_cursor.as_deref()), (vec!["a".to_owned(), "b".to_owned()], Some("b")));
        assert_eq!(storage::list("", Some("b"), 9).unwrap().keys, ["c", "old"]);
        assert!(matches!(storage::list("", None, 0), Err(Error::InvalidInput(_))));
        assert_eq!((storage::delete("a"), storage::delete("a")), (Ok(true), Ok(false)));
        assert_eq!(storage::update("old", |seen: Option<u8>| Ok(seen.unwrap_or(0) + 1)), Ok(8));
        // Somebody else is faster, once.
        let mut raced = false;
        let sum = storage::update("old", |seen: Option<u8>| {
            if !std::mem::replace(&mut raced, true) {
                storage::set("old", "100")?;
            }
            Ok(seen.unwrap_or(0) + 1)
        });
        assert_eq!(sum, Ok(101));
        let never = storage::update("old", |_: Option<u8>| storage::set("old", "1").map(|_| 2));
        assert!(matches!(never, Err(Error::Unavailable(_))));
    });
    host.clone().now_ms(3_000).run(|| assert_eq!(storage::get("c"), Ok(None)));
}

#[test]
fn a_secret_that_is_none_is_refused_without_its_text() {
    let read: Result<Secret, _> = parlour_plugin_sdk::serde_json::from_value(json!("hunter22"));
    let error = read.unwrap_err().to_string();
    assert!(error.contains("not marked as one") && !error.contains("hunter22"), "{error}");
}
