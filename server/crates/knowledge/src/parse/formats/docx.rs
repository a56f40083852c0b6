//! Word documents: paragraphs with their styles, lists, tables, notes, and the pages that Word has last drawn.

use std::collections::{BTreeMap, HashMap};

use super::Input;
use crate::error::KnowledgeError;
use crate::parse::archive::Archive;
use crate::parse::block::{Block, Blocks};
use crate::parse::xml::{Element, Node, XmlReader, elements};

const DOCUMENT: &str = "word/document.xml";
/// Word writes this where a page began when it was last saved.
const DRAWN_PAGE: &[u8] = b"lastRenderedPageBreak";

pub(crate) fn read(input: &Input<'_>, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let mut archive = Archive::open(input.source, input.name)?;
    let damaged = |message: String| KnowledgeError::UnreadableFile {
        file: input.name.to_owned(),
        message: format!("the Word document is damaged: {message}"),
        hint: "open it in Word, save it again, and upload it again".to_owned(),
    };
    let styles = archive.part("word/styles.xml")?.map(|it| Styles::read(&it)).unwrap_or_default();
    let numbering = archive.part("word/numbering.xml")?.map(|it| Numbering::read(&it)).unwrap_or_default();
    let notes = archive.part("word/footnotes.xml")?;
    let Some(index) = archive.index_of(DOCUMENT) else { return Err(damaged(format!("`{DOCUMENT}` is missing"))) };
    let has_pages = {
        let found = contains(&mut archive.reader(index)?, DRAWN_PAGE);
        found.map_err(|error| archive.failed(&error, DOCUMENT))?
    };
    let mut document = Document {
        styles,
        numbering,
        has_pages,
        page: 1,
        told_page: 1,
        paragraph: Paragraph::default(),
        cells: Vec::new(),
        counters: HashMap::new(),
        blocks,
    };
    if has_pages {
        document.blocks.block(Block::Page(1))?;
    }
    let total = input.source.length();
    let size = archive.members()?.iter().find(|it| it.index == index).map_or(0, |it| it.size);
    {
        let mut xml = XmlReader::new(archive.reader(index)?);
        document.read(&mut xml, &damaged, |done| (done.saturating_mul(total) / size.max(1), total))?;
    }
    if let Some(notes) = notes {
        let mut xml = XmlReader::new(notes.as_slice());
        document.read(&mut xml, &damaged, |_| (total, total))?;
    }
    blocks.progress(total, total)
}

fn contains(reader: &mut impl std::io::Read, wanted: &[u8]) -> std::io::Result<bool> {
    let mut chunk = vec![0; 64 << 10];
    let mut from = 0;
    loop {
        let count = reader.read(chunk.get_mut(from..).unwrap_or_default())?;
        if count == 0 {
            return Ok(false);
        }
        let end = from + count;
        if chunk.get(..end).unwrap_or_default().windows(wanted.len()).any(|it| it == wanted) {
            return Ok(true);
        }
        // The end of this chunk may be the begin of what is looked for.
        let kept = end.min(wanted.len() - 1);
        chunk.copy_within(end - kept..end, 0);
        from = kept;
    }
}

/// What a paragraph's style makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Body,
    Heading(u8),
    /// Of a list that the style makes; numbered or not.
    Bullet,
    Numbered,
    /// A line of the table of contents: the headings are said again where they stand.
    Contents,
}

#[derive(Default)]
struct Styles {
    roles: HashMap<String, Role>,
}

