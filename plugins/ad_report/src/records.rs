//! Reads the advertising records of the days that are meant.

use parlour_plugin_sdk::knowledge::{self, Entry};
use parlour_plugin_sdk::serde_json::Map;
use parlour_plugin_sdk::{Result, Text, Value, json, log};

use crate::date::Date;
use crate::period::{Asked, Span};

/// Reading more takes longer than a call may.
const MAX_RECORDS: usize = 20_000;

pub(crate) struct Source<'input> {
    pub(crate) knowledge_base: &'input str,
}

/// One record: a campaign on a day (and a channel; several of them add up).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) date: Date,
    pub(crate) campaign: String,
    /// Money in millionths, so that sums are exact.
    pub(crate) spend: i128,
    pub(crate) revenue: i128,
    pub(crate) impressions: f64,
    pub(crate) clicks: f64,
    pub(crate) conversions: f64,
}

/// What was read.
pub(crate) struct Read {
    /// The days that the rows are of; none when there are no data at all.
    pub(crate) span: Option<Span>,
    /// The days that were asked for, when others had to be taken.
    pub(crate) instead_of: Option<Span>,
    /// The days that were asked for, when they have no data and no others could be taken.
    pub(crate) nothing_in: Option<Span>,
    pub(crate) rows: Vec<Row>,
    /// Rows before the span, for what is usual.
    pub(crate) before: Vec<Row>,
    /// Records without a day that can be read.
    pub(crate) undated: usize,
    /// Values that are not numbers, counted as nothing.
    pub(crate) unreadable: usize,
    pub(crate) knowledge_base: String,
}

/// Reads the rows of the days asked for, and of `days_before` days before them.
pub(crate) fn read(source: &Source<'_>, asked: &Asked, days_before: i64) -> Result<Read> {
    let base = source.knowledge_base.trim();
    let mut read = Read {
        span: None,
        instead_of: None,
        nothing_in: None,
        rows: Vec::new(),
        before: Vec::new(),
        undated: 0,
        unreadable: 0,
        knowledge_base: base.to_owned(),
    };
    let Some(wanted) = asked.span else {
        let rows = read.fetch(base, None)?;
        read.take(rows, None);
        return Ok(read);
    };
    let rows = read.fetch(base, Some(Span { from: wanted.from.plus(-days_before), to: wanted.to }))?;
    if rows.iter().any(|row| wanted.contains(row.date)) {
        read.take(rows, Some(wanted));
    } else if asked.may_move {
        let all = read.fetch(base, None)?;
        let newest = all.iter().map(|row| row.date).filter(|date| *date <= wanted.to).max();
        // Data of a demonstration may lie in the future of the server's clock; still better than nothing.
        if let Some(newest) = newest.or_else(|| all.iter().map(|row| row.date).max()) {
            let span = Span { from: newest.plus(1 - wanted.days()), to: newest };
            read.instead_of = Some(wanted);
            read.take(all, Some(span));
        } else {
            read.nothing_in = Some(wanted);
        }
    } else {
        read.nothing_in = Some(wanted);
    }
    Ok(read)
}

impl Read {
    fn fetch(&mut self, base: &str, span: Option<Span>) -> Result<Vec<Row>> {
        let filter = span.map(|span| json!({"date": {"gte": span.from.to_string(), "lte": span.to.to_string()}}));
        let entries = knowledge::list_all(base, filter.as_ref(), MAX_RECORDS)?;
        (self.undated, self.unreadable) = (0, 0);
        let rows: Vec<Row> = entries.iter().filter_map(|entry| self.row(entry)).collect();
        if self.undated > 0 || self.unreadable > 0 {
            log::warn(format!(
                "`{base}`: {} records without a readable `date` were left out, {} values that are not numbers count as 0",
                self.undated, self.unreadable
            ));
        }
        Ok(rows)
    }

