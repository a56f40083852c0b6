//! `calculator_date`: what language models get wrong. Arithmetic is exact (`number`, `expression`), workdays follow the official
//! calendar (`calendar`), and times are read as people say them (`natural`).

mod calendar;
mod chinese;
mod expression;
mod moment;
mod natural;
mod number;

use parlour_plugin_sdk::plugin;

/// Computes exactly, counts days and workdays, and turns what people say into times.
#[plugin(
    id = "calculator_date",
    title(en = "Calculator and dates", zh = "计算与日期"),
    zh = "精确计算，推算日期和工作日，并把口语里的时间转换成具体时间。",
    icon = "icon.svg",
    config = Settings
)]
mod tools {
    use std::collections::BTreeMap;

    use jiff::Span;
    use jiff::Unit;
    use parlour_plugin_sdk::prelude::*;
    use parlour_plugin_sdk::serde_json;

    use crate::calendar::{Calendar, Day};
    use crate::expression;
    use crate::moment::{self, Clock};
    use crate::natural::{self, Prefer, Understood, What};
    use crate::number::{Number, wrong};

    /// Workdays are counted one by one; people ask for months of them, seldom for years.
    const MAX_WORKDAYS: i32 = 2_500;
    const MAX_COUNTED_DAYS: i32 = 20_000;
    const MAX_DECIMALS: u32 = 100;
    const MAX_VARIABLES: usize = 100;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// The time zone that is meant where none is named
        #[zh("没有指明时使用的时区")]
        #[serde(default = "shanghai")]
        pub(crate) timezone: String,
        /// Days off besides the official ones, `YYYY-MM-DD`; they may be of years whose official ones are not known yet
        #[zh("官方安排以外的休息日，`YYYY-MM-DD`；也可填写尚未收录年份的节假日")]
        #[serde(default)]
        pub(crate) days_off: Vec<String>,
        /// Days on which people work although they would be off, `YYYY-MM-DD`
        #[zh("本应休息但要上班的日子，`YYYY-MM-DD`")]
        #[serde(default)]
        pub(crate) work_days: Vec<String>,
    }

    fn shanghai() -> String {
        "Asia/Shanghai".to_owned()
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Given {
        Number(serde_json::Number),
        Text(String),
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Calculated {
        /// In full, as a decimal number
        #[zh("完整的十进制结果")]
        result: String,
        /// As a JSON number, which has about 15 digits
        #[zh("JSON 数字，约 15 位有效数字")]
        number: f64,
        /// Whether `result` is all of it; else it is rounded
        #[zh("`result` 是否为精确值；否则是舍入后的值")]
        exact: bool,
        /// With commas between thousands
        #[zh("带千分位分隔符")]
        grouped: String,
        /// As a percentage
        #[zh("百分比形式")]
        percent: String,
        /// In 万 or 亿, rounded to two places
        #[zh("以“万”“亿”为单位，保留两位小数")]
        chinese: String,
    }

    /// Computes an expression exactly: `+ - * / ^`, `%` (percentage, or the rest of a division before a number), brackets, `!`, `√`,
    /// functions (round, floor, ceil, trunc, abs, sign, min, max, sum, avg, median, mod, pow, sqrt, cbrt, exp, ln, log, log2, sin,
    /// cos, tan, asin, acos, atan) and pi, e. Numbers may have commas between thousands, 千, 万, 亿, and be in Chinese characters.
    #[tool(
        title(en = "Calculate", zh = "计算"),
        zh = "精确计算表达式：加减乘除、乘方 `^`、百分号（后面是数字时为取余）、括号、阶乘、根号和常用函数（round、floor、ceil、abs、min、max、sum、avg、median、mod、pow、sqrt、ln、log、sin 等）。数字可带千分位、千、万、亿，也可用中文数字。"
    )]
    #[example(
        title(en = "Money is exact", zh = "金额不会有误差"),
        input = {"expression": "19.99 × 3 × (1 - 15%)", "decimals": 2},
        output = {"result": "50.97", "number": 50.97, "exact": true, "grouped": "50.97", "percent": "5097%", "chinese": "50.97"}
    )]
    #[example(
        title(en = "Chinese units and a variable", zh = "中文单位和变量"),
        input = {"expression": "3.5万 * 数量 + 2亿", "variables": {"数量": 12}},
        output = {"result": "200420000", "number": 200420000.0, "exact": true, "grouped": "200,420,000", "percent": "20042000000%", "chinese": "2亿"}
    )]
    fn calculate(
        /** What to compute */
        #[zh("要计算的表达式")]
        expression: String,
        /** What names in it stand for: numbers, or texts such as `1.2万` */
        #[zh("表达式里的变量：数字，或 `1.2万` 这样的文字")]
        #[serde(default)]
        variables: BTreeMap<String, Given>,
        /** Decimal places to round to, halves away from zero; not rounded when not given */
        #[zh("四舍五入到几位小数；不填则不舍入")]
        #[schemars(range(max = 100))]
        decimals: Option<u32>,
    ) -> Result<Calculated> {
        if variables.len() > MAX_VARIABLES {
            return wrong(format!("there are {} variables; at most {MAX_VARIABLES} are taken", variables.len()));
        }
        let mut known = BTreeMap::new();
        for (name, given) in variables {
            let text = match given {
                Given::Number(number) => number.to_string(),
                Given::Text(text) => text,
            };
            let value = expression::compute(&text, &BTreeMap::new());
            let value = value
                .map_err(|error| Error::invalid_input(format!("the variable `{name}`: {}", moment::words(&error))))?;
            known.insert(name, value);
        }
        let value = expression::compute(&expression, &known)?;
        let value = match decimals.map(i32::try_from) {
            None => value,
            Some(Ok(places)) if places.unsigned_abs() <= MAX_DECIMALS => value.rounded(places),
            Some(_) => return wrong(format!("`decimals` goes from 0 to {MAX_DECIMALS}")),
        };
        let (result, exact) = value.written();
        let percent = value.multiply(&Number::from(100))?.written().0;
        Ok(Calculated {
            number: value.to_float(),
            exact,
            grouped: grouped(&result),
            percent: format!("{percent}%"),
            chinese: value.in_units()?,
            result,
        })
    }

    /// `-1234567.5` → `-1,234,567.5`.
    fn grouped(number: &str) -> String {
        let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
        let (whole, fraction) =
            digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
        let mut written = String::from(sign);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                written.push(',');
            }
            written.push(digit);
        }
        fraction.map_or(written.clone(), |fraction| format!("{written}.{fraction}"))
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Kind {
        /// An exact time
        Moment,
        /// A whole day
        Day,
        /// From `start` up to, and without, `end`
        Period,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Time {
        kind: Kind,
        /// The moment, or the beginning, with its offset: `2026-11-28T15:00:00+08:00`
        #[zh("时刻或开始时间，带时区偏移：`2026-11-28T15:00:00+08:00`")]
        start: String,
        /// The end of a day or a period, which is no longer part of it
        #[zh("一天或一段时间的结束（不含）")]
        #[serde(skip_serializing_if = "Option::is_none")]
        end: Option<String>,
        /// The day of `start`, `YYYY-MM-DD`
        #[zh("`start` 的日期 `YYYY-MM-DD`")]
        date: String,
        /// The clock at `start`, `HH:MM`
        #[zh("`start` 的时刻 `HH:MM`")]
        time: String,
        weekday: Text,
        timezone: String,
        /// `start` in milliseconds since 1970
        #[zh("`start` 的毫秒时间戳")]
        timestamp_ms: i64,
    }

    impl Time {
        fn of(what: &What, clock: &Clock) -> Result<Self> {
            let zone = clock.now.time_zone();
            let (kind, start, end) = match what {
                What::Moment(moment) => (Kind::Moment, moment.clone(), None),
                What::Day(day) => {
                    let next = day.tomorrow().map_err(Error::invalid_input)?;
                    (Kind::Day, natural::beginning(*day, zone)?, Some(natural::beginning(next, zone)?))
                }
                What::Period(from, to) => (Kind::Period, from.clone(), Some(to.clone())),
            };
            Ok(Self {
                kind,
                end: end.as_ref().map(moment::written),
                date: start.date().to_string(),
                time: start.strftime("%H:%M").to_string(),
                weekday: moment::weekday(start.date()),
                timezone: clock.zone.clone(),
                timestamp_ms: start.timestamp().as_millisecond(),
                start: moment::written(&start),
            })
        }
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Found {
        /// Whether the text names a time
        #[zh("文字里是否有时间")]
        found: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<Time>,
        /// The words that name it
        #[zh("表示时间的那部分文字")]
        #[serde(skip_serializing_if = "Option::is_none")]
        words: Option<String>,
        /// What was taken for granted
        #[zh("理解时所作的假定")]
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Text>,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Saying {
        /// What somebody said; the first time in it is taken
        #[zh("一段话；取其中第一个时间")]
        text: String,
        /// Time zone, such as `Asia/Shanghai`; that of the settings when not given
        #[zh("时区，例如 `Asia/Shanghai`；不填则用设置里的时区")]
        timezone: Option<String>,
        /// The time that counts as now, `2026-11-27T10:15:00+08:00`; the server's clock when not given
        #[zh("以什么时间为“现在”，例如 `2026-11-27T10:15:00+08:00`；不填则用服务器时钟")]
        now: Option<String>,
        /// Which day is meant where one lies before now and one after it, as with `Friday` or 15号
        #[zh("“周五”“15号”这类说法指将来（future）还是过去（past）")]
        #[serde(default)]
        prefer: Prefer,
    }

    /// Finds the first time in what somebody says, in Chinese or English, and gives it with its time zone: 今晚八点, 明天下午三点,
    /// 下周五, 三天后, 周末, tomorrow 3pm, next Friday (that of next week), in 3 days.
    #[tool(
        title(en = "Understand a time", zh = "理解时间"),
        zh = "找出一段话里的第一个时间（中文或英文）并转换成带时区的具体时间，例如：今晚八点、明天下午三点、下周五、三天后、周末、tomorrow 3pm、next Friday、in 3 days。"
    )]
    #[example(
        title(en = "Tomorrow afternoon", zh = "明天下午"),
        input = {"text": "帮我订明天下午三点的位子", "now": "2026-11-27T10:15:00+08:00"},
        output = {
            "found": true, "words": "明天下午三点",
            "time": {
                "kind": "moment", "start": "2026-11-28T15:00:00+08:00", "date": "2026-11-28", "time": "15:00",
                "weekday": {"en": "Saturday", "zh": "星期六"}, "timezone": "Asia/Shanghai", "timestamp_ms": 1795849200000_i64
            }
        }
    )]
    #[example(title(en = "A weekend", zh = "周末"), input = {"text": "next weekend", "timezone": "Europe/Berlin"})]
    fn understand_time(input: Saying) -> Result<Found> {
        let Saying { text, timezone, now, prefer } = input;
        let settings: Settings = config::read()?;
        let clock = Clock::new(&settings, timezone, now)?;
        let reading = natural::Moment { now: &clock.now, prefer, calendar: &clock.calendar };
        Ok(match natural::understand(&text, &reading)? {
            Some(Understood { what, words, note }) => {
                Found { found: true, time: Some(Time::of(&what, &clock)?), words: Some(words), note }
            }
            None => Found { found: false, time: None, words: None, note: None },
        })
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Addition {
        /// `2026-11-27`, `2026-11-27T10:15:00+08:00`, or as people say it: 今天, next Friday
        #[zh("`2026-11-27`、`2026-11-27T10:15:00+08:00`，或“今天”“下周五”这样的说法")]
        date: String,
        /// Years; negative numbers go back, here and below. A month's end stays within the month
        #[zh("年数；负数表示往前，下同。月末不会跨月")]
        #[serde(default)]
        years: i32,
        /// Months
        #[zh("月数")]
        #[serde(default)]
        months: i32,
        /// Weeks
        #[zh("周数")]
        #[serde(default)]
        weeks: i32,
        /// Days
        #[zh("天数")]
        #[serde(default)]
        days: i32,
        /// After everything else, by the official calendar
        #[zh("最后再加的工作日数，按官方节假日安排")]
        #[serde(default)]
        workdays: i32,
        /// Hours
        #[zh("小时数")]
        #[serde(default)]
        hours: i32,
        /// Minutes
        #[zh("分钟数")]
        #[serde(default)]
        minutes: i32,
        /// Time zone, such as `Asia/Shanghai`; that of the settings when not given
        #[zh("时区，例如 `Asia/Shanghai`；不填则用设置里的时区")]
        timezone: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Added {
        time: Time,
        /// When a year's official holidays are not known
        #[zh("某年的节假日安排未收录时的说明")]
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Text>,
    }

    /// Adds years, months, weeks, days, workdays, hours and minutes to a date, or takes them away.
    #[tool(title(en = "Add to a date", zh = "日期加减"), zh = "给日期加上或减去年、月、周、天、工作日、小时、分钟。")]
    #[example(title(en = "Three workdays later", zh = "三个工作日之后"), input = {"date": "2026-02-13", "workdays": 3})]
    fn add_to_date(input: Addition) -> Result<Added> {
        let Addition { date, years, months, weeks, days, workdays, hours, minutes, timezone } = input;
        let settings: Settings = config::read()?;
        let clock = Clock::new(&settings, timezone, None)?;
        if workdays.abs() > MAX_WORKDAYS {
            return wrong(format!("`workdays` is {workdays}; it goes from -{MAX_WORKDAYS} to {MAX_WORKDAYS}"));
        }
        let what = clock.read("date", &date)?;
        let whole_day = matches!(what, What::Day(_)) && hours == 0 && minutes == 0;
        let start = clock.start(&what)?;
        let beyond = |error: jiff::Error| Error::invalid_input(format!("this is beyond the calendar: {error}"));
        // One after the other: a span of jiff has one sign for all its parts.
        let none = Span::new();
        let spans = [
            none.try_years(years),
            none.try_months(months),
            none.try_weeks(weeks),
            none.try_days(days),
            none.try_hours(hours),
            none.try_minutes(minutes),
        ];
        let mut end = start;
        for span in spans {
            end = end.checked_add(span.map_err(beyond)?).map_err(beyond)?;
        }
        let mut note = None;
        if workdays != 0 {
            let from = end.date();
            let day = clock.calendar.plus(from, workdays);
            let Some(day) = day else { return wrong("this is beyond the calendar") };
            note = moment::unknown_years(&clock.calendar, from, day);
            end = day.to_datetime(end.time()).to_zoned_datetime(end.time_zone().clone()).map_err(beyond)?;
        }
        let what = if whole_day { What::Day(end.date()) } else { What::Moment(end) };
        Ok(Added { time: Time::of(&what, &clock)?, note })
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Difference {
        /// Whole days from one date to the other; negative when the second is earlier
        #[zh("相差天数；第二个日期更早时为负数")]
        days: i32,
        /// The same in years, months and days
        #[zh("相差的年、月、日")]
        calendar: YearsMonthsDays,
        /// Workdays after the first date, up to and with the second; not counted over more than 20,000 days
        #[zh("第一个日期之后、到第二个日期（含）为止的工作日数；相差超过 20,000 天时不计算")]
        #[serde(skip_serializing_if = "Option::is_none")]
        workdays: Option<i32>,
        /// With the time of day
        #[zh("相差小时数，含时刻")]
        hours: f64,
        /// When a year's official holidays are not known
        #[zh("某年的节假日安排未收录时的说明")]
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Text>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct YearsMonthsDays {
        years: i16,
        months: i32,
        days: i32,
    }

    /// Counts from one date to another: days; years, months and days; workdays; hours.
    #[tool(
        title(en = "Between two dates", zh = "日期相差"),
        zh = "计算两个日期相差多少天、多少年月日、多少工作日、多少小时。"
    )]
    #[example(
        title(en = "Over the Spring Festival", zh = "跨春节"),
        input = {"from": "2026-02-13", "to": "2026-02-25"},
        output = {"days": 12, "calendar": {"years": 0, "months": 0, "days": 12}, "workdays": 3, "hours": 288.0}
    )]
    fn date_difference(
        /** `2026-11-27`, `2026-11-27T10:15:00+08:00`, or as people say it: 今天, next Friday */
        #[zh("开始日期：`2026-11-27`、`2026-11-27T10:15:00+08:00`，或“今天”这样的说法")]
        from: String,
        /** The same for the other date */
        #[zh("结束日期，写法相同")]
        to: String,
        /** Time zone, such as `Asia/Shanghai`; that of the settings when not given */
        #[zh("时区；不填则用设置里的时区")]
        timezone: Option<String>,
    ) -> Result<Difference> {
        let settings: Settings = config::read()?;
        let clock = Clock::new(&settings, timezone, None)?;
        let (from, to) = (clock.read("from", &from)?, clock.read("to", &to)?);
        let (from, to) = (clock.start(&from)?, clock.start(&to)?);
        let (first, last) = (from.date(), to.date());
        let days = first.until(last).map_err(Error::invalid_input)?.get_days();
        let span = first.until((Unit::Year, last)).map_err(Error::invalid_input)?;
        let counted = days.abs() <= MAX_COUNTED_DAYS;
        Ok(Difference {
            days,
            calendar: YearsMonthsDays { years: span.get_years(), months: span.get_months(), days: span.get_days() },
            workdays: counted.then(|| clock.calendar.between(first, last)),
            hours: from.duration_until(&to).as_secs_f64() / 3600.0,
            note: if counted { moment::unknown_years(&clock.calendar, first, last) } else { None },
        })
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct About {
        date: String,
        weekday: Text,
        /// 1 is Monday, 7 Sunday
        #[zh("星期几：1 为星期一，7 为星期日")]
        weekday_number: i8,
        /// Whether people in China work on it
        #[zh("在中国是否为工作日")]
        is_workday: bool,
        /// A holiday's name, `Weekend`, `Workday`, or `Make-up workday`
        #[zh("节日名称、周末、工作日或调休上班")]
        kind: Text,
        /// The week of ISO 8601, `2026-W48`
        #[zh("ISO 8601 周数，例如 `2026-W48`")]
        iso_week: String,
        day_of_year: i16,
        quarter: i8,
        days_in_month: i8,
        leap_year: bool,
        /// When the year's official holidays are not known
        #[zh("该年的节假日安排未收录时的说明")]
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Text>,
    }

    /// Says what a date is: weekday, workday or holiday by China's official calendar, week, quarter.
    #[tool(
        title(en = "About a date", zh = "查询日期"),
        zh = "查询某天是星期几、是否为中国法定工作日或节假日（含调休）、第几周、第几季度。"
    )]
    #[example(
        title(en = "A weekend day that is worked", zh = "调休上班的周末"),
        input = {"date": "2026-02-14"},
        output = {
            "date": "2026-02-14", "weekday": {"en": "Saturday", "zh": "星期六"}, "weekday_number": 6, "is_workday": true,
            "kind": {"en": "Make-up workday", "zh": "调休上班"}, "iso_week": "2026-W07", "day_of_year": 45, "quarter": 1,
            "days_in_month": 28, "leap_year": false
        }
    )]
    fn about_date(
        /** `2026-11-27`, or as people say it: 今天, next Friday */
        #[zh("日期：`2026-11-27`，或“今天”“下周五”这样的说法")]
        date: String,
        /** Time zone, such as `Asia/Shanghai`; that of the settings when not given */
        #[zh("时区；不填则用设置里的时区")]
        timezone: Option<String>,
    ) -> Result<About> {
        let settings: Settings = config::read()?;
        let clock = Clock::new(&settings, timezone, None)?;
        let what = clock.read("date", &date)?;
        let day = clock.start(&what)?.date();
        let kind = clock.calendar.day(day);
        let week = day.iso_week_date();
        Ok(About {
            date: day.to_string(),
            weekday: moment::weekday(day),
            weekday_number: day.weekday().to_monday_one_offset(),
            is_workday: kind.is_worked(),
            kind: named(kind),
            iso_week: format!("{:04}-W{:02}", week.year(), week.week()),
            day_of_year: day.day_of_year(),
            quarter: (day.month() - 1) / 3 + 1,
            days_in_month: day.days_in_month(),
            leap_year: day.in_leap_year(),
            note: moment::unknown_years(&clock.calendar, day, day),
        })
    }

    fn named(day: Day) -> Text {
        match day {
            Day::Workday => Text::new("Workday", "工作日"),
            Day::MadeUp => Text::new("Make-up workday", "调休上班"),
            Day::Weekend => Text::new("Weekend", "周末"),
            Day::Holiday(name) => name,
        }
    }

    impl Settings {
        pub(crate) fn calendar(&self) -> Result<Calendar> {
            let days = |name: &str, texts: &[String]| {
                let read = |text: &String| {
                    let day = text.trim().parse();
                    day.map_err(|_| {
                        Error::Failed(format!(
                            "the plugin's setting `{name}` has `{text}`, which is no day such as 2027-01-01"
                        ))
                    })
                };
                texts.iter().map(read).collect::<Result<Vec<_>>>()
            };
            Ok(Calendar::with(&days("days_off", &self.days_off)?, &days("work_days", &self.work_days)?))
        }
    }
}

#[cfg(test)]
mod tests;
