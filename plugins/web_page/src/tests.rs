//! Pages as they are found, and what is made of them.

use parlour_plugin_sdk::testing::{FakeHost, Reply};
use parlour_plugin_sdk::{Error, Result, Value, json};

use crate::page::Plugin;

const URL: &str = "https://news.example.com/2026/story.html";

fn read_as(reply: Reply, mut input: Value) -> Result<Value> {
    input["url"] = json!(URL);
    FakeHost::new().http("GET", URL, reply).call::<Plugin>("read", input)
}

fn read(html: &str) -> Value {
    read_as(Reply::html(html), json!({})).unwrap()
}

fn text(html: &str, format: &str) -> String {
    let page = read_as(Reply::html(html), json!({"format": format, "whole_page": true})).unwrap();
    page["text"].as_str().unwrap().to_owned()
}

const STORY: &str = r#"<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title> 新茶上市 - 某某新闻 </title>
<meta name="description" content="今年的龙井提前一周上市。"><meta property="article:published_time" content="2026-03-20T08:00:00+08:00">
<script>var x = "<p>no</p>";</script><style>p { color: red }</style></head>
<body><header><nav><a href="/">首页</a><a href="/news">新闻</a></nav></header>
<div class="layout"><div class="sidebar"><ul><li><a href="/hot/1">热门一</a><li><a href="/hot/2">热门二</a></ul></div>
<div class="content"><h1>新茶上市</h1>
<p>今年春天气温偏高，西湖龙井比往年<b>提前一周</b>开采，茶农说产量与去年持平，价格略有上涨。<br>记者在现场看到，采茶工人清晨五点就已上山。</p>
<p>更多信息见<a href="../2025/tea.html#top">去年的报道</a>，或访问<a href='//tea.example.org/a b'>官方网站</a>。</p>
<h2>价格</h2><table><tr><th>等级</th><th>每斤</th></tr><tr><td>特级</td><td>3000 元</td></tr><tr><td>一级</td><td>1800|2000 元</td></tr></table>
<ul><li>先看<em>外形</em></li><li>再闻香<ol start="3"><li>干茶</li><li>湿茶</li></ol></li></ul>
<blockquote><p>好茶不怕等。</p></blockquote><pre>
克  价
5   100
</pre><img src="/tea.jpg" alt="茶园"><p style="display: none">看不见的文字，不应该出现在结果里，因为读者也看不到它。</p>
<div class="related-posts"><a href="/a">相关一</a></div></div></div>
<footer>© 2026 某某新闻</footer></body></html>"#;

#[test]
fn an_article_is_read_as_markdown() {
    let page = read(STORY);
    assert_eq!(page["title"], "新茶上市 - 某某新闻");
    assert_eq!(
        page["text"],
        "# 新茶上市\n\n今年春天气温偏高，西湖龙井比往年**提前一周**开采，茶农说产量与去年持平，价格略有上涨。\n记者在现场看到，采茶工人清晨五点就已上山。\n\n\
         更多信息见[去年的报道](https://news.example.com/2025/tea.html)，或访问[官方网站](https://tea.example.org/a%20b)。\n\n## 价格\n\n\
         | 等级 | 每斤 |\n| --- | --- |\n| 特级 | 3000 元 |\n| 一级 | 1800\\|2000 元 |\n\n- 先看*外形*\n- 再闻香\n  3. 干茶\n  4. 湿茶\n\n\
         > 好茶不怕等。\n\n```\n克  价\n5   100\n```\n\n![茶园](https://news.example.com/tea.jpg)"
    );
    assert_eq!(
        page["links"],
        json!([
            {"text": "去年的报道", "url": "https://news.example.com/2025/tea.html"},
            {"text": "官方网站", "url": "https://tea.example.org/a%20b"}
        ])
    );
    assert_eq!((&page["description"], &page["language"]), (&json!("今年的龙井提前一周上市。"), &json!("zh-CN")));
    assert_eq!((&page["published"], &page["truncated"]), (&json!("2026-03-20T08:00:00+08:00"), &json!(false)));
}

