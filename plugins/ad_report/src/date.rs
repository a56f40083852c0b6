//! A calendar day. A date library would be half of the plugin's size; what is needed is counting days.

use std::fmt;

/// Days since 1970-01-01 in the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Date(i64);

impl Date {
    pub(crate) fn from_ms(ms: u64, utc_offset_minutes: i32) -> Self {
        let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX / 2) + i64::from(utc_offset_minutes) * 60;
        Self(seconds.div_euclid(86_400))
    }

    /// Days from the civil calendar, by Howard Hinnant's algorithm; none for a day that does not exist.
    pub(crate) fn from_parts(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1900..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted - era * 400;
        let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let date = Self(era * 146_097 + day_of_era - 719_468);
        // The 31st of April becomes the 1st of May; then it was no day.
        (date.parts() == (year, month, day)).then_some(date)
    }

    /// Year, month, day.
    fn parts(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted - era * 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }

    /// `2026-10-01`, `2026/10/1`, `20261001`, `2026年10月1日`, also with full-width digits and a time after it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: String = text
            .trim()
            .chars()
            .map(|character| match character {
                '\u{ff10}'..='\u{ff19}' => char::from_u32(u32::from(character) - 0xff10 + 0x30).unwrap_or(character),
                '\u{ff0d}' | '/' | '.' | '年' | '月' => '-',
                other => other,
            })
            .collect();
        let date = text.split(['T', ' ', '日']).next()?;
        if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::from_parts(
                date.get(..4)?.parse().ok()?,
                date.get(4..6)?.parse().ok()?,
                date.get(6..)?.parse().ok()?,
            );
        }
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 {
            return None;
        }
        Self::from_parts(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }

    pub(crate) fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from the other to this one.
    pub(crate) fn since(self, other: Self) -> i64 {
        self.0 - other.0
    }

    pub(crate) fn first_of_month(self) -> Self {
        let (_, _, day) = self.parts();
        self.plus(1 - day)
    }

    /// 0 is Monday.
    pub(crate) fn weekday(self) -> i64 {
        (self.0 + 3).rem_euclid(7)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}
