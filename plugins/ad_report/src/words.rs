//! The reports in words, in both languages. Markdown, because a chat shows it and a model reads it.

use std::fmt::Write as _;

use parlour_plugin_sdk::Text;

use crate::anomalies::{Anomaly, Findings, Judged, MIN_HISTORY, Metric, Rule, SHOWN};
use crate::date::Date;
use crate::figures::{CampaignFigures, DayFigures, Figures};
use crate::records::{Read, in_words};

/// More days make a table that nobody reads; the list has them all.
const MAX_DAYS_SHOWN: usize = 14;
const NO_VALUE: &str = "–";

/// How amounts are written.
pub(crate) struct Money {
    pub(crate) sign: String,
}

impl Money {
    pub(crate) fn write(&self, amount: f64) -> String {
        let digits = if amount != 0.0 && amount.abs() < 1.0 { 4 } else { 2 };
        let minus = if amount < 0.0 { "-" } else { "" };
        format!("{minus}{}{}", self.sign, grouped(amount.abs(), digits))
    }
}

/// `1234567.5` → `1,234,567.50`.
pub(crate) fn grouped(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let (minus, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut result = String::from(minus);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            result.push(',');
        }
        result.push(digit);
    }
    if let Some(fraction) = fraction {
        result.push('.');
        result.push_str(fraction);
    }
    result
}

fn count(number: f64) -> String {
    grouped(number, if number.fract() == 0.0 { 0 } else { 2 })
}

fn percent(ratio: f64) -> String {
    format!("{}%", grouped(ratio * 100.0, 2))
}

fn optional(value: Option<f64>, write: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| NO_VALUE.to_owned(), write)
}

/// The daily report.
pub(crate) fn daily(
    read: &Read,
    total: &Figures,
    campaigns: &[CampaignFigures],
    days: &[DayFigures],
    money: &Money,
) -> Text {
    let Some(span) = read.span.filter(|_| !read.rows.is_empty()) else {
        return read.note().unwrap_or_default();
    };
    let days_in_words = in_words(span);
    let mut text = Text::new(
        format!("**Advertising {}**\n\n", days_in_words.en),
        format!("**{} 广告数据**\n\n", days_in_words.zh.trim()),
    );
    if let Some(note) = read.note() {
        push(&mut text, &Text::new(format!("> {}\n\n", note.en), format!("> {}\n\n", note.zh)));
    }
    let ctr = optional(total.ctr, percent);
    let (cpc, cpa) = (optional(total.cpc, |cpc| money.write(cpc)), optional(total.cpa, |cpa| money.write(cpa)));
    let roi = optional(total.roi, percent);
    let (spend, revenue) = (money.write(total.spend), money.write(total.revenue));
    let (impressions, clicks, conversions) = (count(total.impressions), count(total.clicks), count(total.conversions));
    push(
        &mut text,
        &Text::new(
            format!(
                "Spend {spend}, revenue {revenue}, ROI {roi}; {impressions} impressions, {clicks} clicks (CTR {ctr}, CPC {cpc}), {conversions} conversions (CPA {cpa}).\n\n"
            ),
            format!(
                "花费 {spend}，收入 {revenue}，ROI {roi}；曝光 {impressions}，点击 {clicks}（CTR {ctr}，CPC {cpc}），转化 {conversions}（CPA {cpa}）。\n\n"
            ),
        ),
    );
    push(
        &mut text,
        &Text::new(
            "| Campaign | Spend | Impressions | Clicks | Conversions | CTR | CPC | CPA | ROI |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            "| 计划 | 花费 | 曝光 | 点击 | 转化 | CTR | CPC | CPA | ROI |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        ),
    );
    for CampaignFigures { campaign, figures } in campaigns {
        same(&mut text, &row(&cell(campaign), figures, money));
    }
    if days.len() > 1 {
        by_day(&mut text, days, money);
    }
    push(&mut text, &Text::new("\nROI = (revenue − spend) ÷ spend.", "\nROI =（收入 − 花费）÷ 花费。"));
    text
}

