//! `web_search`: one tool over four search services. What differs between them (how they are asked, how they answer, what they
//! cannot do) stays in `providers`; a workflow sees the same answer from each.

mod providers;

use parlour_plugin_sdk::plugin;

/// Searches the web by SearXNG, Bing, Serper (Google) or Tavily, whichever is set up.
#[plugin(
    id = "web_search",
    title(en = "Web search", zh = "网页搜索"),
    zh = "通过 SearXNG、Bing、Serper（Google）或 Tavily 搜索网页，由设置决定用哪一个。",
    icon = "icon.svg",
    config = Settings,
    http(
        host = "config:base_url",
        en = "Asks your own SearXNG, at the address in the settings.",
        zh = "向设置中填写的自有 SearXNG 发起搜索。"
    ),
    http(
        host = "api.bing.microsoft.com",
        methods("GET"),
        en = "Searches by Bing, when that is the provider.",
        zh = "选用 Bing 时，用它搜索。"
    ),
    http(
        host = "google.serper.dev",
        methods("POST"),
        en = "Searches by Serper, when that is the provider.",
        zh = "选用 Serper 时，用它搜索。"
    ),
    http(
        host = "api.tavily.com",
        methods("POST"),
        en = "Searches by Tavily, when that is the provider.",
        zh = "选用 Tavily 时，用它搜索。"
    )
)]
mod web {
    use std::collections::BTreeSet;

    use parlour_plugin_sdk::prelude::*;

    use crate::providers::{self, Freshness, Language, Provider, Query};

    /// What a prompt can use; services give no more on a page either.
    const MAX_COUNT: usize = 20;
    /// Services cut longer ones without saying so.
    const MAX_QUERY_CHARACTERS: usize = 400;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// Who searches
        #[zh("搜索服务")]
        pub(crate) provider: Provider,
        /// Address of SearXNG, such as `https://search.example.com`; also of a service that answers as Bing does
        #[zh("SearXNG 的网址，例如 `https://search.example.com`；也可填与 Bing 接口兼容的服务")]
        pub(crate) base_url: Option<String>,
        /// Key of Bing, Serper or Tavily; SearXNG needs none
        #[zh("Bing、Serper 或 Tavily 的密钥；SearXNG 不需要")]
        pub(crate) api_key: Option<Secret>,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Search {
        /// What to look for
        #[zh("搜索内容")]
        #[schemars(length(min = 1, max = 400))]
        pub(crate) query: String,
        /// Most results to give, 1 to 20
        #[zh("最多返回多少条，1 到 20")]
        #[serde(default = "default_count")]
        #[schemars(range(min = 1, max = 20))]
        pub(crate) count: usize,
        /// Language of the results, such as `zh`, `zh-CN` or `en`
        #[zh("结果的语言，例如 `zh`、`zh-CN`、`en`")]
        pub(crate) language: Option<String>,
        /// How old a result may be; any age when not given
        #[zh("结果的时间范围：day 一天内、week 一周内、month 一月内、year 一年内；不填则不限")]
        pub(crate) freshness: Option<Freshness>,
    }

    fn default_count() -> usize {
        8
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Answer {
        /// The best first
        #[zh("按相关度排序")]
        pub(crate) results: Vec<Hit>,
        /// Who searched
        #[zh("所用的搜索服务")]
        pub(crate) provider: Provider,
        /// What the service could not take into account
        #[zh("该服务无法满足的条件")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) note: Option<Text>,
        /// All results, numbered, for a prompt
        #[zh("所有结果，带编号，可直接放进提示词")]
        pub(crate) text: String,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Hit {
        pub(crate) title: String,
        pub(crate) url: String,
        /// The passage that fits the query
        #[zh("与搜索内容相关的片段")]
        pub(crate) snippet: String,
        /// When it was published, in the service's words: a date, or `3 days ago`
        #[zh("发布时间，按搜索服务的写法：日期，或“3 天前”之类")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) published: Option<String>,
    }

    /// Searches the web, and gives title, address, snippet and, where known, the date of each result.
    #[tool(
        title(en = "Search the web", zh = "搜索网页"),
        zh = "搜索网页，返回每条结果的标题、网址、摘要和（已知时的）发布时间。"
    )]
    #[example(title(en = "This week's news", zh = "本周新闻"), input = {"query": "新能源汽车 出口", "count": 5, "language": "zh-CN", "freshness": "week"})]
    #[example(title(en = "One site only", zh = "限定网站"), input = {"query": "site:docs.rs serde derive", "language": "en"})]
    fn search(input: Search) -> Result<Answer> {
        let settings: Settings = config::read()?;
        let query = checked(input)?;
        let found = providers::search(&settings, &query)?;
        let mut seen = BTreeSet::new();
        let results: Vec<Hit> = found
            .into_iter()
            .map(tidied)
            .filter(|hit| !hit.url.is_empty() && seen.insert(hit.url.clone()))
            .take(query.count)
            .collect();
        let note = settings.provider.note(&query);
        Ok(Answer { text: numbered(&results), results, provider: settings.provider, note })
    }

    /// The query, or everything that is wrong with the input at once.
    fn checked(input: Search) -> Result<Query> {
        let Search { query, count, language, freshness } = input;
        let query = query.trim().to_owned();
        let length = query.chars().count();
        let mut problems = Vec::new();
        if query.is_empty() {
            problems.push("`query` is empty; say what to look for".to_owned());
        }
        if length > MAX_QUERY_CHARACTERS {
            problems.push(format!("`query` has {length} characters; at most {MAX_QUERY_CHARACTERS} are searched for"));
        }
        if !(1..=MAX_COUNT).contains(&count) {
            problems.push(format!("`count` is {count}; it goes from 1 to {MAX_COUNT}"));
        }
        let written = language.as_deref().map(str::trim).filter(|language| !language.is_empty());
        let language = written.and_then(Language::read);
        if let (Some(written), None) = (written, &language) {
            problems.push(format!("`language` is `{written}`; write it as `zh`, `zh-CN` or `en`"));
        }
        if problems.is_empty() {
            Ok(Query { text: query, count, language, freshness })
        } else {
            Err(Error::InvalidInput(problems.join("; ")))
        }
    }

    /// Services mark the words they found and break lines as their pages do.
    fn tidied(hit: Hit) -> Hit {
        let plain = |text: String| {
            let text = ["<b>", "</b>", "<strong>", "</strong>", "<em>", "</em>"]
                .iter()
                .fold(text, |text, mark| text.replace(mark, ""));
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let Hit { title, url, snippet, published } = hit;
        let url = url.trim().to_owned();
        let title = Some(plain(title)).filter(|title| !title.is_empty()).unwrap_or_else(|| url.clone());
        let published = published.map(plain).filter(|published| !published.is_empty());
        Hit { title, url, snippet: plain(snippet), published }
    }

    fn numbered(results: &[Hit]) -> String {
        let one = |(number, hit): (usize, &Hit)| {
            let Hit { title, url, snippet, published } = hit;
            let published = published.as_ref().map(|published| format!(" ({published})")).unwrap_or_default();
            format!("[{number}] {title}{published}\n{url}\n{snippet}")
        };
        (1..).zip(results).map(one).collect::<Vec<_>>().join("\n\n")
    }
}

#[cfg(test)]
mod tests;
