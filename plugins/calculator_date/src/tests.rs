//! The tools as workflows call them. Arithmetic, calendar and sayings have their own tests beside them.

use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Plugin as _, Result, Value, json};

use crate::tools::Plugin;

/// Friday 27 November 2026, 10:15 in Shanghai.
fn host() -> FakeHost {
    FakeHost::new().now_ms(1_795_745_700_000)
}

fn call(tool: &str, input: Value) -> Result<Value> {
    host().call::<Plugin>(tool, input)
}

fn refusal(tool: &str, input: Value) -> String {
    match call(tool, input) {
        Err(Error::InvalidInput(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_examples_are_true() {
    host().check_examples::<Plugin>();
}

#[test]
fn a_calculation_is_given_in_every_form() {
    let answer = call("calculate", json!({"expression": "1234567.891 / -1"})).unwrap();
    assert_eq!(
        answer,
        json!({
            "result": "-1234567.891", "number": -1_234_567.891, "exact": true, "grouped": "-1,234,567.891",
            "percent": "-123456789.1%", "chinese": "-123.46万"
        })
    );
    let third = call("calculate", json!({"expression": "1/3"})).unwrap();
    assert_eq!((&third["result"], &third["exact"]), (&json!("0.33333333333333333333"), &json!(false)));
    let rounded = call("calculate", json!({"expression": "2/3", "decimals": 4})).unwrap();
    assert_eq!(
        (&rounded["result"], &rounded["exact"], &rounded["percent"]),
        (&json!("0.6667"), &json!(true), &json!("66.67%"))
    );
    for (expression, words) in [("3万亿 + 1", "3万亿"), ("9999", "9999"), ("12345", "1.23万"), ("0", "0")] {
        assert_eq!(call("calculate", json!({"expression": expression})).unwrap()["chinese"], words, "{expression}");
    }
}

#[test]
fn variables_are_numbers_or_texts() {
    let input =
        json!({"expression": "a + b * 折扣", "variables": {"a": 9_007_199_254_740_993_u64, "b": "1.2万", "折扣": 0.1}});
    assert_eq!(call("calculate", input).unwrap()["result"], "9007199254742193");
    let wrong = refusal("calculate", json!({"expression": "a", "variables": {"a": "1 +"}}));
    assert!(wrong.starts_with("the variable `a`: the expression ends"), "{wrong}");
    assert!(refusal("calculate", json!({"expression": "1", "decimals": 101})).contains("0 to 100"));
    let many: Value =
        (0..101).map(|n| (format!("v{n}"), json!(n))).collect::<parlour_plugin_sdk::serde_json::Map<_, _>>().into();
    assert!(refusal("calculate", json!({"expression": "1", "variables": many})).contains("101 variables"));
}

#[test]
fn times_are_understood_in_a_zone() {
    let answer = call("understand_time", json!({"text": "今晚八点"})).unwrap();
    assert_eq!(answer["time"]["start"], "2026-11-27T20:00:00+08:00");
    let day = call("understand_time", json!({"text": "meet me on Monday"})).unwrap();
    let expected = json!({
        "kind": "day", "start": "2026-11-30T00:00:00+08:00", "end": "2026-12-01T00:00:00+08:00", "date": "2026-11-30", "time": "00:00",
        "weekday": {"en": "Monday", "zh": "星期一"}, "timezone": "Asia/Shanghai", "timestamp_ms": 1_795_968_000_000_u64
    });
    assert_eq!((&day["time"], &day["words"]), (&expected, &json!("on monday")));
    // The same instant is still Thursday evening in New York.
    let there = call("understand_time", json!({"text": "tomorrow 3pm", "timezone": "America/New_York"})).unwrap();
    assert_eq!(there["time"]["start"], "2026-11-27T15:00:00-05:00");
    // Clocks go forward at two in the night of 29 March 2026 in Berlin: half past two is half past three.
    let input = json!({"text": "2026-03-29 2:30", "timezone": "Europe/Berlin"});
    assert_eq!(call("understand_time", input).unwrap()["time"]["start"], "2026-03-29T03:30:00+02:00");
    assert_eq!(call("understand_time", json!({"text": "你好"})).unwrap(), json!({"found": false}));
    let past = call("understand_time", json!({"text": "周四的报表", "prefer": "past"})).unwrap();
    assert_eq!(past["time"]["date"], "2026-11-26");
    let assumed = call("understand_time", json!({"text": "明天三点"})).unwrap();
    assert!(assumed["note"]["zh"].as_str().unwrap().contains("下午"));
    assert!(refusal("understand_time", json!({"text": "今天", "timezone": "Mars"})).contains("no time zone `Mars`"));
    assert!(refusal("understand_time", json!({"text": "今天", "now": "soon"})).contains("`now` is `soon`"));
    let utc = host().config("timezone", "UTC").call::<Plugin>("understand_time", json!({"text": "今天"})).unwrap();
    assert_eq!(utc["time"]["start"], "2026-11-27T00:00:00+00:00");
}

#[test]
fn dates_are_added_to() {
    let add = |input: Value| call("add_to_date", input).unwrap();
    assert_eq!(add(json!({"date": "2026-01-31", "months": 1}))["time"]["date"], "2026-02-28");
    assert_eq!(add(json!({"date": "2026-11-27", "years": -1, "weeks": 1, "days": 2}))["time"]["date"], "2025-12-06");
    assert_eq!(add(json!({"date": "今天", "days": 3}))["time"]["kind"], "day");
    let moment = add(json!({"date": "2026-11-27T23:30:00+08:00", "hours": 1, "minutes": 15}));
    assert_eq!(
        (&moment["time"]["start"], &moment["time"]["kind"]),
        (&json!("2026-11-28T00:45:00+08:00"), &json!("moment"))
    );
    let workdays = add(json!({"date": "2026-09-30", "workdays": 1}));
    assert_eq!((&workdays["time"]["date"], workdays.get("note")), (&json!("2026-10-08"), None));
    let beyond = add(json!({"date": "2026-12-31", "workdays": 1}));
    assert_eq!(beyond["time"]["date"], "2027-01-01");
    assert!(beyond["note"]["zh"].as_str().unwrap().contains("未收录 2027 年"));
    let own = host()
        .config("days_off", json!(["2027-01-01"]))
        .call::<Plugin>("add_to_date", json!({"date": "2026-12-31", "workdays": 1}));
    assert_eq!(own.unwrap()["time"]["date"], "2027-01-04");
    assert!(refusal("add_to_date", json!({"date": "someday"})).contains("`date` is `someday`"));
    assert!(refusal("add_to_date", json!({"date": "今天开会"})).contains("write it as"));
    assert!(refusal("add_to_date", json!({"date": "2026-01-01", "workdays": 3000})).contains("2500"));
    assert!(refusal("add_to_date", json!({"date": "9999-12-31", "days": 1})).contains("beyond the calendar"));
    let wrong = host()
        .config("days_off", json!(["new year"]))
        .call::<Plugin>("about_date", json!({"date": "今天"}))
        .unwrap_err();
    assert!(matches!(wrong, Error::Failed(text) if text.contains("`days_off` has `new year`")));
}

#[test]
fn differences_count_days_and_workdays() {
    let difference = |from: &str, to: &str| call("date_difference", json!({"from": from, "to": to})).unwrap();
    let answer = difference("2025-01-15", "2026-11-27");
    assert_eq!((&answer["days"], &answer["calendar"]), (&json!(681), &json!({"years": 1, "months": 10, "days": 12})));
    let back = difference("2026-11-27", "2026-11-20");
    assert_eq!((&back["days"], &back["workdays"]), (&json!(-7), &json!(-5)));
    assert_eq!(difference("2026-11-27T08:00:00+08:00", "2026-11-27T00:30:00Z")["hours"], 0.5);
    assert_eq!(difference("today", "下周五")["days"], 7);
    let far = difference("1900-01-01", "2026-01-01");
    assert_eq!((far.get("workdays"), far.get("note")), (None, None));
    assert!(difference("2023-12-31", "2026-01-01")["note"]["en"].as_str().unwrap().contains("2023–2024"));
}

#[test]
fn days_are_told() {
    let about = |date: &str| call("about_date", json!({"date": date})).unwrap();
    let national = about("2026-10-01");
    assert_eq!(
        (&national["is_workday"], &national["kind"]["zh"], &national["quarter"]),
        (&json!(false), &json!("国庆节"), &json!(4))
    );
    assert_eq!(about("2026-11-28")["kind"]["en"], "Weekend");
    let leap = about("2024-02-29");
    assert_eq!(
        (&leap["leap_year"], &leap["days_in_month"], &leap["iso_week"]),
        (&json!(true), &json!(29), &json!("2024-W09"))
    );
    assert!(leap["note"]["en"].as_str().unwrap().contains("2024"));
    assert_eq!(about("2027-01-01")["iso_week"], "2026-W53");
    assert_eq!(about("今天")["weekday_number"], 5);
}

#[test]
fn nothing_is_asked_for() {
    let manifest = Plugin::manifest();
    assert!(manifest.permissions.http.is_empty() && manifest.permissions.storage.is_none());
    assert_eq!(manifest.tools.len(), 5);
}
