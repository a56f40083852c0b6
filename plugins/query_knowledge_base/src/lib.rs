//! `query_knowledge_base`: a workflow's way to search a knowledge base of its tenant.
//!
//! The search itself is the server's. This plugin gives it the shape that workflows want: one flat object a hit, the
//! status as a word, and all texts joined for a prompt.

use parlour_plugin_sdk::plugin;

/// Searches one of the tenant's knowledge bases by meaning and by words, and gives the best records with their fields.
#[plugin(
    id = "query_knowledge_base",
    title(en = "Query a knowledge base", zh = "查询知识库"),
    zh = "按语义和关键词搜索租户的知识库，返回最相关的记录及其字段。",
    icon = "icon.svg",
    knowledge(
        name = "*",
        en = "Searches the knowledge base that the workflow names.",
        zh = "搜索工作流所指定的知识库。"
    )
)]
mod query {
    use parlour_plugin_sdk::knowledge::{Found, Hit, MAX_TOP_K, Search};
    use parlour_plugin_sdk::prelude::*;
    use parlour_plugin_sdk::serde_json::Map;

    /// The contract's limit on a query.
    const MAX_QUERY_BYTES: usize = 8 << 10;
    /// Texts joined for a prompt stand apart by an empty line, as paragraphs do.
    const BETWEEN_TEXTS: &str = "\n\n";

    #[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Mode {
        /// By meaning and by words, fused
        #[default]
        Hybrid,
        /// By meaning only
        Dense,
        /// By words only
        Lexical,
    }

    impl Mode {
        fn as_str(self) -> &'static str {
            match self {
                Self::Hybrid => "hybrid",
                Self::Dense => "dense",
                Self::Lexical => "lexical",
            }
        }
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Query {
        /// Name of the knowledge base
        #[zh("知识库的名称")]
        #[schemars(length(min = 1))]
        pub(crate) knowledge_base: String,
        /// What to look for, in plain words
        #[zh("要查找的内容，自然语言即可")]
        pub(crate) query: String,
        /// Most hits to give
        #[zh("最多返回多少条")]
        #[serde(default = "default_top_k")]
        #[schemars(range(min = 1, max = 100))]
        pub(crate) top_k: u32,
        /// Only records whose fields pass this filter, for example `{"spice_level": {"gte": 2}}`
        #[zh("只返回字段满足该条件的记录，例如 `{\"spice_level\": {\"gte\": 2}}`")]
        pub(crate) filter: Option<Map<String, Value>>,
        /// Only hits with at least this score; scores compare within one result only
        #[zh("只返回分数不低于该值的结果；分数只能在同一次结果内比较")]
        pub(crate) min_score: Option<f64>,
        /// How to search
        #[zh("检索方式：hybrid 混合、dense 语义、lexical 关键词")]
        pub(crate) mode: Option<Mode>,
    }

    fn default_top_k() -> u32 {
        8
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Answer {
        /// The best records first: the fields of each, and `id`, `document`, `text`, `score`
        #[zh("按相关度排序的记录：各自的字段，以及 `id`、`document`、`text`、`score`")]
        pub(crate) hits: Vec<Record>,
        /// `ok`, `empty`, `below_threshold`, or `degraded` when there may be better hits than these
        #[zh("`ok`、`empty`、`below_threshold`；`degraded` 表示可能还有更好的结果")]
        pub(crate) status: String,
        /// Why the status is not `ok`
        #[zh("状态不是 `ok` 时的原因")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) reason: Option<String>,
        /// All hits' texts, one paragraph each, for a prompt
        #[zh("所有结果的文本，每条一段，可直接放进提示词")]
        pub(crate) text: String,
    }

    #[derive(Debug, Serialize, JsonSchema)]
    pub(crate) struct Record {
        pub(crate) id: String,
        pub(crate) document: String,
        pub(crate) text: String,
        pub(crate) score: f64,
        #[serde(flatten)]
        pub(crate) fields: Map<String, Value>,
    }

    /// Searches a knowledge base by meaning and by words, and gives the best records with their fields.
    #[tool(
        title(en = "Query a knowledge base", zh = "查询知识库"),
        zh = "按语义和关键词搜索知识库，返回最相关的记录及其字段。"
    )]
    #[example(
        title(en = "Spicy dishes of the menu", zh = "菜单里的辣菜"),
        input = {"knowledge_base": "menu", "query": "喜欢辣味的菜品", "top_k": 5, "filter": {"spice_level": {"gte": 2}}}
    )]
    fn query_knowledge_base(input: Query) -> Result<Answer> {
        let search = checked(input)?;
        let Found { status, reason, hits } = knowledge::search(&search)?;
        let text = hits.iter().map(|hit| hit.entry.text.trim()).filter(|text| !text.is_empty());
        let text = text.collect::<Vec<_>>().join(BETWEEN_TEXTS);
        Ok(Answer { text, hits: hits.into_iter().map(record).collect(), status: status.as_str().to_owned(), reason })
    }

    /// The search, or everything that is wrong with the input at once.
    fn checked(input: Query) -> Result<Search> {
        let Query { knowledge_base, query, top_k, filter, min_score, mode } = input;
        let mut problems = Vec::new();
        let knowledge_base = knowledge_base.trim().to_owned();
        if knowledge_base.is_empty() {
            problems.push("`knowledge_base` is empty; name the knowledge base to search".to_owned());
        }
        let query = query.trim().to_owned();
        if query.is_empty() {
            problems.push("`query` is empty; say what to look for".to_owned());
        }
        if query.len() > MAX_QUERY_BYTES {
            problems.push(format!("`query` has {} bytes; at most {MAX_QUERY_BYTES} are searched for", query.len()));
        }
        if !(1..=MAX_TOP_K).contains(&top_k) {
            problems.push(format!("`top_k` is {top_k}; it goes from 1 to {MAX_TOP_K}"));
        }
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems.join("; ")));
        }
        Ok(Search {
            knowledge_base,
            query,
            top_k,
            filter: filter.filter(|filter| !filter.is_empty()).map(Value::Object),
            min_score,
            mode: mode.map(|mode| mode.as_str().to_owned()),
        })
    }

    fn record(hit: Hit) -> Record {
        let Hit { entry, score } = hit;
        let mut fields = entry.fields;
        // A knowledge base may not have fields of these names; were one there, it would hide the real value.
        for taken in ["id", "document", "text", "score"] {
            fields.shift_remove(taken);
        }
        Record { id: entry.id, document: entry.document, text: entry.text, score, fields }
    }
}

#[cfg(test)]
mod tests;
