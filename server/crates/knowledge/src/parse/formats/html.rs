//! Web pages, tag by tag: a browser's tokenizer and a few counters instead of a tree, so that neither a page of any size nor
//! one that is nested a million deep needs memory. What is no content is left out: scripts, navigation, what is hidden.

use html5gum::{DefaultEmitter, EndTag, IoReader, StartTag, Token, Tokenizer};

use super::Input;
use crate::error::KnowledgeError;
use crate::parse::block::{Block, Blocks};
use crate::parse::encoding::Charset;
use crate::parse::sentences::cut_before;
use crate::parse::source::{Meter, unreadable};

/// A paragraph or cell that is longer is handed on in pieces.
const MAX_BLOCK_BYTES: usize = 64 << 10;
/// Deeper lists are indented no further.
const DEEPEST_LIST: usize = 8;
const MAX_COLUMNS: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Title {
    /// The page's title is the first heading.
    Heading,
    /// Chapters of a book repeat the book's title, or a file's name.
    Ignored,
}

pub(crate) fn read(
    input: &Input<'_>,
    charset: &Charset,
    title: Title,
    blocks: &mut dyn Blocks,
) -> Result<(), KnowledgeError> {
    let failed = |error: std::io::Error| unreadable(input.name, &error);
    let meter = Meter::default();
    let reader = charset.reader(input.source, &meter).map_err(failed)?;
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page = Page::new(title, blocks);
    let total = input.source.length();
    let mut told = 0;
    for token in Tokenizer::new_with_emitter(IoReader::new(reader), emitter) {
        meter.begin_record();
        match token.map_err(failed)? {
            Token::StartTag(tag) => page.start(&tag)?,
            Token::EndTag(tag) => page.end(&tag)?,
            Token::String(text) => page.text(&String::from_utf8_lossy(&text))?,
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if meter.done() > told + (1 << 20) {
            told = meter.done();
            page.blocks.progress(told, total)?;
        }
    }
    page.finish()?;
    blocks.progress(total, total)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Paragraph,
    Heading(u8),
    Item,
}

struct Table {
    row: Vec<String>,
    cell: Option<String>,
    columns: usize,
    rows: usize,
    /// Cells that reach into rows below: column, rows left, text.
    hanging: Vec<(usize, usize, String)>,
    rowspan: usize,
    /// Tables within this one; their text is the cell's.
    inner: usize,
    /// The first row, until it is known whether there is a second column.
    is_layout: bool,
}

struct Page<'a> {
    blocks: &'a mut dyn Blocks,
    takes_title: bool,
    title: Option<String>,
    in_title: bool,
    /// What is skipped, and how many of the same name lie open in it.
    skipped: Option<(Vec<u8>, usize)>,
    /// Within these, a header is part of the content.
    articles: usize,
    kind: Kind,
    text: String,
    preformatted: usize,
    /// The open lists; a number where they are numbered.
    lists: Vec<Option<u32>>,
    marker: String,
    table: Option<Table>,
}

const SKIPPED: &[&[u8]] = &[
    b"script",
    b"style",
    b"nav",
    b"footer",
    b"aside",
    b"template",
    b"noscript",
    b"svg",
    b"iframe",
    b"object",
    b"canvas",
    b"math",
    b"form",
    b"button",
    b"select",
    b"textarea",
    b"dialog",
    b"menu",
    b"audio",
    b"video",
    b"rt",
];
const VOID: &[&[u8]] = &[
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"param", b"source",
    b"track", b"wbr",
];
const BLOCK_LEVEL: &[&[u8]] = &[
    b"p",
    b"div",
    b"section",
    b"article",
    b"main",
    b"header",
    b"blockquote",
    b"figure",
    b"figcaption",
    b"address",
    b"hr",
    b"dl",
    b"dt",
    b"dd",
    b"ul",
    b"ol",
    b"li",
    b"pre",
    b"table",
    b"caption",
    b"details",
    b"summary",
    b"fieldset",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"body",
    b"html",
    b"center",
];

