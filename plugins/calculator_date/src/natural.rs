//! Times as people say them: 明天下午三点、下周五、三天后、周末, `tomorrow 3pm`, `next Friday`, `in 3 days`. A text is read from each of its
//! places until one gives a day or a time; a day and a time that stand together are one moment.

mod chinese;
mod clock;
mod cursor;
mod english;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _, ZonedDateTime};
use parlour_plugin_sdk::{Deserialize, JsonSchema, Result, Text};

use crate::calendar::Calendar;
use crate::number::wrong;
use cursor::Cursor;

/// A sentence; what is longer is no time.
const MAX_CHARACTERS: usize = 500;

/// Which of two readings is meant where a day lies as well before as after now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Prefer {
    #[default]
    Future,
    Past,
}

/// What a text is read against.
pub(crate) struct Moment<'a> {
    pub(crate) now: &'a ZonedDateTime,
    pub(crate) prefer: Prefer,
    pub(crate) calendar: &'a Calendar,
}

/// What was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Understood {
    pub(crate) what: What,
    /// The words that said so, in small letters and without full-width ones.
    pub(crate) words: String,
    pub(crate) note: Option<Text>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Moment(ZonedDateTime),
    Day(Date),
    /// From the first up to, and without, the second.
    Period(ZonedDateTime, ZonedDateTime),
}

/// A day, or days up to and without the second; or an exact moment.
#[derive(Clone, Debug, PartialEq)]
enum When {
    Days(Date, Date),
    Exactly(ZonedDateTime),
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OfDay {
    /// Minutes from the day's beginning; 24 hours and more are the next day.
    At { minutes: i64, assumed: bool },
    /// From an hour to an hour.
    Part(i64, i64),
}

impl Moment<'_> {
    fn today(&self) -> Date {
        self.now.date()
    }

    fn day(&self, days: i64) -> Option<When> {
        one_day(self.today().checked_add(days.days()).ok()?)
    }

    /// Now, moved; whole days stay days.
    fn moved(&self, span: Span) -> Option<When> {
        Some(When::Exactly(self.now.checked_add(span).ok()?))
    }

    fn moved_days(&self, span: Span) -> Option<When> {
        one_day(self.today().checked_add(span).ok()?)
    }

    /// Monday of a week, this one being 0.
    fn week(&self, weeks: i64) -> Option<Date> {
        let back = i64::from(self.today().weekday().to_monday_zero_offset());
        self.today().checked_sub(back.days()).ok()?.checked_add(weeks.weeks()).ok()
    }

    /// A weekday (Monday 0) of a week.
    fn weekday_of(&self, weeks: i64, weekday: i64) -> Option<When> {
        one_day(self.week(weeks)?.checked_add(weekday.days()).ok()?)
    }

    /// A weekday by itself: the next one, today included, or the last.
    fn weekday(&self, weekday: i64) -> Option<When> {
        let ahead = (weekday - i64::from(self.today().weekday().to_monday_zero_offset())).rem_euclid(7);
        self.day(if self.prefer == Prefer::Past && ahead > 0 { ahead - 7 } else { ahead })
    }

    fn weekend(&self, weeks: i64) -> Option<When> {
        let saturday = self.week(weeks)?.checked_add(5.days()).ok()?;
        Some(When::Days(saturday, saturday.checked_add(2.days()).ok()?))
    }

    fn whole_week(&self, weeks: i64) -> Option<When> {
        let monday = self.week(weeks)?;
        Some(When::Days(monday, monday.checked_add(7.days()).ok()?))
    }

    /// The first of a month, this one being 0.
    fn month(&self, months: i64) -> Option<Date> {
        self.today().first_of_month().checked_add(months.months()).ok()
    }

    fn whole_month(first: Date) -> Option<When> {
        Some(When::Days(first, first.checked_add(1.month()).ok()?))
    }

    fn whole_year(&self, years: i64) -> Option<When> {
        let first = self.today().first_of_year().checked_add(years.years()).ok()?;
        Some(When::Days(first, first.checked_add(1.year()).ok()?))
    }

    fn year(&self, years: i64) -> Option<i64> {
        i64::from(self.today().year()).checked_add(years)
    }

    /// A date of the calendar. Without a year it is the next one, or the last; without a month too, so is the month.
    fn date(&self, year: Option<i64>, month: Option<i64>, day: i64) -> Option<Date> {
        let small = |number: i64| i8::try_from(number).ok();
        if let (Some(year), Some(month)) = (year, month) {
            return Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok();
        }
        // Enough to come to a leap day, and to a month that has a 31st.
        let mut steps = 0..=(if month.is_some() { 8 } else { 12 });
        let towards = if self.prefer == Prefer::Future { 1 } else { -1 };
        let fits = |date: &Date| if towards > 0 { *date >= self.today() } else { *date <= self.today() };
        steps.find_map(|step| {
            let first = match month {
                Some(month) => Date::new(i16::try_from(self.year(step * towards)?).ok()?, small(month)?, 1).ok()?,
                None => self.month(step * towards)?,
            };
            Date::new(first.year(), first.month(), small(day)?).ok().filter(fits)
        })
    }
}

