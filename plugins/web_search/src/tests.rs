//! Each service is asked as its documentation says, and all of them give the same answer.

use parlour_plugin_sdk::testing::{FakeHost, Reply, Sent};
use parlour_plugin_sdk::{Error, Plugin as _, Result, Value, json};

use crate::providers::Language;
use crate::web::Plugin;

const KEY: &str = "tvly-s3cret";

fn search(host: &FakeHost, input: Value) -> Result<Value> {
    let answer = host.call::<Plugin>("search", input);
    host.assert_secrets_kept();
    answer
}

fn asked(host: &FakeHost) -> Sent {
    host.requests().remove(0)
}

fn searxng(reply: Reply) -> FakeHost {
    FakeHost::new().config("provider", "searxng").config("base_url", "http://search.inside:8080/").http(
        "GET",
        "http://search.inside:8080/search?",
        reply,
    )
}

fn with_key(provider: &str) -> FakeHost {
    FakeHost::new().config("provider", provider).secret("api_key", KEY)
}

#[test]
fn searxng_is_asked_and_its_answer_tidied() {
    let host = searxng(Reply::json(json!({"query": "x", "results": [
        {"url": "https://a.example/1", "title": "One", "content": "  two\nlines ", "publishedDate": "2026-11-20T00:00:00", "score": 3.2},
        {"url": "https://a.example/1", "title": "The same again", "content": ""},
        {"url": "https://a.example/2", "title": "", "content": null, "publishedDate": null},
        {"url": "https://a.example/3", "title": "Three", "content": "c"},
    ], "unresponsive_engines": [["qwant", "timeout"]]})));
    let input = json!({"query": " 新能源 出口&进口 ", "count": 2, "language": "zh-cn", "freshness": "week"});
    let answer = search(&host, input).unwrap();
    let expected = json!([
        {"title": "One", "url": "https://a.example/1", "snippet": "two lines", "published": "2026-11-20T00:00:00"},
        {"title": "https://a.example/2", "url": "https://a.example/2", "snippet": ""},
    ]);
    assert_eq!((&answer["results"], &answer["provider"]), (&expected, &json!("searxng")));
    assert_eq!(
        answer["text"],
        "[1] One (2026-11-20T00:00:00)\nhttps://a.example/1\ntwo lines\n\n[2] https://a.example/2\nhttps://a.example/2\n"
    );
    assert!(answer.get("note").is_none());
    let sent = asked(&host);
    let query = |name: &str| sent.query(name).unwrap();
    assert_eq!((query("q"), query("format")), ("新能源 出口&进口".to_owned(), "json".to_owned()));
    assert_eq!((query("language"), query("time_range")), ("zh-CN".to_owned(), "week".to_owned()));
}

#[test]
fn a_searxng_without_json_says_what_to_change() {
    for reply in [Reply::html("<h1>Forbidden</h1>").with_status(403), Reply::html("<html>results</html>")] {
        let error = search(&searxng(reply), json!({"query": "x"})).unwrap_err();
        assert!(matches!(&error, Error::Denied(text) if text.contains("`search.formats`")), "{error:?}");
    }
    let silent =
        Reply::json(json!({"results": [], "unresponsive_engines": [["google", "CAPTCHA"], ["bing", "timeout"]]}));
    let error = search(&searxng(silent), json!({"query": "x"})).unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("google (CAPTCHA), bing (timeout)")),
        "{error:?}"
    );
    let nothing = search(&searxng(Reply::json(json!({"results": []}))), json!({"query": "x"})).unwrap();
    assert_eq!((&nothing["results"], &nothing["text"]), (&json!([]), &json!("")));
    // The address may have been copied with its path.
    let host = searxng(Reply::json(json!({"results": []}))).config("base_url", "http://search.inside:8080/search");
    search(&host, json!({"query": "x"})).unwrap();
    assert!(asked(&host).url.starts_with("http://search.inside:8080/search?q=x&format=json"));
}

#[test]
fn bing_is_asked_with_its_key_and_market() {
    let host = with_key("bing").http("GET", "https://api.bing.microsoft.com/v7.0/search", Reply::json(json!({
        "webPages": {"value": [{"name": "<b>Rust</b>", "url": "https://rust-lang.org/", "snippet": "A language", "datePublished": "2026-01-02"}]}
    })));
    let answer =
        search(&host, json!({"query": "rust", "language": "en-US", "freshness": "month", "count": 5})).unwrap();
    let expected =
        json!([{"title": "Rust", "url": "https://rust-lang.org/", "snippet": "A language", "published": "2026-01-02"}]);
    assert_eq!(answer["results"], expected);
    let sent = asked(&host);
    assert_eq!(sent.header("Ocp-Apim-Subscription-Key"), Some(KEY));
    let query: Vec<_> = ["q", "count", "mkt", "freshness"].iter().map(|name| sent.query(name).unwrap()).collect();
    assert_eq!(query, ["rust", "5", "en-US", "Month"]);
    search(&host, json!({"query": "rust", "language": "fr", "freshness": "year"})).unwrap();
    let sent = &host.requests()[1];
    assert_eq!(sent.query("setLang").as_deref(), Some("fr"));
    assert_eq!(sent.query("freshness").as_deref(), Some("2025-01-01..2026-01-01"));
    // Nothing found is an answer, and another service may speak the same interface.
    let host = with_key("bing").config("base_url", "https://bing.example.com/v7.0/search");
    let host =
        host.http("GET", "https://bing.example.com/v7.0/search?", Reply::json(json!({"_type": "SearchResponse"})));
    assert_eq!(search(&host, json!({"query": "rust"})).unwrap()["results"], json!([]));
}

