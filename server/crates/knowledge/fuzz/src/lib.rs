//! What the fuzz targets share: names and knowledge bases for a file, archives from text, and what must be true of everything
//! that was read.

use std::io::{Cursor, Write as _};
use std::sync::LazyLock;

use knowledge::{BaseSpec, Content, KnowledgeError, Parsed, parse, read_document};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// The endings of what is read.
pub const ENDINGS: [&str; 16] = [
    "txt", "md", "html", "csv", "tsv", "json", "jsonl", "pdf", "docx", "pptx", "xlsx", "xls", "xlsb", "ods", "epub",
    "zip",
];

/// Those of files that are archives of others.
pub const PACKAGES: [&str; 6] = ["docx", "pptx", "xlsx", "ods", "epub", "zip"];

/// Knowledge bases of each kind: of text, of small passages in larger ones, and of a table.
static SPECS: LazyLock<Vec<BaseSpec>> = LazyLock::new(|| {
    [
        "knowledge: text\n",
        "knowledge: parts\nsplitting: { tokens: 50, overlap: 0.5, parent: 200 }\nwords: [小炒黄, X5-Pro]\n",
        "knowledge: menu\nfields:\n  name: { type: text, embed: true, title: 菜名 }\n  price: { type: number, filter: true }\n  \
         hot: { type: boolean, filter: true }\n  since: { type: date, filter: true }\n  tags: { type: list, filter: true }\n",
    ]
    .iter()
    .map(|it| BaseSpec::from_yaml(it).unwrap_or_else(|error| panic!("{it}: {error}")))
    .collect()
});

/// Reads a file in every way that a server does, into the base that the number says.
pub fn read(bytes: &[u8], name: &str, base: u8) {
    let spec = &SPECS[usize::from(base) % SPECS.len()];
    match parse(bytes, name, spec) {
        Ok(parsed) => {
            check(&parsed, spec);
            if bytes.len() % 8 == 0 {
                assert_eq!(Ok(parsed), parse(bytes, name, spec).map_err(|it| it.to_string()), "the same each time");
            }
        }
        Err(error) => told(&error, name),
    }
    match read_document(Content::Bytes(bytes.to_vec()), name, None) {
        Ok(document) => assert!(!document.pages.is_empty(), "a text has at least one page"),
        Err(error) => told(&error, name),
    }
}

fn check(parsed: &Parsed, spec: &BaseSpec) {
    assert!(!parsed.records.is_empty());
    for (record, place) in parsed.records.iter().zip(0u32..) {
        assert_eq!(record.ordinal, place);
        assert!(!record.searched_text().trim().is_empty() && !record.text.contains('\0'), "{record:?}");
        let overlap = usize::try_from(record.position.overlap).unwrap_or(usize::MAX);
        assert!(overlap <= record.text.chars().count(), "{record:?}");
        assert!(record.position.page != Some(0) && record.position.row != Some(0), "{record:?}");
        for name in record.fields.keys() {
            assert!(spec.fields.is_empty() || spec.field(name).is_some(), "{name}");
        }
    }
    for notice in &parsed.warnings {
        assert!(!notice.code.is_empty() && !notice.message.is_empty());
    }
}

fn told(error: &KnowledgeError, name: &str) {
    let text = error.to_string();
    assert!(text.contains(name) || !error.problems().is_empty(), "it says of which file: {text}");
    assert!(!matches!(error.code(), "internal" | "index" | "stopped"), "{text}");
}

/// An archive from text: `==PATH` in a line of its own begins a member. Nothing in it is packed, so that its bytes can be
/// changed one by one.
pub fn package(text: &[u8]) -> Option<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for part in split(text, b"\n==") {
        let end = part.iter().position(|it| *it == b'\n').unwrap_or(part.len());
        let (path, content) = part.split_at(end);
        zip.start_file(String::from_utf8_lossy(path).trim(), stored).ok()?;
        zip.write_all(content.get(1..).unwrap_or_default()).ok()?;
    }
    zip.finish().ok().map(Cursor::into_inner)
}

/// The same backwards, for seeds. None where a member is not text.
pub fn unpackaged(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut text = Vec::new();
    for at in 0..zip.len() {
        let mut member = zip.by_index(at).ok()?;
        text.extend_from_slice(format!("\n=={}\n", member.name().ok()?).as_bytes());
        std::io::copy(&mut member, &mut text).ok()?;
    }
    Some(text)
}

fn split<'a>(text: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.windows(mark.len()).position(|it| it == mark)?;
        let after = rest.get(at + mark.len()..)?;
        let end = after.windows(mark.len()).position(|it| it == mark).unwrap_or(after.len());
        rest = after.get(end..)?;
        after.get(..end)
    })
}