impl<'a> Page<'a> {
    fn new(title: Title, blocks: &'a mut dyn Blocks) -> Page<'a> {
        Page {
            blocks,
            takes_title: title == Title::Heading,
            title: None,
            in_title: false,
            skipped: None,
            articles: 0,
            kind: Kind::Paragraph,
            text: String::new(),
            preformatted: 0,
            lists: Vec::new(),
            marker: String::new(),
            table: None,
        }
    }

    fn start(&mut self, tag: &StartTag<()>) -> Result<(), KnowledgeError> {
        let name = tag.name.as_slice();
        let is_void = VOID.contains(&name);
        if let Some((skipped, depth)) = &mut self.skipped {
            if skipped.as_slice() == name && !is_void {
                *depth += 1;
            }
            return Ok(());
        }
        let is_page_header = name == b"header" && self.articles == 0;
        if !is_void && (SKIPPED.contains(&name) || is_page_header || is_hidden(tag)) {
            // Forms wrap whole pages of some systems.
            if name == b"form" {
                return self.close();
            }
            // A line break, so that the words around it do not grow together.
            self.space();
            self.skipped = Some((name.to_vec(), 1));
            return Ok(());
        }
        match name {
            b"title" => {
                self.close()?;
                self.in_title = true;
            }
            b"article" | b"main" => self.articles += 1,
            b"br" => self.text_mut().push('\n'),
            b"table" => return self.start_table(),
            b"img" => {
                if let Some(text) = tag.attributes.get(b"alt".as_slice()) {
                    let text = String::from_utf8_lossy(text).trim().to_owned();
                    self.words(&text);
                }
                return Ok(());
            }
            _ => {}
        }
        if self.table.is_some() {
            return self.start_in_table(tag);
        }
        if BLOCK_LEVEL.contains(&name) {
            self.close()?;
        }
        match name {
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => {
                self.kind = Kind::Heading(name.get(1).map_or(1, |it| it.saturating_sub(b'0')));
            }
            b"ul" => self.lists.push(None),
            b"ol" => {
                let start = tag.attributes.get(b"start".as_slice());
                let start = start.and_then(|it| String::from_utf8_lossy(it).trim().parse().ok());
                self.lists.push(Some(start.unwrap_or(1)));
            }
            b"li" => {
                let depth = self.lists.len().saturating_sub(1).min(DEEPEST_LIST);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    Some(None) | None => "- ".to_owned(),
                };
                self.marker = format!("{}{mark}", "  ".repeat(depth));
                self.kind = Kind::Item;
            }
            b"pre" => self.preformatted += 1,
            _ => {}
        }
        self.lists.truncate(1000);
        Ok(())
    }

