//! Tables that a tenant's workflows decide by.

/// A decision table as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionTable {
    /// The file's name, as workflows write it: `prices.csv`.
    pub name: String,
    pub csv: String,
    pub updated_at: i64,
}
