//! Days on which a campaign leaves its own usual range.
//!
//! For each campaign, figure and day: the median of up to `window` days before, and the median of their distances from it
//! (MAD, ×1.4826 to compare with a standard deviation). Both ignore a few wild days, which a mean would not. The spread is
//! never taken smaller than what chance alone gives (a square root for counts) or 5 % of the median, so that a very even
//! campaign does not raise alarms over nothing. A value that is usual for its weekday is no anomaly: shops that sleep on
//! Sundays would report every Sunday.

use std::collections::BTreeMap;

use parlour_plugin_sdk::{Error, JsonSchema, Result, Serialize, Text};

use crate::date::Date;
use crate::figures::{Figures, plain, rounded};
use crate::records::{Read, Row};
use crate::words::{self, Money};

/// Fewer days than this say little about what is usual.
pub(crate) const MIN_HISTORY: usize = 7;
/// The same weekday is compared over this many weeks.
const WEEKS: i64 = 6;
/// Fewer of the same weekday say nothing about a weekly rhythm.
const MIN_SAME_WEEKDAYS: usize = 2;
/// MAD to standard deviation, for values that scatter normally.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// A spread below this part of the median is noise in the books, not in the world.
const MIN_SPREAD: f64 = 0.05;
/// The text shows this many; the list has all.
pub(crate) const SHOWN: usize = 12;

/// What counts as unusual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) window: i64,
    pub(crate) sensitivity: f64,
}

impl Rule {
    pub(crate) fn checked(window: u32, sensitivity: f64) -> Result<Self> {
        let mut problems = Vec::new();
        if !(7..=60).contains(&window) {
            problems.push(format!("`window` is {window}; it goes from 7 to 60 days"));
        }
        if !(1.0..=20.0).contains(&sensitivity) {
            problems.push(format!("`sensitivity` is {sensitivity}; it goes from 1 to 20"));
        }
        if problems.is_empty() {
            Ok(Self { window: i64::from(window), sensitivity })
        } else {
            Err(Error::InvalidInput(problems.join("; ")))
        }
    }

    /// How many days before the first one have to be read.
    pub(crate) fn days_before(&self) -> i64 {
        self.window.max(WEEKS * 7)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde", rename_all = "snake_case")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) enum Metric {
    Spend,
    Impressions,
    Clicks,
    Conversions,
    Revenue,
    Ctr,
    Cpc,
    Cpa,
    Roi,
}

pub(crate) const METRICS: [Metric; 9] = [
    Metric::Spend,
    Metric::Impressions,
    Metric::Clicks,
    Metric::Conversions,
    Metric::Revenue,
    Metric::Ctr,
    Metric::Cpc,
    Metric::Cpa,
    Metric::Roi,
];

impl Metric {
    fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::Spend => Some(figures.spend),
            Self::Impressions => Some(figures.impressions),
            Self::Clicks => Some(figures.clicks),
            Self::Conversions => Some(figures.conversions),
            Self::Revenue => Some(figures.revenue),
            Self::Ctr => figures.ctr,
            Self::Cpc => figures.cpc,
            Self::Cpa => figures.cpa,
            Self::Roi => figures.roi,
        }
    }

    /// The spread that chance alone gives around a median.
    fn chance(self, median: f64, figures: &Figures, usual_conversions: f64) -> f64 {
        let of_conversions = usual_conversions.max(1.0).sqrt();
        match self {
            // Counts of independent events scatter by their square root; few conversions scatter a lot.
            Self::Impressions | Self::Clicks | Self::Conversions => median.max(1.0).sqrt(),
            Self::Ctr => {
                let median = median.clamp(0.0, 1.0);
                (median * (1.0 - median) / figures.impressions.max(1.0)).sqrt()
            }
            // What is divided by the day's small count scatters as that count does.
            Self::Cpc => median.abs() / figures.clicks.max(1.0).sqrt(),
            Self::Cpa => median.abs() / figures.conversions.max(1.0).sqrt(),
            // What conversions bring scatters as their usual number does; on a day without any that is the point.
            Self::Revenue => median.abs() / of_conversions,
            Self::Roi => (median + 1.0).abs() / of_conversions,
            Self::Spend => 0.0,
        }
    }

    fn may_be_negative(self) -> bool {
        self == Self::Roi
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) struct Anomaly {
    pub(crate) date: String,
    pub(crate) campaign: String,
    pub(crate) metric: Metric,
    #[serde(serialize_with = "plain")]
    pub(crate) value: f64,
    /// The median of the days before
    #[serde(serialize_with = "plain")]
    pub(crate) expected: f64,
    /// Lower end of the usual range
    #[serde(serialize_with = "plain")]
    pub(crate) low: f64,
    /// Upper end of the usual range
    #[serde(serialize_with = "plain")]
    pub(crate) high: f64,
    /// Distance from the median in robust standard deviations; `sensitivity` is where an anomaly begins
    pub(crate) score: f64,
    pub(crate) reason: Text,
}

/// A campaign with days that could not be judged.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) struct ShortHistory {
    pub(crate) campaign: String,
    /// How many of its days could not be judged
    pub(crate) days: usize,
    pub(crate) reason: Text,
}

pub(crate) struct Findings {
    pub(crate) anomalies: Vec<Anomaly>,
    pub(crate) checked_days: usize,
    pub(crate) short_history: Vec<ShortHistory>,
}

