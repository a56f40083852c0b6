//! Rows of tables and objects of JSON into typed records: which column is which field, and what does not fit.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::output::Output;
use super::{MAX_CELL_CHARS, value};
use crate::error::Problem;
use crate::notice::notice;
use crate::spec::{BaseSpec, FieldSpec, header_key};

/// A column as the row reader wants it: a field of the base, or a free column of a base without fields.
#[derive(Clone)]
pub(crate) enum Column {
    Field(FieldSpec),
    Free(String),
    Ignored,
}

pub(crate) fn field_of<'a>(spec: &'a BaseSpec, header: &str) -> Option<&'a FieldSpec> {
    let key = header_key(header);
    let by_name = spec.fields.iter().find(|it| header_key(&it.name) == key);
    by_name
        .or_else(|| spec.fields.iter().find(|it| it.title.as_deref().map(header_key).as_deref() == Some(key.as_str())))
}

/// What the person who uploaded the file said that this header is.
fn said_of<'a>(columns: &'a BTreeMap<String, String>, header: &str) -> Option<&'a str> {
    if columns.is_empty() {
        return None;
    }
    let key = header_key(header);
    columns
        .get(header)
        .or_else(|| columns.iter().find(|(it, _)| header_key(it) == key).map(|(_, it)| it))
        .map(String::as_str)
}

/// The field that a column or member is read into: as it was said, else by its name.
pub(crate) fn target<'a>(
    spec: &'a BaseSpec,
    columns: &BTreeMap<String, String>,
    header: &str,
) -> Option<&'a FieldSpec> {
    match said_of(columns, header) {
        Some("") => None,
        Some(name) => spec.field(name),
        None => field_of(spec, header),
    }
}

pub(crate) fn is_left_out(columns: &BTreeMap<String, String>, header: &str) -> bool {
    said_of(columns, header) == Some("")
}

/// What each column is; none where the table does not fit the base, which is a problem then.
pub(crate) fn columns(header: &[String], header_row: u32, output: &mut Output<'_>) -> Option<Vec<Column>> {
    let spec = output.spec;
    if spec.fields.is_empty() {
        return Some(free_columns(header, output.columns));
    }
    let mut columns: Vec<Column> = Vec::new();
    let mut ignored: Vec<&str> = Vec::new();
    let mut taken: Vec<&str> = Vec::new();
    let mut twice = false;
    for name in header {
        match target(spec, output.columns, name) {
            None => {
                if !is_left_out(output.columns, name) && !name.trim().is_empty() {
                    ignored.push(name);
                }
                columns.push(Column::Ignored);
            }
            Some(field) if taken.contains(&field.name.as_str()) => {
                twice = true;
                let twice = notice!("column_twice", "the column is there twice");
                output.problem(Problem::at(header_row, name, twice));
                columns.push(Column::Ignored);
            }
            Some(field) => {
                taken.push(&field.name);
                columns.push(Column::Field(field.clone()));
            }
        }
    }
    let missing: Vec<&FieldSpec> =
        spec.fields.iter().filter(|it| !taken.contains(&it.name.as_str()) && !output.has_metadata(&it.name)).collect();
    let names: Vec<String> = missing
        .iter()
        .map(|it| match &it.title {
            Some(title) => format!("`{}` ({title})", it.name),
            None => format!("`{}`", it.name),
        })
        .collect();
    // Whoever says what the columns are has looked at them, and may do without a field.
    let may_miss = !output.columns.is_empty() && !taken.is_empty();
    if !missing.is_empty() && may_miss {
        output.warn(notice!("fields_without_column", "no column is read into {fields}", fields = names.join(", ")));
    } else if !missing.is_empty() {
        let (missing, there) = (names.join(", "), quoted(header));
        let without = notice!("columns_missing", "the header does not have {missing}; it has {there}", missing, there,);
        output.problem(Problem::in_row(header_row, without));
    }
    if (!missing.is_empty() && !may_miss) || twice {
        return None;
    }
    if !ignored.is_empty() {
        let columns = quoted(&ignored);
        output.warn(notice!("columns_left_out", "columns that are no fields were left out: {columns}", columns));
    }
    Some(columns)
}

