//! Delimited tables. The delimiter is the one whose header fits the knowledge base best.

use serde_json::{Map, Value};

use super::{Collected, MAX_CELL_CHARS, value};
use crate::error::{KnowledgeError, Problem};
use crate::spec::{BaseSpec, FieldSpec, header_key};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) fn has_header_of(text: &str, spec: &BaseSpec) -> bool {
    if spec.fields.is_empty() {
        return false;
    }
    DELIMITERS.iter().any(|it| {
        let header = header(text, *it);
        header.len() > 1 && header.iter().filter(|it| field_of(spec, it).is_some()).count() > 1
    })
}

pub(super) fn read(text: &str, delimiter: Option<u8>, found: &mut Collected<'_>) -> Result<(), KnowledgeError> {
    let delimiter = delimiter.unwrap_or_else(|| best_delimiter(text, found.spec));
    let mut rows = reader(text, delimiter);
    let mut row = csv::StringRecord::new();
    if !next(&mut rows, &mut row, found)? {
        return Ok(());
    }
    let header: Vec<String> = row.iter().map(|it| it.trim().to_owned()).collect();
    let columns = match columns(&header, found) {
        Some(columns) => columns,
        None => return Ok(()),
    };
    // The header is row 1, as a spreadsheet shows it.
    let mut number = 1u32;
    while next(&mut rows, &mut row, found)? {
        number = number.saturating_add(1);
        if row.iter().all(|it| it.trim().is_empty()) {
            continue;
        }
        if row.len() != header.len() {
            let text = format!("it has {} cells, the header has {}", row.len(), header.len());
            found.problem(Problem::in_row(number, text));
            continue;
        }
        read_row(number, &row, &columns, found)?;
    }
    Ok(())
}

/// A column as the row reader wants it: a field of the base, or a free column of a base without fields.
enum Column {
    Field(FieldSpec),
    Free(String),
    Ignored,
}

fn columns(header: &[String], found: &mut Collected<'_>) -> Option<Vec<Column>> {
    let spec = found.spec;
    if spec.fields.is_empty() {
        return Some(header.iter().map(|it| Column::Free(it.clone())).collect());
    }
    let mut columns: Vec<Column> = Vec::new();
    let mut ignored: Vec<&str> = Vec::new();
    let mut taken: Vec<&str> = Vec::new();
    let mut twice = false;
    for name in header {
        match field_of(spec, name) {
            None => {
                ignored.push(name);
                columns.push(Column::Ignored);
            }
            Some(field) if taken.contains(&field.name.as_str()) => {
                twice = true;
                found.problem(Problem {
                    row: Some(1),
                    column: Some(name.clone()),
                    message: "the column is there twice".to_owned(),
                });
                columns.push(Column::Ignored);
            }
            Some(field) => {
                taken.push(&field.name);
                columns.push(Column::Field(field.clone()));
            }
        }
    }
    let missing: Vec<String> = spec
        .fields
        .iter()
        .filter(|it| !taken.contains(&it.name.as_str()))
        .map(|it| match &it.title {
            Some(title) => format!("`{}` ({title})", it.name),
            None => format!("`{}`", it.name),
        })
        .collect();
    if !missing.is_empty() {
        let there: Vec<String> = header.iter().map(|it| format!("`{it}`")).collect();
        let (is, are) = if missing.len() == 1 { ("the column", "is") } else { ("the columns", "are") };
        let message = format!("{is} {} {are} missing; the header has {}", missing.join(", "), there.join(", "));
        found.problem(Problem { row: Some(1), column: None, message });
    }
    if !missing.is_empty() || twice {
        return None;
    }
    if !ignored.is_empty() {
        let names: Vec<String> = ignored.iter().map(|it| format!("`{it}`")).collect();
        found.warnings.push(format!("columns that are no fields were left out: {}", names.join(", ")));
    }
    Some(columns)
}