impl Styles {
    fn read(bytes: &[u8]) -> Styles {
        let mut styles = Styles::default();
        let mut parents: BTreeMap<String, String> = BTreeMap::new();
        let mut id = String::new();
        // Damaged styles make a plainer document, and no unreadable one.
        let _ = elements(bytes, |path, element| match element.name.as_str() {
            "style" => id = element.attribute("styleId").unwrap_or_default().to_owned(),
            "name" if path.last().is_some_and(|it| it == "style") => {
                if let Some(role) = role_of_name(element.attribute("val").unwrap_or_default()) {
                    styles.roles.insert(id.clone(), role);
                }
            }
            "basedOn" => {
                parents.insert(id.clone(), element.attribute("val").unwrap_or_default().to_owned());
            }
            "outlineLvl" if path.iter().any(|it| it == "style") => {
                if let Some(level) = element.attribute("val").and_then(outline_level) {
                    styles.roles.entry(id.clone()).or_insert(Role::Heading(level));
                }
            }
            _ => {}
        });
        // A style of one's own is made of another one.
        let mut inherited: Vec<(String, Role)> = Vec::new();
        for (style, parent) in &parents {
            let mut parent = Some(parent);
            for _ in 0..10 {
                let Some(name) = parent.filter(|_| !styles.roles.contains_key(style)) else { break };
                if let Some(role) = styles.roles.get(name) {
                    inherited.push((style.clone(), *role));
                    break;
                }
                parent = parents.get(name);
            }
        }
        styles.roles.extend(inherited);
        styles
    }

    fn role(&self, style: &str) -> Role {
        self.roles.get(style).copied().or_else(|| role_of_name(style)).unwrap_or(Role::Body)
    }
}

fn outline_level(value: &str) -> Option<u8> {
    value.parse::<u8>().ok().filter(|it| *it < 9).map(|it| it + 1)
}

fn role_of_name(name: &str) -> Option<Role> {
    let name: String = name.to_lowercase().chars().filter(|it| !it.is_whitespace()).collect();
    if name == "title" {
        return Some(Role::Heading(0));
    }
    if name.starts_with("toc") {
        return Some(Role::Contents);
    }
    if name.starts_with("listbullet") {
        return Some(Role::Bullet);
    }
    if name.starts_with("listnumber") {
        return Some(Role::Numbered);
    }
    let digits = name.strip_prefix("heading").or_else(|| name.strip_prefix("标题"))?;
    digits.parse::<u8>().ok().filter(|it| (1..=9).contains(it)).map(Role::Heading)
}

/// Which lists are numbered.
#[derive(Default)]
struct Numbering {
    abstract_of: HashMap<String, String>,
    /// By abstract list and level.
    formats: HashMap<(String, String), String>,
}

impl Numbering {
    fn read(bytes: &[u8]) -> Numbering {
        let mut numbering = Numbering::default();
        let (mut abstract_id, mut level, mut number) = (String::new(), String::new(), String::new());
        let value = |element: &Element, name: &str| element.attribute(name).unwrap_or_default().to_owned();
        let _ = elements(bytes, |path, element| match element.name.as_str() {
            "abstractNum" => abstract_id = value(element, "abstractNumId"),
            "lvl" => level = value(element, "ilvl"),
            "numFmt" if path.last().is_some_and(|it| it == "lvl") => {
                numbering.formats.insert((abstract_id.clone(), level.clone()), value(element, "val"));
            }
            "num" => number = value(element, "numId"),
            "abstractNumId" => {
                numbering.abstract_of.insert(number.clone(), value(element, "val"));
            }
            _ => {}
        });
        numbering
    }

    fn is_numbered(&self, list: &str, level: usize) -> bool {
        let Some(id) = self.abstract_of.get(list) else { return false };
        self.formats.get(&(id.clone(), level.to_string())).is_some_and(|it| it != "bullet" && it != "none")
    }
}

#[derive(Default)]
struct Paragraph {
    text: String,
    style: String,
    outline: Option<u8>,
    list: Option<String>,
    level: usize,
}

/// A table that is being read; one in a cell becomes text of the cell.
#[derive(Default)]
struct Table {
    rows: usize,
    row: Vec<String>,
    cell: String,
    span: usize,
    /// The cell is the rest of one in the row above.
    continues: bool,
    above: Vec<String>,
}

struct Document<'a> {
    styles: Styles,
    numbering: Numbering,
    has_pages: bool,
    page: u32,
    /// The page that the receiver knows of.
    told_page: u32,
    paragraph: Paragraph,
    cells: Vec<Table>,
    counters: HashMap<(String, usize), u32>,
    blocks: &'a mut dyn Blocks,
}

