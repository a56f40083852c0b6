//! Times of day, in both languages: 下午三点半、晚上8点、15:30、`3pm`、`half past 3`, noon.

use super::OfDay;
use super::cursor::Cursor;

/// A part of the day: its hours, and what it makes of an hour that is said in it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Half {
    /// As said; 12 is midnight.
    Morning,
    /// As said.
    Forenoon,
    /// 11 and 12 as said, then 13.
    Noon,
    /// 12 hours later.
    Afternoon,
    /// 12 hours later; 12 and what follows are the next day.
    Night,
}

impl Half {
    fn hour(self, hour: i64) -> i64 {
        match (self, hour) {
            (Self::Morning, 12) => 0,
            (Self::Noon, 1..=3) | (Self::Afternoon, 1..=11) | (Self::Night, 5..=11) => hour + 12,
            (Self::Night, 12) => 24,
            (Self::Night, 0..=4) => hour + 24,
            (Self::Morning | Self::Forenoon | Self::Noon | Self::Afternoon | Self::Night, hour) => hour,
        }
    }
}

const PARTS: &[(&str, (Half, i64, i64))] = &[
    ("凌晨", (Half::Morning, 0, 6)),
    ("清晨", (Half::Morning, 5, 8)),
    ("早上", (Half::Morning, 6, 9)),
    ("早晨", (Half::Morning, 6, 9)),
    ("早", (Half::Morning, 6, 9)),
    ("上午", (Half::Forenoon, 9, 12)),
    ("中午", (Half::Noon, 11, 13)),
    ("下午", (Half::Afternoon, 13, 18)),
    ("傍晚", (Half::Afternoon, 17, 19)),
    ("晚上", (Half::Night, 18, 24)),
    ("夜里", (Half::Night, 18, 24)),
    ("夜间", (Half::Night, 18, 24)),
    ("晚间", (Half::Night, 18, 24)),
    ("晚", (Half::Night, 18, 24)),
    ("夜", (Half::Night, 18, 24)),
];
const ENGLISH_PARTS: &[(&str, (i64, i64))] =
    &[("morning", (6, 12)), ("afternoon", (12, 18)), ("evening", (18, 22)), ("night", (18, 24))];

/// A time of day, or a part of it. After `at` a bare number is an hour.
pub(super) fn of_day(cursor: &mut Cursor<'_>, after_at: bool) -> Option<OfDay> {
    cursor.attempt(|cursor| {
        if let Some(minutes) = cursor.one_of(&[("半夜", 24 * 60), ("午夜", 24 * 60), ("正午", 12 * 60)]) {
            return Some(OfDay::At { minutes, assumed: false });
        }
        if let Some(minutes) = cursor.word_of(&[("noon", 12 * 60), ("midday", 12 * 60), ("midnight", 24 * 60)]) {
            return Some(OfDay::At { minutes, assumed: false });
        }
        if let Some((half, from, to)) = cursor.one_of(PARTS) {
            cursor.skip_spaces();
            return Some(cursor.attempt(|cursor| hour_in(half, cursor)).unwrap_or(OfDay::Part(from, to)));
        }
        if let Some((from, to)) = cursor.attempt(|cursor| {
            cursor.word("in");
            cursor.word("the");
            cursor.word_of(ENGLISH_PARTS)
        }) {
            return Some(OfDay::Part(from, to));
        }
        let exact = english(cursor).or_else(|| hour_of_part(cursor)).or_else(|| cursor.attempt(said));
        exact.or_else(|| if after_at { bare(cursor) } else { None })
    })
}

/// A time that makes a part of the day exact: `tomorrow morning at 9`, or a part that makes a time exact.
pub(super) fn within(present: OfDay, cursor: &mut Cursor<'_>, after_at: bool) -> Option<OfDay> {
    cursor.attempt(|cursor| match present {
        OfDay::Part(from, _) => match of_day(cursor, after_at)? {
            OfDay::At { minutes, assumed } => {
                let hour = minutes / 60;
                let later = (from >= 12 && hour < 12) || (assumed && from < 12);
                let minutes = match (later, assumed) {
                    (true, false) => minutes + 12 * 60,
                    // What was taken as afternoon is the morning after all.
                    (true, true) => minutes - 12 * 60,
                    (false, _) => minutes,
                };
                Some(OfDay::At { minutes, assumed: false })
            }
            OfDay::Part(..) => None,
        },
        OfDay::At { minutes, .. } => {
            cursor.word("in");
            cursor.word("the");
            let (from, _) = cursor.word_of(ENGLISH_PARTS)?;
            let hour = minutes / 60 % 12;
            Some(OfDay::At { minutes: (if from >= 12 { hour + 12 } else { hour }) * 60 + minutes % 60, assumed: false })
        }
    })
}

