//! Days in Chinese: 今天、下周五、三天后、月底、2026年11月28日、15号.

use jiff::Span;

use super::cursor::Cursor;
use super::{Moment, When, one_day};

const DAYS: &[(&str, i64)] = &[
    ("大后天", 3),
    ("大前天", -3),
    ("后天", 2),
    ("前天", -2),
    ("明天", 1),
    ("明日", 1),
    ("明儿", 1),
    ("今天", 0),
    ("今日", 0),
    ("今儿", 0),
    ("当天", 0),
    ("昨天", -1),
    ("昨日", -1),
];
/// 今晚, 明早: the day is one character, and a part of the day follows.
const SHORT_DAYS: &[(&str, i64)] = &[("今", 0), ("明", 1), ("昨", -1)];
const WEEKS: &[(&str, i64)] = &[("上上", -2), ("下下", 2), ("上", -1), ("下", 1), ("这", 0), ("本", 0)];
const WEEKDAYS: &[(&str, i64)] = &[
    ("一", 0),
    ("二", 1),
    ("三", 2),
    ("四", 3),
    ("五", 4),
    ("六", 5),
    ("日", 6),
    ("天", 6),
    ("1", 0),
    ("2", 1),
    ("3", 2),
    ("4", 3),
    ("5", 4),
    ("6", 5),
    ("7", 6),
];
const YEARS: &[(&str, i64)] = &[("今年", 0), ("本年", 0), ("明年", 1), ("后年", 2), ("去年", -1), ("前年", -2)];

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Minutes,
    Quarters,
    Hours,
    Workdays,
    Days,
    Weeks,
    Months,
    Years,
}

const UNITS: &[(&str, Unit)] = &[
    ("秒", Unit::Seconds),
    ("分钟", Unit::Minutes),
    ("分", Unit::Minutes),
    ("刻钟", Unit::Quarters),
    ("小时", Unit::Hours),
    ("钟头", Unit::Hours),
    ("工作日", Unit::Workdays),
    ("天", Unit::Days),
    ("日", Unit::Days),
    ("周", Unit::Weeks),
    ("星期", Unit::Weeks),
    ("礼拜", Unit::Weeks),
    ("月", Unit::Months),
    ("年", Unit::Years),
];