fn by_day(text: &mut Text, days: &[DayFigures], money: &Money) {
    let skipped = days.len().saturating_sub(MAX_DAYS_SHOWN);
    push(
        text,
        &Text::new(
            "\n| Day | Spend | Impressions | Clicks | Conversions | CTR | CPC | CPA | ROI |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            "\n| 日期 | 花费 | 曝光 | 点击 | 转化 | CTR | CPC | CPA | ROI |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        ),
    );
    for DayFigures { date, figures } in days.iter().skip(skipped) {
        same(text, &row(date, figures, money));
    }
    if skipped > 0 {
        push(
            text,
            &Text::new(
                format!("\nOnly the newest {MAX_DAYS_SHOWN} of {} days are in this table.\n", days.len()),
                format!("\n表中只列出 {} 天里最近的 {MAX_DAYS_SHOWN} 天。\n", days.len()),
            ),
        );
    }
}

fn row(name: &str, figures: &Figures, money: &Money) -> String {
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        money.write(figures.spend),
        count(figures.impressions),
        count(figures.clicks),
        count(figures.conversions),
        optional(figures.ctr, percent),
        optional(figures.cpc, |cpc| money.write(cpc)),
        optional(figures.cpa, |cpa| money.write(cpa)),
        optional(figures.roi, percent),
    )
}

/// A campaign's name comes from data and must not break the table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn push(text: &mut Text, more: &Text) {
    text.en.push_str(&more.en);
    text.zh.push_str(&more.zh);
}

fn same(text: &mut Text, more: &str) {
    text.en.push_str(more);
    text.zh.push_str(more);
}

fn name(metric: Metric) -> Text {
    match metric {
        Metric::Spend => Text::new("spend", "花费"),
        Metric::Impressions => Text::new("impressions", "曝光"),
        Metric::Clicks => Text::new("clicks", "点击"),
        Metric::Conversions => Text::new("conversions", "转化"),
        Metric::Revenue => Text::new("revenue", "收入"),
        Metric::Ctr => Text::new("CTR", "CTR"),
        Metric::Cpc => Text::new("CPC", "CPC"),
        Metric::Cpa => Text::new("CPA", "CPA"),
        Metric::Roi => Text::new("ROI", "ROI"),
    }
}

fn value(metric: Metric, number: f64, money: &Money) -> String {
    match metric {
        Metric::Spend | Metric::Revenue | Metric::Cpc | Metric::Cpa => money.write(number),
        Metric::Impressions | Metric::Clicks | Metric::Conversions => {
            count(if number >= 100.0 { number.round() } else { (number * 10.0).round() / 10.0 })
        }
        Metric::Ctr | Metric::Roi => percent(number),
    }
}

/// Why a value is an anomaly: how far from what, and what that rests on.
pub(crate) fn reason(campaign: &str, date: Date, metric: Metric, judged: &Judged, money: &Money) -> Text {
    let Judged { value: number, expected, low, high, score: _, days_before } = judged;
    let write = |number: &f64| value(metric, *number, money);
    let distance = compared(*number, *expected);
    let metric = name(metric);
    let (number, expected, low, high) = (write(number), write(expected), write(low), write(high));
    Text::new(
        format!(
            "{campaign}, {date}: {} {number} is {}. The median of the {days_before} days before is {expected}, the usual range {low} to {high}.",
            metric.en, distance.en
        ),
        format!(
            "{campaign} {date}：{} {number}，{}。此前 {days_before} 天的中位数为 {expected}，正常范围 {low} 至 {high}。",
            metric.zh, distance.zh
        ),
    )
}

/// "3.1 times the usual", "72% below the usual".
fn compared(number: f64, expected: f64) -> Text {
    if expected <= 0.0 || number < 0.0 {
        return if number > expected {
            Text::new("above the usual", "高于平常")
        } else {
            Text::new("below the usual", "低于平常")
        };
    }
    let times = number / expected;
    if times >= 2.0 {
        Text::new(format!("{times:.1} times the usual"), format!("是平常的 {times:.1} 倍"))
    } else if times >= 1.0 {
        let more = (times - 1.0) * 100.0;
        Text::new(format!("{more:.0}% above the usual"), format!("比平常高 {more:.0}%"))
    } else {
        let less = (1.0 - times) * 100.0;
        Text::new(format!("{less:.0}% below the usual"), format!("比平常低 {less:.0}%"))
    }
}

