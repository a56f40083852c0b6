//! Days in English: tomorrow, next Friday, in 3 days, the 15th, November 28th, 28 Nov 2026.

use jiff::Span;

use super::cursor::Cursor;
use super::{Moment, Prefer, When, one_day};

const DAYS: &[(&str, i64)] =
    &[("day after tomorrow", 2), ("day before yesterday", -2), ("tomorrow", 1), ("yesterday", -1), ("today", 0)];
const WEEKDAYS: &[(&str, i64)] = &[
    ("monday", 0),
    ("mon", 0),
    ("tuesday", 1),
    ("tues", 1),
    ("tue", 1),
    ("wednesday", 2),
    ("wed", 2),
    ("thursday", 3),
    ("thurs", 3),
    ("thu", 3),
    ("friday", 4),
    ("fri", 4),
    ("saturday", 5),
    ("sat", 5),
    ("sunday", 6),
    ("sun", 6),
];
const MONTHS: &[(&str, i64)] = &[
    ("january", 1),
    ("jan", 1),
    ("february", 2),
    ("feb", 2),
    ("march", 3),
    ("mar", 3),
    ("april", 4),
    ("apr", 4),
    ("may", 5),
    ("june", 6),
    ("jun", 6),
    ("july", 7),
    ("jul", 7),
    ("august", 8),
    ("aug", 8),
    ("september", 9),
    ("sept", 9),
    ("sep", 9),
    ("october", 10),
    ("oct", 10),
    ("november", 11),
    ("nov", 11),
    ("december", 12),
    ("dec", 12),
];
const NUMBERS: &[(&str, i64)] = &[
    ("a couple of", 2),
    ("an", 1),
    ("a", 1),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
];

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Workdays,
    Days,
    Weeks,
    Months,
    Years,
}

const UNITS: &[(&str, Unit)] = &[
    ("seconds", Unit::Seconds),
    ("second", Unit::Seconds),
    ("minutes", Unit::Minutes),
    ("minute", Unit::Minutes),
    ("mins", Unit::Minutes),
    ("min", Unit::Minutes),
    ("hours", Unit::Hours),
    ("hour", Unit::Hours),
    ("working days", Unit::Workdays),
    ("working day", Unit::Workdays),
    ("business days", Unit::Workdays),
    ("business day", Unit::Workdays),
    ("workdays", Unit::Workdays),
    ("workday", Unit::Workdays),
    ("days", Unit::Days),
    ("day", Unit::Days),
    ("weeks", Unit::Weeks),
    ("week", Unit::Weeks),
    ("months", Unit::Months),
    ("month", Unit::Months),
    ("years", Unit::Years),
    ("year", Unit::Years),
];

