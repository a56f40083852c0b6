//! Performs a query over the columns that are held in memory; only what is shown is read from the file. Words are one group
//! when a filter would call them equal, shown as the group's first record writes them.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::snapshot::{Held, Segment};
use super::{BaseRef, Knowledge};
use crate::error::KnowledgeError;
use crate::filter::{Cell, Column};
use crate::query::{Aggregate, Figure, Member, Query, Shape, Sort};

/// Rows of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Objects with the same members in the same order.
    pub rows: Vec<Map<String, Value>>,
    /// How many there would be without `limit` and `offset`.
    pub total: u64,
}

/// What is shown, before its words are read: the record that stands for it, and the figures of a group.
struct Found {
    record: Option<i64>,
    figures: Vec<Value>,
}

impl Knowledge {
    /// Rows and sums over the typed fields of a base's records; the members of `query` are those of the plugin contract's
    /// `knowledge.query`. `groups` say who asks, as in a search.
    ///
    /// # Errors
    /// `InvalidRequest` and `InvalidFilter` for a query that does not fit the base; `Index` when its file cannot be read.
    pub async fn query(
        &self,
        tenant: &str,
        base: &BaseRef,
        query: &Map<String, Value>,
        groups: Option<&[String]>,
    ) -> Result<Rows, KnowledgeError> {
        let query = Query::compile(query, &base.spec)?;
        let index = self.tenant(tenant).await?;
        let mut reading = index.begin_reading().await?;
        let snapshot = index.snapshot(&mut reading, base, Held::Columns).await?;
        let segments = snapshot.map_or_else(Vec::new, |it| it.segments(groups));
        // A base may have a million records, and an async worker others to serve.
        let computed = tokio::task::spawn_blocking(move || {
            let (found, total) = perform(&query, &segments);
            (query, found, total)
        });
        let (query, found, total) =
            computed.await.map_err(|source| KnowledgeError::Worker { operation: "adding up records", source })?;
        let records: Vec<i64> = found.iter().filter_map(|it| it.record).collect();
        let read = index.read_records(&mut reading, &records).await?;
        let rows = found
            .into_iter()
            .map(|Found { record, figures }| {
                let record = record.and_then(|it| read.get(&it));
                let member = |name: &String| {
                    let value = match name.as_str() {
                        "id" => record.map(|it| Value::from(it.id())),
                        "document" => record.map(|it| Value::from(it.document.as_str())),
                        _ => record.and_then(|it| it.record.fields.get(name).cloned()),
                    };
                    (name.clone(), value.unwrap_or_default())
                };
                match &query.shape {
                    Shape::Rows { select, order: _ } => select.iter().map(member).collect(),
                    Shape::Groups { by, figures: named, order: _ } => {
                        let figures = named.iter().map(|it| it.name.clone()).zip(figures);
                        by.iter().map(member).chain(figures).collect()
                    }
                }
            })
            .collect();
        Ok(Rows { rows, total: u64::try_from(total).unwrap_or(u64::MAX) })
    }
}

fn perform(query: &Query, segments: &[Arc<Segment>]) -> (Vec<Found>, usize) {
    let passed: Vec<Vec<bool>> = segments.iter().map(|it| query.filter.evaluate(&it.columns)).collect();
    let places = segments.iter().zip(&passed).flat_map(|(segment, passed)| {
        passed.iter().enumerate().filter(|(_, passes)| **passes).map(move |(row, _)| (segment.as_ref(), row))
    });
    let part = |total: usize| query.offset.min(total)..query.offset.saturating_add(query.limit).min(total);
    match &query.shape {
        Shape::Rows { select: _, order } => {
            let mut all: Vec<(&Segment, usize)> = places.collect();
            // Equal rows stay in the order of their documents.
            all.sort_by(|one, other| first_difference(order, |field| (cell(*one, field), cell(*other, field))));
            let shown = all.get(part(all.len())).unwrap_or_default();
            let found = |(segment, row): &(&Segment, usize)| Found { record: segment.row(*row), figures: Vec::new() };
            (shown.iter().map(found).collect(), all.len())
        }
        Shape::Groups { by, figures, order } => {
            let mut groups = collect(places, by, figures);
            groups.sort_by(|one, other| {
                first_difference(order, |member| match member {
                    Member::Field(at) => (one.key(*at), other.key(*at)),
                    Member::Figure(at) => (one.figure(*at), other.figure(*at)),
                })
            });
            let shown = groups.get(part(groups.len())).unwrap_or_default();
            let found = |it: &Group<'_>| Found {
                record: it.record,
                figures: it.tallies.iter().map(|tally| shown_value(&tally.result())).collect(),
            };
            (shown.iter().map(found).collect(), groups.len())
        }
    }
}

