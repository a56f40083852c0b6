//! A guest that reads knowledge bases it has no right to. Its manifest asks for `staff` only.

use parlour_plugin_sdk::plugin;

/// Reads what it may not.
#[plugin(
    id = "asks_without_grant",
    title(en = "Asks without a grant", zh = "越权读取"),
    zh = "读取未获授权的知识库，用来测试主机。",
    knowledge(name = "staff", en = "To see whether the grant is checked.", zh = "用来测试授权检查。")
)]
mod asks {
    use parlour_plugin_sdk::knowledge::Search;
    use parlour_plugin_sdk::prelude::*;

    /// Searches a knowledge base that the manifest does not ask for.
    #[tool(zh = "搜索清单没有申请的知识库。")]
    fn reads_what_it_did_not_ask_for(#[serde(default = "menu")] knowledge_base: String) -> Result<usize> {
        Ok(knowledge::search(&Search::new(knowledge_base, "anything"))?.hits.len())
    }

    fn menu() -> String {
        "menu".to_owned()
    }

    /// Searches, gets and lists from the knowledge base that the manifest asks for; without the tenant's grant each fails.
    #[tool(zh = "搜索、读取、列出清单申请了的知识库；租户未授权时都应失败。")]
    fn reads_what_it_asked_for() -> Result<Value> {
        let outcome = |result: Result<usize>| match result {
            Ok(found) => json!({"found": found}),
            Err(error) => json!({"error": error.to_string(), "denied": matches!(error, Error::Denied(_))}),
        };
        Ok(json!({
            "search": outcome(knowledge::search(&Search::new("staff", "anything")).map(|found| found.hits.len())),
            "get": outcome(knowledge::get("staff", "1").map(|_| 1)),
            "list": outcome(knowledge::list("staff", None, None, 10).map(|page| page.entries.len())),
        }))
    }

    /// Passes the refusal on as its own error.
    #[tool(zh = "把拒绝作为自己的错误返回。")]
    fn passes_the_refusal_on() -> Result<usize> {
        Ok(knowledge::list("staff", None, None, 10)?.entries.len())
    }
}