impl Document<'_> {
    fn read<R: std::io::Read>(
        &mut self,
        xml: &mut XmlReader<R>,
        damaged: &dyn Fn(String) -> KnowledgeError,
        progress: impl Fn(u64) -> (u64, u64),
    ) -> Result<(), KnowledgeError> {
        /// Elements whose text is not the document's: what was deleted or moved away, the older twin of a drawing.
        const SKIPPED: [&str; 6] = ["del", "moveFrom", "Fallback", "instrText", "delText", "rt"];
        let mut skipped = 0usize;
        let mut in_text = false;
        let mut told = 0;
        // A text box lies within a paragraph and has paragraphs itself.
        let mut outer: Vec<Paragraph> = Vec::new();
        loop {
            match xml.next().map_err(damaged)? {
                Node::Open(element) if skipped > 0 || SKIPPED.contains(&element.name.as_str()) => skipped += 1,
                Node::Close(_) if skipped > 0 => skipped -= 1,
                Node::Open(element) => match element.name.as_str() {
                    "t" => in_text = true,
                    "txbxContent" if outer.len() < 8 => outer.push(std::mem::take(&mut self.paragraph)),
                    _ => self.open(&element)?,
                },
                Node::Close(name) => match name.as_str() {
                    "t" => in_text = false,
                    "txbxContent" => self.paragraph = outer.pop().unwrap_or_default(),
                    _ => self.close(&name)?,
                },
                Node::Text(text) => {
                    if in_text && skipped == 0 {
                        self.paragraph.text.push_str(&text);
                    }
                }
                Node::End => break,
            }
            if xml.done() > told + (1 << 20) {
                told = xml.done();
                let (done, total) = progress(told);
                self.blocks.progress(done, total)?;
            }
        }
        self.end_paragraph()
    }

    fn open(&mut self, element: &Element) -> Result<(), KnowledgeError> {
        let value = element.attribute("val").unwrap_or_default();
        match element.name.as_str() {
            // Within a paragraph's properties; a section's or a run's have other elements.
            "pStyle" => self.paragraph.style = value.to_owned(),
            "outlineLvl" => self.paragraph.outline = outline_level(value),
            "ilvl" => self.paragraph.level = value.parse::<usize>().unwrap_or(0).min(8),
            // List 0 takes a paragraph out of the list of its style.
            "numId" => self.paragraph.list = Some(value.to_owned()).filter(|it| it != "0"),
            // Where tabulators stand is told by an element of the same name, before there is a text.
            "tab" if !self.paragraph.text.is_empty() => self.paragraph.text.push('\t'),
            "br" | "cr" if element.attribute("type") != Some("page") => self.paragraph.text.push('\n'),
            "noBreakHyphen" => self.paragraph.text.push('-'),
            "lastRenderedPageBreak" if self.has_pages => {
                self.page = self.page.saturating_add(1);
                // A paragraph belongs to the page on which it begins, unless nothing of it stands there.
                if self.paragraph.text.trim().is_empty() {
                    self.told_page = self.page;
                    self.blocks.block(Block::Page(self.page))?;
                }
            }
            "tbl" => {
                self.end_paragraph()?;
                self.cells.push(Table::default());
            }
            "tc" => {
                if let Some(table) = self.cells.last_mut() {
                    table.cell.clear();
                    table.span = 1;
                    table.continues = false;
                }
            }
            "gridSpan" => {
                if let Some(table) = self.cells.last_mut() {
                    table.span = value.parse::<usize>().unwrap_or(1).clamp(1, 64);
                }
            }
            "vMerge" => {
                if let Some(table) = self.cells.last_mut() {
                    table.continues = value != "restart";
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), KnowledgeError> {
        match name {
            "p" => self.end_paragraph(),
            "tc" => {
                if let Some(table) = self.cells.last_mut() {
                    let mut text = std::mem::take(&mut table.cell).trim().to_owned();
                    if table.continues && text.is_empty() {
                        text = table.above.get(table.row.len()).cloned().unwrap_or_default();
                    }
                    table.row.push(text);
                    (1..table.span).for_each(|_| table.row.push(String::new()));
                }
                Ok(())
            }
            "tr" => self.end_row(),
            "tbl" => self.end_table(),
            _ => Ok(()),
        }
    }

    fn end_row(&mut self) -> Result<(), KnowledgeError> {
        let is_outermost = self.cells.len() == 1;
        let Some(table) = self.cells.last_mut() else { return Ok(()) };
        let row = std::mem::take(&mut table.row);
        table.above.clone_from(&row);
        table.rows += 1;
        let is_first = table.rows == 1;
        if row.iter().all(String::is_empty) {
            return Ok(());
        }
        if !is_outermost {
            // What the outer cell has of it.
            let line = row.join("  ");
            if let Some(outer) = self.cells.len().checked_sub(2).and_then(|it| self.cells.get_mut(it)) {
                outer.cell.push_str(&line);
                outer.cell.push('\n');
            }
            return Ok(());
        }
        self.blocks.block(if is_first { Block::TableHeader(row) } else { Block::TableRow(row) })?;
        self.tell_page()
    }

    fn end_table(&mut self) -> Result<(), KnowledgeError> {
        self.cells.pop();
        if self.cells.is_empty() { self.blocks.block(Block::TableEnd) } else { Ok(()) }
    }

    fn end_paragraph(&mut self) -> Result<(), KnowledgeError> {
        let Paragraph { text, style, outline, list, level } = std::mem::take(&mut self.paragraph);
        let text = text.trim();
        if let Some(table) = self.cells.last_mut() {
            if !text.is_empty() {
                table.cell.push_str(text);
                table.cell.push('\n');
            }
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        let role = match self.styles.role(&style) {
            Role::Body => outline.map_or(Role::Body, Role::Heading),
            role @ (Role::Heading(_) | Role::Bullet | Role::Numbered | Role::Contents) => role,
        };
        let block = match (role, list) {
            (Role::Contents, _) => return Ok(()),
            (Role::Heading(level), _) => Block::Heading { level, text: text.to_owned() },
            (Role::Body, None) => Block::Paragraph(text.to_owned()),
            (Role::Body | Role::Bullet | Role::Numbered, list) => {
                let indent = "  ".repeat(level);
                let is_numbered =
                    list.as_ref().map_or(role == Role::Numbered, |it| self.numbering.is_numbered(it, level));
                let list = list.unwrap_or(style);
                let marker = if is_numbered {
                    let number = self.counters.entry((list.clone(), level)).or_insert(0);
                    *number += 1;
                    let marker = format!("{number}.");
                    // Deeper levels count from one again.
                    (level + 1..9).for_each(|it| {
                        self.counters.remove(&(list.clone(), it));
                    });
                    marker
                } else {
                    "-".to_owned()
                };
                Block::ListItem(format!("{indent}{marker} {text}"))
            }
        };
        self.blocks.block(block)?;
        self.tell_page()
    }

    fn tell_page(&mut self) -> Result<(), KnowledgeError> {
        if self.told_page == self.page {
            return Ok(());
        }
        self.told_page = self.page;
        self.blocks.block(Block::Page(self.page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_across_two_reads_is_found() {
        struct Slow<'a>(&'a [u8]);
        impl std::io::Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let count = self.0.len().min(5).min(buffer.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        assert!(contains(&mut Slow(b"<w:r><w:lastRenderedPageBreak/></w:r>"), DRAWN_PAGE).unwrap());
        assert!(!contains(&mut Slow(b"<w:r><w:lastRenderedPage/></w:r>"), DRAWN_PAGE).unwrap());
    }

    #[test]
    fn styles_in_both_languages() {
        assert_eq!(role_of_name("heading 2"), Some(Role::Heading(2)));
        assert_eq!(role_of_name("标题 3"), Some(Role::Heading(3)));
        assert_eq!(role_of_name("Title"), Some(Role::Heading(0)));
        assert_eq!(role_of_name("TOC 1"), Some(Role::Contents));
        assert_eq!(role_of_name("Normal"), None);
    }
}
