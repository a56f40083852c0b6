//! A file as a reader sees it: its text, its pages, its tables. No knowledge base says here what the columns are, so
//! nothing is typed and nothing is refused for its content; the formats, endings and encodings are those of uploads.

use serde_json::{Map, Value};

use super::block::{Block, Blocks, table_line, table_rule};
use super::format::{self, Format};
use super::formats::table::best_delimiter;
use super::formats::text::{cells, is_rule};
use super::source::{Meter, Source};
use super::{encoding, guarded, read_known, value};
use crate::error::KnowledgeError;
use crate::notice::Notice;

/// Text, pages and tables each hold the content once more, and a run's values have 64 MiB together.
const MAX_TEXT_BYTES: usize = 8 << 20;
/// Pictures and fonts are not text, so a document's file may be larger than what is read of it.
const MAX_FILE_BYTES: usize = 64 << 20;
/// About 30 bytes each, besides what is in them.
const MAX_CELLS: usize = 200_000;

/// What a file holds, before it is read.
pub enum Content {
    Bytes(Vec<u8>),
    Text(String),
}

/// A file that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentText {
    /// As it is, or as markdown where the format is no text.
    pub text: String,
    /// The text in the pieces that the format's pages or slides make, or form feeds; one where there are none.
    pub pages: Vec<String>,
    /// Each a list of rows, the header first; a cell is text, or what it is in JSON.
    pub tables: Vec<Vec<Vec<Value>>>,
    pub media_type: String,
    /// `UTF-8`, `GB18030`, …; of formats that say it themselves, `UTF-8`, since that is what the text is in now.
    pub encoding: String,
}

/// Reads a file. The name's ending says what it is, then the media type, then its content.
///
/// # Errors
/// `UnsupportedDocument`, `TooLarge`, `UnknownEncoding`, `Protected`, `WithoutText`, or `UnreadableFile` where it is
/// damaged.
pub fn read_document(content: Content, name: &str, media_type: Option<&str>) -> Result<DocumentText, KnowledgeError> {
    let media_type = media_type.map(format::essence).filter(|it| !it.is_empty() && it != "application/octet-stream");
    let (length, format) = match &content {
        // Whoever gives text has read the file already, whatever its name was.
        Content::Text(text) => {
            let said = format::by_ending(name).or_else(|| media_type.as_deref().and_then(format::by_media_type));
            (text.len(), said.filter(|it| !it.is_binary()).unwrap_or(Format::Unknown))
        }
        Content::Bytes(bytes) => {
            let source = Source::Bytes(bytes);
            (bytes.len(), format::recognise(&source, name, media_type.as_deref())?.0)
        }
    };
    let most = if format.is_binary() { MAX_FILE_BYTES } else { MAX_TEXT_BYTES };
    if length > most {
        return Err(too_large(name, format!("it has {} MB; at most {} MB are read", length >> 20, most >> 20)));
    }
    guarded(name, || match content {
        Content::Bytes(bytes) if format.is_binary() || format == Format::Html => {
            let mut collector = Collector::new(name);
            let (_, encoding) = read_known(&Source::Bytes(&bytes), name, format, &mut collector)?;
            collector.finish(media_type, format, encoding)
        }
        Content::Bytes(bytes) => {
            let source = Source::Bytes(&bytes);
            let charset = encoding::recognise(&source, name)?;
            let mut text = String::new();
            charset
                .reader(&source, &Meter::default())
                .and_then(|mut it| std::io::Read::read_to_string(&mut it, &mut text))
                .map_err(|error| super::source::unreadable(name, &error))?;
            of_text(text, name, (media_type, format), charset.name())
        }
        Content::Text(text) if format == Format::Html => {
            let mut collector = Collector::new(name);
            read_known(&Source::Bytes(text.as_bytes()), name, format, &mut collector)?;
            collector.finish(media_type, format, None)
        }
        Content::Text(text) => of_text(text, name, (media_type, format), "UTF-8"),
    })
}