#[test]
fn plain_text_and_the_whole_page() {
    let page = read_as(Reply::html(STORY), json!({"format": "text"})).unwrap();
    let plain = page["text"].as_str().unwrap();
    assert!(plain.starts_with("新茶上市\n\n今年春天气温偏高，西湖龙井比往年提前一周开采"), "{plain}");
    assert!(plain.contains("特级 | 3000 元\n一级 | 1800|2000 元"), "{plain}");
    assert!(!plain.contains(['*', '#', '[', '`', '>']), "{plain}");
    assert_eq!(page["links"].as_array().unwrap().len(), 2, "links are given beside plain text as well");
    let whole = text(STORY, "markdown");
    for part in ["[首页](https://news.example.com/)", "- [热门一]", "[相关一]", "© 2026", "# 新茶上市"] {
        assert!(whole.contains(part), "{part} is missing in {whole}");
    }
    assert!(!whole.contains("看不见"), "{whole}");
}

#[test]
fn pages_that_say_what_is_their_text_are_believed() {
    let sentence = "This is a sentence of the article, long enough to count as one. ";
    let html = format!(
        "<div><p>{0}</p><p>{0}</p></div><main><h1>Title</h1><section>{1}</section></main>",
        "An advertisement, with many commas, to look like a text, as they do. ",
        sentence.repeat(4)
    );
    assert!(
        read(&html)["text"].as_str().unwrap().starts_with("# Title\n\nThis is a sentence"),
        "{}",
        read(&html)["text"]
    );
    // A `<main>` with nothing in it says nothing, and a short page is its own text.
    let html = format!("<main></main><div id=app><p>{}</p></div>", sentence.repeat(4));
    assert!(read(&html)["text"].as_str().unwrap().starts_with("This is"));
    assert_eq!(read("<h1>Hi</h1>there")["text"], "# Hi\n\nthere");
    assert_eq!(read("<h1>Hi</h1>there")["title"], "Hi");
    assert_eq!(read("")["text"], "");
}

