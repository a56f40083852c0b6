//! A guest that asks for more than it may have of requests, secrets, models and storage, one tool for each way. Where a tool
//! does not say otherwise, the host's refusal is the tool's own error.

use parlour_plugin_sdk::plugin;

/// Asks for more than it may have.
#[plugin(
    id = "asks_for_more",
    title(en = "Asks for more", zh = "得寸进尺"),
    zh = "索取超出允许范围的网络、密钥、模型和存储，用来测试主机。",
    config = Settings,
    http(host = "*", methods("GET", "POST"), en = "To see what is refused.", zh = "用来测试哪些请求会被拒绝。"),
    knowledge(name = "menu", en = "To see what is refused.", zh = "用来测试知识库的授权。"),
    model(roles("default", "embedding"), max_tokens = 200, en = "To see what is refused.", zh = "用来测试 token 上限。"),
    storage(max_bytes = 1000, en = "To see what is refused.", zh = "用来测试存储上限。")
)]
mod asks {
    use parlour_plugin_sdk::http::Response;
    use parlour_plugin_sdk::prelude::*;
    use parlour_plugin_sdk::storage::Keep;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// A secret
        #[zh("密钥")]
        #[expect(dead_code, reason = "the tools read it by its key")]
        pub(crate) api_key: Option<Secret>,
        /// Not a secret
        #[zh("普通设置")]
        #[expect(dead_code, reason = "the tools read it by its key")]
        pub(crate) plain: Option<String>,
    }

    fn shown(response: Response) -> Value {
        let headers: Vec<String> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let text = response.text();
        json!({"status": response.status, "url": response.url, "headers": headers, "text": text})
    }

    fn said(error: &Error) -> Value {
        let kind = match error {
            Error::InvalidInput(_) => "invalid_input",
            Error::NotFound(_) => "not_found",
            Error::Denied(_) => "denied",
            Error::RateLimited(_) => "rate_limited",
            Error::Unavailable(_) => "unavailable",
            Error::Failed(_) => "failed",
        };
        json!({"kind": kind, "message": error.to_string()})
    }

    /// Asks a host that the tenant has not granted.
    #[tool(zh = "访问租户没有授权的主机。")]
    fn asks_ungranted_host(#[serde(default = "elsewhere")] url: String) -> Result<Value> {
        http::get(url).send().map(shown)
    }

    fn elsewhere() -> String {
        "https://not-granted.example.com/".to_owned()
    }

    /// Asks a private address.
    #[tool(zh = "访问内网地址。")]
    fn asks_private_address(#[serde(default = "private")] url: String) -> Result<Value> {
        http::get(url).send().map(shown)
    }

    fn private() -> String {
        "http://127.0.0.1/".to_owned()
    }

    /// Asks an address that redirects elsewhere, with the secret in a header.
    #[tool(zh = "带着密钥访问会重定向的地址。")]
    fn follows_redirect(url: String) -> Result<Value> {
        let key = config::secret("api_key").ok();
        let request = http::get(url).header("X-Plain", "plain");
        key.iter().fold(request, |request, key| request.header("X-Key", key)).send().map(shown)
    }

    /// Says what the settings give for the secret, and for what is none.
    #[tool(zh = "返回读取密钥和普通设置得到的内容。")]
    fn reads_secret() -> Result<Value> {
        let read = |key: &str| config::get::<Value>(key);
        Ok(json!({"api_key": read("api_key")?, "plain": read("plain")?, "undeclared": read("undeclared")?}))
    }

    /// Sends the secret to an address in a header, in the query and (as its placeholder) in the body, and gives back all
    /// that came back.
    #[tool(zh = "把密钥放在请求头、查询参数和正文（占位符）里发送，并返回收到的全部内容。")]
    fn sends_secret(url: String) -> Result<Value> {
        let key = config::secret("api_key")?;
        let request = http::post(url).query("key", &key).header("X-Key", &key).bearer(&key);
        request.body(key.placeholder()).send().map(shown)
    }

    /// Puts the placeholder where it may not stand: into the path.
    #[tool(zh = "把占位符放进不允许的位置：路径。")]
    fn sends_secret_in_path(#[serde(default = "granted")] url: String) -> Result<Value> {
        raw(format!("{url}{{{{secret:api_key}}}}"), Vec::new()).map(shown)
    }

    fn granted() -> String {
        "https://api.example.com/".to_owned()
    }

    /// Sends very many headers.
    #[tool(zh = "发送大量请求头。")]
    fn sends_many_headers(
        #[serde(default = "granted")] url: String,
        #[serde(default = "forty_thousand")] headers: u32,
    ) -> Result<Value> {
        raw(url, (0..headers).map(|number| (format!("x-{number}"), "v".to_owned())).collect()).map(shown)
    }

    fn forty_thousand() -> u32 {
        40_000
    }

    /// Sends request after request; says how many were answered, and what ended it.
    #[tool(zh = "不断发送请求，返回成功次数和中止原因。")]
    fn floods_requests(
        #[serde(default = "granted")] url: String,
        #[serde(default = "thousand")] requests: u32,
    ) -> Result<Value> {
        for answered in 0..requests {
            if let Err(error) = http::get(url.as_str()).send() {
                return Ok(json!({"answered": answered, "error": said(&error)}));
            }
        }
        Ok(json!({"answered": requests}))
    }

    fn thousand() -> u32 {
        1_000
    }

    /// Stores values of so many bytes; says how many were stored, and what ended it.
    #[tool(zh = "不断写入数据，返回成功次数和中止原因。", effects = "writes")]
    fn stores_too_much(
        #[serde(default = "thousand")] values: u32,
        #[serde(default = "hundred")] bytes: usize,
    ) -> Result<Value> {
        for stored in 0..values {
            if let Err(error) = storage::set(&format!("key-{stored:04}"), &"x".repeat(bytes)) {
                return Ok(json!({"stored": stored, "error": said(&error)}));
            }
        }
        Ok(json!({"stored": values}))
    }

    fn hundred() -> usize {
        100
    }

    /// Stores a value, then two times one that expects another version.
    #[tool(zh = "写入后，再用错误的版本写入两次。", effects = "writes")]
    fn loses_a_race() -> Result<Value> {
        let first = storage::set("race", "one")?;
        let expecting = |version: u64| {
            let stored = storage::set_with("race", "other", Keep { expected: Some(version), ..Keep::default() });
            stored.map_or_else(|error| said(&error), Value::from)
        };
        let (stale, absent) = (expecting(first + 1), expecting(0));
        let kept = storage::get("race")?.map(|entry| json!({"value": entry.value, "version": entry.version}));
        let right = expecting(first);
        Ok(json!({"first": first, "stale": stale, "absent": absent, "kept": kept, "right": right}))
    }

    /// Stores as it should: a value that stays and one that ends, reads and lists them, and deletes the first twice.
    #[tool(zh = "正常地写入、读取、列出和删除。", effects = "writes")]
    fn keeps(#[serde(default)] ttl_s: Option<u32>) -> Result<Value> {
        let version = storage::set("kept/a", "one")?;
        storage::set_with("kept/b", "two", Keep { ttl_s, ..Keep::default() })?;
        let entry = storage::get("kept/b")?;
        let page = storage::list("kept/", None, 1)?;
        let rest = storage::list("kept/", page.next_cursor.as_deref(), 10)?;
        let deleted = [storage::delete("kept/a")?, storage::delete("kept/a")?];
        let entry =
            entry.map(|entry| json!({"value": entry.value, "version": entry.version, "expires_at": entry.expires_at}));
        Ok(json!({"version": version, "b": entry, "pages": [page.keys, rest.keys], "deleted": deleted}))
    }

    /// What an earlier call has left in a key.
    #[tool(zh = "返回之前的调用留下的内容。")]
    fn finds(key: String) -> Result<Value> {
        Ok(storage::get(&key)?.map_or(Value::Null, |entry| json!({"value": entry.value, "version": entry.version})))
    }

    /// Asks the model until it is refused; says how many answers there were, their tokens, and what ended it.
    #[tool(zh = "不断调用模型直到被拒绝，返回次数、token 数和中止原因。")]
    fn asks_model_too_much(
        #[serde(default = "hundred_calls")] calls: u32,
        #[serde(default)] max_tokens: Option<u32>,
    ) -> Result<Value> {
        let mut tokens = 0;
        for answered in 0..calls {
            let request = model::ask("default").user("Go on.");
            let request = max_tokens.iter().fold(request, |request, most| request.max_tokens(*most));
            match request.complete() {
                Ok(completion) => tokens += completion.input_tokens + completion.output_tokens,
                Err(error) => return Ok(json!({"answered": answered, "tokens": tokens, "error": said(&error)})),
            }
        }
        Ok(json!({"answered": calls, "tokens": tokens}))
    }

    fn hundred_calls() -> u32 {
        100
    }

    /// Gives back what it may send along to a service that must not do a thing twice.
    #[tool(zh = "返回可随请求发送的幂等键。")]
    fn reads_idempotency_key() -> Result<Option<String>> {
        Ok(system::idempotency_key())
    }

    /// Asks a model that the manifest does not ask for.
    #[tool(zh = "调用清单没有申请的模型。")]
    fn asks_other_model(#[serde(default = "fast")] role: String) -> Result<String> {
        Ok(model::ask(role).user("Hello").complete()?.text)
    }

    fn fast() -> String {
        "fast".to_owned()
    }

    /// Sends a query, whatever it is, to a knowledge base.
    #[tool(zh = "向知识库发送任意查询。")]
    fn queries(base: String, query: parlour_plugin_sdk::serde_json::Map<String, Value>) -> Result<Value> {
        let found = knowledge::Query::from_json(query).run(&base)?;
        Ok(json!({"rows": found.rows, "total": found.total}))
    }

    /// How long the vectors of some texts are, and how alike the first two.
    #[tool(zh = "返回文本向量的长度，以及前两个文本的相似度。")]
    fn embeds(texts: Vec<String>) -> Result<Value> {
        let made = model::embed(&texts, model::Purpose::Passage)?;
        let lengths: Vec<usize> = made.vectors.iter().map(Vec::len).collect();
        let alike = made.vectors.first().zip(made.vectors.get(1)).map(|(one, other)| model::similarity(one, other));
        Ok(json!({"model": made.model, "lengths": lengths, "alike": alike}))
    }

    /// A request past the SDK, which would refuse some of these by itself.
    #[cfg(target_arch = "wasm32")]
    fn raw(url: String, headers: Vec<(String, String)>) -> Result<Response> {
        use parlour_plugin_sdk::bindings::parlour::plugin::{http as wit, types};

        let headers = headers.into_iter().map(|(name, value)| wit::Header { name, value }).collect();
        let request = wit::Request { method: "GET".to_owned(), url, headers, body: None, timeout_ms: None };
        let wit::Response { status, url, headers, body } = wit::send(&request).map_err(|error| match error {
            types::Error::InvalidInput(message) => Error::InvalidInput(message),
            types::Error::NotFound(message) => Error::NotFound(message),
            types::Error::Denied(message) => Error::Denied(message),
            types::Error::RateLimited(seconds) => Error::RateLimited(seconds),
            types::Error::Unavailable(message) => Error::Unavailable(message),
            types::Error::Failed(message) => Error::Failed(message),
        })?;
        let headers = headers.into_iter().map(|wit::Header { name, value }| (name, value)).collect();
        Ok(Response { status, url, headers, body })
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn raw(url: String, headers: Vec<(String, String)>) -> Result<Response> {
        headers.iter().fold(http::get(url), |request, (name, value)| request.header(name, value)).send()
    }
}