fn of_text(
    text: String,
    name: &str,
    (media_type, format): (Option<String>, Format),
    encoding: &str,
) -> Result<DocumentText, KnowledgeError> {
    let text = text.replace("\r\n", "\n");
    // Text that begins like JSON and is none stays text.
    let is_json = || {
        media_type.is_none()
            && text.trim_start().starts_with(['{', '['])
            && serde_json::from_str::<Value>(&text).is_ok()
    };
    let format = if format == Format::Unknown && is_json() { Format::Json } else { format };
    let tables = match format {
        Format::Table { delimiter } => vec![table_of(&text, delimiter, name)?],
        Format::Json => json_table(json(&text, name)?).into_iter().collect(),
        Format::JsonLines => json_table(json_lines(&text, name)?).into_iter().collect(),
        Format::Markdown => markdown_tables(&text),
        Format::Text
        | Format::Unknown
        | Format::Html
        | Format::Pdf
        | Format::Docx
        | Format::Pptx
        | Format::Xlsx
        | Format::Xlsb
        | Format::Xls
        | Format::Ods
        | Format::Epub
        | Format::Zip => Vec::new(),
    };
    if tables.iter().flatten().map(Vec::len).sum::<usize>() > MAX_CELLS {
        return Err(too_large(name, format!("its tables have more than {MAX_CELLS} cells")));
    }
    Ok(DocumentText {
        pages: text.split('\u{c}').map(|it| it.trim_matches('\n').to_owned()).collect(),
        tables,
        media_type: media_type.unwrap_or_else(|| format.media_type().to_owned()),
        encoding: encoding.to_owned(),
        text,
    })
}

fn too_large(file: &str, message: String) -> KnowledgeError {
    let hint = "split it, or put it into a knowledge base and search there".to_owned();
    KnowledgeError::TooLarge { file: file.to_owned(), message, hint }
}

fn table_of(text: &str, delimiter: Option<u8>, name: &str) -> Result<Vec<Vec<Value>>, KnowledgeError> {
    let delimiter = delimiter.unwrap_or_else(|| best_delimiter(text, &NoFields));
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let cells = |row: csv::StringRecord| row.iter().map(|it| Value::String(it.to_owned())).collect();
    let rows: Result<Vec<_>, csv::Error> = reader.records().map(|row| row.map(cells)).collect();
    rows.map_err(|error| unreadable(name, error.to_string()))
}

fn unreadable(name: &str, message: String) -> KnowledgeError {
    let hint = "save it again as UTF-8, or give it the ending `.txt` to have it read as it is".to_owned();
    KnowledgeError::UnreadableFile { file: name.to_owned(), message, hint }
}

fn json(text: &str, name: &str) -> Result<Vec<Value>, KnowledgeError> {
    let whole = serde_json::from_str(text).map_err(|error| unreadable(name, format!("it is not JSON: {error}")))?;
    Ok(match whole {
        Value::Array(items) => items,
        Value::Object(members) => {
            // An object with its rows in the only list that it has is how most exports look.
            let mut lists = members.into_iter().filter_map(|(_, it)| match it {
                Value::Array(items) => Some(items),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
            });
            lists.next().filter(|_| lists.next().is_none()).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    })
}

fn json_lines(text: &str, name: &str) -> Result<Vec<Value>, KnowledgeError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line)
                .map_err(|error| unreadable(name, format!("its line {} is not JSON: {error}", at + 1)))
        })
        .collect()
}

/// Objects as rows under all the names that they have; nothing where the items are no objects.
fn json_table(items: Vec<Value>) -> Option<Vec<Vec<Value>>> {
    let mut objects: Vec<Map<String, Value>> = Vec::new();
    for item in items {
        match item {
            Value::Object(object) => objects.push(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return None,
        }
    }
    let mut header: Map<String, Value> = Map::new();
    for name in objects.iter().flat_map(Map::keys) {
        if !header.contains_key(name) {
            header.insert(name.clone(), Value::String(name.clone()));
        }
        // Objects that share no names would make a table of mostly nothing.
        if header.len().saturating_mul(objects.len()) > MAX_CELLS {
            return None;
        }
    }
    if header.is_empty() {
        return None;
    }
    let rows = objects.into_iter().map(|mut object| {
        let cell = |name: &String| match object.remove(name) {
            Some(nested @ (Value::Array(_) | Value::Object(_))) => Value::String(value::readable(&nested)),
            Some(it @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => it,
            None => Value::Null,
        };
        header.keys().map(cell).collect()
    });
    let rows: Vec<Vec<Value>> = rows.collect();
    Some(std::iter::once(header.into_iter().map(|(_, name)| name).collect()).chain(rows).collect())
}

/// Tables as GitHub writes them: a row, a line of dashes, more rows.
fn markdown_tables(text: &str) -> Vec<Vec<Vec<Value>>> {
    let mut tables = Vec::new();
    let mut open: Option<Vec<Vec<Value>>> = None;
    let mut before: Option<&str> = None;
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if let Some(rows) = &mut open {
            if line.contains('|') && !in_code {
                rows.push(row(line));
                continue;
            }
            tables.extend(open.take());
        }
        match before.filter(|_| !in_code && is_rule(line)) {
            Some(header) if cells(header).len() == cells(line).len() => open = Some(vec![row(header)]),
            Some(_) | None => {}
        }
        before = Some(line).filter(|it| it.contains('|') && !in_code);
    }
    tables.extend(open);
    tables
}

fn row(line: &str) -> Vec<Value> {
    cells(line).into_iter().map(Value::String).collect()
}

/// A reader that knows of no base.
struct NoFields;

impl Blocks for NoFields {
    fn block(&mut self, _: Block) -> Result<(), KnowledgeError> {
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), KnowledgeError> {
        Ok(())
    }

    fn warn(&mut self, _: Notice) {}

    fn begin_member(&mut self, _: &str, _: (u64, u64, u64)) {}

    fn end_member(&mut self) -> Result<Option<KnowledgeError>, KnowledgeError> {
        Ok(None)
    }
}

/// Blocks as markdown.
struct Collector<'a> {
    name: &'a str,
    text: String,
    /// Where pages begin in the text.
    pages: Vec<usize>,
    tables: Vec<Vec<Vec<Value>>>,
    in_list: bool,
    cells: usize,
}

