//! Decision tables: CSV and spreadsheet files that `rules` refer to by name.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use domain::{DecisionTable, DefinitionKind, TenantId};
use knowledge::Content;
use workflow_engine::Table;

use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// A table of 50,000 rows with a dozen cells each has about this many bytes.
const MAX_BYTES: usize = 8 << 20;
const NAME: &str = "small letters, digits, `_` and `-`, ending in `.csv` or `.xlsx`, for example `prices.csv`";

/// A table from a file's bytes: CSV in any of the encodings that uploads may have, or the first sheet of an XLSX.
///
/// # Errors
/// The name cannot be one, the file is too large or none of the two, or its rows do not fit its header.
pub(crate) fn read_table(name: &str, bytes: Vec<u8>) -> Result<Table> {
    if !is_name(name) {
        return Err(AppError::invalid(format!("`{name}` cannot be a table's name")).hint(NAME));
    }
    if bytes.len() > MAX_BYTES {
        let message = format!("the table has {} bytes; at most {MAX_BYTES} are read", bytes.len());
        return Err(AppError::new(ErrorCode::TooLarge, message));
    }
    if name.ends_with(".xlsx") {
        return first_sheet(bytes);
    }
    let document = knowledge::read_document(Content::Bytes(bytes), name, None).map_err(AppError::from)?;
    Table::from_csv(&document.text).map_err(|it| invalid(it.to_string()))
}

fn invalid(message: String) -> AppError {
    AppError::new(ErrorCode::InvalidDocument, message)
        .hint("the first row names the columns; every other row has a cell for each of them")
}

fn is_name(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_' || it == '-';
    matches!(ending, "csv" | "xlsx") && (1..=63).contains(&stem.len()) && stem.chars().all(allowed)
}

fn first_sheet(bytes: Vec<u8>) -> Result<Table> {
    let unreadable = |error: calamine::XlsxError| invalid(format!("the spreadsheet cannot be read: {error}"));
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes)).map_err(unreadable)?;
    let sheet = book.worksheet_range_at(0).ok_or_else(|| invalid("the spreadsheet has no sheet".to_owned()))?;
    let mut rows: Vec<Vec<String>> =
        sheet.map_err(unreadable)?.rows().map(|row| row.iter().map(cell).collect()).collect();
    rows.retain(|row| row.iter().any(|it| !it.is_empty()));
    Table::from_cells(&rows).map_err(|it| invalid(it.to_string()))
}

/// A cell as a person would type it.
fn cell(data: &Data) -> String {
    match data {
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.trim().to_owned(),
        Data::Float(number) => number.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Bool(yes) => yes.to_string(),
        Data::DateTime(at) => {
            let (year, month, day, ..) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
    }
}

impl App {
    pub async fn tables(&self, tenant: TenantId) -> Result<Vec<(DecisionTable, Table)>> {
        let stored = self.storage().list_tables(tenant).await?;
        // What was stored was a table then; one that is none any more cannot be used.
        Ok(stored.into_iter().filter_map(|it| Table::from_csv(&it.csv).ok().map(|table| (it, table))).collect())
    }

    /// Keeps a file as a table. Workflows that use it decide by the new rows from their next run on.
    pub async fn put_table(&self, tenant: TenantId, name: &str, bytes: Vec<u8>) -> Result<(DecisionTable, Table)> {
        let table = read_table(name, bytes)?;
        let stored = DecisionTable { name: name.to_owned(), csv: table.to_csv(), updated_at: self.clock().now_ms() };
        self.storage().put_table(tenant, stored.clone()).await?;
        self.programs().forget_all();
        Ok((stored, table))
    }

    /// # Errors
    /// There is no such table, or a workflow uses it.
    pub async fn delete_table(&self, tenant: TenantId, name: &str) -> Result<()> {
        let workflows = self.definitions(tenant, DefinitionKind::Workflow).await?;
        let users: Vec<String> = workflows
            .into_iter()
            .filter(|it| workflow_engine::tables_of(&it.version.yaml).iter().any(|it| it == name))
            .map(|it| it.name)
            .collect();
        if !users.is_empty() {
            return Err(AppError::new(ErrorCode::InUse, format!("`{name}` is used by {}", users.join(", ")))
                .hint("change or delete those first"));
        }
        if !self.storage().delete_table(tenant, name).await? {
            return Err(AppError::not_found("table", name));
        }
        self.programs().forget_all();
        Ok(())
    }
}
