//! Dates in spreadsheets are numbers: days since the end of 1899, the time of day behind the point.

/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// From 1899-12-30, where day 0 is, to 1970-01-01.
const TO_1970: i64 = 25_569;
/// What files from an old Macintosh count from, later by so many days.
const FROM_1904: f64 = 1_462.0;

/// `2026-11-27`, `2026-11-27T10:15:00`, or `10:15:00` for a time of day alone; none for what is no date.
pub(crate) fn from_serial(serial: f64, from_1904: bool) -> Option<String> {
    let serial = if from_1904 { serial + FROM_1904 } else { serial };
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    // Lotus took 1900 for a leap year, and everybody after it did too: before March 1900 the count is one off.
    let serial = if !from_1904 && (1.0..60.0).contains(&serial) { serial + 1.0 } else { serial };
    let seconds = (serial * DAY).round() as i64;
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let clock = format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
    if days == 0 {
        return Some(clock);
    }
    let (year, month, day) = civil(days - TO_1970);
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(if time == 0 { date } else { format!("{date}T{clock}") })
}

/// The number of a date, and whether it has a time; none for a text that is none.
pub(crate) fn to_serial(text: &str) -> Option<(f64, bool)> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers::<3>(date, '-', &[4, 2, 2])?;
    let days = days(year, month, day)?;
    let seconds = match time {
        None => 0,
        Some(time) => {
            let [hour, minute, second] = numbers::<3>(time, ':', &[2, 2, 2])
                .or_else(|| numbers::<2>(time, ':', &[2, 2]).map(|[hour, minute]| [hour, minute, 0]))?;
            (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)?
        }
    };
    let serial = (days + TO_1970) as f64 + seconds as f64 / DAY;
    (serial >= 61.0).then_some((serial, time.is_some()))
}

/// Numbers of exactly so many digits.
fn numbers<const N: usize>(text: &str, separator: char, lengths: &[usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(separator);
    for (slot, length) in found.iter_mut().zip(lengths) {
        let part = parts.next()?;
        *slot =
            (part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(found)
}

/// Year, month and day of a day since 1970, by Howard Hinnant's algorithm.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// The other way; none for a day that does not exist.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_dates() {
        for (serial, expected) in [
            (46_353.0, "2026-11-27"),
            (46_353.427_083_333_336, "2026-11-27T10:15:00"),
            (1.0, "1900-01-01"),
            (59.0, "1900-02-28"),
            (61.0, "1900-03-01"),
            (0.75, "18:00:00"),
            (36_525.0, "1999-12-31"),
        ] {
            assert_eq!(from_serial(serial, false).as_deref(), Some(expected), "{serial}");
        }
        assert_eq!(from_serial(44_891.0, true).as_deref(), Some("2026-11-27"));
        assert_eq!(
            (from_serial(-1.0, false), from_serial(1e9, false), from_serial(f64::NAN, false)),
            (None, None, None)
        );
    }

    #[test]
    fn dates_are_serial_numbers() {
        assert_eq!(to_serial("2026-11-27"), Some((46_353.0, false)));
        assert_eq!(to_serial("2026-11-27 18:00"), Some((46_353.75, true)));
        assert_eq!(to_serial("2026-11-27T18:00:00"), Some((46_353.75, true)));
        for wrong in [
            "2026-02-30",
            "2026-1-2",
            "20261127",
            "1899-01-01",
            "2026-11-27T25:00",
            "2026-11-27 ",
            "x-y-z",
            "2026-11-27T10:15:00Z",
        ] {
            assert_eq!(to_serial(wrong), None, "{wrong}");
        }
    }
}
