//! Which format a file has. Its ending says it, then the media type, then the text itself; but where the first bytes are those
//! of another format, they win, since people rename files and programs export web pages as `.xls`.

use std::io;

use super::archive::kind_of_zip;
use super::source::Source;
use crate::error::KnowledgeError;
use crate::notice::{Notice, notice};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Markdown,
    Html,
    Table {
        delimiter: Option<u8>,
    },
    Json,
    JsonLines,
    Pdf,
    Docx,
    Pptx,
    Xlsx,
    Xlsb,
    Xls,
    Ods,
    Epub,
    Zip,
    /// Nothing says what it is; it is read as text, and a table or JSON is recognised as such.
    Unknown,
}

/// What is read, for whoever brings something else.
pub(crate) const READ: &str = "PDF, Word (.docx), PowerPoint (.pptx), Excel (.xlsx, .xls, .ods), EPUB, HTML, Markdown, plain \
                               text, CSV, TSV, JSON, JSON Lines and zip files of these are read; save it as one of them";

/// Endings of files that people bring and that are not read, with what they are and what to do.
const OTHER_ENDINGS: &[(&[&str], &str, &str)] = &[
    (&["doc", "wps", "dot"], "an old Word document", "open it and save it as `.docx` or PDF"),
    (&["ppt", "dps", "pps"], "an old PowerPoint presentation", "open it and save it as `.pptx` or PDF"),
    (&["odt", "rtf", "pages"], "a text processor's document of another kind", "open it and save it as `.docx` or PDF"),
    (&["odp", "key"], "a presentation of another kind", "open it and save it as `.pptx` or PDF"),
    (&["numbers", "et"], "a spreadsheet of another kind", "open it and save it as `.xlsx`"),
    (&["mobi", "azw3", "azw"], "an e-book of another kind", "convert it to EPUB"),
    (
        &["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "heic", "avif", "svg"],
        "a picture",
        "have its text recognised (OCR) first, or describe it in a text",
    ),
    (&["mp3", "wav", "m4a", "ogg", "flac", "aac"], "a sound file", "have it transcribed first, and upload the text"),
    (&["mp4", "mov", "avi", "mkv", "webm"], "a film", "have it transcribed first, and upload the text"),
    (&["rar", "7z", "gz", "tar", "tgz", "xz", "bz2", "zst"], "an archive of another kind", "pack it as `.zip`"),
    (&["exe", "dll", "so", "bin", "iso", "dmg"], "a program or disk image", READ),
];

/// The beginnings of such files.
const OTHER_BEGINNINGS: &[(&[u8], &str)] = &[
    (b"{\\rtf", "rtf"),
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
    (b"BM", "bmp"),
    (b"\x1f\x8b", "gz"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"MZ\x90\0", "exe"),
    (b"\x7fELF", "so"),
];

const HEAD: usize = 4096;

/// The format, and a warning where the ending says another one.
pub(crate) fn recognise(
    source: &Source<'_>,
    name: &str,
    media_type: Option<&str>,
) -> Result<(Format, Option<Notice>), KnowledgeError> {
    let failed = |error: io::Error| super::source::unreadable(name, &error);
    let head = source.head(HEAD).map_err(failed)?;
    let said = by_ending(name).or_else(|| media_type.and_then(by_media_type));
    let found = by_content(source, &head, name)?;
    let ending = ending_of(name);
    match (said, found) {
        (Some(said), Some(found)) if said == found => Ok((said, None)),
        // Whoever writes `.txt` behind a page's source wants to read the source.
        (Some(said @ (Format::Text | Format::Markdown | Format::Json | Format::JsonLines)), Some(Format::Html)) => {
            Ok((said, None))
        }
        (Some(_), Some(found)) => {
            let told = notice!(
                "other_kind",
                "its ending is `.{ending}`, but it is {kind}; it was read as that",
                ending = ending.as_str(),
                kind = found.notice(),
            );
            Ok((found, Some(told)))
        }
        (None, Some(found)) => Ok((found, None)),
        (Some(said), None) if said.is_binary() => {
            let is_text = !head.contains(&0) && !head.is_empty();
            let is_sheet = matches!(said, Format::Xls | Format::Xlsx | Format::Xlsb | Format::Ods);
            if head.is_empty() {
                Ok((said, None))
            } else if is_sheet && is_text {
                // What exports itself as a spreadsheet is often a table as text.
                let told = notice!(
                    "table_as_text",
                    "its ending is `.{ending}`, but it is text; it was read as a table",
                    ending = ending.as_str()
                );
                Ok((Format::Table { delimiter: None }, Some(told)))
            } else {
                Err(KnowledgeError::UnreadableFile {
                    file: name.to_owned(),
                    message: format!("it does not begin like {}: it is damaged, or of another kind", said.title()),
                    hint: "open it in the program that made it, save it again, and upload it again".to_owned(),
                })
            }
        }
        (Some(said), None) => Ok((said, None)),
        (None, None) => match refusal_of(&ending) {
            Some(refused) => Err(refused(name)),
            None => match media_type.and_then(refused_media_type) {
                Some(ending) => Err(refusal_of(ending).map_or_else(|| other_kind(name), |it| it(name))),
                None => Ok((Format::Unknown, None)),
            },
        },
    }
}

impl Format {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Format::Text | Format::Unknown => "plain text",
            Format::Markdown => "Markdown",
            Format::Html => "a web page",
            Format::Table { .. } => "a table",
            Format::Json => "JSON",
            Format::JsonLines => "JSON Lines",
            Format::Pdf => "a PDF",
            Format::Docx => "a Word document",
            Format::Pptx => "a PowerPoint presentation",
            Format::Xlsx | Format::Xlsb | Format::Xls => "an Excel workbook",
            Format::Ods => "an OpenDocument spreadsheet",
            Format::Epub => "an EPUB",
            Format::Zip => "a zip archive",
        }
    }

    fn notice(self) -> Notice {
        let code = match self {
            Format::Text | Format::Unknown => "kind_text",
            Format::Markdown => "kind_markdown",
            Format::Html => "kind_html",
            Format::Table { .. } => "kind_table",
            Format::Json => "kind_json",
            Format::JsonLines => "kind_json_lines",
            Format::Pdf => "kind_pdf",
            Format::Docx => "kind_word",
            Format::Pptx => "kind_powerpoint",
            Format::Xlsx | Format::Xlsb | Format::Xls => "kind_excel",
            Format::Ods => "kind_open_document",
            Format::Epub => "kind_epub",
            Format::Zip => "kind_zip",
        };
        Notice { code, ..Notice::words(self.title()) }
    }

    pub(crate) fn is_binary(self) -> bool {
        match self {
            Format::Text
            | Format::Unknown
            | Format::Markdown
            | Format::Html
            | Format::Table { .. }
            | Format::Json
            | Format::JsonLines => false,
            Format::Pdf
            | Format::Docx
            | Format::Pptx
            | Format::Xlsx
            | Format::Xlsb
            | Format::Xls
            | Format::Ods
            | Format::Epub
            | Format::Zip => true,
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Format::Text | Format::Unknown => "text/plain",
            Format::Markdown => "text/markdown",
            Format::Html => "text/html",
            Format::Table { delimiter: Some(b'\t') } => "text/tab-separated-values",
            Format::Table { .. } => "text/csv",
            Format::Json => "application/json",
            Format::JsonLines => "application/jsonl",
            Format::Pdf => "application/pdf",
            Format::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Format::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Xlsb => "application/vnd.ms-excel.sheet.binary.macroenabled.12",
            Format::Xls => "application/vnd.ms-excel",
            Format::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Format::Epub => "application/epub+zip",
            Format::Zip => "application/zip",
        }
    }
}