pub(super) fn when(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    if cursor.word("now") || cursor.word("right now") {
        return Some(When::Exactly(moment.now.clone()));
    }
    cursor
        .attempt(|cursor| moment.day(cursor.word_of(DAYS)?))
        .or_else(|| cursor.attempt(|cursor| this_part(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| offset(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| relative(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| weekday(cursor, moment)))
        .or_else(|| cursor.attempt(|cursor| named_date(cursor, moment)))
}

/// A weekday by itself. Short forms that are words as well (she sat in the sun) are none without `next` or `this`.
fn weekday(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    if ["sat", "sun", "wed"].iter().any(|word| cursor.word(word)) {
        return None;
    }
    moment.weekday(cursor.word_of(WEEKDAYS)?)
}

/// `tonight`, `this morning`: the day, with the part of the day left to be read.
fn this_part(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    if cursor.rest().starts_with("tonight") && cursor.take("to") {
        return moment.day(0);
    }
    let day = cursor.word_of(&[("this", 0), ("last", -1)])?;
    let part = ["morning", "afternoon", "evening", "night"].iter().any(|part| cursor.rest().starts_with(part));
    part.then(|| moment.day(day)).flatten()
}

/// `in 3 days`, `half an hour ago`, `two weeks from now`.
fn offset(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let ahead = cursor.word("in") || cursor.word("after") || cursor.word("within");
    let half = cursor.word("half");
    let count = cursor.attempt(|cursor| {
        let count = cursor.digits();
        cursor.skip_spaces();
        count
    });
    let count = count.or_else(|| cursor.word_of(NUMBERS))?;
    let unit = cursor.word_of(UNITS)?;
    let sign = if cursor.word("ago") || cursor.word("earlier") {
        -1
    } else if cursor.word("from now") || cursor.word("later") || ahead {
        1
    } else {
        return None;
    };
    let count = count * sign;
    let none = Span::new();
    match (unit, half) {
        (Unit::Hours, true) => moment.moved(none.try_minutes(count * 30).ok()?),
        (Unit::Years, true) => moment.moved_days(none.try_months(count * 6).ok()?),
        (Unit::Seconds, false) => moment.moved(none.try_seconds(count).ok()?),
        (Unit::Minutes, false) => moment.moved(none.try_minutes(count).ok()?),
        (Unit::Hours, false) => moment.moved(none.try_hours(count).ok()?),
        (Unit::Days, false) => moment.moved_days(none.try_days(count).ok()?),
        (Unit::Weeks, false) => moment.moved_days(none.try_weeks(count).ok()?),
        (Unit::Months, false) => moment.moved_days(none.try_months(count).ok()?),
        (Unit::Years, false) => moment.moved_days(none.try_years(count).ok()?),
        (Unit::Workdays, false) => {
            let count = i32::try_from(count).ok().filter(|count| count.abs() <= 2_500)?;
            one_day(moment.calendar.plus(moment.today(), count)?)
        }
        (Unit::Seconds | Unit::Minutes | Unit::Workdays | Unit::Days | Unit::Weeks | Unit::Months, true) => None,
    }
}

/// `next Friday`: the one of next week; `this weekend`, `last month`.
fn relative(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    let by =
        cursor.word_of(&[("next", 1), ("this coming", 0), ("coming", 0), ("this", 0), ("last", -1), ("previous", -1)]);
    if cursor.word("weekend") {
        let past = moment.prefer == Prefer::Past && moment.today().weekday().to_monday_zero_offset() < 5;
        return moment.weekend(by.unwrap_or(if past { -1 } else { 0 }));
    }
    if cursor.word("end of month") || cursor.word("end of the month") {
        return one_day(moment.today().last_of_month());
    }
    let by = by?;
    if let Some(weekday) = cursor.word_of(WEEKDAYS) {
        return moment.weekday_of(by, weekday);
    }
    if cursor.word("week") {
        return moment.whole_week(by);
    }
    if cursor.word("month") {
        return Moment::whole_month(moment.month(by)?);
    }
    if cursor.word("year") { moment.whole_year(by) } else { None }
}

/// `November 28th, 2026`, `28 Nov`, `the 15th`, `November`.
fn named_date(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<When> {
    if let Some(month) = cursor.word_of(MONTHS) {
        let day = cursor.attempt(day);
        let year = cursor.attempt(year);
        return match day {
            Some(day) => one_day(moment.date(year, Some(month), day)?),
            // `may` is a verb more often than a month; a month alone needs its year.
            None => Moment::whole_month(moment.date(Some(year?), Some(month), 1)?),
        };
    }
    let (day, ordinal) = cursor.attempt(|cursor| {
        let day = cursor.digits().filter(|day| (1..=31).contains(day))?;
        let ordinal = suffix(cursor);
        cursor.skip_spaces();
        Some((day, ordinal))
    })?;
    cursor.word("of");
    match cursor.word_of(MONTHS) {
        Some(month) => {
            let year = cursor.attempt(year);
            one_day(moment.date(year, Some(month), day)?)
        }
        None if ordinal => one_day(moment.date(None, None, day)?),
        None => None,
    }
}

fn suffix(cursor: &mut Cursor<'_>) -> bool {
    ["st", "nd", "rd", "th"].iter().any(|suffix| cursor.word(suffix))
}

fn day(cursor: &mut Cursor<'_>) -> Option<i64> {
    cursor.skip_spaces();
    let day = cursor.digits().filter(|day| (1..=31).contains(day))?;
    // `Nov 3pm` has no day, and `Nov 3:30` neither.
    if !suffix(cursor) && cursor.rest().starts_with(|next: char| next.is_ascii_alphanumeric() || next == ':') {
        return None;
    }
    Some(day)
}

fn year(cursor: &mut Cursor<'_>) -> Option<i64> {
    cursor.skip_spaces();
    cursor.take(",");
    cursor.skip_spaces();
    cursor.digits().filter(|year| (1900..=2999).contains(year))
}
