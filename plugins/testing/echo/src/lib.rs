//! A guest that behaves well: the host's tests use it to see that what goes in comes out, and what the host handed it.

use parlour_plugin_sdk::plugin;

/// Gives back what it gets.
#[plugin(
    id = "echo",
    title(en = "Echo", zh = "回声"),
    zh = "原样返回收到的内容。",
    config = Settings,
    knowledge(name = "menu", en = "To show what the host finds in it.", zh = "用来展示主机查到的内容。")
)]
mod echo {
    use std::collections::BTreeMap;

    use parlour_plugin_sdk::knowledge::Search;
    use parlour_plugin_sdk::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// Said before the answer of `configured`
        #[zh("放在 `configured` 的回答之前")]
        pub(crate) greeting: Option<String>,
        /// A number with a default
        #[serde(default)]
        pub(crate) number: i64,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Anything {
        /// Any JSON value
        pub(crate) value: Value,
    }

    /// Gives its value back.
    #[tool(zh = "返回传入的值。", effects = "none")]
    #[example(title(en = "A text", zh = "一段文字"), input = {"value": "你好"}, output = {"value": "你好"})]
    fn echo(input: Anything) -> Result<BTreeMap<String, Value>> {
        Ok(BTreeMap::from([("value".to_owned(), input.value)]))
    }

    /// Writes lines at every level of the log.
    #[tool(zh = "在每个日志级别各写一行。", effects = "none")]
    fn logs(message: String) -> Result<usize> {
        log::debug(&message);
        log::info(&message);
        log::warn(&message);
        log::error(&message);
        Ok(4)
    }

    /// Gives the settings that the tenant has made.
    #[tool(zh = "返回租户的设置。", effects = "reads")]
    fn configured() -> Result<Value> {
        let settings: Settings = config::read()?;
        Ok(json!({
            "greeting": settings.greeting,
            "number": settings.number,
            "undeclared": config::get::<Value>("not_in_the_manifest")?,
        }))
    }

    /// Gives the host's time and some of its random bytes.
    #[tool(zh = "返回主机的时间和随机字节。", effects = "reads", idempotent = false)]
    fn time_and_chance(#[serde(default)] bytes: u32) -> Result<Value> {
        Ok(json!({"now_ms": system::now_ms(), "random": system::random(bytes)}))
    }

    /// Searches, gets the first hit again, and lists a page: every way to a knowledge base.
    #[tool(zh = "搜索、按编号读取首条命中、再列出一页：知识库的全部访问方式。")]
    fn everything_known(knowledge_base: String, query: String, filter: Option<Value>) -> Result<Value> {
        let search = Search { filter: filter.clone(), ..Search::new(&knowledge_base, query) };
        let found = knowledge::search(&search)?;
        let first = match found.hits.first() {
            Some(hit) => Some(knowledge::get(&knowledge_base, &hit.entry.id)?),
            None => None,
        };
        let page = knowledge::list(&knowledge_base, filter.as_ref(), None, 2)?;
        Ok(json!({
            "status": found.status.as_str(),
            "reason": found.reason,
            "hits": found.hits.iter().map(|hit| json!({"id": hit.entry.id, "text": hit.entry.text, "score": hit.score})).collect::<Vec<_>>(),
            "first": first.map(|entry| json!({"id": entry.id, "document": entry.document, "fields": entry.fields})),
            "listed": page.entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(),
            "more": page.next_cursor,
        }))
    }

    /// Fails in the way that is asked for.
    #[tool(zh = "按要求的方式失败。", effects = "none")]
    fn fails(kind: String, message: String) -> Result<()> {
        Err(match kind.as_str() {
            "invalid_input" => Error::InvalidInput(message),
            "not_found" => Error::NotFound(message),
            "denied" => Error::Denied(message),
            "rate_limited" => Error::RateLimited(message.parse().ok()),
            "unavailable" => Error::Unavailable(message),
            _ => Error::Failed(message),
        })
    }
}