#[test]
fn odd_html_is_written_well() {
    for (html, expected) in [
        ("<p>a <b> bold </b> b</p><p></p><p> <b> </b> </p>", "a **bold** b"),
        ("<a href='/x'><div><h3>Card</h3><p>Text</p></div></a>", "### Card\n\nText"),
        ("<a href='javascript:alert(1)'>click</a> <a href='#top'>top</a>", "click top"),
        ("<table><tr><td><p>one</p></td></tr><tr><td>two</td></tr></table>", "one\n\ntwo"),
        ("<table><tr><td><ul><li>x</ul></td><td>y</td></tr><tr><td>z</td></tr></table>", "- x\n\ny\n\nz"),
        ("<ul><li><p>one</p><p>two</p></li><ul><li>inner</li></ul></ul>", "- one\n  two\n- - inner"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b"),
        ("<code>a`b</code> <del>c</del><hr><img src=x><img src='data:image/png;base64,x' alt=y>", "`a'b` ~~c~~\n\n---"),
        ("<p>one&nbsp;&nbsp;two\u{200b}\n three</p>", "one two\u{200b} three"),
        ("<h2>a<br>b</h2><pre><code>x\n\n y</code></pre>", "## a b\n\n```\nx\n\n y\n```"),
        ("<base href='https://b.example/c/'><a href=d>e</a>", "[e](https://b.example/c/d)"),
    ] {
        assert_eq!(text(html, "markdown"), expected, "{html}");
    }
}

#[test]
fn characters_are_read_as_the_page_declares_them() {
    let (gbk, _, _) = encoding_rs::GBK.encode("<html><head><meta http-equiv='Content-Type' content='text/html; charset=gb2312'><title>中文</title></head><body>简体中文网页</body></html>");
    let page = read_as(Reply::bytes("text/html", gbk.into_owned()), json!({})).unwrap();
    assert_eq!((&page["title"], &page["text"]), (&json!("中文"), &json!("简体中文网页")));
    let (big5, _, _) = encoding_rs::BIG5.encode("<title>繁體</title>臺灣網頁");
    let page = read_as(Reply::bytes("text/html; charset=big5", big5.into_owned()), json!({})).unwrap();
    assert_eq!((&page["title"], &page["text"]), (&json!("繁體"), &json!("臺灣網頁")));
}

#[test]
fn texts_pass_as_they_are_and_files_are_refused() {
    let page = read_as(Reply::text("# Notes\n\n<b>\n"), json!({})).unwrap();
    assert_eq!((&page["title"], &page["text"]), (&json!("story.html"), &json!("# Notes\n\n<b>")));
    let page = read_as(Reply::bytes("application/json; charset=utf-8", r#"{"a": 1}"#), json!({})).unwrap();
    assert_eq!(page["text"], r#"{"a": 1}"#);
    let page = read_as(Reply::bytes("", "<p>x</p>"), json!({})).unwrap();
    assert_eq!(page["text"], "x", "an answer that does not say what it is is looked at");
    for reply in [Reply::bytes("application/pdf", "%PDF-1.7"), Reply::bytes("image/png", "\x00PNG")] {
        let error = read_as(reply, json!({})).unwrap_err();
        assert!(matches!(&error, Error::InvalidInput(text) if text.contains("only pages and texts")), "{error:?}");
    }
}

#[test]
fn long_texts_are_cut_at_a_paragraph() {
    let html = format!("<p>{}</p><p>{}</p><p>{}</p>", "一".repeat(90), "二".repeat(60), "三".repeat(60));
    let page = read_as(Reply::html(&html), json!({"max_characters": 160})).unwrap();
    assert_eq!((page["text"].as_str().unwrap().chars().count(), &page["truncated"]), (152, &json!(true)));
    let page = read_as(Reply::html("一".repeat(300)), json!({"max_characters": 100})).unwrap();
    assert_eq!((page["text"].as_str().unwrap().chars().count(), &page["truncated"]), (100, &json!(true)));
    let long = format!("<p>{}</p>", "word ".repeat(1_000_000));
    assert_eq!(read_as(Reply::html(long), json!({"max_characters": 200_000})).unwrap()["truncated"], true);
}

#[test]
fn a_small_page_never_becomes_a_huge_text() {
    for tag in ["blockquote", "ul", "ol", "ul><li"] {
        let written = text(&format!("<{tag}>x\n").repeat(2_000), "markdown");
        assert!(written.len() < 200_000, "{tag}: {} bytes", written.len());
    }
    let wide = format!("<table><tr>{}{}</table>", "<td>x".repeat(2_000), "<tr><td>y".repeat(2_000));
    assert!(text(&wide, "markdown").len() < 20_000);
}

#[test]
fn errors_keep_their_kind() {
    let wrong = FakeHost::new().call::<Plugin>("read", json!({"url": "example.com", "max_characters": 5})).unwrap_err();
    let Error::InvalidInput(message) = wrong else { panic!("{wrong:?}") };
    assert!(message.contains("`url` is `example.com`") && message.contains("`max_characters` is 5"), "{message}");
    assert!(matches!(read_as(Reply::html("gone").with_status(404), json!({})), Err(Error::NotFound(_))));
    assert!(matches!(read_as(Reply::status(503), json!({})), Err(Error::Unavailable(_))));
    let host = FakeHost::new().refuse("http: news.example.com").http("GET", URL, Reply::html("x"));
    assert!(matches!(host.call::<Plugin>("read", json!({"url": URL})), Err(Error::Denied(_))));
    let host = FakeHost::new().http("GET", "https://a.example/", Reply::redirect(URL)).http(
        "GET",
        URL,
        Reply::html("<a href=x>x</a>"),
    );
    let page = host.call::<Plugin>("read", json!({"url": " https://a.example/ "})).unwrap();
    assert_eq!((&page["url"], &page["links"][0]["url"]), (&json!(URL), &json!("https://news.example.com/2026/x")));
    assert!(host.requests()[0].header("user-agent").unwrap().contains("Parlour"));
}
