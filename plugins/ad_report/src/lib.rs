//! `ad_report`: what advertising cost and brought, and what in it stands out.
//!
//! `records.rs` reads the knowledge base, `period.rs` decides which days are meant, `figures.rs` adds up, `anomalies.rs`
//! compares each campaign with its own recent past, `words.rs` writes it down in both languages.

mod anomalies;
mod date;
mod figures;
mod period;
mod records;
mod words;

use parlour_plugin_sdk::plugin;

/// Advertising figures from a knowledge base: spend, impressions, clicks, conversions, CTR, CPC, CPA and ROI by campaign
/// and day, and the days that leave a campaign's own usual range.
#[plugin(
    id = "ad_report",
    title(en = "Advertising report", zh = "广告报表"),
    zh = "从知识库读取广告数据：按计划和日期汇总花费、曝光、点击、转化、CTR、CPC、CPA、ROI，并找出偏离各计划近期水平的异常。",
    icon = "icon.svg",
    config = Settings,
    knowledge(
        name = "*",
        en = "Reads the advertising records of the knowledge base that the workflow names (`ads` when it names none).",
        zh = "读取工作流所指定知识库中的广告数据（未指定时为 `ads`）。"
    )
)]
mod report {
    use parlour_plugin_sdk::prelude::*;

