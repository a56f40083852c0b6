//! Which days are meant.

use parlour_plugin_sdk::{Deserialize, Error, JsonSchema, Result, system};

use crate::date::Date;

/// Days by name, seen from today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Period {
    #[serde(rename = "yesterday")]
    Yesterday,
    #[serde(rename = "today")]
    Today,
    /// The seven whole days before today
    #[serde(rename = "last_7_days")]
    Last7Days,
    /// The thirty whole days before today
    #[serde(rename = "last_30_days")]
    Last30Days,
    /// From the first of the month to today
    #[serde(rename = "this_month")]
    ThisMonth,
    #[serde(rename = "all")]
    All,
}

/// Days from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Date,
    pub(crate) to: Date,
}

impl Span {
    pub(crate) fn contains(&self, date: Date) -> bool {
        self.from <= date && date <= self.to
    }

    pub(crate) fn days(&self) -> i64 {
        self.to.since(self.from) + 1
    }
}

/// The days as the input names them.
pub(crate) struct When {
    pub(crate) period: Option<Period>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) today: Option<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// None: everything there is.
    pub(crate) span: Option<Span>,
    /// A named period moves to the newest data when it has none; exact dates stay where they are.
    pub(crate) may_move: bool,
}

impl Asked {
    /// Reads the input, or says everything that is wrong with it.
    pub(crate) fn checked(when: When, otherwise: Period, utc_offset_minutes: i32) -> Result<Self> {
        let When { period, from, to, today } = when;
        let mut problems = Vec::new();
        let mut read = |name: &str, text: Option<String>| -> Option<Date> {
            let text = text.filter(|text| !text.trim().is_empty())?;
            let date = Date::parse(&text);
            if date.is_none() {
                problems.push(format!("`{name}` is `{text}`; write a day as YYYY-MM-DD"));
            }
            date
        };
        let (from, to, today) = (read("from", from), read("to", to), read("today", today));
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            problems.push(format!("`from` {from} is after `to` {to}"));
        }
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems.join("; ")));
        }
        let now = || Date::from_ms(system::now_ms(), utc_offset_minutes);
        if from.is_some() || to.is_some() {
            let to = to.or(today).unwrap_or_else(now);
            let from = from.unwrap_or(to);
            // `from` alone may lie after today; then it is the one day asked for.
            return Ok(Self { span: Some(Span { from, to: to.max(from) }), may_move: false });
        }
        let today = today.unwrap_or_else(now);
        let span = match period.unwrap_or(otherwise) {
            Period::Yesterday => Some(Span { from: today.plus(-1), to: today.plus(-1) }),
            Period::Today => Some(Span { from: today, to: today }),
            Period::Last7Days => Some(Span { from: today.plus(-7), to: today.plus(-1) }),
            Period::Last30Days => Some(Span { from: today.plus(-30), to: today.plus(-1) }),
            Period::ThisMonth => Some(Span { from: today.first_of_month(), to: today }),
            Period::All => None,
        };
        Ok(Self { span, may_move: true })
    }
}