#[test]
fn serper_is_asked_in_googles_words() {
    let reply = json!({"organic": [{"title": "T", "link": "https://t.example/", "snippet": "s", "date": "3 days ago", "position": 1}]});
    let host = with_key("serper").http("POST", "https://google.serper.dev/search", Reply::json(reply));
    let answer = search(&host, json!({"query": "茶", "language": "zh-TW", "freshness": "day"})).unwrap();
    assert_eq!(answer["results"][0]["published"], "3 days ago");
    let sent = asked(&host);
    assert_eq!(sent.header("X-API-KEY"), Some(KEY));
    assert_eq!(sent.json(), json!({"q": "茶", "num": 8, "hl": "zh-tw", "gl": "tw", "tbs": "qdr:d"}));
    search(&host, json!({"query": "tea", "language": "zh"})).unwrap();
    assert_eq!(host.requests()[1].json(), json!({"q": "tea", "num": 8, "hl": "zh-cn"}));
}

#[test]
fn tavily_is_asked_and_says_what_it_cannot_do() {
    let reply = json!({"results": [{"title": "T", "url": "https://t.example/", "content": "s", "score": 0.9}], "response_time": 1.2});
    let host = with_key("tavily").http("POST", "https://api.tavily.com/search", Reply::json(reply));
    let answer = search(&host, json!({"query": "tea", "language": "zh", "freshness": "year", "count": 20})).unwrap();
    assert!(answer["note"]["en"].as_str().unwrap().contains("language"));
    let sent = asked(&host);
    assert_eq!(sent.header("authorization"), Some("Bearer tvly-s3cret"));
    assert_eq!(sent.json(), json!({"query": "tea", "max_results": 20, "time_range": "year"}));
    assert!(search(&host, json!({"query": "tea"})).unwrap().get("note").is_none());
}

#[test]
fn errors_say_what_to_do() {
    let refused = |reply: Reply| {
        let host = with_key("serper").http("POST", "https://google.serper.dev/", reply);
        search(&host, json!({"query": "x"})).unwrap_err()
    };
    let key = refused(Reply::json(json!({"message": "Unauthorized."})).with_status(403));
    assert!(
        matches!(&key, Error::Denied(text) if text.contains("`api_key`") && text.contains("Unauthorized.")),
        "{key:?}"
    );
    assert_eq!(refused(Reply::status(429).header("Retry-After", "30")), Error::RateLimited(Some(30)));
    assert!(matches!(refused(Reply::status(502)), Error::Unavailable(text) if text.starts_with("Serper: ")));
    assert!(matches!(refused(Reply::text("not json")), Error::Failed(text) if text.contains("does not fit")));
    let search = |host: FakeHost| search(&host, json!({"query": "x"})).unwrap_err().to_string();
    assert!(search(FakeHost::new().config("provider", "bing")).contains("Bing needs a key; fill in"));
    assert!(search(FakeHost::new().config("provider", "searxng")).contains("`base_url`"));
    assert!(search(FakeHost::new()).contains("missing field `provider`"));
    assert!(search(FakeHost::new().config("provider", "yahoo")).contains("unknown variant `yahoo`"));
    let denied = search(with_key("tavily").refuse("http: api.tavily.com"));
    assert!(denied.contains("not granted"), "{denied}");
}

#[test]
fn wrong_input_is_told_all_at_once() {
    let host = with_key("tavily");
    let Err(Error::InvalidInput(message)) = search(&host, json!({"query": " ", "count": 21, "language": "Chinese"}))
    else {
        panic!("it is wrong")
    };
    for part in ["`query` is empty", "`count` is 21", "`language` is `Chinese`"] {
        assert!(message.contains(part), "{message}");
    }
    let long = search(&host, json!({"query": "很".repeat(401)})).unwrap_err().to_string();
    assert!(long.contains("401 characters"), "{long}");
    assert!(host.requests().is_empty());
}

#[test]
fn languages_are_read_as_people_write_them() {
    let read = |text: &str| Language::read(text).map(|it| (it.code, it.region));
    assert_eq!(read("ZH_cn"), Some(("zh".to_owned(), Some("CN".to_owned()))));
    assert_eq!(read("zh-Hans-CN"), Some(("zh".to_owned(), Some("CN".to_owned()))));
    assert_eq!(read("yue"), Some(("yue".to_owned(), None)));
    for wrong in ["", "z", "中文", "en-", "en-USA", "en-US-GB"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn the_key_is_a_secret_in_the_settings() {
    let config = Plugin::manifest().config.unwrap();
    assert_eq!(config["properties"]["api_key"]["secret"], true);
    assert_eq!(config["required"], json!(["provider"]));
}