fn cell<'s>((segment, row): (&'s Segment, usize), field: &str) -> Cell<'s> {
    let column = segment.columns.named.iter().find(|(name, _)| name == field);
    column.map_or(Cell::None, |(_, column)| column.cell(row))
}

/// A group while it is added up.
struct Group<'s> {
    keys: Vec<Cell<'s>>,
    /// The first record in it, whose spelling is shown.
    record: Option<i64>,
    tallies: Vec<Tally<'s>>,
}

impl<'s> Group<'s> {
    fn key(&self, at: usize) -> Cell<'s> {
        self.keys.get(at).copied().unwrap_or(Cell::None)
    }

    fn figure(&self, at: usize) -> Cell<'s> {
        self.tallies.get(at).map_or(Cell::None, Tally::result)
    }
}

fn collect<'s>(
    places: impl Iterator<Item = (&'s Segment, usize)>,
    by: &[String],
    figures: &[Figure],
) -> Vec<Group<'s>> {
    let new = |keys, record| Group { keys, record, tallies: figures.iter().map(|it| Tally::new(&it.of)).collect() };
    let mut groups: Vec<Group<'s>> = Vec::new();
    let mut known: HashMap<Vec<Cell<'s>>, usize> = HashMap::new();
    // Sums over everything are a row even where there is nothing, as in SQL.
    if by.is_empty() {
        groups.push(new(Vec::new(), None));
        known.insert(Vec::new(), 0);
    }
    let mut segment_columns: Option<(*const Segment, Columns<'s>)> = None;
    for (segment, row) in places {
        // The columns are looked up by name once for each segment, not for each row.
        let columns = match &segment_columns {
            Some((of, columns)) if std::ptr::eq(*of, segment) => columns,
            _ => &segment_columns.insert((segment, Columns::of(segment, by, figures))).1,
        };
        let keys: Vec<Cell<'s>> = columns.by.iter().map(|it| it.map_or(Cell::None, |it| it.cell(row))).collect();
        let at = match known.get(&keys) {
            Some(at) => *at,
            None => {
                known.insert(keys.clone(), groups.len());
                groups.push(new(keys, segment.row(row)));
                groups.len() - 1
            }
        };
        if let Some(group) = groups.get_mut(at) {
            for (tally, column) in group.tallies.iter_mut().zip(&columns.figures) {
                tally.add(column.map_or(Cell::None, |it| it.cell(row)));
            }
        }
    }
    groups
}

struct Columns<'s> {
    by: Vec<Option<&'s Column>>,
    figures: Vec<Option<&'s Column>>,
}

impl<'s> Columns<'s> {
    fn of(segment: &'s Segment, by: &[String], figures: &[Figure]) -> Self {
        let named = |name: &str| segment.columns.named.iter().find(|(it, _)| it == name).map(|(_, column)| column);
        let of_figure = |figure: &Figure| match &figure.of {
            Aggregate::CountAll => None,
            Aggregate::Count(field)
            | Aggregate::CountDistinct(field)
            | Aggregate::Sum(field)
            | Aggregate::Average(field)
            | Aggregate::Least(field)
            | Aggregate::Greatest(field) => named(field),
        };
        Self { by: by.iter().map(|it| named(it)).collect(), figures: figures.iter().map(of_figure).collect() }
    }
}

