//! Tables that documents refer to by name: a header and rows of text. The server reads the files, the engine only cells.

use std::fmt;

use serde::{Deserialize, Serialize};

/// More than a person maintains by hand, and few enough to go through for every decision.
const MAX_ROWS: usize = 50_000;

/// A table of text cells; every row is as long as the header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// Counts from 1 after the header; 0 is the header itself.
    pub row: usize,
    /// The line of the text, where it is known.
    pub line: Option<u64>,
    pub message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            0 => f.write_str("the header")?,
            row => write!(f, "row {row}")?,
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for TableError {}

impl Table {
    /// Reads CSV as spreadsheets write it, separated by commas, semicolons or tabs. The first line is the header.
    ///
    /// # Errors
    ///
    /// Names the row whose number of cells differs from the header, and what is wrong with a header.
    pub fn from_csv(text: &str) -> Result<Table, TableError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(text))
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut table = Table::default();
        for (row, record) in reader.records().enumerate() {
            let fail = |line, message: String| Err(TableError { row, line, message });
            let record = match record {
                Ok(record) => record,
                Err(error) => return fail(error.position().map(csv::Position::line), error.to_string()),
            };
            let line = record.position().map(csv::Position::line);
            let cells: Vec<String> = record.iter().map(str::to_owned).collect();
            if row == 0 {
                match header_problem(&cells) {
                    Some(message) => return fail(line, message),
                    None => table.header = cells,
                }
                continue;
            }
            // A line of nothing but separators is how spreadsheets write an empty one.
            if cells.iter().all(String::is_empty) {
                continue;
            }
            if cells.len() != table.header.len() {
                let (found, wanted) = (cells.len(), table.header.len());
                return fail(line, format!("has {found} cells, the header has {wanted}; quote cells with separators"));
            }
            if table.rows.len() >= MAX_ROWS {
                return fail(line, format!("a table has at most {MAX_ROWS} rows"));
            }
            table.rows.push(cells);
        }
        if table.header.is_empty() {
            return Err(TableError { row: 0, line: None, message: "the table is empty".to_owned() });
        }
        Ok(table)
    }

    /// The same for rows of cells, of which the first is the header.
    ///
    /// # Errors
    ///
    /// As [`Table::from_csv`].
    pub fn from_cells(rows: &[Vec<String>]) -> Result<Table, TableError> {
        Table::from_csv(&written(rows.iter()))
    }

    /// The table as CSV with commas.
    #[must_use]
    pub fn to_csv(&self) -> String {
        written(std::iter::once(&self.header).chain(&self.rows))
    }
}

fn written<'r>(rows: impl Iterator<Item = &'r Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        // Writing to memory does not fail.
        let _ = writer.write_record(row);
    }
    writer.into_inner().ok().and_then(|it| String::from_utf8(it).ok()).unwrap_or_default()
}

/// The separator that the first line has most of.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |it: char| first.matches(it).count();
    [(b'\t', count('\t')), (b';', count(';')), (b',', count(','))]
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(it, _)| it)
}

fn header_problem(header: &[String]) -> Option<String> {
    for (index, name) in header.iter().enumerate() {
        if name.is_empty() {
            return Some(format!("column {} has no name", index + 1));
        }
        if header.iter().take(index).any(|it| it == name) {
            return Some(format!("two columns are called `{name}`"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spreadsheets_write_is_read() {
        for text in ["\u{feff}a,b\r\n1,\"x, y\"\r\n,\r\n 2 ,\r\n", "a;b\n1;x, y\n2;", "a\tb\n1\tx, y\n2\t"] {
            let table = Table::from_csv(text).unwrap();
            assert_eq!(table.header, ["a", "b"]);
            assert_eq!(table.rows, [["1", "x, y"], ["2", ""]]);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_row() {
        let message = |text: &str| Table::from_csv(text).unwrap_err().to_string();
        assert_eq!(
            message("a,b\n1,2\n1,2,3"),
            "row 2 (line 3): has 3 cells, the header has 2; quote cells with separators"
        );
        assert_eq!(message("a,a\n"), "the header (line 1): two columns are called `a`");
        assert_eq!(message("a,\n"), "the header (line 1): column 2 has no name");
        assert_eq!(message(""), "the header: the table is empty");
        let long = format!("a,b\n{}", "1,2\n".repeat(MAX_ROWS + 1));
        assert!(message(&long).contains("at most 50000 rows"));
    }
}