pub(crate) fn short_history(campaign: &str, days: usize, rule: &Rule) -> Text {
    let (plural, were) = if days == 1 { ("day", "was") } else { ("days", "were") };
    Text::new(
        format!(
            "{days} {plural} of {campaign} {were} not judged: fewer than {MIN_HISTORY} of the {} days before have data, too few to tell what is usual.",
            rule.window
        ),
        format!(
            "{campaign} 有 {days} 天未作判断：之前 {} 天里有数据的不足 {MIN_HISTORY} 天，无法确定正常水平。",
            rule.window
        ),
    )
}

/// The findings in words.
pub(crate) fn anomalies(read: &Read, findings: &Findings, rule: &Rule) -> Text {
    let Some(span) = read.span.filter(|_| !read.rows.is_empty()) else {
        return read.note().unwrap_or_default();
    };
    let mut text = Text::default();
    if let Some(note) = read.note() {
        push(&mut text, &Text::new(format!("> {}\n\n", note.en), format!("> {}\n\n", note.zh)));
    }
    let (days, checked, number) = (in_words(span), findings.checked_days, findings.anomalies.len());
    if checked == 0 {
        push(
            &mut text,
            &Text::new(
                format!("No day of {} could be judged.\n", days.en),
                format!("{}没有可判断的日期。\n", days.zh.trim_start()),
            ),
        );
    } else if number == 0 {
        push(
            &mut text,
            &Text::new(
                format!(
                    "**No anomalies** in {} ({checked} days checked, each against the {} days before).\n",
                    days.en, rule.window
                ),
                format!(
                    "{}**没有发现异常**（检查了 {checked} 天，每天与此前 {} 天比较）。\n",
                    days.zh.trim_start(),
                    rule.window
                ),
            ),
        );
    } else {
        let plural = if number == 1 { "anomaly" } else { "anomalies" };
        push(
            &mut text,
            &Text::new(
                format!(
                    "**{number} {plural}** in {} ({checked} days checked, each against the {} days before):\n\n",
                    days.en, rule.window
                ),
                format!(
                    "{}发现 **{number} 处异常**（检查了 {checked} 天，每天与此前 {} 天比较）：\n\n",
                    days.zh.trim_start(),
                    rule.window
                ),
            ),
        );
        list(&mut text, &findings.anomalies);
    }
    for short in &findings.short_history {
        let _ = writeln!(text.en, "\n{}", short.reason.en);
        let _ = writeln!(text.zh, "\n{}", short.reason.zh);
    }
    text
}

/// One line for each campaign and day, with the strangest figure's reason and the names of the others: what went wrong once
/// shows in several figures, and a reader wants to read it once.
fn list(text: &mut Text, anomalies: &[Anomaly]) {
    let mut cases: Vec<(&Anomaly, Vec<Metric>)> = Vec::new();
    for anomaly in anomalies {
        let case = cases.iter_mut().find(|(first, _)| first.date == anomaly.date && first.campaign == anomaly.campaign);
        match case {
            Some((_, others)) => others.push(anomaly.metric),
            None => cases.push((anomaly, Vec::new())),
        }
    }
    for (first, others) in cases.iter().take(SHOWN) {
        let _ = write!(text.en, "- {}", cell(&first.reason.en));
        let _ = write!(text.zh, "- {}", cell(&first.reason.zh));
        if !others.is_empty() {
            let names: Vec<Text> = others.iter().map(|metric| name(*metric)).collect();
            let en: Vec<&str> = names.iter().map(|name| name.en.as_str()).collect();
            let zh: Vec<&str> = names.iter().map(|name| name.zh.as_str()).collect();
            let _ = write!(text.en, " Also unusual: {}.", en.join(", "));
            let _ = write!(text.zh, "同时异常：{}。", zh.join("、"));
        }
        same(text, "\n");
    }
    if let Some(rest) = cases.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
        push(text, &Text::new(format!("- and {rest} more\n"), format!("- 另有 {rest} 处\n")));
    }
}
