//! A file as a reader sees it: its text, its pages, its tables. No knowledge base says here what the columns are, so
//! nothing is typed and nothing is refused for its content; the endings, encodings and limits are those of uploads.

use serde_json::{Map, Value};

use super::{encoding, table, value};
use crate::error::KnowledgeError;

/// Text, pages and tables each hold the content once more, and a run's values have 64 MiB together.
const MAX_BYTES: usize = 8 << 20;
/// About 30 bytes each, besides what is in them.
const MAX_CELLS: usize = 200_000;

/// What is read, for whoever brings something else.
const READ: &str = "plain text, Markdown, CSV, TSV, JSON and JSON Lines are read; save it as one of them";

/// Endings of files that people bring and that are no text, with what they are.
const OTHER_KINDS: &[(&[&str], &str)] = &[
    (&["pdf"], "a PDF"),
    (&["doc", "docx", "odt", "pages", "rtf", "wps"], "a text processor's document"),
    (&["xls", "xlsx", "xlsm", "ods", "numbers", "et"], "a spreadsheet"),
    (&["ppt", "pptx", "odp", "key", "dps"], "a presentation"),
    (&["epub", "mobi", "azw3"], "an e-book"),
    (&["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "heic", "avif"], "a picture"),
    (&["mp3", "wav", "m4a", "ogg", "flac", "aac"], "a sound file"),
    (&["mp4", "mov", "avi", "mkv", "webm"], "a film"),
    (&["zip", "rar", "7z", "gz", "tar", "xz", "bz2"], "an archive"),
];

/// The beginnings of such files, for those with a wrong ending.
const OTHER_BEGINNINGS: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "an office document or an archive"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"{\\rtf", "a text processor's document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "an archive"),
];

/// What a file holds, before it is read.
pub enum Content {
    Bytes(Vec<u8>),
    Text(String),
}

/// A file that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentText {
    pub text: String,
    /// The text in the pieces that form feeds make; one where there are none.
    pub pages: Vec<String>,
    /// Each a list of rows, the header first; a cell is text, or what it is in JSON.
    pub tables: Vec<Vec<Vec<Value>>>,
    pub media_type: String,
    /// `UTF-8`, `GB18030`, …
    pub encoding: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table { delimiter: Option<u8> },
    Json,
    JsonLines,
    Markdown,
    Text,
}

/// Reads a file. The name's ending says what it is, then the media type, then its first character.
///
/// # Errors
/// `UnsupportedDocument`, `TooLarge`, `UnknownEncoding`, or `UnreadableFile` where JSON or a table is damaged.
pub fn read_document(content: Content, name: &str, media_type: Option<&str>) -> Result<DocumentText, KnowledgeError> {
    let length = match &content {
        Content::Bytes(bytes) => bytes.len(),
        Content::Text(text) => text.len(),
    };
    if length > MAX_BYTES {
        return Err(too_large(name, format!("it has {} MB; at most {} MB are read", length >> 20, MAX_BYTES >> 20)));
    }
    let media_type = media_type.map(essence).filter(|it| !it.is_empty() && it != "application/octet-stream");
    let (text, encoding) = match content {
        Content::Text(text) => (text, "UTF-8".to_owned()),
        Content::Bytes(bytes) => {
            refuse_other_kinds(&bytes, name, media_type.as_deref())?;
            let decoded = encoding::decode(&bytes, name)?;
            (decoded.text, decoded.encoding)
        }
    };
    let text = text.replace("\r\n", "\n");
    let kind = Kind::of(name, media_type.as_deref(), &text);
    let tables = match kind {
        Kind::Table { delimiter } => vec![table_of(&text, delimiter, name)?],
        Kind::Json => json_table(json(&text, name)?).into_iter().collect(),
        Kind::JsonLines => json_table(json_lines(&text, name)?).into_iter().collect(),
        Kind::Markdown => markdown_tables(&text),
        Kind::Text => Vec::new(),
    };
    if tables.iter().flatten().map(Vec::len).sum::<usize>() > MAX_CELLS {
        return Err(too_large(name, format!("its tables have more than {MAX_CELLS} cells")));
    }
    Ok(DocumentText {
        pages: text.split('\u{c}').map(|it| it.trim_matches('\n').to_owned()).collect(),
        tables,
        media_type: media_type.unwrap_or_else(|| kind.media_type().to_owned()),
        encoding,
        text,
    })
}

fn too_large(file: &str, message: String) -> KnowledgeError {
    let hint = "split it, or put it into a knowledge base and search there".to_owned();
    KnowledgeError::TooLarge { file: file.to_owned(), message, hint }
}