fn read_row(
    number: u32,
    row: &csv::StringRecord,
    columns: &[Column],
    found: &mut Collected<'_>,
) -> Result<(), KnowledgeError> {
    let mut fields = Map::new();
    let mut lines: Vec<String> = Vec::new();
    let mut bad = false;
    for (column, cell) in columns.iter().zip(row) {
        let length = cell.chars().count();
        let (name, kind) = match column {
            Column::Ignored => continue,
            Column::Field(field) => (&field.name, Some(field.kind)),
            Column::Free(name) => (name, None),
        };
        if length > MAX_CELL_CHARS {
            bad = true;
            let text =
                format!("the cell has {length} characters, at most {MAX_CELL_CHARS} are read; is a quote not closed?");
            found.problem(Problem::at(number, name, text));
            continue;
        }
        match kind.map(|it| value::from_cell(it, cell)) {
            Some(Ok(None)) => {}
            Some(Ok(Some(value))) => {
                fields.insert(name.clone(), value);
            }
            Some(Err(message)) => {
                bad = true;
                found.problem(Problem::at(number, name, message));
            }
            None if cell.trim().is_empty() => {}
            None => lines.push(format!("{name}: {}", cell.trim())),
        }
    }
    if bad {
        return Ok(());
    }
    if found.spec.fields.is_empty() {
        return found.push(lines.join("\n"), Map::new());
    }
    found.row(number, fields)
}

fn field_of<'a>(spec: &'a BaseSpec, header: &str) -> Option<&'a FieldSpec> {
    let key = header_key(header);
    let by_name = spec.fields.iter().find(|it| header_key(&it.name) == key);
    by_name
        .or_else(|| spec.fields.iter().find(|it| it.title.as_deref().map(header_key).as_deref() == Some(key.as_str())))
}

fn best_delimiter(text: &str, spec: &BaseSpec) -> u8 {
    let mut best = (0usize, 0usize, b',');
    for delimiter in DELIMITERS {
        let header = header(text, delimiter);
        let known = header.iter().filter(|it| field_of(spec, it).is_some()).count();
        if (known, header.len()) > (best.0, best.1) {
            best = (known, header.len(), delimiter);
        }
    }
    best.2
}

/// Every row as it stands; without a delimiter, by the one that cuts the first row into the most cells.
pub(super) fn rows(text: &str, delimiter: Option<u8>) -> Result<Vec<Vec<String>>, csv::Error> {
    let widest = || DELIMITERS.into_iter().rev().max_by_key(|it| header(text, *it).len()).unwrap_or(b',');
    let mut reader = reader(text, delimiter.unwrap_or_else(widest));
    reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect())).collect()
}

fn header(text: &str, delimiter: u8) -> Vec<String> {
    let mut row = csv::StringRecord::new();
    match reader(text, delimiter).read_record(&mut row) {
        Ok(true) => row.iter().map(str::to_owned).collect(),
        Ok(false) | Err(_) => Vec::new(),
    }
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes())
}

fn next(
    rows: &mut csv::Reader<&[u8]>,
    row: &mut csv::StringRecord,
    found: &Collected<'_>,
) -> Result<bool, KnowledgeError> {
    rows.read_record(row).map_err(|error| KnowledgeError::UnreadableFile {
        file: found.file.to_owned(),
        message: error.to_string(),
        hint: "save the table again as “CSV UTF-8”".to_owned(),
    })
}

/// A value for a base's field out of JSON or a table looks the same from here on.
pub(super) fn key_of<'a>(spec: &'a BaseSpec, name: &str) -> Option<&'a FieldSpec> {
    field_of(spec, name)
}

/// The values of one object, typed; what does not fit becomes a problem.
pub(super) fn read_object(
    number: u32,
    object: &Map<String, Value>,
    found: &mut Collected<'_>,
    ignored: &mut Vec<String>,
) -> Option<Map<String, Value>> {
    let spec = found.spec;
    let mut fields = Map::new();
    let mut bad = false;
    for (name, given) in object {
        let Some(field) = key_of(spec, name) else {
            if !ignored.contains(name) {
                ignored.push(name.clone());
            }
            continue;
        };
        let long = given.as_str().map_or(0, |it| it.chars().count());
        if long > MAX_CELL_CHARS {
            bad = true;
            let text = format!("the text has {long} characters, at most {MAX_CELL_CHARS} are read");
            found.problem(Problem::at(number, &field.name, text));
            continue;
        }
        match value::from_json(field.kind, given) {
            Ok(None) => {}
            Ok(Some(value)) => {
                fields.insert(field.name.clone(), value);
            }
            Err(message) => {
                bad = true;
                found.problem(Problem::at(number, &field.name, message));
            }
        }
    }
    (!bad).then(|| in_order_of(spec, fields))
}

fn in_order_of(spec: &BaseSpec, mut fields: Map<String, Value>) -> Map<String, Value> {
    spec.fields.iter().filter_map(|it| fields.remove(&it.name).map(|value| (it.name.clone(), value))).collect()
}