pub(crate) fn ending_of(name: &str) -> String {
    name.rsplit_once('.').map(|(_, it)| it.to_ascii_lowercase()).unwrap_or_default()
}

pub(crate) fn by_ending(name: &str) -> Option<Format> {
    Some(match ending_of(name).as_str() {
        "txt" | "log" | "text" => Format::Text,
        "md" | "markdown" | "mdx" => Format::Markdown,
        "html" | "htm" | "xhtml" => Format::Html,
        "csv" => Format::Table { delimiter: None },
        "tsv" | "tab" => Format::Table { delimiter: Some(b'\t') },
        "json" => Format::Json,
        "jsonl" | "ndjson" => Format::JsonLines,
        "pdf" => Format::Pdf,
        "docx" | "docm" | "dotx" => Format::Docx,
        "pptx" | "pptm" | "ppsx" => Format::Pptx,
        "xlsx" | "xlsm" | "xltx" => Format::Xlsx,
        "xlsb" => Format::Xlsb,
        "xls" => Format::Xls,
        "ods" => Format::Ods,
        "epub" => Format::Epub,
        "zip" => Format::Zip,
        _ => return None,
    })
}

/// `text/csv; charset=GBK` is `text/csv`.
pub(crate) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(crate) fn by_media_type(media_type: &str) -> Option<Format> {
    let essence = essence(media_type);
    let known = [
        Format::Text,
        Format::Markdown,
        Format::Html,
        Format::Table { delimiter: None },
        Format::Table { delimiter: Some(b'\t') },
        Format::Json,
        Format::JsonLines,
        Format::Pdf,
        Format::Docx,
        Format::Pptx,
        Format::Xlsx,
        Format::Xlsb,
        Format::Xls,
        Format::Ods,
        Format::Epub,
        Format::Zip,
    ];
    match essence.as_str() {
        "text/json" => Some(Format::Json),
        "application/x-ndjson" => Some(Format::JsonLines),
        "application/xhtml+xml" => Some(Format::Html),
        // What a server says that does not know.
        "text/plain" => None,
        other => known.into_iter().find(|it| it.media_type() == other),
    }
}

