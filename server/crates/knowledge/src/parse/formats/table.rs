//! Delimited tables. The delimiter is the one whose header fits the knowledge base best.

use std::io::{BufRead, Read};

use super::Input;
use crate::error::KnowledgeError;
use crate::parse::block::{Block, Blocks};
use crate::parse::encoding::Charset;
use crate::parse::source::{Meter, unreadable};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows between two words about the progress.
const ROWS_PER_PROGRESS: u32 = 4096;

/// Whether the first line is a header of the base's fields.
pub(crate) fn has_known_header(head: &str, blocks: &dyn Blocks) -> bool {
    DELIMITERS.iter().any(|it| {
        let header = header(head, *it);
        header.len() > 1 && blocks.known_columns(&header) > 1
    })
}

pub(crate) fn read(
    input: &Input<'_>,
    charset: &Charset,
    delimiter: Option<u8>,
    blocks: &mut dyn Blocks,
) -> Result<(), KnowledgeError> {
    let failed = |error: std::io::Error| unreadable(input.name, &error);
    let meter = Meter::default();
    let delimiter = match delimiter {
        Some(it) => it,
        None => best_delimiter(&first_line(charset.reader(input.source, &Meter::default()).map_err(failed)?), blocks),
    };
    let reader = charset.reader(input.source, &meter).map_err(failed)?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(reader);
    let mut record = csv::StringRecord::new();
    let total = input.source.length();
    let mut next = |record: &mut csv::StringRecord| {
        meter.begin_record();
        rows.read_record(record).map_err(|error| KnowledgeError::UnreadableFile {
            file: input.name.to_owned(),
            // What is wrong with the reading is said without the parser's own words around it.
            message: if let csv::ErrorKind::Io(inner) = error.kind() { inner.to_string() } else { error.to_string() },
            hint: "save the table again as “CSV UTF-8”".to_owned(),
        })
    };
    // The header is row 1, as a spreadsheet shows it.
    let mut number = 0u32;
    let mut has_header = false;
    while next(&mut record)? {
        number = number.saturating_add(1);
        if record.iter().all(|it| it.trim().is_empty()) {
            continue;
        }
        if has_header {
            blocks.block(Block::SheetRow { cells: record.iter().map(str::to_owned).collect(), row: number })?;
        } else {
            has_header = true;
            let cells = record.iter().map(|it| it.trim().to_owned()).collect();
            blocks.block(Block::SheetHeader { cells, row: number })?;
        }
        if number.is_multiple_of(ROWS_PER_PROGRESS) {
            blocks.progress(meter.done(), total)?;
        }
    }
    blocks.progress(total, total)
}

/// The first line that is not empty; a header longer than this is none.
fn first_line(reader: Box<dyn BufRead + '_>) -> String {
    const LONGEST: u64 = 64 << 10;
    let mut head = Vec::new();
    let _ = reader.take(LONGEST).read_to_end(&mut head);
    String::from_utf8_lossy(&head).into_owned()
}

/// Without a base that knows its columns, the one that cuts the first row into the most cells.
pub(crate) fn best_delimiter(head: &str, blocks: &dyn Blocks) -> u8 {
    let mut best = (0usize, 0usize, b',');
    for delimiter in DELIMITERS {
        let header = header(head, delimiter);
        let known = blocks.known_columns(&header);
        if (known, header.len()) > (best.0, best.1) {
            best = (known, header.len(), delimiter);
        }
    }
    best.2
}

fn header(head: &str, delimiter: u8) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(head.as_bytes());
    let mut row = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut row) {
            Ok(true) if row.iter().all(|it| it.trim().is_empty()) => {}
            Ok(true) => return row.iter().map(str::to_owned).collect(),
            Ok(false) | Err(_) => return Vec::new(),
        }
    }
}
