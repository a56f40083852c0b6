//! Sums and ratios.

use std::collections::BTreeMap;

use parlour_plugin_sdk::serde::Serializer;
use parlour_plugin_sdk::{JsonSchema, Serialize};

use crate::date::Date;
use crate::records::Row;

/// Sums over some rows, and what they say together. A ratio is null where its divisor is zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) struct Figures {
    #[serde(serialize_with = "plain")]
    pub(crate) spend: f64,
    #[serde(serialize_with = "plain")]
    pub(crate) impressions: f64,
    #[serde(serialize_with = "plain")]
    pub(crate) clicks: f64,
    #[serde(serialize_with = "plain")]
    pub(crate) conversions: f64,
    #[serde(serialize_with = "plain")]
    pub(crate) revenue: f64,
    /// Clicks per impression, 0 to 1
    pub(crate) ctr: Option<f64>,
    /// Spend per click
    pub(crate) cpc: Option<f64>,
    /// Spend per conversion
    pub(crate) cpa: Option<f64>,
    /// (revenue − spend) ÷ spend: 0.5 means half the spend was earned on top of it
    pub(crate) roi: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) struct CampaignFigures {
    pub(crate) campaign: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(crate = "parlour_plugin_sdk::serde")]
#[schemars(crate = "parlour_plugin_sdk::schemars")]
pub(crate) struct DayFigures {
    pub(crate) date: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl Figures {
    pub(crate) fn of<'row>(rows: impl Iterator<Item = &'row Row>) -> Self {
        let (mut spend, mut revenue) = (0_i128, 0_i128);
        let (mut impressions, mut clicks, mut conversions) = (0.0, 0.0, 0.0);
        for row in rows {
            spend = spend.saturating_add(row.spend);
            revenue = revenue.saturating_add(row.revenue);
            impressions += row.impressions;
            clicks += row.clicks;
            conversions += row.conversions;
        }
        let (spend, revenue) = (units(spend), units(revenue));
        Self {
            spend: rounded(spend, 2),
            impressions: rounded(impressions, 2),
            clicks: rounded(clicks, 2),
            conversions: rounded(conversions, 2),
            revenue: rounded(revenue, 2),
            ctr: ratio(clicks, impressions).map(|ctr| rounded(ctr, 6)),
            cpc: ratio(spend, clicks).map(price),
            cpa: ratio(spend, conversions).map(price),
            roi: ratio(revenue - spend, spend).map(|roi| rounded(roi, 4)),
        }
    }
}

impl CampaignFigures {
    /// By campaign, the largest spend first, equal spends by name.
    pub(crate) fn of(rows: &[Row]) -> Vec<Self> {
        let mut by_campaign: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            by_campaign.entry(&row.campaign).or_default().push(row);
        }
        let mut campaigns: Vec<Self> = by_campaign
            .into_iter()
            .map(|(campaign, rows)| Self { campaign: campaign.to_owned(), figures: Figures::of(rows.into_iter()) })
            .collect();
        campaigns.sort_by(|one, other| other.figures.spend.total_cmp(&one.figures.spend));
        campaigns
    }
}

impl DayFigures {
    pub(crate) fn of(rows: &[Row]) -> Vec<Self> {
        let mut by_day: BTreeMap<Date, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            by_day.entry(row.date).or_default().push(row);
        }
        let days = by_day.into_iter();
        days.map(|(date, rows)| Self { date: date.to_string(), figures: Figures::of(rows.into_iter()) }).collect()
    }
}

fn units(micros: i128) -> f64 {
    // Cents survive up to 90 million millions.
    micros as f64 / 1e6
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole != 0.0).then(|| part / whole).filter(|ratio| ratio.is_finite())
}

/// A price of a click may be a fraction of a cent; then cents would hide it.
fn price(amount: f64) -> f64 {
    rounded(amount, if amount.abs() < 1.0 { 4 } else { 2 })
}

/// Rounds half away from zero. The nudge undoes what binary fractions take away: 1.005 is meant, 1.00499… is stored.
pub(crate) fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    let scaled = number * scale;
    let result = (scaled + scaled.signum() * scaled.abs() * f64::EPSILON * 4.0).round() / scale;
    // Never `-0`.
    if result == 0.0 { 0.0 } else { result }
}

/// Whole numbers without `.0`: 1200 impressions, not 1200.0.
pub(crate) fn plain<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}