    fn row(&mut self, entry: &Entry) -> Option<Row> {
        let Some(date) = entry.fields.get("date").and_then(Value::as_str).and_then(Date::parse) else {
            self.undated += 1;
            return None;
        };
        let campaign = match entry.fields.get("campaign") {
            Some(Value::String(name)) if !name.trim().is_empty() => name.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) | None => "—".to_owned(),
        };
        Some(Row {
            date,
            campaign,
            spend: micros(self.number(&entry.fields, "spend")),
            revenue: micros(self.number(&entry.fields, "revenue")),
            impressions: self.number(&entry.fields, "impressions"),
            clicks: self.number(&entry.fields, "clicks"),
            conversions: self.number(&entry.fields, "conversions"),
        })
    }

    /// A number, also as text (`1,234.50`, `￥1，234`, `１２`); nothing there is 0, something unreadable is 0 and counted.
    fn number(&mut self, fields: &Map<String, Value>, name: &str) -> f64 {
        let found = match fields.get(name) {
            None | Some(Value::Null) => return 0.0,
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) if text.trim().is_empty() => return 0.0,
            Some(Value::String(text)) => number_in(text),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        found.filter(|number| number.is_finite()).unwrap_or_else(|| {
            self.unreadable += 1;
            0.0
        })
    }

    /// Sorts rows into the span and before it. Without a span it is what the rows span.
    fn take(&mut self, rows: Vec<Row>, span: Option<Span>) {
        let days = || rows.iter().map(|row| row.date);
        let span = span.or_else(|| Some(Span { from: days().min()?, to: days().max()? }));
        self.span = span;
        let Some(span) = span else { return };
        for row in rows {
            if span.contains(row.date) {
                self.rows.push(row);
            } else if row.date < span.from {
                self.before.push(row);
            }
        }
    }

    /// What a reader must know to read the figures right.
    pub(crate) fn note(&self) -> Option<Text> {
        let mut notes: Vec<Text> = Vec::new();
        if let (Some(wanted), Some(span)) = (self.instead_of, self.span) {
            let (wanted, taken) = (in_words(wanted), in_words(span));
            notes.push(Text::new(
                format!("There are no data for {}; the newest with data are shown instead: {}.", wanted.en, taken.en),
                format!("{}没有数据，改为展示最近有数据的日期：{}。", wanted.zh, taken.zh),
            ));
        } else if let Some(wanted) = self.nothing_in {
            let wanted = in_words(wanted);
            notes.push(Text::new(
                format!("`{}` has no data for {}.", self.knowledge_base, wanted.en),
                format!("知识库 `{}` 中没有{}的数据。", self.knowledge_base, wanted.zh),
            ));
        } else if self.span.is_none() {
            notes.push(Text::new(
                format!("`{}` has no data.", self.knowledge_base),
                format!("知识库 `{}` 中没有数据。", self.knowledge_base),
            ));
        }
        if self.undated > 0 {
            let records = if self.undated == 1 { "record has" } else { "records have" };
            notes.push(Text::new(
                format!("{} {records} no readable date and is not counted.", self.undated),
                format!("{} 条记录的日期无法识别，未计入。", self.undated),
            ));
        }
        if self.unreadable > 0 {
            let values = if self.unreadable == 1 {
                "value is not a number and counts"
            } else {
                "values are not numbers and count"
            };
            notes.push(Text::new(
                format!("{} {values} as 0.", self.unreadable),
                format!("{} 个数值无法识别，按 0 计算。", self.unreadable),
            ));
        }
        if notes.is_empty() {
            return None;
        }
        let en: Vec<String> = notes.iter().map(|note| note.en.clone()).collect();
        let zh: Vec<String> = notes.into_iter().map(|note| note.zh).collect();
        Some(Text::new(en.join(" "), zh.concat()))
    }
}

pub(crate) fn in_words(span: Span) -> Text {
    if span.from == span.to {
        Text::new(span.from.to_string(), format!(" {} ", span.from))
    } else {
        Text::new(format!("{} to {}", span.from, span.to), format!(" {} 至 {} ", span.from, span.to))
    }
}

fn micros(amount: f64) -> i128 {
    // Beyond 10^18 an amount is an error of the data; `as` stops at the ends instead of wrapping.
    (amount * 1e6).round() as i128
}

/// A number written by people.
pub(crate) fn number_in(text: &str) -> Option<f64> {
    let plain: String = text
        .chars()
        .map(|character| match character {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
            '−' => '-',
            other => other,
        })
        .filter(|character| {
            !character.is_whitespace() && !matches!(character, ',' | '¥' | '￥' | '$' | '€' | '£' | '元')
        })
        .collect();
    plain.parse().ok()
}