pub(super) fn when(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    if ["现在", "此刻", "马上", "立刻"].iter().any(|word| cursor.take(word)) {
        return Some(When::Exactly(moment.now.clone()));
    }
    cursor
        .attempt(|cursor| moment.day(cursor.one_of(DAYS)?))
        .or_else(|| cursor.attempt(|cursor| short_day(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| offset(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| of_week(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| of_month(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| iso(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| of_year(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| day_of_month(cursor, moment)))
}

fn short_day(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let day = cursor.one_of(SHORT_DAYS)?;
    cursor.rest().starts_with(['晚', '早', '夜', '晨']).then(|| moment.day(day)).flatten()
}

/// 三天后、半小时前、一个半月以后、5个工作日后.
fn offset(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    // 过十分钟 needs no 后.
    let after = cursor.take("再过") || cursor.take("过");
    let (count, mut half) = if cursor.take("半") { (0, true) } else { (cursor.number()?, false) };
    cursor.take("个");
    half |= cursor.take("半");
    cursor.take("个");
    let unit = cursor.one_of(UNITS)?;
    // 两天半后.
    half |= cursor.take("半");
    let ahead = cursor.one_of(&[("之后", 1), ("以后", 1), ("后", 1), ("之前", -1), ("以前", -1), ("前", -1)]);
    let ahead = ahead.or(after.then_some(1))?;
    // 三天后天 is no offset.
    if cursor.rest().starts_with('天') {
        return None;
    }
    let (count, half) = (count * ahead, if half { ahead } else { 0 });
    let none = Span::new();
    match unit {
        Unit::Seconds => moment.moved(none.try_seconds(count).ok()?),
        Unit::Minutes => moment.moved(none.try_minutes(count).ok()?.try_seconds(half * 30).ok()?),
        Unit::Quarters => moment.moved(none.try_minutes(count * 15).ok()?),
        Unit::Hours => moment.moved(none.try_hours(count).ok()?.try_minutes(half * 30).ok()?),
        Unit::Days if half != 0 => moment.moved(none.try_days(count).ok()?.try_hours(half * 12).ok()?),
        Unit::Days => moment.moved_days(none.try_days(count).ok()?),
        Unit::Weeks => moment.moved_days(none.try_weeks(count).ok()?),
        // Half a month is 15 days to everybody.
        Unit::Months => moment.moved_days(none.try_months(count).ok()?.try_days(half * 15).ok()?),
        Unit::Years => moment.moved_days(none.try_years(count).ok()?.try_months(half * 6).ok()?),
        Unit::Workdays if half == 0 => {
            // Nobody plans further ahead by workdays, and each is a step.
            let count = i32::try_from(count).ok().filter(|count| count.abs() <= 2_500)?;
            one_day(moment.calendar.plus(moment.today(), count)?)
        }
        Unit::Workdays => None,
    }
}

/// 周五、下周五、本周末、上个星期、礼拜天.
fn of_week(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let week = cursor.one_of(WEEKS);
    if week.is_some() {
        cursor.take("个");
    }
    cursor.one_of(&[("周", ()), ("星期", ()), ("礼拜", ())])?;
    if cursor.take("末") {
        return match week {
            Some(week) => moment.weekend(week),
            None => moment.weekend(
                if moment.prefer == super::Prefer::Past && moment.today().weekday().to_monday_zero_offset() < 5 {
                    -1
                } else {
                    0
                },
            ),
        };
    }
    match (week, cursor.one_of(WEEKDAYS)) {
        (Some(week), Some(weekday)) => moment.weekday_of(week, weekday),
        (None, Some(weekday)) => moment.weekday(weekday),
        (Some(week), None) => moment.whole_week(week),
        (None, None) => None,
    }
}

/// 下个月、本月15号、上月底、月底.
fn of_month(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let month = cursor.one_of(WEEKS);
    cursor.take("个");
    if !cursor.take("月") {
        return None;
    }
    let first = moment.month(month.unwrap_or(0))?;
    if cursor.one_of(&[("底", ()), ("末", ())]).is_some() {
        return one_day(first.last_of_month());
    }
    if cursor.take("初") {
        return one_day(first);
    }
    month?;
    let day = cursor.attempt(|cursor| {
        let day = cursor.number()?;
        cursor.one_of(&[("号", ()), ("日", ())])?;
        Some(day)
    });
    match day {
        Some(day) => one_day(moment.date(Some(first.year().into()), Some(first.month().into()), day)?),
        None => Moment::whole_month(first),
    }
}

/// 2026年11月28日、明年3月、11月28号、今年、年底.
fn of_year(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let named = cursor.one_of(YEARS);
    let year = match named {
        Some(years) => Some(moment.year(years)?),
        None => cursor.attempt(|cursor| {
            let year = cursor.number().filter(|year| (1000..=9999).contains(year) || (0..100).contains(year))?;
            // 26年 is this century's.
            cursor.take("年").then_some(if year < 100 { year + 2000 } else { year })
        }),
    };
    if (year.is_none() && (cursor.take("年底") || cursor.take("年末")))
        || (year.is_some() && (cursor.take("底") || cursor.take("年底")))
    {
        return one_day(moment.date(Some(year.or_else(|| moment.year(0))?), Some(12), 31)?);
    }
    cursor.skip_spaces();
    let month = cursor.attempt(|cursor| {
        let month = cursor.number().filter(|month| (1..=12).contains(month))?;
        cursor.take("月").then_some(month)
    });
    let Some(month) = month else {
        return moment.whole_year(year? - moment.year(0)?);
    };
    cursor.take("份");
    if cursor.one_of(&[("底", ()), ("末", ())]).is_some() {
        let first = moment.date(Some(year.or_else(|| moment.year(0))?), Some(month), 1)?;
        return one_day(first.last_of_month());
    }
    let day = cursor.attempt(|cursor| {
        let day = cursor.number()?;
        // 11月28 is a day, 11月28个 is none.
        let said = cursor.one_of(&[("日", ()), ("号", ())]).is_some();
        (said || !cursor.rest().starts_with(|next: char| next.is_alphanumeric())).then_some(day)
    });
    match day {
        Some(day) => one_day(moment.date(year, Some(month), day)?),
        None => Moment::whole_month(moment.date(Some(year.or_else(|| moment.year(0))?), Some(month), 1)?),
    }
}

fn day_of_month(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let day = cursor.number().filter(|day| (1..=31).contains(day))?;
    cursor.one_of(&[("号", ()), ("日", ())])?;
    // 三日内 is a span, 三日游 a journey.
    if cursor.rest().starts_with(['内', '游', '间']) {
        return None;
    }
    one_day(moment.date(None, None, day)?)
}

/// 2026-11-28, 2026/11/28, 2026.11.28, and with a time after `T`.
fn iso(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let year = cursor.digits().filter(|year| (1000..=9999).contains(year))?;
    let separator = ["-", "/", "."].into_iter().find(|separator| cursor.take(separator))?;
    let month = cursor.digits()?;
    let day = if cursor.take(separator) { cursor.digits() } else { None }?;
    cursor.take("t");
    one_day(moment.date(Some(year), Some(month), day)?)
}