impl<'a> Collector<'a> {
    fn new(name: &'a str) -> Collector<'a> {
        Collector { name, text: String::new(), pages: Vec::new(), tables: Vec::new(), in_list: false, cells: 0 }
    }

    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push_str(if self.text.ends_with('\n') { "\n" } else { "\n\n" });
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.in_list = false;
        self.gap();
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn header(&mut self, header: &[String]) {
        self.gap();
        self.tables.push(Vec::new());
        self.in_list = false;
        self.line_of(header);
        self.text.push_str(&table_rule(header.len()));
        self.text.push('\n');
    }

    fn line_of(&mut self, line: &[String]) {
        self.cells += line.len();
        self.text.push_str(&table_line(line));
        self.text.push('\n');
        if let Some(table) = self.tables.last_mut() {
            table.push(line.iter().map(|it| Value::String(it.clone())).collect());
        }
    }

    fn finish(
        self,
        media_type: Option<String>,
        format: Format,
        encoding: Option<String>,
    ) -> Result<DocumentText, KnowledgeError> {
        let Collector { text, mut pages, tables, .. } = self;
        if pages.first() != Some(&0) {
            pages.insert(0, 0);
        }
        let ends = pages.iter().skip(1).copied().chain([text.len()]);
        let page = |(from, to): (&usize, usize)| text.get(*from..to).unwrap_or_default().trim_matches('\n').to_owned();
        Ok(DocumentText {
            pages: pages.iter().zip(ends).map(page).collect(),
            tables,
            media_type: media_type.unwrap_or_else(|| format.media_type().to_owned()),
            encoding: encoding.unwrap_or_else(|| "UTF-8".to_owned()),
            text,
        })
    }
}

impl Blocks for Collector<'_> {
    fn block(&mut self, block: Block) -> Result<(), KnowledgeError> {
        match block {
            Block::Heading { level, text } => {
                let marks = "#".repeat(usize::from(level.clamp(1, 6)));
                self.paragraph(&format!("{marks} {text}"));
            }
            Block::Paragraph(text) => self.paragraph(&text),
            Block::ListItem(text) => {
                // Items stand close together.
                if !self.in_list {
                    self.gap();
                }
                self.in_list = true;
                self.text.push_str(text.trim_end());
                self.text.push('\n');
            }
            Block::Code(text) => self.paragraph(&format!("```\n{}\n```", text.trim_matches('\n'))),
            Block::TableHeader(cells) | Block::SheetHeader { cells, .. } => self.header(&cells),
            Block::TableRow(cells) | Block::SheetRow { cells, .. } => self.line_of(&cells),
            Block::TableEnd => {}
            Block::Object { object, .. } => self.paragraph(&Value::Object(object).to_string()),
            Block::Broken { row, notice } => {
                return Err(unreadable(self.name, format!("its line {row}: {notice}")));
            }
            // The first page begins where the text does.
            Block::Page(_) if self.text.is_empty() && self.pages.is_empty() => self.pages.push(0),
            Block::Page(_) => {
                self.gap();
                self.pages.push(self.text.len());
            }
            Block::Part(Some(part)) => self.paragraph(&format!("## {part}")),
            Block::Part(None) => {}
            Block::Question { question, answer } => self.paragraph(&format!("Q: {question}\nA: {answer}")),
        }
        if self.text.len() > MAX_TEXT_BYTES {
            return Err(too_large(self.name, format!("it has more than {} MB of text", MAX_TEXT_BYTES >> 20)));
        }
        if self.cells > MAX_CELLS {
            return Err(too_large(self.name, format!("its tables have more than {MAX_CELLS} cells")));
        }
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), KnowledgeError> {
        Ok(())
    }

    fn warn(&mut self, _: Notice) {}

    fn begin_member(&mut self, name: &str, _: (u64, u64, u64)) {
        self.paragraph(&format!("# {name}"));
    }

    fn end_member(&mut self) -> Result<Option<KnowledgeError>, KnowledgeError> {
        self.in_list = false;
        Ok(None)
    }
}
