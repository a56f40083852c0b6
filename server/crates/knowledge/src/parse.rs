//! Files of people into records, whatever the format: a reader makes blocks of it, piece by piece, and blocks become records
//! while they come, so that a large file needs no large memory. Nothing is guessed silently: what was recognised is reported,
//! and everything that does not fit the knowledge base's fields is collected with row and column before the file is refused.

mod archive;
mod block;
mod columns;
mod document;
mod encoding;
mod format;
mod formats;
mod output;
mod records;
mod rows;
mod sentences;
mod single;
mod source;
mod splitter;
mod tokens;
pub(crate) mod value;
mod xml;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub use columns::{ColumnFound, Columns, ColumnsKind, Suggestion, columns_of};
pub use document::{Content, DocumentText, read_document};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub use single::{record_text, typed_fields};
pub use tokens::{EstimatedTokens, TokenCounter};

use crate::error::KnowledgeError;
use crate::notice::Notice;
use crate::spec::BaseSpec;
use block::Blocks;
use format::Format;
use formats::Input;
use records::Records;
use source::Source;

/// What is larger than this is an archive of something, and would keep a worker busy for hours.
const MAX_FILE_BYTES: u64 = 2 << 30;
/// The embedded index's exact scan is made for a million; five is what somebody who knows may still want.
const MAX_RECORDS: u64 = 5_000_000;
/// A cell longer than this is a document of its own, or a quote that was never closed.
pub(crate) const MAX_CELL_CHARS: usize = 32_768;

/// Where records go.
pub trait Sink {
    /// At most 256 at a time, in order. Break ends the reading: it was cancelled, or the receiver failed.
    fn records(&mut self, records: Vec<Record>) -> ControlFlow<()>;

    /// Bytes of the file that have been read, of all of them.
    fn progress(&mut self, done: u64, total: u64) -> ControlFlow<()>;
}

/// How a file is read.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    pub spec: &'a BaseSpec,
    pub media_type: Option<&'a str>,
    /// Headers of a table and the fields that they are; an empty field leaves the column out. Headers that are not there go
    /// by their name.
    pub columns: &'a BTreeMap<String, String>,
    pub tokens: &'a dyn TokenCounter,
    /// Members that are fields fill the records that do not have them.
    pub metadata: &'a Map<String, Value>,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    pub media_type: String,
    /// `UTF-8`, `GB18030`, `Big5`, `UTF-16LE`, …; none where the format says it by itself.
    pub encoding: Option<String>,
    /// What the owner may want to know although the file could be read.
    pub warnings: Vec<Notice>,
    pub records: u64,
    pub pages: Option<u32>,
}

/// One row, object or passage, ready to be indexed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the document, from 0.
    pub ordinal: u32,
    /// What a reader sees of it. It is searched behind its headings, see [`Record::searched_text`].
    pub text: String,
    /// Typed values; a field without a value is not there.
    pub fields: Map<String, Value>,
    #[serde(default)]
    pub position: Position,
    /// The standard answer, if the text is a question that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Where in its document a record comes from, so that a citation can open the place. Members that the format does not
/// have are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// From 1; of a presentation, the slide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The headings above it, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// The sheet of a workbook, or the file within an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// As a spreadsheet counts: from 1, the header among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
    /// Consecutive records of one document that have the same number are one larger passage, which is read together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// So many characters at the beginning of the text repeat the end of the record before.
    #[serde(skip_serializing_if = "is_zero")]
    pub overlap: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Record {
    /// What is embedded and indexed by words: the headings say what a passage is about where it does not say it itself.
    pub fn searched_text(&self) -> Cow<'_, str> {
        if self.position.headings.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        Cow::Owned(format!("{}\n{}", self.position.headings.join(" › "), self.text))
    }
}

/// A file as records, with what was recognised on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub records: Vec<Record>,
    /// `UTF-8`, `GB18030`, `Big5`, `UTF-16LE`, …; empty where the format says it by itself.
    pub encoding: String,
    pub warnings: Vec<Notice>,
}