fn one_day(date: Date) -> Option<When> {
    Some(When::Days(date, date.tomorrow().ok()?))
}

/// Reads the first time in a text; none if there is none.
pub(crate) fn understand(text: &str, moment: &Moment<'_>) -> Result<Option<Understood>> {
    let length = text.chars().count();
    if length > MAX_CHARACTERS {
        return wrong(format!("the text has {length} characters; at most {MAX_CHARACTERS} are read"));
    }
    let text = cursor::normalized(text);
    let starts = text.char_indices().map(|(at, _)| at);
    for at in starts {
        // A word is read from its beginning: the `in` of `begin` is none.
        if !cursor::is_boundary(&text, at) {
            continue;
        }
        let mut cursor = Cursor::new(text.get(at..).unwrap_or_default());
        let all = cursor.rest().len();
        let Some((when, of_day)) = parts(&mut cursor, moment) else { continue };
        let Some((what, note)) = together(when, of_day, moment) else { continue };
        let words = text.get(at..at + all - cursor.rest().len()).unwrap_or_default().trim().to_owned();
        return Ok(Some(Understood { what, words, note }));
    }
    Ok(None)
}

/// A day and a time of day, whichever comes first.
fn parts(cursor: &mut Cursor<'_>, moment: &Moment<'_>) -> Option<(Option<When>, Option<OfDay>)> {
    let (mut when, mut of_day) = (None, None);
    loop {
        let before = *cursor;
        let after_at = cursor.skip_fillers();
        if when.is_none()
            && let Some(found) = chinese::when(cursor, moment).or_else(|| english::when(cursor, moment))
        {
            when = Some(found);
        } else if !matches!(when, Some(When::Exactly(_)))
            && let Some(found) = match of_day {
                None => clock::of_day(cursor, after_at),
                Some(part) => clock::within(part, cursor, after_at),
            }
        {
            of_day = Some(found);
        } else {
            *cursor = before;
            return (when.is_some() || of_day.is_some()).then_some((when, of_day));
        }
    }
}

/// What a day and a time of day mean together.
fn together(when: Option<When>, of_day: Option<OfDay>, moment: &Moment<'_>) -> Option<(What, Option<Text>)> {
    let zone = moment.now.time_zone();
    let assumed = matches!(of_day, Some(OfDay::At { assumed: true, .. }));
    let note = assumed.then(|| {
        Text::new(
            "An hour from 1 to 5 without morning or afternoon is taken as afternoon.",
            "未说明上午还是下午的 1 点到 5 点按下午理解。",
        )
    });
    let what = match (when, of_day) {
        (Some(When::Exactly(moment)), _) => What::Moment(moment),
        (Some(When::Days(first, after)), None) => {
            if first.tomorrow().ok()? == after {
                What::Day(first)
            } else {
                What::Period(at(first, 0, zone)?, at(after, 0, zone)?)
            }
        }
        (Some(When::Days(first, _)), Some(OfDay::At { minutes, .. })) => What::Moment(at(first, minutes, zone)?),
        (Some(When::Days(first, _)), Some(OfDay::Part(from, to))) => {
            What::Period(at(first, from * 60, zone)?, at(first, to * 60, zone)?)
        }
        (None, Some(of_day)) => by_clock(of_day, moment, zone)?,
        (None, None) => return None,
    };
    Some((what, note))
}

/// A time without a day: today's, unless that lies on the other side of now.
fn by_clock(of_day: OfDay, moment: &Moment<'_>, zone: &TimeZone) -> Option<What> {
    let (from, to) = match of_day {
        OfDay::At { minutes, .. } => (minutes, minutes),
        OfDay::Part(from, to) => (from * 60, to * 60),
    };
    let today = moment.today();
    let other = match moment.prefer {
        Prefer::Future if at(today, to, zone)? < *moment.now => today.tomorrow().ok()?,
        Prefer::Past if at(today, from, zone)? > *moment.now => today.yesterday().ok()?,
        Prefer::Future | Prefer::Past => today,
    };
    Some(match of_day {
        OfDay::At { .. } => What::Moment(at(other, from, zone)?),
        OfDay::Part(..) => What::Period(at(other, from, zone)?, at(other, to, zone)?),
    })
}

/// So many minutes into a day, by the clock on the wall.
fn at(day: Date, minutes: i64, zone: &TimeZone) -> Option<ZonedDateTime> {
    let midnight: DateTime = day.to_datetime(Time::midnight());
    midnight.checked_add(minutes.minutes()).ok()?.to_zoned_datetime(zone.clone()).ok()
}

/// The beginning of a day.
pub(crate) fn beginning(day: Date, zone: &TimeZone) -> Result<ZonedDateTime> {
    at(day, 0, zone).map_or_else(|| wrong(format!("{day} is beyond the calendar")), Ok)
}

#[cfg(test)]
mod tests;
