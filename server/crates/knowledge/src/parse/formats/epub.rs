//! E-books: the chapters in the order in which they are read, each a web page.

use std::collections::HashMap;

use super::pptx::resolved;
use super::{Input, html};
use crate::error::KnowledgeError;
use crate::notice::{Notice, notice};
use crate::parse::archive::Archive;
use crate::parse::block::{Block, Blocks};
use crate::parse::encoding;
use crate::parse::format::encrypted;
use crate::parse::xml::{Node, XmlReader, elements};

pub(crate) fn read(input: &Input<'_>, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let damaged = |message: String| KnowledgeError::UnreadableFile {
        file: input.name.to_owned(),
        message: format!("the e-book is damaged: {message}"),
        hint: "get it again from where it came, or convert it to EPUB again".to_owned(),
    };
    let mut archive = Archive::open(input.source, input.name)?;
    refuse_protected(&mut archive, input.name)?;
    let container =
        archive.part("META-INF/container.xml")?.ok_or_else(|| damaged("its container is missing".to_owned()))?;
    let mut package_path = None;
    elements(&container, |_, element| {
        if element.name == "rootfile" && package_path.is_none() {
            package_path = element.attribute("full-path").map(str::to_owned);
        }
    })
    .map_err(damaged)?;
    let package_path = package_path.ok_or_else(|| damaged("it does not say where its contents are".to_owned()))?;
    let package = archive.part(&package_path)?.ok_or_else(|| damaged(format!("`{package_path}` is missing")))?;
    let folder = package_path.rsplit_once('/').map_or("", |(it, _)| it);
    let (title, chapters) = spine(&package, folder).map_err(damaged)?;
    if let Some(title) = title {
        blocks.block(Block::Heading { level: 0, text: title })?;
    }
    let total = chapters.len() as u64;
    let mut read_any = false;
    for (at, path) in chapters.iter().enumerate() {
        let Some(index) = archive.index_of(path) else {
            let chapter = path.as_str();
            blocks.warn(notice!("chapter_missing", "the chapter `{chapter}` is missing", chapter));
            continue;
        };
        let member =
            crate::parse::archive::Member { index, name: path.clone(), size: 0, is_folder: false, is_encrypted: false };
        let unpacked = archive.unpack(&member)?;
        let source = unpacked.source().map_err(|error| crate::parse::source::unreadable(input.name, &error))?;
        let chapter = Input { source: &source, name: input.name };
        let charset = match encoding::recognise_leniently(&source, input.name) {
            Ok(charset) => charset,
            Err(error) => {
                let (chapter, what) = (path.as_str(), error.notice());
                blocks.warn(notice!("chapter_left_out", "the chapter `{chapter}` was left out: {what}", chapter, what));
                continue;
            }
        };
        html::read(&chapter, &charset, html::Title::Ignored, &mut Chapter(blocks))?;
        read_any = true;
        blocks.progress(at as u64 + 1, total)?;
    }
    if read_any { Ok(()) } else { Err(damaged("none of its chapters is there".to_owned())) }
}

/// Passes everything on but the progress, which the book counts in chapters.
struct Chapter<'a>(&'a mut dyn Blocks);

impl Blocks for Chapter<'_> {
    fn block(&mut self, block: Block) -> Result<(), KnowledgeError> {
        self.0.block(block)
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), KnowledgeError> {
        Ok(())
    }

    fn warn(&mut self, warning: Notice) {
        self.0.warn(warning);
    }

    fn known_columns(&self, header: &[String]) -> usize {
        self.0.known_columns(header)
    }

    fn begin_member(&mut self, _: &str, _: (u64, u64, u64)) {}

    fn end_member(&mut self) -> Result<Option<KnowledgeError>, KnowledgeError> {
        Ok(None)
    }
}

/// Fonts may be disguised without that being a protection; chapters may not.
fn refuse_protected(archive: &mut Archive<'_>, name: &str) -> Result<(), KnowledgeError> {
    let Some(bytes) = archive.part("META-INF/encryption.xml")? else { return Ok(()) };
    let mut is_protected = false;
    let _ = elements(&bytes, |_, element| {
        let target = element.attribute("URI").unwrap_or_default().to_ascii_lowercase();
        is_protected |= element.name == "CipherReference" && (target.ends_with("html") || target.ends_with("htm"));
    });
    if is_protected { Err(encrypted(name)) } else { Ok(()) }
}

/// The title and the paths of the chapters.
fn spine(package: &[u8], folder: &str) -> Result<(Option<String>, Vec<String>), String> {
    let mut files: HashMap<String, String> = HashMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut title = String::new();
    let mut in_title = false;
    let mut xml = XmlReader::new(package);
    loop {
        match xml.next()? {
            Node::Open(element) => match element.name.as_str() {
                "title" => in_title = title.is_empty(),
                "item" => {
                    let (id, path) = (element.attribute("id"), element.attribute("href"));
                    let is_page = element.attribute("media-type").is_none_or(|it| it.contains("html"));
                    let is_contents =
                        element.attribute("properties").is_some_and(|it| it.split(' ').any(|it| it == "nav"));
                    if let (Some(id), Some(path)) = (id, path)
                        && is_page
                        && !is_contents
                    {
                        files.insert(id.to_owned(), resolved(folder, &unescaped(path)));
                    }
                }
                "itemref" => order.extend(element.attribute("idref").map(str::to_owned)),
                _ => {}
            },
            Node::Text(text) if in_title => title.push_str(&text),
            Node::Text(_) => {}
            Node::Close(name) => {
                if name == "title" {
                    in_title = false;
                }
            }
            Node::End => break,
        }
    }
    let title = Some(title.trim().to_owned()).filter(|it| !it.is_empty());
    // A file that is named twice is a chapter once.
    let chapters = order.iter().filter_map(|it| files.remove(it)).collect();
    Ok((title, chapters))
}

/// `a%20b.xhtml` is `a b.xhtml`.
fn unescaped(path: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digit = |it: &u8| char::from(*it).to_digit(16).and_then(|it| u8::try_from(it).ok());
        if byte == b'%'
            && let Some(([high, low], after)) = rest.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