/// Reads a file for a knowledge base, record by record. Call it where blocking is allowed.
///
/// # Errors
/// `TooLarge`, `UnknownEncoding`, `UnsupportedDocument`, `UnreadableFile` (damaged, protected, scanned), `InvalidDocument` with
/// every bad column and cell, or `Stopped` when the sink breaks. Records that were handed over before are then worth nothing.
pub fn read_records(
    file: &Path,
    name: &str,
    options: &ReadOptions<'_>,
    sink: &mut dyn Sink,
) -> Result<Recognised, KnowledgeError> {
    let source = Source::of_file(file).map_err(|error| source::unreadable(name, &error))?;
    read_source(&source, name, options, sink)
}

/// Reads bytes for a knowledge base, with an estimate of how long texts are for the model.
///
/// # Errors
/// As [`read_records`].
pub fn parse(bytes: &[u8], file_name: &str, spec: &BaseSpec) -> Result<Parsed, KnowledgeError> {
    struct Collecting(Vec<Record>);
    impl Sink for Collecting {
        fn records(&mut self, records: Vec<Record>) -> ControlFlow<()> {
            self.0.extend(records);
            ControlFlow::Continue(())
        }

        fn progress(&mut self, _: u64, _: u64) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let mut collecting = Collecting(Vec::new());
    let options = ReadOptions {
        spec,
        media_type: None,
        columns: &BTreeMap::new(),
        tokens: &EstimatedTokens,
        metadata: &Map::new(),
    };
    let recognised = read_source(&Source::Bytes(bytes), file_name, &options, &mut collecting)?;
    Ok(Parsed {
        records: collecting.0,
        encoding: recognised.encoding.unwrap_or_default(),
        warnings: recognised.warnings,
    })
}

fn read_source<'a>(
    source: &Source<'_>,
    name: &'a str,
    options: &ReadOptions<'a>,
    sink: &'a mut dyn Sink,
) -> Result<Recognised, KnowledgeError> {
    check_size(source, name)?;
    guarded(name, || {
        let mut records = Records::new(name, options, sink);
        let (format, encoding) = read_blocks(source, name, options.media_type, &mut records)?;
        records.end()?;
        let pages = records.output.last_page;
        let (warnings, count) = records.output.finish()?;
        Ok(Recognised { media_type: format.media_type().to_owned(), encoding, warnings, records: count, pages })
    })
}

fn check_size(source: &Source<'_>, name: &str) -> Result<(), KnowledgeError> {
    let length = source.length();
    if length == 0 {
        return Err(KnowledgeError::UnreadableFile {
            file: name.to_owned(),
            message: "it is empty, so there are no records in it".to_owned(),
            hint: "check that it was saved, and upload it again".to_owned(),
        });
    }
    if length > MAX_FILE_BYTES {
        return Err(KnowledgeError::TooLarge {
            file: name.to_owned(),
            message: format!("it has {} MB; at most {} MB are read", length >> 20, MAX_FILE_BYTES >> 20),
            hint: "split it into several files and upload them one by one".to_owned(),
        });
    }
    Ok(())
}

/// Readers meet bytes that nobody has thought of; a panic is that document's error and nobody else's.
fn guarded<T>(name: &str, read: impl FnOnce() -> Result<T, KnowledgeError>) -> Result<T, KnowledgeError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        tracing::error!(document = name, "a reader panicked");
        Err(KnowledgeError::UnreadableFile {
            file: name.to_owned(),
            message: "it is damaged in a way that the reader does not understand".to_owned(),
            hint: "open it in the program that made it, save it again, and upload it again".to_owned(),
        })
    })
}

/// Any format as blocks. Says what it was, and in which character set.
fn read_blocks(
    source: &Source<'_>,
    name: &str,
    media_type: Option<&str>,
    blocks: &mut dyn Blocks,
) -> Result<(Format, Option<String>), KnowledgeError> {
    let (format, warning) = format::recognise(source, name, media_type)?;
    if let Some(warning) = warning {
        blocks.warn(warning);
    }
    read_known(source, name, format, blocks)
}