    use crate::anomalies::{self, Anomaly, ShortHistory};
    use crate::figures::{CampaignFigures, DayFigures, Figures};
    use crate::period::{Asked, Period, When};
    use crate::records::{self, Source};
    use crate::words::{self, Money};

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// Sign written before amounts of money
        #[zh("金额前的货币符号")]
        #[serde(default = "default_currency")]
        #[schemars(length(max = 4))]
        pub(crate) currency: String,
        /// Minutes between UTC and the clock that decides what "today" is; 480 for Beijing
        #[zh("用哪个时区判断“今天”：与 UTC 相差的分钟数，北京时间为 480")]
        #[serde(default)]
        #[schemars(range(min = -720, max = 840))]
        pub(crate) utc_offset_minutes: i32,
    }

    fn default_currency() -> String {
        "¥".to_owned()
    }

    fn default_base() -> String {
        "ads".to_owned()
    }

    fn default_window() -> u32 {
        14
    }

    fn default_sensitivity() -> f64 {
        3.5
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Daily {
        /// The knowledge base with the fields `date`, `campaign`, `spend`, `impressions`, `clicks`, `conversions`, `revenue`
        #[zh(
            "广告数据所在的知识库，字段为 `date`、`campaign`、`spend`、`impressions`、`clicks`、`conversions`、`revenue`"
        )]
        #[serde(default = "default_base")]
        pub(crate) knowledge_base: String,
        /// Which days; yesterday when neither this nor `from` and `to` are given
        #[zh("统计哪些天；未填且没有 `from`、`to` 时为昨天")]
        pub(crate) period: Option<Period>,
        /// First day, `YYYY-MM-DD`; goes before `period`
        #[zh("开始日期 `YYYY-MM-DD`，优先于 `period`")]
        pub(crate) from: Option<String>,
        /// Last day, `YYYY-MM-DD`; goes before `period`
        #[zh("结束日期 `YYYY-MM-DD`，优先于 `period`")]
        pub(crate) to: Option<String>,
        /// The day that counts as today, `YYYY-MM-DD`; by the server's clock when not given
        #[zh("以哪一天作为“今天”，`YYYY-MM-DD`；未填时按服务器时钟")]
        pub(crate) today: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct DailyReport {
        /// First day of the figures; none when there are no data
        pub(crate) from: Option<String>,
        /// Last day of the figures
        pub(crate) to: Option<String>,
        /// What is unusual about the answer, for example that another day had to be taken
        #[zh("需要说明的情况，例如改用了其他日期")]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) note: Option<Text>,
        pub(crate) total: Figures,
        /// By campaign, the largest spend first
        #[zh("按计划汇总，花费高的在前")]
        pub(crate) campaigns: Vec<CampaignFigures>,
        /// By day, the earliest first
        #[zh("按日期汇总，早的在前")]
        pub(crate) days: Vec<DayFigures>,
        /// The report in words (Markdown)
        #[zh("文字报告（Markdown）")]
        pub(crate) text: Text,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Anomalies {
        /// The knowledge base with the fields `date`, `campaign`, `spend`, `impressions`, `clicks`, `conversions`, `revenue`
        #[zh(
            "广告数据所在的知识库，字段为 `date`、`campaign`、`spend`、`impressions`、`clicks`、`conversions`、`revenue`"
        )]
        #[serde(default = "default_base")]
        pub(crate) knowledge_base: String,
        /// Which days to check; the last 30 when neither this nor `from` and `to` are given
        #[zh("检查哪些天；未填且没有 `from`、`to` 时为最近 30 天")]
        pub(crate) period: Option<Period>,
        /// First day to check, `YYYY-MM-DD`; goes before `period`
        #[zh("开始日期 `YYYY-MM-DD`，优先于 `period`")]
        pub(crate) from: Option<String>,
        /// Last day to check, `YYYY-MM-DD`; goes before `period`
        #[zh("结束日期 `YYYY-MM-DD`，优先于 `period`")]
        pub(crate) to: Option<String>,
        /// The day that counts as today, `YYYY-MM-DD`; by the server's clock when not given
        #[zh("以哪一天作为“今天”，`YYYY-MM-DD`；未填时按服务器时钟")]
        pub(crate) today: Option<String>,
        /// How many days before a day tell what is usual
        #[zh("用之前多少天来判断什么是正常水平")]
        #[serde(default = "default_window")]
        #[schemars(range(min = 7, max = 60))]
        pub(crate) window: u32,
        /// How many robust standard deviations count as unusual; smaller finds more
        #[zh("偏离多少个稳健标准差算异常；越小越敏感")]
        #[serde(default = "default_sensitivity")]
        #[schemars(range(min = 1.0, max = 20.0))]
        pub(crate) sensitivity: f64,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct AnomalyReport {
        /// First day that was checked
        pub(crate) from: Option<String>,
        /// Last day that was checked
        pub(crate) to: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) note: Option<Text>,
        /// The newest day first, within a day the strangest first
        #[zh("日期新的在前，同一天内偏离大的在前")]
        pub(crate) anomalies: Vec<Anomaly>,
        /// Days with data that were looked at
        #[zh("检查了多少个有数据的日期")]
        pub(crate) checked_days: usize,
        /// Campaigns with days that could not be judged, because too little went before
        #[zh("因历史数据太少而无法判断的计划")]
        pub(crate) short_history: Vec<ShortHistory>,
        /// The findings in words (Markdown)
        #[zh("文字说明（Markdown）")]
        pub(crate) text: Text,
    }

    /// Adds up spend, impressions, clicks, conversions and revenue over some days, with CTR, CPC, CPA and ROI, in total, by
    /// campaign and by day.
    ///
    /// ROI is (revenue − spend) ÷ spend; a ratio whose divisor is zero is null. When a named period such as `yesterday` has
    /// no data, the newest days that have some are taken instead, and `note` says so.
    #[tool(
        title(en = "Daily report", zh = "每日报表"),
        zh = "汇总一段日期内的花费、曝光、点击、转化、收入及 CTR、CPC、CPA、ROI，给出合计、分计划和分日数据。ROI =（收入 − 花费）÷ 花费；除数为零时为 null。所选日期没有数据时，改用最近有数据的日期并加以说明。"
    )]
    #[example(title(en = "Yesterday", zh = "昨天"), input = {"period": "yesterday"})]
    #[example(title(en = "A range of days", zh = "指定日期范围"), input = {"from": "2026-10-01", "to": "2026-10-07"})]
    fn daily(input: Daily) -> Result<DailyReport> {
        let settings: Settings = config::read()?;
        let Daily { knowledge_base, period, from, to, today } = input;
        let asked = Asked::checked(When { period, from, to, today }, Period::Yesterday, settings.utc_offset_minutes)?;
        let source = Source { knowledge_base: &knowledge_base };
        let read = records::read(&source, &asked, 0)?;
        let total = Figures::of(read.rows.iter());
        let campaigns = CampaignFigures::of(&read.rows);
        let days = DayFigures::of(&read.rows);
        let money = Money { sign: settings.currency };
        let text = words::daily(&read, &total, &campaigns, &days, &money);
        Ok(DailyReport {
            from: read.span.map(|span| span.from.to_string()),
            to: read.span.map(|span| span.to.to_string()),
            note: read.note(),
            total,
            campaigns,
            days,
            text,
        })
    }

    /// Finds the days on which a campaign leaves its own usual range, in spend, impressions, clicks, conversions, revenue,
    /// CTR, CPC, CPA or ROI, and says how far and compared with what.
    ///
    /// Usual is the median of the days before and their median deviation, so one wild day does not hide the next. A value
    /// that is normal for its weekday is not reported. A campaign with fewer than 7 days before is not judged, and named.
    #[tool(
        title(en = "Anomalies", zh = "异常检测"),
        zh = "找出各广告计划偏离自身近期水平的日期：花费、曝光、点击、转化、收入、CTR、CPC、CPA、ROI，并说明偏离多少、与什么相比。以之前若干天的中位数和中位数偏差为准，个别极端值不影响判断；符合同一星期几规律的不算异常；历史不足 7 天的计划不作判断并列出。"
    )]
    #[example(title(en = "The last 30 days", zh = "最近 30 天"), input = {"period": "last_30_days"})]
    fn anomalies(input: Anomalies) -> Result<AnomalyReport> {
        let settings: Settings = config::read()?;
        let Anomalies { knowledge_base, period, from, to, today, window, sensitivity } = input;
        let rule = anomalies::Rule::checked(window, sensitivity)?;
        let asked = Asked::checked(When { period, from, to, today }, Period::Last30Days, settings.utc_offset_minutes)?;
        let source = Source { knowledge_base: &knowledge_base };
        let read = records::read(&source, &asked, rule.days_before())?;
        let money = Money { sign: settings.currency };
        let findings = anomalies::find(&read, &rule, &money);
        let text = words::anomalies(&read, &findings, &rule);
        Ok(AnomalyReport {
            from: read.span.map(|span| span.from.to_string()),
            to: read.span.map(|span| span.to.to_string()),
            note: read.note(),
            anomalies: findings.anomalies,
            checked_days: findings.checked_days,
            short_history: findings.short_history,
            text,
        })
    }
}

#[cfg(test)]
mod tests;
