//! Holding values against the rows of a decision table.

use serde_json::{Map, Value};

use super::read::Columns;
use super::{Hit, Row};
use crate::effect::EffectError;
use crate::expression::Names;
use crate::nodes::rules::cell::Fact;
use crate::template::Template;

/// A decision table without the values that it is asked about.
#[derive(Debug)]
pub(super) struct Decisions {
    pub(super) columns: Columns,
    pub(super) hit: Hit,
    pub(super) rows: Vec<Row>,
}

/// What a table says of some values.
pub(super) struct Decision {
    /// Numbers of the rows that matched, from 1.
    pub(super) matched: Vec<usize>,
    /// The first row's cells, or a list of those of all rows; null when the first row is wanted and there is none.
    pub(super) result: Value,
    /// Cells that were expressions.
    pub(super) evaluated: usize,
}

impl Decisions {
    /// `facts` are in the order of the columns of `when`. Cells of `then` may read names, and only those of rows that match
    /// should.
    pub(super) fn decide(&self, facts: &[Fact<'_>], names: &dyn Names) -> Result<Decision, EffectError> {
        let (mut matched, mut results, mut evaluated) = (Vec::new(), Vec::new(), 0);
        for row in &self.rows {
            if !row.when.iter().zip(facts).all(|(condition, fact)| condition.holds(fact)) {
                continue;
            }
            matched.push(row.number);
            evaluated += row.then.iter().filter(|it| !matches!(it, Template::Literal(_))).count();
            let cells = self.columns.then.iter().zip(&row.then);
            let cells = cells.map(|(name, it)| Ok((name.clone(), it.evaluate(names)?)));
            results.push(Value::Object(cells.collect::<Result<Map<_, _>, EffectError>>()?));
            if self.hit == Hit::First {
                break;
            }
        }
        let result = match self.hit {
            Hit::First => results.pop().unwrap_or(Value::Null),
            Hit::Collect => Value::Array(results),
        };
        Ok(Decision { matched, result, evaluated })
    }
}