/// One figure of one group.
enum Tally<'s> {
    CountAll(u64),
    Count(u64),
    Distinct(HashSet<Cell<'s>>),
    Sum(Sum),
    Average(Sum),
    /// The present extreme, and which way is better.
    Extreme(Cell<'s>, Ordering),
}

impl<'s> Tally<'s> {
    fn new(of: &Aggregate) -> Self {
        match of {
            Aggregate::CountAll => Self::CountAll(0),
            Aggregate::Count(_) => Self::Count(0),
            Aggregate::CountDistinct(_) => Self::Distinct(HashSet::new()),
            Aggregate::Sum(_) => Self::Sum(Sum::default()),
            Aggregate::Average(_) => Self::Average(Sum::default()),
            Aggregate::Least(_) => Self::Extreme(Cell::None, Ordering::Less),
            Aggregate::Greatest(_) => Self::Extreme(Cell::None, Ordering::Greater),
        }
    }

    fn add(&mut self, cell: Cell<'s>) {
        match (self, cell) {
            (Self::CountAll(count), _) => *count += 1,
            // What is not there counts for nothing else.
            (_, Cell::None) => {}
            (Self::Count(count), _) => *count += 1,
            (Self::Distinct(seen), cell) => {
                seen.insert(cell);
            }
            (Self::Sum(sum) | Self::Average(sum), Cell::Number(number)) => sum.add(number),
            (Self::Sum(_) | Self::Average(_), Cell::Boolean(_) | Cell::Word(_) | Cell::List) => {}
            (Self::Extreme(present, better), cell) => {
                if matches!(present, Cell::None) || cell.order(present) == *better {
                    *present = cell;
                }
            }
        }
    }

    fn result(&self) -> Cell<'s> {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer records than 2^53")]
        let counted = |count: u64| Cell::Number(count as f64);
        match self {
            Self::CountAll(count) | Self::Count(count) => counted(*count),
            Self::Distinct(seen) => counted(seen.len() as u64),
            Self::Sum(sum) => sum.total().map_or(Cell::None, Cell::Number),
            Self::Average(sum) => sum.average().map_or(Cell::None, Cell::Number),
            Self::Extreme(present, _) => *present,
        }
    }
}

/// A sum of amounts of money must not depend on the order of a table's rows, so what rounding loses is kept beside it
/// (Neumaier's variant of Kahan's summation).
#[derive(Default)]
struct Sum {
    total: f64,
    lost: f64,
    count: u64,
}

impl Sum {
    fn add(&mut self, number: f64) {
        let total = self.total + number;
        self.lost += if self.total.abs() >= number.abs() {
            (self.total - total) + number
        } else {
            (number - total) + self.total
        };
        self.total = total;
        self.count += 1;
    }

    fn total(&self) -> Option<f64> {
        (self.count > 0).then_some(as_written(self.total + self.lost))
    }

    fn average(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer records than 2^53")]
        (self.count > 0).then_some(as_written((self.total + self.lost) / self.count as f64))
    }
}

/// With 15 significant digits, as spreadsheets show numbers: 10.1 and 0.2 are 10.3, not 10.299999999999999.
fn as_written(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}

/// Whole numbers as such: 28, not 28.0.
fn shown_value(cell: &Cell<'_>) -> Value {
    /// Up to here every whole number has a floating-point number of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match cell {
        Cell::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            Value::from(*number as i64)
        }
        Cell::Number(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Cell::Word(word) => Value::from(*word),
        Cell::Boolean(boolean) => Value::from(*boolean),
        Cell::List | Cell::None => Value::Null,
    }
}

/// What has no value comes last, whichever way the others go.
fn first_difference<'s, By>(order: &[Sort<By>], pair: impl Fn(&By) -> (Cell<'s>, Cell<'s>)) -> Ordering {
    for Sort { by, descending } in order {
        let (one, other) = pair(by);
        let ordering = match (one, other) {
            (Cell::None, Cell::None) => Ordering::Equal,
            (Cell::None, _) => Ordering::Greater,
            (_, Cell::None) => Ordering::Less,
            (one, other) if *descending => other.order(&one),
            (one, other) => one.order(&other),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}