    fn end(&mut self, tag: &EndTag<()>) -> Result<(), KnowledgeError> {
        let name = tag.name.as_slice();
        if let Some((skipped, depth)) = &mut self.skipped {
            // Whatever was not closed ends with the page's body.
            if skipped.as_slice() == name {
                *depth -= 1;
            }
            if *depth == 0 || name == b"body" {
                self.skipped = None;
            }
            return Ok(());
        }
        match name {
            b"title" if self.in_title => {
                self.in_title = false;
                let title = collapsed(&std::mem::take(&mut self.text));
                if !title.is_empty() && self.takes_title && self.title.is_none() {
                    self.title = Some(title.clone());
                    self.blocks.block(Block::Heading { level: 0, text: title })?;
                }
                return Ok(());
            }
            b"article" | b"main" => self.articles = self.articles.saturating_sub(1),
            _ => {}
        }
        if self.table.is_some() {
            return self.end_in_table(name);
        }
        if BLOCK_LEVEL.contains(&name) {
            self.close()?;
        }
        match name {
            b"ul" | b"ol" => {
                self.lists.pop();
            }
            b"pre" => self.preformatted = self.preformatted.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), KnowledgeError> {
        if self.skipped.is_some() {
            return Ok(());
        }
        if self.preformatted > 0 && self.table.is_none() {
            self.text.push_str(text);
        } else {
            self.words(text);
        }
        while self.text.len() > MAX_BLOCK_BYTES && !self.in_title {
            let rest = self.text.split_off(cut_before(&self.text, MAX_BLOCK_BYTES));
            self.tell()?;
            self.text = rest;
        }
        Ok(())
    }

    /// Where text goes now.
    fn text_mut(&mut self) -> &mut String {
        match self.table.as_mut().and_then(|it| it.cell.as_mut()) {
            Some(cell) => cell,
            None => &mut self.text,
        }
    }

    /// White space is one space, as a browser draws it.
    fn words(&mut self, text: &str) {
        let out = self.text_mut();
        for it in text.chars() {
            if !it.is_whitespace() || it == '\u{3000}' {
                out.push(it);
            } else if !out.is_empty() && !out.ends_with([' ', '\n']) {
                out.push(' ');
            }
        }
    }

    fn space(&mut self) {
        let out = self.text_mut();
        if !out.is_empty() && !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
    }

    fn tell(&mut self) -> Result<(), KnowledgeError> {
        let text = std::mem::take(&mut self.text);
        if self.preformatted > 0 {
            return if text.trim().is_empty() { Ok(()) } else { self.blocks.block(Block::Code(text)) };
        }
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let text = lines.join("\n");
        match self.kind {
            Kind::Paragraph => self.blocks.block(Block::Paragraph(text)),
            Kind::Item => {
                // The second paragraph of an item has no mark.
                let marker = std::mem::take(&mut self.marker);
                self.blocks.block(Block::ListItem(format!("{marker}{text}")))
            }
            Kind::Heading(level) => {
                let text = lines.join(" ");
                if self.title.as_deref() == Some(text.as_str()) {
                    return Ok(());
                }
                self.blocks.block(Block::Heading { level, text })
            }
        }
    }

    fn close(&mut self) -> Result<(), KnowledgeError> {
        self.tell()?;
        self.kind = if self.lists.is_empty() { Kind::Paragraph } else { Kind::Item };
        Ok(())
    }

    fn start_table(&mut self) -> Result<(), KnowledgeError> {
        if let Some(table) = &mut self.table {
            table.inner += 1;
            return Ok(());
        }
        self.close()?;
        self.table = Some(Table {
            row: Vec::new(),
            cell: None,
            columns: 0,
            rows: 0,
            hanging: Vec::new(),
            rowspan: 1,
            inner: 0,
            is_layout: false,
        });
        Ok(())
    }

    fn start_in_table(&mut self, tag: &StartTag<()>) -> Result<(), KnowledgeError> {
        let name = tag.name.as_slice();
        let Some(table) = &mut self.table else { return Ok(()) };
        let number = |attribute: &[u8]| {
            let value = tag.attributes.get(attribute)?;
            String::from_utf8_lossy(value).trim().parse::<usize>().ok()
        };
        match name {
            _ if table.inner > 0 => {
                if matches!(name, b"tr" | b"td" | b"th")
                    && let Some(cell) = &mut table.cell
                {
                    cell.push(if name == b"tr" { '\n' } else { ' ' });
                }
            }
            b"tr" => self.end_row()?,
            b"td" | b"th" => {
                self.end_cell();
                if let Some(table) = &mut self.table {
                    fill_hanging(table);
                    table.cell = Some(String::new());
                    table.rowspan = number(b"rowspan").unwrap_or(1).clamp(1, 10_000);
                    table.columns = number(b"colspan").unwrap_or(1).clamp(1, 64);
                }
            }
            _ if BLOCK_LEVEL.contains(&name) => {
                if let Some(cell) = &mut table.cell
                    && !cell.is_empty()
                    && !cell.ends_with('\n')
                {
                    cell.push('\n');
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_in_table(&mut self, name: &[u8]) -> Result<(), KnowledgeError> {
        let Some(table) = &mut self.table else { return Ok(()) };
        match name {
            b"table" if table.inner > 0 => table.inner -= 1,
            _ if table.inner > 0 => {}
            b"table" => return self.end_table(),
            b"tr" => return self.end_row(),
            b"td" | b"th" => self.end_cell(),
            _ => {}
        }
        Ok(())
    }

    fn end_cell(&mut self) {
        let Some(table) = &mut self.table else { return };
        let Some(cell) = table.cell.take() else { return };
        if table.row.len() >= MAX_COLUMNS {
            return;
        }
        let text = cell.lines().map(str::trim).filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n");
        if table.rowspan > 1 && table.hanging.len() < MAX_COLUMNS {
            table.hanging.push((table.row.len(), table.rowspan, text.clone()));
        }
        table.row.push(text);
        (1..table.columns).for_each(|_| table.row.push(String::new()));
    }

    fn end_row(&mut self) -> Result<(), KnowledgeError> {
        self.end_cell();
        let Some(table) = &mut self.table else { return Ok(()) };
        if table.row.is_empty() {
            return Ok(());
        }
        fill_hanging(table);
        table.hanging.retain_mut(|(_, left, _)| {
            *left = left.saturating_sub(1);
            *left > 0
        });
        let row = std::mem::take(&mut table.row);
        if row.iter().all(String::is_empty) {
            return Ok(());
        }
        table.rows += 1;
        // One cell in a row is no table: it is how pages were laid out once.
        if table.rows == 1 {
            table.is_layout = row.len() == 1;
        }
        if table.is_layout {
            let text = row.join("\n");
            return self.blocks.block(Block::Paragraph(text));
        }
        let is_first = table.rows == 1;
        self.blocks.block(if is_first { Block::TableHeader(row) } else { Block::TableRow(row) })
    }

    fn end_table(&mut self) -> Result<(), KnowledgeError> {
        self.end_row()?;
        match self.table.take() {
            Some(table) if table.rows > 0 && !table.is_layout => self.blocks.block(Block::TableEnd),
            Some(_) | None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(), KnowledgeError> {
        self.end_table()?;
        self.close()
    }
}

/// Cells of rows above that stand where the row has come to.
fn fill_hanging(table: &mut Table) {
    while let Some((_, left, text)) = table.hanging.iter().find(|(at, _, _)| *at == table.row.len())
        && *left > 0
        && table.row.len() < MAX_COLUMNS
    {
        let text = text.clone();
        table.row.push(text);
    }
}

fn is_hidden(tag: &StartTag<()>) -> bool {
    let value = |name: &[u8]| tag.attributes.get(name).map(|it| String::from_utf8_lossy(it).to_ascii_lowercase());
    if tag.attributes.contains_key(b"hidden".as_slice()) {
        return true;
    }
    let style: String = value(b"style").unwrap_or_default().chars().filter(|it| !it.is_whitespace()).collect();
    let role = value(b"role").unwrap_or_default();
    value(b"aria-hidden").as_deref() == Some("true")
        || style.contains("display:none")
        || style.contains("visibility:hidden")
        || matches!(role.as_str(), "navigation" | "banner" | "contentinfo" | "search" | "dialog")
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
