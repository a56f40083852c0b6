//! Workbooks: every sheet is a table whose rows are records. Rows of the newer Excel format come one by one; those of the
//! others are in memory, which their own limits of rows keep small.

use std::io::{Read, Seek};

use calamine::{Data, DataRef, ExcelDateTime, Ods, Reader, SheetVisible, Xls, Xlsb, Xlsx};

use super::Input;
use crate::error::KnowledgeError;
use crate::notice::notice;
use crate::parse::archive::Archive;
use crate::parse::block::{Block, Blocks};
use crate::parse::format::Format;
use crate::parse::source::unreadable;

/// A title, a date and an empty line stand above many a header.
const ROWS_ABOVE_HEADER: usize = 10;
/// Excel's own bound is 16,384.
const MAX_COLUMNS: usize = 1024;
/// The formats that are read into memory.
const MAX_IN_MEMORY: u64 = 128 << 20;
/// All different texts of a workbook are in memory together.
const MAX_STRINGS: u64 = 256 << 20;

pub(crate) fn read(input: &Input<'_>, format: Format, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let reader = input.source.open().map_err(|error| unreadable(input.name, &error))?;
    if format == Format::Xls {
        check_size(input, input.source.length())?;
        let book: Xls<_> = Xls::new(reader).map_err(|error| damaged(input, &error))?;
        return in_memory(input, book, blocks);
    }
    // The library unpacks by itself, so what it will meet is looked at before.
    let mut archive = Archive::open(input.source, input.name)?;
    archive.check_all()?;
    let members = archive.members()?;
    let size_of =
        |name: &str| members.iter().filter(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.size).sum::<u64>();
    if format == Format::Ods {
        check_size(input, size_of("content.xml"))?;
        let book: Ods<_> = Ods::new(reader).map_err(|error| damaged(input, &error))?;
        return in_memory(input, book, blocks);
    }
    if format == Format::Xlsb {
        check_size(input, members.iter().map(|it| it.size).sum())?;
        let book: Xlsb<_> = Xlsb::new(reader).map_err(|error| damaged(input, &error))?;
        return in_memory(input, book, blocks);
    }
    if size_of("xl/sharedStrings.xml") > MAX_STRINGS {
        return Err(crate::parse::archive::too_large(
            input.name,
            format!("its texts have more than {} MB", MAX_STRINGS >> 20),
        ));
    }
    let book: Xlsx<_> = Xlsx::new(reader).map_err(|error| damaged(input, &error))?;
    streamed(input, book, blocks)
}

fn check_size(input: &Input<'_>, size: u64) -> Result<(), KnowledgeError> {
    if size <= MAX_IN_MEMORY {
        return Ok(());
    }
    Err(KnowledgeError::TooLarge {
        file: input.name.to_owned(),
        message: format!("a workbook of this kind can have {} MB", MAX_IN_MEMORY >> 20),
        hint: "save it as `.xlsx` or CSV, of which much larger ones are read".to_owned(),
    })
}

fn damaged(input: &Input<'_>, error: &dyn std::fmt::Display) -> KnowledgeError {
    KnowledgeError::UnreadableFile {
        file: input.name.to_owned(),
        message: format!("the workbook is damaged: {error}"),
        hint: "open it in Excel, save it again, and upload it again".to_owned(),
    }
}

/// The sheets that people see.
fn sheets_of(sheets: &[calamine::Sheet], blocks: &mut dyn Blocks) -> Vec<String> {
    let mut shown = Vec::new();
    for sheet in sheets {
        if sheet.visible == SheetVisible::Visible {
            shown.push(sheet.name.clone());
        } else {
            let sheet = sheet.name.as_str();
            blocks.warn(notice!("hidden_sheet", "the hidden sheet `{sheet}` was left out", sheet));
        }
    }
    shown
}

fn streamed<R: Read + Seek>(
    input: &Input<'_>,
    mut book: Xlsx<R>,
    blocks: &mut dyn Blocks,
) -> Result<(), KnowledgeError> {
    let names = sheets_of(book.sheets_metadata(), blocks);
    let total = names.len() as u64;
    for (at, name) in names.iter().enumerate() {
        let mut rows = Rows::new(name, blocks)?;
        match book.worksheet_cells_reader(name) {
            Ok(mut cells) => loop {
                match cells.next_cell() {
                    Ok(Some(cell)) => {
                        let (row, column) = cell.get_position();
                        rows.cell(row, column as usize, text_of_ref(cell.get_value()))?;
                    }
                    Ok(None) => break,
                    Err(error) => return Err(damaged(input, &error)),
                }
            },
            // A sheet that is a chart has no cells.
            Err(error) => rows.blocks.warn(notice!(
                "sheet_unreadable",
                "the sheet `{sheet}` cannot be read: {error}",
                sheet = name.as_str(),
                error = error.to_string(),
            )),
        }
        rows.finish()?;
        blocks.progress(at as u64 + 1, total)?;
    }
    Ok(())
}

fn in_memory<R: Read + Seek, B: Reader<R>>(
    input: &Input<'_>,
    mut book: B,
    blocks: &mut dyn Blocks,
) -> Result<(), KnowledgeError>
where
    B::Error: std::fmt::Display,
{
    let names = sheets_of(book.sheets_metadata(), blocks);
    let total = names.len() as u64;
    for (at, name) in names.iter().enumerate() {
        let range = book.worksheet_range(name).map_err(|error| damaged(input, &error))?;
        let (first_row, first_column) = range.start().unwrap_or_default();
        let mut rows = Rows::new(name, blocks)?;
        for (row, column, cell) in range.used_cells() {
            let row = first_row.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
            rows.cell(row, first_column as usize + column, text_of(cell))?;
        }
        rows.finish()?;
        blocks.progress(at as u64 + 1, total)?;
    }
    Ok(())
}

