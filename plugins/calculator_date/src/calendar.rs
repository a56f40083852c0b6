//! Which days people in China work: the State Council's arrangements year by year, and what the tenant adds to them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use parlour_plugin_sdk::Text;

/// Where the two years come from: 国务院办公厅关于2025年部分节假日安排的通知, 国办发明电〔2024〕12号, 12 November 2024
/// (<https://m.gmw.cn/2024-11/12/content_1303894933.htm>), and 国务院办公厅关于2026年部分节假日安排的通知,
/// 国办发明电〔2025〕7号, 4 November 2025 (<https://politics.gmw.cn/2025-11/04/content_38391083.htm>).
const ARRANGEMENTS: &[Arrangement] = &[
    Arrangement {
        year: 2025,
        holidays: &[
            ("New Year's Day", "元旦", (1, 1), (1, 1)),
            ("Spring Festival", "春节", (1, 28), (2, 4)),
            ("Qingming Festival", "清明节", (4, 4), (4, 6)),
            ("Labour Day", "劳动节", (5, 1), (5, 5)),
            ("Dragon Boat Festival", "端午节", (5, 31), (6, 2)),
            ("National Day and Mid-Autumn Festival", "国庆节、中秋节", (10, 1), (10, 8)),
        ],
        made_up: &[(1, 26), (2, 8), (4, 27), (9, 28), (10, 11)],
    },
    Arrangement {
        year: 2026,
        holidays: &[
            ("New Year's Day", "元旦", (1, 1), (1, 3)),
            ("Spring Festival", "春节", (2, 15), (2, 23)),
            ("Qingming Festival", "清明节", (4, 4), (4, 6)),
            ("Labour Day", "劳动节", (5, 1), (5, 5)),
            ("Dragon Boat Festival", "端午节", (6, 19), (6, 21)),
            ("Mid-Autumn Festival", "中秋节", (9, 25), (9, 27)),
            ("National Day", "国庆节", (10, 1), (10, 7)),
        ],
        made_up: &[(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)],
    },
];

struct Arrangement {
    year: i16,
    /// English and Chinese name, first and last day.
    holidays: &'static [(&'static str, &'static str, MonthDay, MonthDay)],
    /// Days at a weekend on which people work instead.
    made_up: &'static [MonthDay],
}

type MonthDay = (i8, i8);

/// Why a day is worked or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Day {
    Workday,
    /// At a weekend, for a day off elsewhere.
    MadeUp,
    Weekend,
    Holiday(Text),
}

impl Day {
    pub(crate) fn is_worked(&self) -> bool {
        match self {
            Self::Workday | Self::MadeUp => true,
            Self::Weekend | Self::Holiday(_) => false,
        }
    }
}

pub(crate) struct Calendar {
    holidays: BTreeMap<Date, Text>,
    worked: BTreeSet<Date>,
    years: BTreeSet<i16>,
}

impl Calendar {
    /// The official one, and days that the tenant has off or works besides; these go before it.
    pub(crate) fn with(off: &[Date], worked: &[Date]) -> Self {
        let mut calendar = Self { holidays: BTreeMap::new(), worked: BTreeSet::new(), years: BTreeSet::new() };
        for Arrangement { year, holidays, made_up } in ARRANGEMENTS {
            calendar.years.insert(*year);
            for (en, zh, first, last) in *holidays {
                let (Some(first), Some(last)) = (date(*year, *first), date(*year, *last)) else { continue };
                let days = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take_while(|day| *day <= last);
                calendar.holidays.extend(days.map(|day| (day, Text::new(*en, *zh))));
            }
            calendar.worked.extend(made_up.iter().filter_map(|day| date(*year, *day)));
        }
        for day in off {
            calendar.holidays.insert(*day, Text::new("Day off", "休息日"));
            calendar.worked.remove(day);
        }
        for day in worked {
            calendar.worked.insert(*day);
            calendar.holidays.remove(day);
        }
        calendar.years.extend(off.iter().chain(worked).map(|day| day.year()));
        calendar
    }

