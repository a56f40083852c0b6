//! `sql_query`: read-only SQL for workflows and agents, over the tenant's own tables or a database that answers over HTTP.
//!
//! `statement` reads the text: one SELECT, values by placeholders. From there are two ways. `tables` translates it into the
//! server's own query language, which knows only reading. `services` sends it on, and `guard` stands before that: the text that
//! leaves is written from the tokens that were checked, never the text that came in.

mod answer;
mod guard;
mod services;
mod statement;
mod tables;

use parlour_plugin_sdk::plugin;

/// Read-only SQL over knowledge bases with typed fields, and over ClickHouse, rqlite, libSQL (Turso) or Cloudflare D1.
#[plugin(
    id = "sql_query",
    title(en = "SQL query", zh = "SQL 查询"),
    zh = "用只读 SQL 查询带类型字段的知识库，以及 ClickHouse、rqlite、libSQL（Turso）、Cloudflare D1 数据库。",
    icon = "icon.svg",
    config = Settings,
    knowledge(
        name = "*",
        en = "Reads and sums up the knowledge base that the SQL names after FROM.",
        zh = "读取并汇总 SQL 中 FROM 所指定的知识库。"
    ),
    http(
        host = "config:base_url",
        methods("POST"),
        en = "Sends read-only SQL to your database, at the address in the settings.",
        zh = "向设置中填写的数据库地址发送只读 SQL。"
    ),
    http(
        host = "api.cloudflare.com",
        methods("POST"),
        en = "Sends read-only SQL to Cloudflare D1, when that is the provider.",
        zh = "选用 Cloudflare D1 时，向它发送只读 SQL。"
    )
)]
mod sql {
    use parlour_plugin_sdk::prelude::*;
    use parlour_plugin_sdk::serde_json::Map;

    use crate::answer::{self, MAX_ROWS};
    use crate::services::{self, Provider};
    use crate::statement::{Dialect, Statement};
    use crate::tables;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// Which database is asked by `source: service`; knowledge bases need no settings
        #[zh("`source: service` 查询的数据库；查询知识库无需任何设置")]
        pub(crate) provider: Option<Provider>,
        /// Address of ClickHouse, rqlite or libSQL, such as `https://clickhouse.example.com:8443`; D1 needs none
        #[zh("ClickHouse、rqlite 或 libSQL 的网址，例如 `https://clickhouse.example.com:8443`；D1 不需要")]
        pub(crate) base_url: Option<String>,
        /// ClickHouse: the database's name. D1: the database's ID
        #[zh("ClickHouse：数据库名；D1：数据库 ID")]
        pub(crate) database: Option<String>,
        /// D1: the account's ID
        #[zh("D1：账户 ID")]
        pub(crate) account: Option<String>,
        /// ClickHouse: who signs in; give this user reading only
        #[zh("ClickHouse：用户名，建议只授予读取权限")]
        pub(crate) user: Option<String>,
        /// ClickHouse: that user's password
        #[zh("ClickHouse：该用户的密码")]
        pub(crate) password: Option<Secret>,
        /// libSQL and D1: the token. rqlite: `user:password` in Base64
        #[zh("libSQL、D1：令牌；rqlite：`用户名:密码` 的 Base64")]
        pub(crate) token: Option<Secret>,
    }

    #[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Source {
        /// The tenant's knowledge bases
        #[default]
        Tables,
        /// The database in the settings
        Service,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Query {
        /// One SELECT. Values are written as `:name` and given in `parameters`; a knowledge base is named after FROM, its fields are the columns
        #[zh(
            "一条 SELECT 语句。值写成 `:name`，在 `parameters` 中给出；FROM 后写知识库名称，列即其字段，中文别名加双引号"
        )]
        #[schemars(length(min = 1))]
        pub(crate) sql: String,
        /// The value of each `:name`: a text, a number, true, false or null; for `IN (:names)` a list
        #[zh("每个 `:name` 的值：文本、数字、true、false 或 null；`IN (:names)` 可给列表")]
        #[serde(default)]
        pub(crate) parameters: Map<String, Value>,
        /// Most rows to give
        #[zh("最多返回多少行")]
        #[serde(default = "default_limit")]
        #[schemars(range(min = 1, max = 1000))]
        pub(crate) limit: usize,
        /// `tables`: the tenant's knowledge bases; `service`: the database in the settings
        #[zh("`tables` 查询知识库；`service` 查询设置中的数据库")]
        #[serde(default)]
        pub(crate) source: Source,
    }

    fn default_limit() -> usize {
        100
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Answer {
        /// Names of the columns, in the order of the SQL
        #[zh("列名，按 SQL 中的顺序")]
        pub(crate) columns: Vec<String>,
        /// One object a row
        #[zh("每行一个对象")]
        pub(crate) rows: Vec<Map<String, Value>>,
        /// How many rows there are without `LIMIT` and `limit`, where that is known
        #[zh("不受 `LIMIT` 和 `limit` 限制时的总行数（已知时）")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) total: Option<u64>,
        /// Whether `limit` has cut off rows that the SQL asks for
        #[zh("是否有行因 `limit` 而未返回")]
        pub(crate) truncated: bool,
        /// The rows as a Markdown table, for a prompt
        #[zh("Markdown 表格，可直接放进提示词")]
        pub(crate) text: String,
    }

    /// Answers one SELECT over a knowledge base's typed fields, or over the database in the settings.
    #[tool(title(en = "Query by SQL", zh = "SQL 查询"), zh = "用一条 SELECT 查询知识库的字段，或设置中的数据库。")]
    #[example(
        title(en = "Spend by channel", zh = "各渠道花费"),
        input = {
            "sql": "SELECT channel AS \"渠道\", SUM(spend) AS \"花费\" FROM ads WHERE date >= :since GROUP BY channel ORDER BY \"花费\" DESC",
            "parameters": {"since": "2026-10-01"},
            "limit": 10
        }
    )]
    #[example(
        title(en = "A database in the settings", zh = "设置中的数据库"),
        input = {
            "sql": "SELECT city, COUNT(*) AS orders FROM orders WHERE city IN (:cities) GROUP BY city",
            "parameters": {"cities": ["上海", "北京"]},
            "source": "service"
        }
    )]
    fn query(input: Query) -> Result<Answer> {
        let Query { sql, parameters, limit, source } = input;
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(Error::InvalidInput(format!("`limit` is {limit}; it goes from 1 to {MAX_ROWS}")));
        }
        let table = match source {
            Source::Tables => tables::run(&Statement::read(&sql, Dialect::Tables, &parameters)?, &parameters, limit)?,
            Source::Service => {
                let settings: Settings = config::read()?;
                let provider = settings.provider.ok_or_else(|| {
                    Error::failed(
                        "no database is set up: fill in the plugin's setting `provider`, or leave `source` out to query \
                         a knowledge base",
                    )
                })?;
                let statement = Statement::read(&sql, provider.dialect(), &parameters)?;
                services::run(provider, &settings, &statement, &parameters, limit)?
            }
        };
        answer::written(table)
    }
}

#[cfg(test)]
mod tests;