/// Cells into rows, and the first rows into a header.
struct Rows<'a> {
    blocks: &'a mut dyn Blocks,
    row: Vec<String>,
    /// From 0.
    number: u32,
    /// Rows that come before it is known which is the header.
    first: Vec<(u32, Vec<String>)>,
    /// Cells of the header, once there is one.
    width: Option<usize>,
}

impl<'a> Rows<'a> {
    fn new(sheet: &str, blocks: &'a mut dyn Blocks) -> Result<Rows<'a>, KnowledgeError> {
        blocks.block(Block::Part(Some(sheet.to_owned())))?;
        Ok(Rows { blocks, row: Vec::new(), number: 0, first: Vec::new(), width: None })
    }

    fn cell(&mut self, row: u32, column: usize, text: String) -> Result<(), KnowledgeError> {
        if row != self.number {
            self.end_row()?;
            self.number = row;
        }
        if column < MAX_COLUMNS && !text.trim().is_empty() {
            if self.row.len() <= column {
                self.row.resize(column + 1, String::new());
            }
            if let Some(cell) = self.row.get_mut(column) {
                *cell = text;
            }
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), KnowledgeError> {
        let row = std::mem::take(&mut self.row);
        if row.is_empty() {
            return Ok(());
        }
        if self.width.is_some() {
            return self.tell_row(self.number, row);
        }
        self.first.push((self.number, row));
        if self.first.len() >= ROWS_ABOVE_HEADER { self.decide() } else { Ok(()) }
    }

    fn tell_row(&mut self, number: u32, mut row: Vec<String>) -> Result<(), KnowledgeError> {
        let width = self.width.unwrap_or(row.len());
        row.resize(width.max(row.len()), String::new());
        // Notes beside the table are no cells of it, unless there are no fields that they could disturb.
        row.truncate(width);
        self.blocks.block(Block::SheetRow { cells: row, row: number.saturating_add(1) })
    }

    /// The header is the row that the base knows best; without one, the first that is nearly as wide as the widest.
    fn decide(&mut self) -> Result<(), KnowledgeError> {
        let first = std::mem::take(&mut self.first);
        let filled = |row: &[String]| row.iter().filter(|it| !it.is_empty()).count();
        let widest = first.iter().map(|(_, it)| filled(it)).max().unwrap_or(0);
        let mut best: Option<(usize, usize)> = None;
        for (at, (_, row)) in first.iter().enumerate() {
            let known = self.blocks.known_columns(row);
            if known > best.map_or(0, |(known, _)| known) {
                best = Some((known, at));
            }
        }
        let by_width = || first.iter().position(|(_, it)| filled(it) * 3 >= widest * 2).unwrap_or(0);
        let header_at = best.map_or_else(by_width, |(_, at)| at);
        let all_columns = first.iter().skip(header_at).map(|(_, it)| it.len()).max().unwrap_or(0);
        for (at, (number, mut row)) in first.into_iter().enumerate() {
            if at < header_at && best.is_some() {
                // A base that knows its columns wants nothing else.
                continue;
            }
            if at < header_at {
                let text = row.iter().filter(|it| !it.is_empty()).cloned().collect::<Vec<_>>().join("  ");
                self.blocks.block(Block::Paragraph(text))?;
            } else if at == header_at {
                // Columns without a name still have cells; a base with fields does not want them.
                if best.is_none() {
                    row.resize(all_columns.max(row.len()), String::new());
                }
                self.width = Some(row.len());
                self.blocks.block(Block::SheetHeader { cells: row, row: number.saturating_add(1) })?;
            } else {
                self.tell_row(number, row)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), KnowledgeError> {
        self.end_row()?;
        if self.width.is_none() && !self.first.is_empty() { self.decide() } else { Ok(()) }
    }
}

fn text_of_ref(data: &DataRef<'_>) -> String {
    match data {
        DataRef::Int(it) => it.to_string(),
        DataRef::Float(it) => number(*it),
        DataRef::String(it) => it.clone(),
        DataRef::SharedString(it) => (*it).to_owned(),
        DataRef::Bool(it) => it.to_string(),
        DataRef::DateTime(it) => moment(it),
        DataRef::DateTimeIso(it) | DataRef::DurationIso(it) => it.clone(),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

fn text_of(data: &Data) -> String {
    match data {
        Data::Int(it) => it.to_string(),
        Data::Float(it) => number(*it),
        Data::String(it) => it.clone(),
        Data::Bool(it) => it.to_string(),
        Data::DateTime(it) => moment(it),
        Data::DateTimeIso(it) | Data::DurationIso(it) => it.clone(),
        Data::Error(_) | Data::Empty => String::new(),
    }
}

/// 20 and not 20.0; 0.1 + 0.2 as a person would write it.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let rounded = format!("{value:.10}");
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    if rounded == "0" || rounded == "-0" { value.to_string() } else { rounded.to_owned() }
}

fn moment(value: &ExcelDateTime) -> String {
    if value.is_duration() {
        let minutes = (value.as_f64() * 24.0 * 60.0).round();
        return format!("{:.0}:{:02.0}", (minutes / 60.0).floor(), minutes.rem_euclid(60.0));
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    // Below one there is a time and no day.
    if value.as_f64() < 1.0 {
        return format!("{hour:02}:{minute:02}");
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hour, minute, second) {
        (0, 0, 0) => date,
        (_, _, 0) => format!("{date} {hour:02}:{minute:02}"),
        (_, _, _) => format!("{date} {hour:02}:{minute:02}:{second:02}"),
    }
}
