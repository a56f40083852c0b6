//! What people say, on Friday 27 November 2026, 10:15 in Shanghai.

use super::*;

fn understood_as(text: &str, prefer: Prefer) -> Option<Understood> {
    let now: ZonedDateTime = "2026-11-27T10:15:00[Asia/Shanghai]".parse().unwrap();
    let calendar = Calendar::with(&[], &[]);
    understand(text, &Moment { now: &now, prefer, calendar: &calendar }).unwrap()
}

fn written(what: &What) -> String {
    let moment = |zoned: &ZonedDateTime| zoned.strftime("%m-%d %H:%M").to_string();
    match what {
        What::Moment(zoned) => moment(zoned),
        What::Day(day) => day.to_string(),
        What::Period(from, to) => format!("{} to {}", moment(from), moment(to)),
    }
}

fn read(text: &str) -> String {
    understood_as(text, Prefer::Future).map_or_else(|| "nothing".to_owned(), |it| written(&it.what))
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| read(text) != *expected)
        .map(|(text, expected)| format!("{text}: expected {expected}, is {}", read(text)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn days_in_chinese() {
    check(&[
        ("今天", "2026-11-27"),
        ("明天", "2026-11-28"),
        ("大后天", "2026-11-30"),
        ("前天", "2026-11-25"),
        ("三天后", "2026-11-30"),
        ("3天前", "2026-11-24"),
        ("两周以后", "2026-12-11"),
        ("一个月后", "2026-12-27"),
        ("半个月后", "2026-12-12"),
        ("一个半月后", "2027-01-11"),
        ("三个工作日后", "2026-12-02"),
        ("5个工作日之前", "2026-11-20"),
        ("周五", "2026-11-27"),
        ("周四", "2026-12-03"),
        ("下周五", "2026-12-04"),
        ("本周三", "2026-11-25"),
        ("上周日", "2026-11-22"),
        ("下下周一", "2026-12-07"),
        ("下个星期天", "2026-12-06"),
        ("礼拜六", "2026-11-28"),
        ("15号", "2026-12-15"),
        ("27号", "2026-11-27"),
        ("三十一号", "2026-12-31"),
        ("下个月15号", "2026-12-15"),
        ("月底", "2026-11-30"),
        ("下月底", "2026-12-31"),
        ("年底", "2026-12-31"),
        ("去年年底", "2025-12-31"),
        ("2026年11月28日", "2026-11-28"),
        ("二〇二七年三月五号", "2027-03-05"),
        ("11月28号", "2026-11-28"),
        ("3月5日", "2027-03-05"),
        ("明年3月5日", "2027-03-05"),
        ("2月29日", "2028-02-29"),
        ("2026-11-28", "2026-11-28"),
        ("2026/1/2", "2026-01-02"),
        ("2月30日", "nothing"),
        ("二月三十日", "nothing"),
    ]);
}

#[test]
fn periods_in_chinese() {
    check(&[
        ("周末", "11-28 00:00 to 11-30 00:00"),
        ("下周末", "12-05 00:00 to 12-07 00:00"),
        ("上周", "11-16 00:00 to 11-23 00:00"),
        ("下个月", "12-01 00:00 to 01-01 00:00"),
        ("今年", "01-01 00:00 to 01-01 00:00"),
        ("3月份", "03-01 00:00 to 04-01 00:00"),
        ("今晚", "11-27 18:00 to 11-28 00:00"),
        ("明天上午", "11-28 09:00 to 11-28 12:00"),
        ("后天凌晨", "11-29 00:00 to 11-29 06:00"),
    ]);
}

#[test]
fn moments_in_chinese() {
    check(&[
        ("明天下午三点", "11-28 15:00"),
        ("明天下午3点半", "11-28 15:30"),
        ("今晚八点", "11-27 20:00"),
        ("今晚12点", "11-28 00:00"),
        ("明早七点一刻", "11-28 07:15"),
        ("下周五上午10:30", "12-04 10:30"),
        ("后天 15：45", "11-29 15:45"),
        ("周一中午12点", "11-30 12:00"),
        ("中午1点", "11-27 13:00"),
        ("下午三点", "11-27 15:00"),
        ("早上八点", "11-28 08:00"),
        ("三点", "11-27 15:00"),
        ("9点", "11-28 09:00"),
        ("11点05分", "11-27 11:05"),
        ("十一点零五", "11-27 11:05"),
        ("晚上11点三刻", "11-27 23:45"),
        ("半小时后", "11-27 10:45"),
        ("一个半小时后", "11-27 11:45"),
        ("两小时前", "11-27 08:15"),
        ("10分钟后", "11-27 10:25"),
        ("再过十分钟", "11-27 10:25"),
        ("15时30分", "11-27 15:30"),
        ("下午三时", "11-27 15:00"),
        ("三刻钟后", "11-27 11:00"),
        ("现在", "11-27 10:15"),
        ("三天后的上午十点", "11-30 10:00"),
        ("2026年12月1日20点", "12-01 20:00"),
        ("2026-12-01T08:30", "12-01 08:30"),
        ("12月1日晚上", "12-01 18:00 to 12-02 00:00"),
        ("明天午夜", "11-29 00:00"),
    ]);
}

#[test]
fn days_and_periods_in_english() {
    check(&[
        ("today", "2026-11-27"),
        ("tomorrow", "2026-11-28"),
        ("the day after tomorrow", "2026-11-29"),
        ("in 3 days", "2026-11-30"),
        ("three days ago", "2026-11-24"),
        ("in a week", "2026-12-04"),
        ("two months from now", "2027-01-27"),
        ("in 5 business days", "2026-12-04"),
        ("Friday", "2026-11-27"),
        ("on Monday", "2026-11-30"),
        ("next Friday", "2026-12-04"),
        ("this Wednesday", "2026-11-25"),
        ("last Sunday", "2026-11-22"),
        ("November 28th", "2026-11-28"),
        ("Nov 28, 2027", "2027-11-28"),
        ("28 November 2026", "2026-11-28"),
        ("the 15th of March", "2027-03-15"),
        ("the 3rd", "2026-12-03"),
        ("end of the month", "2026-11-30"),
        ("this weekend", "11-28 00:00 to 11-30 00:00"),
        ("next week", "11-30 00:00 to 12-07 00:00"),
        ("last month", "10-01 00:00 to 11-01 00:00"),
        ("next year", "01-01 00:00 to 01-01 00:00"),
        ("tonight", "11-27 18:00 to 11-28 00:00"),
        ("tomorrow morning", "11-28 06:00 to 11-28 12:00"),
        ("yesterday afternoon", "11-26 12:00 to 11-26 18:00"),
        ("May I come in?", "nothing"),
        ("I have 3 apples", "nothing"),
        ("the begin of it", "nothing"),
        ("she sat in the sun", "nothing"),
        ("at 3% of it", "nothing"),
    ]);
}

#[test]
fn moments_in_english() {
    check(&[
        ("tomorrow 3pm", "11-28 15:00"),
        ("tomorrow at 3:30 p.m.", "11-28 15:30"),
        ("3pm tomorrow", "11-28 15:00"),
        ("at 3pm next Friday", "12-04 15:00"),
        ("next Monday, 9:15", "11-30 09:15"),
        ("in half an hour", "11-27 10:45"),
        ("in 90 minutes", "11-27 11:45"),
        ("2 hours ago", "11-27 08:15"),
        ("noon", "11-27 12:00"),
        ("tomorrow at midnight", "11-29 00:00"),
        ("12am", "11-28 00:00"),
        ("12pm", "11-27 12:00"),
        ("3 o'clock tomorrow", "11-28 15:00"),
        ("half past 3 in the morning tomorrow", "11-28 03:30"),
        ("tomorrow morning at 9:30", "11-28 09:30"),
        ("tonight at 8 pm", "11-27 20:00"),
        ("Nov 30 at 8:05", "11-30 08:05"),
        ("15:00", "11-27 15:00"),
        ("now", "11-27 10:15"),
        ("tomorrow at 3", "11-28 15:00"),
        ("at 9 on Monday", "11-30 09:00"),
        ("tomorrow morning at 3", "11-28 03:00"),
        ("this Sat at 10am", "11-28 10:00"),
    ]);
}

#[test]
fn times_are_found_in_sentences() {
    let understood = |text: &str| understood_as(text, Prefer::Future).unwrap();
    let found = understood("请帮我订明天晚上七点半两个人的位子");
    assert_eq!((written(&found.what).as_str(), found.words.as_str()), ("11-28 19:30", "明天晚上七点半"));
    let found = understood("Can we meet next Tuesday at 4pm in the office?");
    assert_eq!((written(&found.what).as_str(), found.words.as_str()), ("12-01 16:00", "next tuesday at 4pm"));
    assert_eq!(understood("明天三点").note.unwrap().zh, "未说明上午还是下午的 1 点到 5 点按下午理解。");
    assert_eq!(understood("明天下午三点").note, None);
    for nothing in ["", "你好", "一共三个人", "价格 15:", "版本 2.0", "天气很好", "一时冲动", "三日内", "三日游"]
    {
        assert_eq!(understood_as(nothing, Prefer::Future), None, "{nothing}");
    }
}

#[test]
fn the_past_may_be_meant() {
    let read = |text: &str| written(&understood_as(text, Prefer::Past).unwrap().what);
    for (text, expected) in [
        ("周四", "2026-11-26"),
        ("周五", "2026-11-27"),
        ("15号", "2026-11-15"),
        ("12月5日", "2025-12-05"),
        ("周末", "11-21 00:00 to 11-23 00:00"),
        ("晚上八点", "11-26 20:00"),
        ("早上八点", "11-27 08:00"),
        ("Saturday", "2026-11-21"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn long_texts_are_refused_and_odd_ones_do_no_harm() {
    let now: ZonedDateTime = "2026-11-27T10:15:00[Asia/Shanghai]".parse().unwrap();
    let calendar = Calendar::with(&[], &[]);
    let moment = Moment { now: &now, prefer: Prefer::Future, calendar: &calendar };
    assert!(understand(&"明".repeat(501), &moment).is_err());
    for odd in [
        "999999999天后",
        "99999999999999999999天后",
        "9999年后",
        "0月0日",
        "25点",
        "999999999小时后",
        "2026-13-45",
        "2501个工作日后",
    ] {
        let understood = understand(odd, &moment).unwrap();
        assert!(understood.is_none() || odd.starts_with("25") || odd.starts_with("999"), "{odd}: {understood:?}");
    }
}