/// A format that may be an archive of others.
fn read_known(
    source: &Source<'_>,
    name: &str,
    format: Format,
    blocks: &mut dyn Blocks,
) -> Result<(Format, Option<String>), KnowledgeError> {
    if format == Format::Zip {
        formats::zip::read(&Input { source, name }, blocks)?;
        return Ok((format, None));
    }
    read_format(source, name, format, blocks)
}

/// A format that is one document.
fn read_format(
    source: &Source<'_>,
    name: &str,
    format: Format,
    blocks: &mut dyn Blocks,
) -> Result<(Format, Option<String>), KnowledgeError> {
    let input = Input { source, name };
    match format {
        Format::Text
        | Format::Markdown
        | Format::Html
        | Format::Table { .. }
        | Format::Json
        | Format::JsonLines
        | Format::Unknown => return read_text(&input, format, blocks),
        Format::Docx => formats::docx::read(&input, blocks)?,
        Format::Pptx => formats::pptx::read(&input, blocks)?,
        Format::Xlsx | Format::Xlsb | Format::Xls | Format::Ods => formats::sheet::read(&input, format, blocks)?,
        Format::Epub => formats::epub::read(&input, blocks)?,
        Format::Pdf => formats::pdf::read(&input, blocks)?,
        Format::Zip => {
            return Err(KnowledgeError::UnsupportedDocument {
                file: name.to_owned(),
                kind: "an archive within an archive".to_owned(),
                hint: "unpack it and upload what is in it".to_owned(),
            });
        }
    }
    Ok((format, None))
}

fn read_text(
    input: &Input<'_>,
    format: Format,
    blocks: &mut dyn Blocks,
) -> Result<(Format, Option<String>), KnowledgeError> {
    let charset = if format == Format::Html {
        encoding::recognise_leniently(input.source, input.name)?
    } else {
        encoding::recognise(input.source, input.name)?
    };
    if let Some(warning) = &charset.warning {
        blocks.warn(warning.clone());
    }
    let format = if format == Format::Unknown { recognise_text(input, &charset, blocks)? } else { format };
    match format {
        Format::Table { delimiter } => formats::table::read(input, &charset, delimiter, blocks)?,
        Format::Json => formats::json::read(input, &charset, blocks)?,
        Format::JsonLines => formats::json::read_lines(input, &charset, blocks)?,
        Format::Html => formats::html::read(input, &charset, formats::html::Title::Heading, blocks)?,
        Format::Markdown => formats::text::read(input, &charset, formats::text::Flavour::Markdown, blocks)?,
        Format::Text
        | Format::Unknown
        | Format::Pdf
        | Format::Docx
        | Format::Pptx
        | Format::Xlsx
        | Format::Xlsb
        | Format::Xls
        | Format::Ods
        | Format::Epub
        | Format::Zip => formats::text::read(input, &charset, formats::text::Flavour::Plain, blocks)?,
    }
    Ok((format, Some(charset.name().to_owned())))
}

/// Text that nobody has given a name: JSON and tables say what they are.
fn recognise_text(
    input: &Input<'_>,
    charset: &encoding::Charset,
    blocks: &dyn Blocks,
) -> Result<Format, KnowledgeError> {
    use std::io::Read as _;
    const LOOKED_AT: u64 = 64 << 10;
    let mut head = Vec::new();
    let reader = charset.reader(input.source, &source::Meter::default());
    reader
        .and_then(|it| it.take(LOOKED_AT).read_to_end(&mut head))
        .map_err(|error| source::unreadable(input.name, &error))?;
    let text = String::from_utf8_lossy(&head);
    let is_object = |line: &str| serde_json::from_str::<Map<String, Value>>(line).is_ok();
    Ok(match text.trim_start().chars().next() {
        Some('[') => Format::Json,
        Some('{') if text.trim().lines().count() > 1 && text.trim_start().lines().next().is_some_and(is_object) => {
            Format::JsonLines
        }
        Some('{') => Format::Json,
        _ if formats::table::has_known_header(&text, blocks) => Format::Table { delimiter: None },
        _ => Format::Text,
    })
}