/// A campaign's figures by day.
type Days = BTreeMap<Date, Figures>;

pub(crate) fn find(read: &Read, rule: &Rule, money: &Money) -> Findings {
    let campaigns = by_campaign(read);
    let (mut found, mut short_history) = (Vec::new(), Vec::new());
    let mut checked = std::collections::BTreeSet::new();
    for (campaign, days) in &campaigns {
        let mut unjudged = 0;
        for (date, figures) in days {
            if !read.span.is_some_and(|span| span.contains(*date)) {
                continue;
            }
            let before = days.range(date.plus(-rule.window)..*date).count();
            if before < MIN_HISTORY {
                unjudged += 1;
                continue;
            }
            checked.insert(*date);
            found.extend(METRICS.into_iter().filter_map(|metric| {
                let judged = judge(metric, *date, figures, days, rule)?;
                Some((*date, judged.into_anomaly(campaign, *date, metric, money)))
            }));
        }
        if unjudged > 0 {
            short_history.push(ShortHistory {
                campaign: campaign.clone(),
                days: unjudged,
                reason: words::short_history(campaign, unjudged, rule),
            });
        }
    }
    found.sort_by(|(one_date, one), (other_date, other)| {
        other_date.cmp(one_date).then(other.score.total_cmp(&one.score))
    });
    Findings {
        anomalies: found.into_iter().map(|(_, anomaly)| anomaly).collect(),
        checked_days: checked.len(),
        short_history,
    }
}

fn by_campaign(read: &Read) -> BTreeMap<String, Days> {
    let mut rows: BTreeMap<(&str, Date), Vec<&Row>> = BTreeMap::new();
    for row in read.before.iter().chain(&read.rows) {
        rows.entry((&row.campaign, row.date)).or_default().push(row);
    }
    let mut campaigns: BTreeMap<String, Days> = BTreeMap::new();
    for ((campaign, date), rows) in rows {
        campaigns.entry(campaign.to_owned()).or_default().insert(date, Figures::of(rows.into_iter()));
    }
    campaigns
}

/// An unusual value and what is usual.
pub(crate) struct Judged {
    pub(crate) value: f64,
    pub(crate) expected: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) score: f64,
    pub(crate) days_before: usize,
}

fn judge(metric: Metric, date: Date, figures: &Figures, days: &Days, rule: &Rule) -> Option<Judged> {
    let value = metric.of(figures)?;
    let history: Vec<f64> =
        days.range(date.plus(-rule.window)..date).filter_map(|(_, before)| metric.of(before)).collect();
    if history.len() < MIN_HISTORY {
        return None;
    }
    let expected = median(&history)?;
    let distances: Vec<f64> = history.iter().map(|past| (past - expected).abs()).collect();
    let conversions: Vec<f64> =
        days.range(date.plus(-rule.window)..date).map(|(_, before)| before.conversions).collect();
    let chance = metric.chance(expected, figures, median(&conversions).unwrap_or(0.0));
    let spread = (median(&distances)? * MAD_TO_DEVIATION).max(expected.abs() * MIN_SPREAD).max(chance);
    if spread <= 0.0 {
        // Nothing but zeros before: anything at all is new, and one unit is the smallest spread that makes sense.
        return (value != 0.0).then_some(Judged {
            value,
            expected,
            low: 0.0,
            high: 0.0,
            score: value.abs().max(rule.sensitivity),
            days_before: history.len(),
        });
    }
    let score = (value - expected).abs() / spread;
    if score <= rule.sensitivity || usual_for_weekday(metric, date, value, days, rule.sensitivity * spread) {
        return None;
    }
    let low = expected - rule.sensitivity * spread;
    let low = if metric.may_be_negative() { low } else { low.max(0.0) };
    Some(Judged { value, expected, low, high: expected + rule.sensitivity * spread, score, days_before: history.len() })
}

/// Whether the same weekday of the weeks before looks like this too.
fn usual_for_weekday(metric: Metric, date: Date, value: f64, days: &Days, reach: f64) -> bool {
    let same: Vec<f64> = days
        .range(date.plus(-WEEKS * 7)..date)
        .filter(|(other, _)| other.weekday() == date.weekday())
        .filter_map(|(_, figures)| metric.of(figures))
        .collect();
    if same.len() < MIN_SAME_WEEKDAYS {
        return false;
    }
    median(&same).is_some_and(|usual| (value - usual).abs() <= reach)
}

/// The middle value; the mean of the two middle ones of an even number.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(*upper) } else { Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *upper)) }
}

impl Judged {
    fn into_anomaly(self, campaign: &str, date: Date, metric: Metric, money: &Money) -> Anomaly {
        let reason = words::reason(campaign, date, metric, &self, money);
        let digits = match metric {
            Metric::Spend | Metric::Impressions | Metric::Clicks | Metric::Conversions | Metric::Revenue => 2,
            Metric::Cpc | Metric::Cpa | Metric::Roi => 4,
            Metric::Ctr => 6,
        };
        Anomaly {
            date: date.to_string(),
            campaign: campaign.to_owned(),
            metric,
            value: rounded(self.value, digits),
            expected: rounded(self.expected, digits),
            low: rounded(self.low, digits),
            high: rounded(self.high, digits),
            score: rounded(self.score, 1),
            reason,
        }
    }
}