fn quoted(names: &[impl std::fmt::Display]) -> String {
    names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

fn free_columns(header: &[String], said: &BTreeMap<String, String>) -> Vec<Column> {
    let column = |(at, name): (usize, &String)| match said_of(said, name) {
        Some("") => Column::Ignored,
        Some(other) => Column::Free(other.to_owned()),
        None if name.trim().is_empty() => Column::Free(format!("column_{}", at + 1)),
        None => Column::Free(name.trim().to_owned()),
    };
    header.iter().enumerate().map(column).collect()
}

/// A row's values; nothing where a cell is wrong, which is a problem then.
pub(crate) fn read_row(
    number: u32,
    cells: &[String],
    columns: &[Column],
    output: &mut Output<'_>,
) -> Option<Map<String, Value>> {
    let mut values = Values::default();
    for (column, cell) in columns.iter().zip(cells) {
        let Column::Field(field) = column else { continue };
        let value = match too_long(number, &field.name, cell) {
            Some(problem) => Err(problem),
            None => value::from_cell(field.kind, cell).map_err(|it| Problem::at(number, &field.name, it)),
        };
        values.take(field, value, output);
    }
    values.finish()
}

/// The values of one row or object, with whether all of them were of their fields' types.
#[derive(Default)]
struct Values {
    fields: Map<String, Value>,
    bad: bool,
}

impl Values {
    fn take(&mut self, field: &FieldSpec, value: Result<Option<Value>, Problem>, output: &mut Output<'_>) {
        match value {
            Ok(None) => {}
            Ok(Some(value)) => {
                self.fields.insert(field.name.clone(), value);
            }
            Err(problem) => {
                self.bad = true;
                output.problem(problem);
            }
        }
    }

    /// None where something was not.
    fn finish(self) -> Option<Map<String, Value>> {
        (!self.bad).then_some(self.fields)
    }
}

/// A row of a base without fields: a line for each cell that is not empty.
pub(crate) fn free_text(cells: &[String], columns: &[Column]) -> String {
    let mut text = String::new();
    let extra = Column::Free(String::new());
    for (at, cell) in cells.iter().enumerate() {
        let cell = cell.trim();
        let Column::Free(name) = columns.get(at).unwrap_or(&extra) else { continue };
        if cell.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        if name.is_empty() {
            text.push_str(&format!("column_{}", at + 1));
        } else {
            text.push_str(name);
        }
        text.push_str(": ");
        text.push_str(cell);
    }
    text
}

pub(crate) fn too_long(row: u32, column: &str, cell: &str) -> Option<Problem> {
    if cell.len() <= MAX_CELL_CHARS {
        return None;
    }
    let length = cell.chars().count();
    (length > MAX_CELL_CHARS).then(|| {
        let text = notice!(
            "cell_too_long",
            "the cell has {length} characters, at most {most} are read; is a quote not closed?",
            length,
            most = MAX_CELL_CHARS,
        );
        Problem::at(row, column, text)
    })
}

/// Which members the objects had, for what can be said only after the last.
#[derive(Default)]
pub(crate) struct Seen {
    ignored: Vec<String>,
    fields: Vec<String>,
    objects: usize,
    /// What each name is, by its place among the fields: names are compared in a way that costs more than reading them.
    known: BTreeMap<String, Option<usize>>,
}

impl Seen {
    /// Names that are told; an export with an id for a name has as many as objects.
    const MOST: usize = 50;

    pub(crate) fn finish(self, output: &mut Output<'_>) {
        let Seen { ignored, fields, objects, known: _ } = self;
        if output.spec.fields.is_empty() || objects == 0 {
            return;
        }
        let missing: Vec<String> = output
            .spec
            .fields
            .iter()
            .filter(|it| !fields.contains(&it.name) && !output.has_metadata(&it.name))
            .map(|it| it.name.clone())
            .collect();
        let may_miss = !output.columns.is_empty() && !fields.is_empty();
        if !missing.is_empty() && !may_miss {
            let mut there = fields;
            there.extend(ignored);
            let (missing, members) = (quoted(&missing), quoted(&there));
            output.problem(Problem::of(if there.is_empty() {
                notice!("members_missing", "no record has {missing}; the records have no members", missing)
            } else {
                notice!("other_members", "no record has {missing}; the records have {members}", missing, members)
            }));
        } else if !ignored.is_empty() {
            let members = quoted(&ignored);
            output.warn(notice!("members_left_out", "members that are no fields were left out: {members}", members));
        }
    }

    fn target<'a>(&mut self, name: &str, output: &Output<'a>) -> Option<&'a FieldSpec> {
        /// An export with an id for a name has as many names as objects.
        const REMEMBERED: usize = 1000;
        let spec = output.spec;
        if let Some(known) = self.known.get(name) {
            return known.and_then(|at| spec.fields.get(at));
        }
        let found = target(spec, output.columns, name);
        if self.known.len() < REMEMBERED {
            let at = found.and_then(|field| spec.fields.iter().position(|it| it.name == field.name));
            self.known.insert(name.to_owned(), at);
        }
        found
    }

    /// The values of one object, typed; what does not fit becomes a problem.
    pub(crate) fn read_object(
        &mut self,
        number: u32,
        object: &Map<String, Value>,
        output: &mut Output<'_>,
    ) -> Option<Map<String, Value>> {
        self.objects += 1;
        let spec = output.spec;
        let mut values = Values::default();
        for (name, given) in object {
            let Some(field) = self.target(name, output) else {
                if self.ignored.len() < Self::MOST && !is_left_out(output.columns, name) && !self.ignored.contains(name)
                {
                    self.ignored.push(name.clone());
                }
                continue;
            };
            if !self.fields.contains(&field.name) {
                self.fields.push(field.name.clone());
            }
            let value = match given.as_str().and_then(|it| too_long(number, &field.name, it)) {
                Some(problem) => Err(problem),
                None => value::from_json(field.kind, given).map_err(|it| Problem::at(number, &field.name, it)),
            };
            values.take(field, value, output);
        }
        values.finish().map(|it| in_order_of(spec, it))
    }
}

fn in_order_of(spec: &BaseSpec, mut fields: Map<String, Value>) -> Map<String, Value> {
    spec.fields.iter().filter_map(|it| fields.remove(&it.name).map(|value| (it.name.clone(), value))).collect()
}