fn refused_media_type(media_type: &str) -> Option<&'static str> {
    let essence = essence(media_type);
    match essence.split_once('/')? {
        ("image", kind) if !kind.ends_with("+xml") => Some("png"),
        ("audio", _) => Some("mp3"),
        ("video", _) => Some("mp4"),
        ("application", "gzip") => Some("gz"),
        ("application", "msword") => Some("doc"),
        ("application", "vnd.ms-powerpoint") => Some("ppt"),
        ("application", kind) if kind.starts_with("vnd.") && !kind.ends_with("+json") && !kind.ends_with("+xml") => {
            Some("bin")
        }
        _ => None,
    }
}

fn other_kind(name: &str) -> KnowledgeError {
    KnowledgeError::UnsupportedDocument { file: name.to_owned(), kind: "of a kind".to_owned(), hint: READ.to_owned() }
}

/// Why a file with this ending is not read.
pub(crate) fn refusal_of(ending: &str) -> Option<impl Fn(&str) -> KnowledgeError + use<>> {
    let (_, kind, hint) = OTHER_ENDINGS.iter().find(|(endings, _, _)| endings.contains(&ending))?;
    Some(move |name: &str| KnowledgeError::UnsupportedDocument {
        file: name.to_owned(),
        kind: (*kind).to_owned(),
        hint: (*hint).to_owned(),
    })
}

fn by_content(source: &Source<'_>, head: &[u8], name: &str) -> Result<Option<Format>, KnowledgeError> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return kind_of_zip(source, name).map(Some);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return old_office(source, name).map(Some);
    }
    // Some programs write a few bytes before it, and readers are used to that.
    if head.get(..head.len().min(1024)).unwrap_or_default().windows(5).any(|it| it == b"%PDF-") {
        return Ok(Some(Format::Pdf));
    }
    if let Some((_, ending)) = OTHER_BEGINNINGS.iter().find(|(start, _)| head.starts_with(start))
        // `BM` and `ID3` begin texts as well.
        && (head.contains(&0) || !matches!(*ending, "bmp" | "mp3"))
    {
        return Err(refusal_of(ending).map_or_else(|| other_kind(name), |it| it(name)));
    }
    Ok(looks_like_html(head).then_some(Format::Html))
}

fn looks_like_html(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // XHTML may begin as XML does.
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").map_or("", |(_, it)| it.trim_start()),
        None => text,
    };
    let begin: String = text.chars().take(15).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<table"].iter().any(|it| begin.starts_with(it))
}

/// The old office formats, and what a password makes of the new ones, are one container; the names in its directory are
/// UTF-16 and say which it is.
fn old_office(source: &Source<'_>, name: &str) -> Result<Format, KnowledgeError> {
    /// The directory can lie anywhere.
    const LOOKED_AT: usize = 64 << 20;
    let bytes = source.head(LOOKED_AT).map_err(|error| super::source::unreadable(name, &error))?;
    let has = |entry: &str| {
        let wanted: Vec<u8> = entry.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes.windows(wanted.len()).step_by(2).any(|it| it == wanted)
    };
    if has("EncryptedPackage") {
        return Err(encrypted(name));
    }
    if has("Workbook") || has("Book") {
        return Ok(Format::Xls);
    }
    let ending = if has("WordDocument") {
        "doc"
    } else if has("PowerPoint Document") {
        "ppt"
    } else {
        "bin"
    };
    Err(refusal_of(ending).map_or_else(|| other_kind(name), |it| it(name)))
}

pub(crate) fn encrypted(name: &str) -> KnowledgeError {
    KnowledgeError::Protected { file: name.to_owned() }
}