/// `text/csv; charset=GBK` is `text/csv`.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn ending_of(name: &str) -> String {
    name.rsplit_once('.').map(|(_, it)| it.to_ascii_lowercase()).unwrap_or_default()
}

fn refuse_other_kinds(bytes: &[u8], name: &str, media_type: Option<&str>) -> Result<(), KnowledgeError> {
    let ending = ending_of(name);
    let by_beginning = OTHER_BEGINNINGS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, kind)| *kind);
    let by_ending = OTHER_KINDS.iter().find(|(endings, _)| endings.contains(&ending.as_str())).map(|(_, kind)| *kind);
    let by_type = media_type.and_then(|it| match it.split_once('/') {
        Some(("image", kind)) if !kind.ends_with("+xml") => Some("a picture"),
        Some(("audio", _)) => Some("a sound file"),
        Some(("video", _)) => Some("a film"),
        Some(("application", "pdf")) => Some("a PDF"),
        Some(("application", "zip" | "gzip")) => Some("an archive"),
        Some(("application", kind)) if kind.starts_with("vnd.") || kind == "msword" => {
            (!kind.ends_with("+json") && !kind.ends_with("+xml")).then_some("an office document")
        }
        Some(_) | None => None,
    });
    match by_beginning.or(by_ending).or(by_type) {
        None => Ok(()),
        Some(kind) => Err(KnowledgeError::UnsupportedDocument {
            file: name.to_owned(),
            kind: kind.to_owned(),
            hint: READ.to_owned(),
        }),
    }
}

impl Kind {
    fn of(name: &str, media_type: Option<&str>, text: &str) -> Kind {
        match ending_of(name).as_str() {
            "csv" => return Kind::Table { delimiter: None },
            "tsv" | "tab" => return Kind::Table { delimiter: Some(b'\t') },
            "json" => return Kind::Json,
            "jsonl" | "ndjson" => return Kind::JsonLines,
            "md" | "markdown" => return Kind::Markdown,
            "txt" | "log" => return Kind::Text,
            _ => {}
        }
        match media_type {
            Some("text/csv") => Kind::Table { delimiter: None },
            Some("text/tab-separated-values") => Kind::Table { delimiter: Some(b'\t') },
            Some("application/json" | "text/json") => Kind::Json,
            Some("application/jsonl" | "application/x-ndjson") => Kind::JsonLines,
            Some("text/markdown") => Kind::Markdown,
            Some(_) => Kind::Text,
            // Nobody has said what it is; text that begins like JSON and is none stays text.
            None if text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok() => {
                Kind::Json
            }
            None => Kind::Text,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Kind::Table { delimiter: Some(b'\t') } => "text/tab-separated-values",
            Kind::Table { delimiter: _ } => "text/csv",
            Kind::Json => "application/json",
            Kind::JsonLines => "application/jsonl",
            Kind::Markdown => "text/markdown",
            Kind::Text => "text/plain",
        }
    }
}

fn table_of(text: &str, delimiter: Option<u8>, name: &str) -> Result<Vec<Vec<Value>>, KnowledgeError> {
    let rows = table::rows(text, delimiter).map_err(|error| unreadable(name, error.to_string()))?;
    let cells = |row: Vec<String>| row.into_iter().map(Value::String).collect();
    Ok(rows.into_iter().map(cells).collect())
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
                rows.push(cells(line));
                continue;
            }
            tables.extend(open.take());
        }
        match before.filter(|_| !in_code && is_rule(line)) {
            Some(header) if cells(header).len() == cells(line).len() => open = Some(vec![cells(header)]),
            Some(_) | None => {}
        }
        before = Some(line).filter(|it| it.contains('|') && !in_code);
    }
    tables.extend(open);
    tables
}

fn is_rule(line: &str) -> bool {
    let dashes = |cell: &str| {
        let inside = cell.trim().trim_start_matches(':').trim_end_matches(':');
        !inside.is_empty() && inside.bytes().all(|it| it == b'-')
    };
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    line.contains('-') && line.strip_suffix('|').unwrap_or(line).split('|').all(dashes)
}

fn cells(line: &str) -> Vec<Value> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut all = vec![String::new()];
    let mut characters = line.chars().peekable();
    while let Some(it) = characters.next() {
        match it {
            '\\' if characters.next_if_eq(&'|').is_some() => {
                if let Some(cell) = all.last_mut() {
                    cell.push('|');
                }
            }
            '|' => all.push(String::new()),
            other => {
                if let Some(cell) = all.last_mut() {
                    cell.push(other);
                }
            }
        }
    }
    if line.ends_with('|') && all.last().is_some_and(String::is_empty) {
        all.pop();
    }
    all.into_iter().map(|it| Value::String(it.trim().to_owned())).collect()
}
