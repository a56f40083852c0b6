//! The filterable values of some records, by field, as filters and queries go through them: numbers as numbers, and words once
//! each, whatever number of records has them.

use serde_json::Value;

use super::{Test, fold};
use crate::spec::FieldKind;

/// The filterable values of some records, by field.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) rows: usize,
    pub(crate) named: Vec<(String, Column)>,
}

/// The values of one field. Words are stored once, whatever number of rows has them.
#[derive(Debug)]
pub(crate) enum Column {
    /// Not a number where there is no value.
    Numbers(Vec<f64>),
    Booleans(Vec<Option<bool>>),
    Words {
        dictionary: Vec<String>,
        codes: Vec<u32>,
    },
    /// Row `i` has the codes `starts[i]..starts[i + 1]`.
    Lists {
        dictionary: Vec<String>,
        starts: Vec<u32>,
        codes: Vec<u32>,
    },
}

/// Stands in `codes` where a row has no value.
const NO_WORD: u32 = u32::MAX;

/// One row's value in a column. Words are folded, so what a filter calls equal is equal here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'column> {
    None,
    Number(f64),
    Boolean(bool),
    Word(&'column str),
    /// Some elements; which ones, nobody asks here.
    List,
}

impl Cell<'_> {
    /// Of two values of one column; what cannot be compared is equal.
    pub(crate) fn order(&self, other: &Cell<'_>) -> std::cmp::Ordering {
        match (self, other) {
            (Cell::Number(one), Cell::Number(other)) => one.total_cmp(other),
            (Cell::Boolean(one), Cell::Boolean(other)) => one.cmp(other),
            (Cell::Word(one), Cell::Word(other)) => one.cmp(other),
            _ => std::cmp::Ordering::Equal,
        }
    }

    /// The same for equal values, for numbers their bits.
    fn identity(&self) -> (u8, u64, &str) {
        match self {
            Cell::None => (0, 0, ""),
            // Zero has two forms.
            Cell::Number(number) => (1, (number + 0.0).to_bits(), ""),
            Cell::Boolean(boolean) => (2, u64::from(*boolean), ""),
            Cell::Word(word) => (3, 0, word),
            Cell::List => (4, 0, ""),
        }
    }
}

impl PartialEq for Cell<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Cell<'_> {}

impl std::hash::Hash for Cell<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl Column {
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Column::Numbers(values) => match values.get(row) {
                Some(number) if !number.is_nan() => Cell::Number(*number),
                Some(_) | None => Cell::None,
            },
            Column::Booleans(values) => values.get(row).copied().flatten().map_or(Cell::None, Cell::Boolean),
            Column::Words { dictionary, codes } => {
                let code = codes.get(row).and_then(|code| usize::try_from(*code).ok());
                code.and_then(|code| dictionary.get(code)).map_or(Cell::None, |word| Cell::Word(word))
            }
            Column::Lists { dictionary: _, starts, codes: _ } => {
                if starts.get(row) == starts.get(row + 1) {
                    Cell::None
                } else {
                    Cell::List
                }
            }
        }
    }

    pub(super) fn evaluate(&self, test: &Test) -> Vec<bool> {
        match self {
            Column::Numbers(values) => values
                .iter()
                .map(|it| if it.is_nan() { test.passes_without_value() } else { test.passes_number(*it) })
                .collect(),
            Column::Booleans(values) => values
                .iter()
                .map(|it| it.map_or_else(|| test.passes_without_value(), |it| test.passes_boolean(it)))
                .collect(),
            Column::Words { dictionary, codes } => {
                let passing: Vec<bool> = dictionary.iter().map(|it| test.passes_word(it)).collect();
                let negated = matches!(test, Test::Ne(_));
                let without = test.passes_without_value();
                codes
                    .iter()
                    .map(|code| match usize::try_from(*code).ok().and_then(|it| passing.get(it)) {
                        Some(passes) => passes != &negated,
                        None => without,
                    })
                    .collect()
            }
            Column::Lists { dictionary, starts, codes } => {
                let passing: Vec<bool> = dictionary.iter().map(|it| test.passes_word(it)).collect();
                let negated = matches!(test, Test::Ne(_));
                let without = test.passes_without_value();
                starts
                    .iter()
                    .zip(starts.iter().skip(1))
                    .map(|(from, to)| {
                        let own = codes.get(*from as usize..*to as usize).unwrap_or_default();
                        if own.is_empty() {
                            return without;
                        }
                        own.iter().any(|it| passing.get(*it as usize) == Some(&true)) != negated
                    })
                    .collect()
            }
        }
    }
}

/// Builds the column of one field, row by row.
pub(crate) struct ColumnBuilder {
    kind: FieldKind,
    numbers: Vec<f64>,
    booleans: Vec<Option<bool>>,
    dictionary: Vec<String>,
    known: std::collections::HashMap<String, u32>,
    starts: Vec<u32>,
    codes: Vec<u32>,
}

impl ColumnBuilder {
    pub(crate) fn new(kind: FieldKind) -> ColumnBuilder {
        ColumnBuilder {
            kind,
            numbers: Vec::new(),
            booleans: Vec::new(),
            dictionary: Vec::new(),
            known: std::collections::HashMap::new(),
            starts: vec![0],
            codes: Vec::new(),
        }
    }

    fn code(&mut self, word: &str) -> u32 {
        let word = fold(word);
        if let Some(code) = self.known.get(&word) {
            return *code;
        }
        let code = u32::try_from(self.dictionary.len()).unwrap_or(NO_WORD);
        self.dictionary.push(word.clone());
        self.known.insert(word, code);
        code
    }

    pub(crate) fn push(&mut self, value: Option<&Value>) {
        match self.kind {
            FieldKind::Number => self.numbers.push(value.and_then(Value::as_f64).unwrap_or(f64::NAN)),
            FieldKind::Boolean => self.booleans.push(value.and_then(Value::as_bool)),
            FieldKind::Text | FieldKind::Keyword | FieldKind::Date => {
                let code = match value.and_then(Value::as_str) {
                    Some(word) => self.code(word),
                    None => NO_WORD,
                };
                self.codes.push(code);
            }
            FieldKind::List => {
                for item in value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                    let code = self.code(item);
                    self.codes.push(code);
                }
                self.starts.push(u32::try_from(self.codes.len()).unwrap_or(NO_WORD));
            }
        }
    }

    pub(crate) fn finish(self) -> Column {
        let ColumnBuilder { kind, numbers, booleans, dictionary, known: _, starts, codes } = self;
        match kind {
            FieldKind::Number => Column::Numbers(numbers),
            FieldKind::Boolean => Column::Booleans(booleans),
            FieldKind::Text | FieldKind::Keyword | FieldKind::Date => Column::Words { dictionary, codes },
            FieldKind::List => Column::Lists { dictionary, starts, codes },
        }
    }
}