/// `3:30`, `三点半`, `8点一刻`, after a part of the day that says which half is meant.
fn hour_in(half: Half, cursor: &mut Cursor<'_>) -> Option<OfDay> {
    let (hour, minute, _) = hour_and_minute(cursor)?;
    Some(OfDay::At { minutes: half.hour(hour) * 60 + minute, assumed: false })
}

/// The same without one: an hour from 1 to 5 is one of the afternoon, unless it is written with a colon.
fn said(cursor: &mut Cursor<'_>) -> Option<OfDay> {
    let (hour, minute, exact) = hour_and_minute(cursor)?;
    let assumed = !exact && (1..=5).contains(&hour);
    let hour = if assumed { hour + 12 } else { hour };
    Some(OfDay::At { minutes: hour * 60 + minute, assumed })
}

/// Hour, minute, and whether it was written with a colon.
fn hour_and_minute(cursor: &mut Cursor<'_>) -> Option<(i64, i64, bool)> {
    let hour = cursor.number().filter(|hour| (0..=24).contains(hour))?;
    if cursor.take(":") {
        let minute = cursor.digits().filter(|minute| (0..60).contains(minute))?;
        // Seconds are read and left away.
        cursor.attempt(
            |cursor| if cursor.take(":") { cursor.digits().filter(|second| (0..60).contains(second)) } else { None },
        );
        return Some((hour, minute, true));
    }
    // 一时 is a moment of weakness, not an hour; nobody says 1时.
    if !(cursor.take("点") || (hour != 1 && cursor.take("时"))) {
        return None;
    }
    cursor.take("钟");
    cursor.take("整");
    if let Some(minute) = cursor.one_of(&[("半", 30), ("一刻", 15), ("三刻", 45), ("1刻", 15), ("3刻", 45)]) {
        return Some((hour, minute, false));
    }
    let minute = cursor.attempt(|cursor| {
        let zero = cursor.take("零") || cursor.take("〇");
        let minute = cursor.number().filter(|minute| (0..60).contains(minute))?;
        // 三点五 is no time, but 三点五分, 三点零五 and 三点十五 are.
        (cursor.take("分") || zero || minute >= 10).then_some(minute)
    });
    Some((hour, minute.unwrap_or(0), false))
}

/// `3pm`, `3:30 p.m.`, `half past 3`, `3 o'clock`.
fn english(cursor: &mut Cursor<'_>) -> Option<OfDay> {
    const BEFORE: &[(&str, i64)] =
        &[("half past", 30), ("quarter past", 15), ("a quarter past", 15), ("quarter to", -15), ("a quarter to", -15)];
    cursor.attempt(|cursor| {
        let before = cursor.word_of(BEFORE);
        let hour = cursor.digits().filter(|hour| (0..=12).contains(hour))?;
        let minute = cursor.attempt(|cursor| {
            cursor.take(":").then_some(())?;
            cursor.digits().filter(|minute| (0..60).contains(minute))
        });
        cursor.skip_spaces();
        let half = cursor.word_of(&[("a.m.", 0), ("p.m.", 12), ("am", 0), ("pm", 12)]);
        let clock = cursor.word("o'clock") || cursor.word("o’clock");
        if half.is_none() && !clock && before.is_none() {
            return None;
        }
        let assumed = half.is_none() && (1..=5).contains(&hour);
        let hour = match half {
            Some(half) => hour % 12 + half,
            None => hour + if assumed { 12 } else { 0 },
        };
        Some(OfDay::At { minutes: hour * 60 + minute.unwrap_or(0) + before.unwrap_or(0), assumed })
    })
}

/// `3 in the afternoon`.
fn hour_of_part(cursor: &mut Cursor<'_>) -> Option<OfDay> {
    cursor.attempt(|cursor| {
        let hour = cursor.digits().filter(|hour| (1..=12).contains(hour))?;
        cursor.skip_spaces();
        cursor.word("in");
        cursor.word("the");
        let (from, _) = cursor.word_of(ENGLISH_PARTS)?;
        Some(OfDay::At { minutes: (hour % 12 + if from >= 12 { 12 } else { 0 }) * 60, assumed: false })
    })
}

/// The 3 of `at 3`; an hour from 1 to 5 is one of the afternoon.
fn bare(cursor: &mut Cursor<'_>) -> Option<OfDay> {
    cursor.attempt(|cursor| {
        let hour = cursor.digits().filter(|hour| (1..=12).contains(hour))?;
        if cursor.rest().starts_with(|next: char| next.is_alphanumeric() || "./-%".contains(next)) {
            return None;
        }
        let assumed = (1..=5).contains(&hour);
        Some(OfDay::At { minutes: (hour + if assumed { 12 } else { 0 }) * 60, assumed })
    })
}
