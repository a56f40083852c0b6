//! Cron expressions: five fields or a nickname such as `@daily`, and when the next tick is.
//!
//! `croner` parses them and searches. It treats clock changes as Vixie's cron does: a fixed time that a day leaves out is
//! made up for right after the gap, one that a day has twice counts once, and `*/15` goes by real time.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];
const NICKNAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

/// Reads a cron expression; the message says why it is none.
pub(crate) fn parse(text: &str) -> Result<Cron, String> {
    let text = text.trim();
    let fields: Vec<&str> = text.split_whitespace().collect();
    if text.starts_with('@') {
        if !NICKNAMES.iter().any(|it| it.eq_ignore_ascii_case(text)) {
            return Err(format!("the names are {}", NICKNAMES.join(", ")));
        }
    } else if fields.len() != FIELDS.len() {
        return Err(format!("it has {} fields instead of {}", fields.len(), FIELDS.len()));
    }
    let cron = read(text).map_err(|error| reason(&error, &fields))?;
    match next_after(&cron, 0, &TimeZone::UTC) {
        Some(_) => Ok(cron),
        None => Err("no day of any year fits it".to_owned()),
    }
}

fn read(text: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text)
}

/// The parser does not say which field it means; the one that is refused among asterisks is it.
fn reason(error: &CronError, fields: &[&str]) -> String {
    for (index, (field, name)) in fields.iter().zip(FIELDS).enumerate() {
        let alone: Vec<&str> = (0..FIELDS.len()).map(|it| if it == index { *field } else { "*" }).collect();
        if let Err(error) = read(&alone.join(" ")) {
            return format!("`{field}` as the {name}: {}", words(&error));
        }
    }
    words(error)
}

fn words(error: &CronError) -> String {
    match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            let text = text.trim_end_matches('.');
            let mut letters = text.chars();
            letters.next().map_or_else(String::new, |it| it.to_lowercase().chain(letters).collect())
        }
        CronError::EmptyPattern
        | CronError::InvalidDate
        | CronError::InvalidTime
        | CronError::TimeSearchLimitExceeded => error.to_string(),
    }
}

/// The first tick after a moment, both in milliseconds since the epoch.
pub(crate) fn next_after(cron: &Cron, after_ms: i64, zone: &TimeZone) -> Option<i64> {
    let after = Timestamp::from_millisecond(after_ms).ok()?;
    let next = cron.find_next_occurrence(&Moment(after.to_zoned_datetime(zone.clone())), false).ok()?;
    // The search keeps the fraction of the second that it began in.
    Some(next.0.timestamp().as_second() * 1000)
}

/// What croner needs to know of a time with a zone.
#[derive(Clone)]
struct Moment(ZonedDateTime);

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let it = self.0.datetime();
        let [month, day, hour, minute, second] =
            [it.month(), it.day(), it.hour(), it.minute(), it.second()].map(|it| u32::from(it.unsigned_abs()));
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(it.year()), month, day),
            CivilTime::from_parts_unchecked(hour, minute, second),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(self.0.weekday().to_sunday_zero_offset().unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Moment>, CronError> {
        let date = || CronError::InvalidDate;
        let time = |_| CronError::InvalidTime;
        let part = |it: u32| i8::try_from(it).map_err(|_| date());
        let (hour, minute, second) = (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
        let year = i16::try_from(civil.year()).map_err(|_| date())?;
        let written = DateTime::new(year, part(civil.month())?, part(civil.day())?, hour, minute, second, 0)
            .map_err(|_| date())?;
        let found = self.0.time_zone().to_ambiguous_zoned_datetime(written);
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(Moment(found.unambiguous().map_err(time)?)),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
            AmbiguousOffset::Fold { .. } => {
                let earlier = found.clone().earlier().map_err(time)?;
                Resolution::Ambiguous(Moment(earlier), Moment(found.later().map_err(time)?))
            }
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Moment> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Moment)
    }

    fn cmp_instant(&self, other: &Moment) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let (cron, zone) = (parse(text).unwrap(), TimeZone::get(zone).unwrap());
        let mut at = from.parse::<Timestamp>().unwrap().as_millisecond();
        let mut found = Vec::new();
        for _ in 0..count {
            at = next_after(&cron, at, &zone).unwrap();
            let local = Timestamp::from_millisecond(at).unwrap().to_zoned_datetime(zone.clone());
            found.push(local.strftime("%a %d %H:%M %:z").to_string());
        }
        found
    }

    #[test]
    fn ticks_are_at_local_times() {
        let weekdays = ticks("0 9 * * 1-5", "Asia/Shanghai", "2026-11-27T00:30:00.5Z", 3);
        assert_eq!(weekdays, ["Fri 27 09:00 +08:00", "Mon 30 09:00 +08:00", "Tue 01 09:00 +08:00"]);
        let at_a_tick = ticks("*/15 * * * *", "UTC", "2026-11-27T08:15:00Z", 2);
        assert_eq!(at_a_tick, ["Fri 27 08:30 +00:00", "Fri 27 08:45 +00:00"], "a tick itself is not after itself");
        assert_eq!(ticks("@daily", "UTC", "2026-11-27T00:00:00Z", 1), ["Sat 28 00:00 +00:00"]);
        assert_eq!(ticks("30 8 L FEB *", "UTC", "2027-03-01T00:00:00Z", 1), ["Tue 29 08:30 +00:00"]);
        assert_eq!(ticks("0 12 * * SUN", "UTC", "2026-11-27T00:00:00Z", 1), ["Sun 29 12:00 +00:00"]);
        assert_eq!(ticks("0 12 * * 7", "UTC", "2026-11-27T00:00:00Z", 1), ["Sun 29 12:00 +00:00"]);
    }

    #[test]
    fn a_time_that_a_day_leaves_out_is_made_up_for_and_one_that_it_has_twice_counts_once() {
        let spring = ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(spring, ["Sat 28 02:30 +01:00", "Sun 29 03:00 +02:00", "Mon 30 02:30 +02:00"]);
        let autumn = ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3);
        assert_eq!(autumn, ["Sat 24 02:30 +02:00", "Sun 25 02:30 +02:00", "Mon 26 02:30 +01:00"]);
        let half_hours = ticks("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4);
        let expected = ["Sun 25 02:30 +02:00", "Sun 25 02:00 +01:00", "Sun 25 02:30 +01:00", "Sun 25 03:00 +01:00"];
        assert_eq!(half_hours, expected, "what goes by real time does not pause for an hour");
    }

    #[test]
    fn what_is_no_expression_is_refused_with_a_reason() {
        for (text, part) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("0 0 9 * * 1", "6 fields"),
            ("61 * * * *", "`61` as the minute: "),
            ("0 24 * * *", "`24` as the hour: "),
            ("0 9 * * FUNDAY", "`FUNDAY` as the day of week: "),
            ("*/0 * * * *", "`*/0` as the minute: "),
            ("@reboot", "@daily"),
            ("0 0 30 2 *", "no day of any year"),
        ] {
            let reason = parse(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }
}
