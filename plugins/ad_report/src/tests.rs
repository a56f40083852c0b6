//! The report against knowledge bases in memory.

use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Value, json};

use crate::anomalies::median;
use crate::date::Date;
use crate::figures::rounded;
use crate::records::number_in;
use crate::report::Plugin;
use crate::words::grouped;

/// 2026-10-31, noon.
const NOW_MS: u64 = 1_793_448_000_000;

fn day(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn record(date: &str, campaign: &str, spend: f64) -> Value {
    json!({"date": date, "campaign": campaign, "channel": "search", "spend": spend, "impressions": 10_000, "clicks": 300, "conversions": 15, "revenue": spend * 2.5})
}

fn host(records: Vec<Value>) -> FakeHost {
    FakeHost::new().now_ms(NOW_MS).knowledge_base("ads", records)
}

fn call(host: &FakeHost, tool: &str, input: Value) -> Value {
    host.call::<Plugin>(tool, input).unwrap()
}

/// Days of one even campaign with a little noise, quieter on Sundays; `change` makes the exceptions.
fn history(days: i64, change: impl Fn(Date, &mut Value)) -> Vec<Value> {
    let last = day("2026-10-30");
    (0..days)
        .map(|back| {
            let date = last.plus(-back);
            let noise = [0.0_f64, 3.0, -2.0, 5.0, -4.0, 1.0, -3.0][usize::try_from(back % 7).unwrap()];
            let sunday = if date.weekday() == 6 { 0.4 } else { 1.0 };
            let scale: f64 = (100.0 + noise) / 100.0 * sunday;
            let mut record = json!({
                "date": date.to_string(), "campaign": "品牌词", "spend": 1000.0 * scale, "impressions": (20_000.0 * scale).round(),
                "clicks": (800.0 * scale).round(), "conversions": (40.0 * scale).round(), "revenue": 3000.0 * scale
            });
            change(date, &mut record);
            record
        })
        .collect()
}

#[test]
fn days_are_read_and_counted() {
    for text in [
        "2026-10-01",
        "2026/10/1",
        "20261001",
        "2026年10月1日",
        "２０２６－１０－０１",
        "2026-10-01T08:00:00+08:00",
        " 2026.10.01 ",
    ] {
        assert_eq!(Date::parse(text).map(|date| date.to_string()).as_deref(), Some("2026-10-01"), "{text}");
    }
    for text in ["", "yesterday", "2026-02-30", "2026-13-01", "26-10-01", "2026-10", "2026-10-01-02", "2025-02-29"] {
        assert_eq!(Date::parse(text), None, "{text}");
    }
    assert_eq!(day("2024-02-28").plus(2).to_string(), "2024-03-01");
    assert_eq!(day("2027-01-01").since(day("2026-01-01")), 365);
    assert_eq!(day("2026-11-01").weekday(), 6);
    assert_eq!(Date::from_ms(NOW_MS, 0).to_string(), "2026-10-31");
    assert_eq!(Date::from_ms(NOW_MS, 13 * 60).to_string(), "2026-11-01");
}

#[test]
fn numbers_are_read_as_people_write_them() {
    assert_eq!(number_in("¥1,234.50"), Some(1234.5));
    assert_eq!(number_in("￥１，２３４"), Some(1234.0));
    assert_eq!(number_in(" 12 元"), Some(12.0));
    assert_eq!(number_in("n/a"), None);
    assert_eq!(grouped(1_234_567.5, 2), "1,234,567.50");
    assert_eq!(grouped(-999.0, 0), "-999");
    assert!((rounded(1.005, 2) - 1.01).abs() < 1e-12);
    assert!((rounded(-2.345, 2) + 2.35).abs() < 1e-12);
}

#[test]
fn yesterday_by_campaign_and_in_total() {
    let mut records =
        vec![record("2026-10-30", "B", 100.1), record("2026-10-30", "A", 300.2), record("2026-10-29", "A", 999.0)];
    records.push(record("2026-10-30", "A", 0.1));
    let report = call(&host(records), "daily", json!({}));
    assert_eq!((report["from"].as_str(), report["to"].as_str()), (Some("2026-10-30"), Some("2026-10-30")));
    assert_eq!(report["total"]["spend"], 400.4);
    assert_eq!(report["total"]["revenue"], 1001);
    assert_eq!(report["total"]["impressions"].to_string(), "30000");
    assert_eq!(report["total"]["ctr"], 0.03);
    assert_eq!(report["total"]["cpc"], 0.4449);
    assert_eq!(report["total"]["cpa"], 8.9);
    assert_eq!(report["total"]["roi"], 1.5);
    assert_eq!(report["campaigns"][0]["campaign"], "A");
    assert_eq!(report["campaigns"][0]["spend"], 300.3);
    assert_eq!(report["days"].as_array().unwrap().len(), 1);
    assert!(report.get("note").is_none());
    assert!(
        report["text"]["zh"].as_str().unwrap().contains("花费 ¥400.40，收入 ¥1,001.00，ROI 150.00%"),
        "{}",
        report["text"]["zh"]
    );
}

#[test]
fn ratios_without_a_divisor_are_null_and_values_as_text_are_read() {
    let zero =
        json!({"date": "2026-10-30", "campaign": "A", "spend": "0", "impressions": 0, "clicks": null, "revenue": ""});
    let report = call(&host(vec![zero]), "daily", json!({}));
    for ratio in ["ctr", "cpc", "cpa", "roi"] {
        assert!(report["total"][ratio].is_null(), "{ratio}");
    }
    let texts = json!({"date": "２０２６－１０－３０", "campaign": "A", "spend": "￥1,200.50", "impressions": "１０００", "clicks": "oops", "conversions": "2", "revenue": "2401"});
    // The date filter compares texts, so a record with such a date is found among all.
    let report = call(&host(vec![texts]), "daily", json!({"period": "all"}));
    assert_eq!(report["total"]["spend"], 1200.5);
    assert_eq!(report["total"]["clicks"], 0);
    assert_eq!(report["total"]["roi"], 1.0);
    assert!(report["note"]["en"].as_str().unwrap().contains("1 value is not a number"), "{}", report["note"]);
}

#[test]
fn periods_mean_the_days_people_expect() {
    let records =
        || (0..70).map(|back| record(&day("2026-10-31").plus(-back).to_string(), "A", 1.0)).collect::<Vec<_>>();
    let span = |input: Value| {
        let report = call(&host(records()), "daily", input);
        (
            report["from"].as_str().unwrap().to_owned(),
            report["to"].as_str().unwrap().to_owned(),
            report["total"]["spend"].as_f64().unwrap(),
        )
    };
    let is = |from: &str, to: &str, spend: f64| (from.to_owned(), to.to_owned(), spend);
    assert_eq!(span(json!({"period": "today"})), is("2026-10-31", "2026-10-31", 1.0));
    assert_eq!(span(json!({"period": "last_7_days"})), is("2026-10-24", "2026-10-30", 7.0));
    assert_eq!(span(json!({"period": "last_30_days"})), is("2026-10-01", "2026-10-30", 30.0));
    assert_eq!(span(json!({"period": "this_month"})), is("2026-10-01", "2026-10-31", 31.0));
    assert_eq!(span(json!({"period": "all"})), is("2026-08-23", "2026-10-31", 70.0));
    assert_eq!(span(json!({"period": "yesterday", "today": "2026/10/11"})), is("2026-10-10", "2026-10-10", 1.0));
    assert_eq!(span(json!({"from": "2026-10-01", "to": "2026-10-03"})), is("2026-10-01", "2026-10-03", 3.0));
    assert_eq!(span(json!({"from": "2026-10-30"})), is("2026-10-30", "2026-10-31", 2.0));
    let shifted = host(records()).config("utc_offset_minutes", 13 * 60).config("currency", "$");
    let report = call(&shifted, "daily", json!({}));
    assert_eq!(report["from"], "2026-10-31");
    assert!(report["text"]["en"].as_str().unwrap().contains("$1.00"));
}

#[test]
fn a_period_without_data_moves_to_the_newest_that_has_some_and_says_so() {
    let records = vec![record("2026-09-01", "A", 5.0), record("2026-09-02", "A", 7.0)];
    let report = call(&host(records.clone()), "daily", json!({"period": "yesterday"}));
    assert_eq!(report["from"], "2026-09-02");
    assert_eq!(report["total"]["spend"], 7);
    assert_eq!(report["note"]["zh"], " 2026-10-30 没有数据，改为展示最近有数据的日期： 2026-09-02 。");
    let week = call(&host(records.clone()), "daily", json!({"period": "last_7_days"}));
    assert_eq!((week["from"].as_str(), week["to"].as_str()), (Some("2026-08-27"), Some("2026-09-02")));
    assert_eq!(week["total"]["spend"], 12);
    // Exact dates are taken at their word.
    let exact = call(&host(records), "daily", json!({"from": "2026-10-01", "to": "2026-10-02"}));
    assert!(exact["from"].is_null() && exact["campaigns"].as_array().unwrap().is_empty());
    assert!(exact["note"]["en"].as_str().unwrap().contains("no data for 2026-10-01 to 2026-10-02"));
    let empty = call(&host(Vec::new()), "daily", json!({}));
    assert!(empty["note"]["en"].as_str().unwrap().contains("no data"));
}

#[test]
fn records_without_a_day_are_counted_not_guessed() {
    let undated = json!({"date": "soon", "campaign": "A", "spend": 5});
    let host = host(vec![undated, record("2026-10-30", "A", 1.0)]);
    let report = call(&host, "daily", json!({"period": "all"}));
    assert_eq!(report["total"]["spend"], 1);
    assert!(report["note"]["en"].as_str().unwrap().contains("1 record has no readable date"));
    assert_eq!(host.logs().len(), 1);
}

#[test]
fn wrong_input_is_told_all_at_once() {
    let message = |tool: &str, input: Value| match host(Vec::new()).call::<Plugin>(tool, input) {
        Err(Error::InvalidInput(message)) => message,
        other => panic!("{other:?}"),
    };
    let both = message("daily", json!({"from": "tomorrow", "to": "2026-02-30"}));
    assert!(both.contains("`from` is `tomorrow`") && both.contains("`to` is `2026-02-30`"), "{both}");
    assert!(message("daily", json!({"from": "2026-10-02", "to": "2026-10-01"})).contains("is after"));
    assert!(message("daily", json!({"period": "last_year"})).starts_with("`period`: unknown variant"));
    let rule = message("anomalies", json!({"window": 3, "sensitivity": 0}));
    assert!(rule.contains("`window` is 3") && rule.contains("`sensitivity` is 0"), "{rule}");
    let unknown = host(Vec::new()).call::<Plugin>("daily", json!({"knowledge_base": "nowhere"}));
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
}

#[test]
fn an_even_campaign_with_quiet_sundays_has_no_anomalies() {
    let report = call(&host(history(75, |_, _| {})), "anomalies", json!({}));
    assert_eq!(report["anomalies"], json!([]));
    assert_eq!(report["checked_days"], 30);
    assert!(report["text"]["zh"].as_str().unwrap().contains("没有发现异常"), "{}", report["text"]["zh"]);
}

#[test]
fn a_planted_spike_is_found_with_its_reason_and_does_not_hide_the_next() {
    let planted = [day("2026-10-20"), day("2026-10-23")];
    let records = history(75, |date, record| {
        if planted.contains(&date) {
            record["spend"] = json!(record["spend"].as_f64().unwrap() * 3.0);
        }
    });
    let report = call(&host(records), "anomalies", json!({}));
    let found = report["anomalies"].as_array().unwrap();
    let spend: Vec<&str> =
        found.iter().filter(|it| it["metric"] == "spend").map(|it| it["date"].as_str().unwrap()).collect();
    assert_eq!(spend, ["2026-10-23", "2026-10-20"]);
    assert!(found.iter().all(|it| ["2026-10-20", "2026-10-23"].contains(&it["date"].as_str().unwrap())), "{found:?}");
    let first = found.iter().find(|it| it["metric"] == "spend").unwrap();
    assert!(first["value"].as_f64() > first["high"].as_f64() && first["score"].as_f64().unwrap() > 3.5);
    let reason = first["reason"]["en"].as_str().unwrap();
    assert!(reason.contains("times the usual") && reason.contains("median of the 14 days before"), "{reason}");
    assert!(first["reason"]["zh"].as_str().unwrap().contains("正常范围"));
}

#[test]
fn a_quiet_weekday_does_not_excuse_a_wild_one() {
    // Sundays have 16 conversions; their being different must not hide that this one has 64.
    let records = history(75, |date, record| {
        if date == day("2026-10-25") {
            record["conversions"] = json!(64);
        }
    });
    let report = call(&host(records), "anomalies", json!({"from": "2026-10-25", "to": "2026-10-25"}));
    let metrics: Vec<&str> =
        report["anomalies"].as_array().unwrap().iter().map(|it| it["metric"].as_str().unwrap()).collect();
    assert!(metrics.contains(&"conversions"), "{metrics:?}");
}

#[test]
fn too_little_history_is_said_not_judged() {
    let report = call(&host(history(5, |_, _| {})), "anomalies", json!({}));
    assert_eq!(report["checked_days"], 0);
    assert_eq!(report["short_history"][0]["days"], 5);
    assert!(report["text"]["en"].as_str().unwrap().contains("fewer than 7"), "{}", report["text"]["en"]);
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
}

#[test]
fn a_campaigns_name_cannot_break_the_table() {
    let report = call(&host(vec![record("2026-10-30", "a|b\nc", 1.0)]), "daily", json!({}));
    assert!(report["text"]["en"].as_str().unwrap().contains("| a\\|b c |"));
}

/// The shipped project's data, with what its README says was planted.
#[test]
fn every_planted_anomaly_of_the_shipped_project_is_found_and_nothing_else() {
    let csv = include_str!("../../../workflows/marketing/knowledge/ads/ads.csv").trim_start_matches('\u{feff}');
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let records =
        lines.map(|line| names.iter().zip(line.split(',')).map(|(name, value)| (*name, json!(value))).collect());
    let host = FakeHost::new().knowledge_base("ads", records);
    let report = call(&host, "anomalies", json!({"period": "all"}));
    let found: std::collections::BTreeSet<(&str, &str)> = report["anomalies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["date"].as_str().unwrap(), it["campaign"].as_str().unwrap()))
        .collect();
    let planted = [
        ("2026-10-27", "朋友圈广告"),
        ("2026-11-05", "品牌词搜索"),
        ("2026-11-11", "直播间引流"),
        ("2026-11-18", "种草笔记"),
        ("2026-11-20", "海外英文搜索"),
        ("2026-11-23", "信息流拉新"),
    ];
    assert_eq!(found, planted.into());
    assert_eq!(report["checked_days"], 53);
    let text = report["text"]["zh"].as_str().unwrap();
    assert!(planted.iter().all(|(date, campaign)| text.contains(&format!("- {campaign} {date}："))), "{text}");
}
