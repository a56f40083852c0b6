//! Now, in a time zone; and how dates are read from, and written for, a workflow.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use parlour_plugin_sdk::{Error, Result, Text, system};

use crate::calendar::Calendar;
use crate::natural::{self, Moment, Prefer, What};
use crate::number::wrong;
use crate::tools::Settings;

/// What a call reads its dates against.
pub(crate) struct Clock {
    pub(crate) now: ZonedDateTime,
    /// As it was named.
    pub(crate) zone: String,
    pub(crate) calendar: Calendar,
}

impl Clock {
    pub(crate) fn new(settings: &Settings, zone: Option<String>, now: Option<String>) -> Result<Self> {
        let zone = zone.unwrap_or_else(|| settings.timezone.clone()).trim().to_owned();
        let Ok(found) = TimeZone::get(&zone) else {
            return wrong(format!("there is no time zone `{zone}`; write it as `Asia/Shanghai` or `UTC`"));
        };
        let now = match now {
            Some(text) => match exact(text.trim(), &found) {
                Some(now) => now,
                None => return wrong(format!("`now` is `{text}`; write it as `2026-11-27T10:15:00+08:00`")),
            },
            None => {
                let milliseconds = i64::try_from(system::now_ms()).unwrap_or(i64::MAX);
                Timestamp::from_millisecond(milliseconds).map_err(Error::failed)?.to_zoned_datetime(found)
            }
        };
        Ok(Self { now, zone, calendar: settings.calendar()? })
    }

    /// A date as programs or people write it, and nothing else beside it.
    pub(crate) fn read(&self, name: &str, text: &str) -> Result<What> {
        let text = text.trim();
        if let Ok(day) = text.parse::<Date>()
            && !text.contains([':', 'T', 't'])
        {
            return Ok(What::Day(day));
        }
        if let Some(moment) = exact(text, self.now.time_zone()) {
            return Ok(What::Moment(moment));
        }
        let reading = Moment { now: &self.now, prefer: Prefer::Future, calendar: &self.calendar };
        match natural::understand(text, &reading)? {
            Some(understood) if understood.words.chars().count() == text.chars().count() => Ok(understood.what),
            Some(_) | None => wrong(format!(
                "`{name}` is `{text}`; write it as `2026-11-27`, `2026-11-27T10:15:00+08:00`, or 下周五, next Friday"
            )),
        }
    }

    pub(crate) fn start(&self, what: &What) -> Result<ZonedDateTime> {
        match what {
            What::Moment(moment) | What::Period(moment, _) => Ok(moment.clone()),
            What::Day(day) => natural::beginning(*day, self.now.time_zone()),
        }
    }
}

/// A moment with its offset, or by the clock of the zone.
fn exact(text: &str, zone: &TimeZone) -> Option<ZonedDateTime> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.to_zoned_datetime(zone.clone()));
    }
    text.parse::<DateTime>().ok()?.to_zoned_datetime(zone.clone()).ok()
}

/// `2026-11-28T15:00:00+08:00`.
pub(crate) fn written(moment: &ZonedDateTime) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

pub(crate) fn weekday(day: Date) -> Text {
    let (en, zh) = match day.weekday() {
        Weekday::Monday => ("Monday", "星期一"),
        Weekday::Tuesday => ("Tuesday", "星期二"),
        Weekday::Wednesday => ("Wednesday", "星期三"),
        Weekday::Thursday => ("Thursday", "星期四"),
        Weekday::Friday => ("Friday", "星期五"),
        Weekday::Saturday => ("Saturday", "星期六"),
        Weekday::Sunday => ("Sunday", "星期日"),
    };
    Text::new(en, zh)
}

/// Says of which years between two days only the weekends are known.
pub(crate) fn unknown_years(calendar: &Calendar, one: Date, other: Date) -> Option<Text> {
    let (first, last) = (one.year().min(other.year()), one.year().max(other.year()));
    let unknown: Vec<String> =
        (first..=last).filter(|year| !calendar.knows(*year)).map(|year| year.to_string()).collect();
    let years = match unknown.as_slice() {
        [] => return None,
        [first, .., last] => format!("{first}–{last}"),
        [only] => only.clone(),
    };
    Some(Text::new(
        format!("The official holidays of {years} are not known here; only weekends count as days off."),
        format!("未收录 {years} 年的节假日安排，只按周末休息计算。"),
    ))
}

/// An error's words, to be told in another error.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::InvalidInput(text) => text.clone(),
        other @ (Error::NotFound(_)
        | Error::Denied(_)
        | Error::RateLimited(_)
        | Error::Unavailable(_)
        | Error::Failed(_)) => other.to_string(),
    }
}