    pub(crate) fn day(&self, day: Date) -> Day {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        match self.holidays.get(&day) {
            Some(name) => Day::Holiday(name.clone()),
            None if weekend && self.worked.contains(&day) => Day::MadeUp,
            None if weekend => Day::Weekend,
            None => Day::Workday,
        }
    }

    /// Whether the year's holidays are known; else only weekends count.
    pub(crate) fn knows(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// The day that is so many workdays later, or earlier.
    pub(crate) fn plus(&self, day: Date, workdays: i32) -> Option<Date> {
        let (mut day, mut left) = (day, workdays.unsigned_abs());
        while left > 0 {
            day = if workdays > 0 { day.tomorrow() } else { day.yesterday() }.ok()?;
            left -= u32::from(self.day(day).is_worked());
        }
        Some(day)
    }

    /// Workdays after one day, up to and with another; negative when that is earlier.
    pub(crate) fn between(&self, from: Date, to: Date) -> i32 {
        let (first, last, sign) = if from <= to { (from, to, 1) } else { (to, from, -1) };
        let days =
            std::iter::successors(first.tomorrow().ok(), |day| day.tomorrow().ok()).take_while(|day| *day <= last);
        let worked = days.filter(|day| self.day(*day).is_worked()).count();
        sign * i32::try_from(worked).unwrap_or(i32::MAX)
    }
}

fn date(year: i16, (month, day): MonthDay) -> Option<Date> {
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn the_arrangements_have_as_many_days_as_the_notices_say() {
        let calendar = Calendar::with(&[], &[]);
        let off = |year: i16| calendar.holidays.keys().filter(|day| day.year() == year).count();
        // 1 + 8 + 3 + 5 + 3 + 8 and 3 + 9 + 3 + 5 + 3 + 3 + 7.
        assert_eq!((off(2025), off(2026)), (28, 33));
        for day in &calendar.worked {
            assert_eq!(calendar.day(*day), Day::MadeUp, "{day} is at a weekend and no holiday");
        }
        // 365 days without 104 at weekends and the 13 days that the law gives; moving days about changes nothing.
        let workdays = |year: i16| {
            let days = std::iter::successors(Date::new(year, 1, 1).ok(), |day| day.tomorrow().ok());
            days.take_while(|day| day.year() == year).filter(|day| calendar.day(*day).is_worked()).count()
        };
        assert_eq!((workdays(2025), workdays(2026)), (248, 248));
    }

    #[test]
    fn days_are_what_the_notices_say() {
        let calendar = Calendar::with(&[], &[]);
        assert_eq!(calendar.day(on("2026-02-14")), Day::MadeUp);
        assert!(matches!(calendar.day(on("2026-02-17")), Day::Holiday(name) if name.zh == "春节"));
        assert_eq!(calendar.day(on("2026-11-28")), Day::Weekend);
        assert_eq!(calendar.day(on("2026-11-27")), Day::Workday);
        assert_eq!((calendar.knows(2026), calendar.knows(2027)), (true, false));
        assert_eq!(calendar.plus(on("2026-02-13"), 2), Some(on("2026-02-24")), "over the Spring Festival");
        assert_eq!(calendar.plus(on("2026-02-24"), -2), Some(on("2026-02-13")));
        assert_eq!(calendar.plus(on("2026-02-15"), 0), Some(on("2026-02-15")));
        assert_eq!(calendar.between(on("2026-02-13"), on("2026-02-24")), 2);
        assert_eq!(calendar.between(on("2026-02-24"), on("2026-02-13")), -2);
    }

    #[test]
    fn a_tenant_may_add_days() {
        let calendar = Calendar::with(&[on("2027-01-01"), on("2026-10-10")], &[on("2027-01-03"), on("2026-10-07")]);
        assert!(matches!(calendar.day(on("2027-01-01")), Day::Holiday(_)));
        assert_eq!(calendar.day(on("2027-01-03")), Day::MadeUp);
        assert!(matches!(calendar.day(on("2026-10-10")), Day::Holiday(_)));
        assert_eq!(calendar.day(on("2026-10-07")), Day::Workday);
        assert!(calendar.knows(2027));
    }
}
