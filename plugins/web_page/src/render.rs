//! A page's elements as Markdown or as plain text. Blocks become strings of their own, so that a list in a quotation in a list
//! is only three times the same step: render, indent, join.

use std::collections::BTreeSet;

use crate::address;
use crate::article;
use crate::tree::{Element, Node};

/// Lists and quotations in each other; deeper ones are written as their blocks. Each level is before every line, so without an
/// end to it a small page would become a huge text.
const MAX_NESTED: usize = 12;

/// A wider table is no table that anybody reads; every row is filled up to its width.
const MAX_COLUMNS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Text,
}

/// A link of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) url: String,
}

pub(crate) struct Renderer<'a> {
    format: Format,
    /// What links without a host start from.
    base: &'a str,
    /// Also what stands beside the text.
    whole: bool,
    pub(crate) links: Vec<Link>,
    seen: BTreeSet<String>,
    /// How many lists and quotations are around what is written now.
    nested: usize,
}

impl<'a> Renderer<'a> {
    pub(crate) fn new(format: Format, base: &'a str, whole: bool) -> Self {
        Self { format, base, whole, links: Vec::new(), seen: BTreeSet::new(), nested: 0 }
    }

    /// The blocks of an element, in order.
    pub(crate) fn blocks(&mut self, element: &Element) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut line = String::new();
        for child in &element.children {
            match child {
                Node::Text(text) => line.push_str(text),
                Node::Element(child) if self.is_left_out(child) => {}
                Node::Element(child) if child.is_block() || has_block(child) => {
                    Self::end_line(&mut line, &mut blocks);
                    self.block(child, &mut blocks);
                }
                Node::Element(child) => self.inline(child, &mut line),
            }
        }
        Self::end_line(&mut line, &mut blocks);
        blocks
    }

    fn is_left_out(&self, element: &Element) -> bool {
        if self.whole { article::is_hidden(element) } else { article::is_beside(element) }
    }

    fn end_line(line: &mut String, blocks: &mut Vec<String>) {
        let text = collapsed(&std::mem::take(line));
        if !text.is_empty() {
            blocks.push(text);
        }
    }

    fn block(&mut self, element: &Element, blocks: &mut Vec<String>) {
        if !matches!(element.name.as_str(), "blockquote" | "ul" | "ol") {
            return self.unnested(element, blocks);
        }
        if self.nested >= MAX_NESTED {
            blocks.extend(self.blocks(element));
            return;
        }
        self.nested += 1;
        let written = if element.name == "blockquote" { self.quotation(element) } else { self.list(element) };
        self.nested -= 1;
        blocks.extend(Some(written).filter(|written| !written.is_empty()));
    }

    fn quotation(&mut self, element: &Element) -> String {
        let quoted = self.blocks(element).join("\n\n");
        match self.format {
            Format::Markdown if !quoted.is_empty() => prefixed(&quoted, "> ", "> "),
            Format::Markdown | Format::Text => quoted,
        }
    }

    fn unnested(&mut self, element: &Element, blocks: &mut Vec<String>) {
        match element.name.as_str() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = element.name.get(1..).and_then(|level| level.parse().ok()).unwrap_or(1);
                let heading = self.line(element);
                if !heading.is_empty() {
                    blocks.push(self.marked(&format!("{} ", "#".repeat(level)), heading));
                }
            }
            "pre" => {
                let text = element.text();
                let text = text.trim_matches('\n').trim_end();
                if !text.is_empty() {
                    blocks.push(match self.format {
                        Format::Markdown => format!("```\n{text}\n```"),
                        Format::Text => text.to_owned(),
                    });
                }
            }
            "table" => self.table(element, blocks),
            "hr" => blocks.extend((self.format == Format::Markdown).then(|| "---".to_owned())),
            _ => blocks.extend(self.blocks(element)),
        }
    }

    fn marked(&self, mark: &str, text: String) -> String {
        match self.format {
            Format::Markdown => format!("{mark}{text}"),
            Format::Text => text,
        }
    }

    /// Everything of an element on one line.
    fn line(&mut self, element: &Element) -> String {
        self.blocks(element).join(" ").replace('\n', " ")
    }

    fn list(&mut self, element: &Element) -> String {
        let first = element.attribute("start").and_then(|start| start.trim().parse().ok());
        let mut number: i64 = first.unwrap_or(1);
        let mut items = Vec::new();
        for item in element.elements() {
            if self.is_left_out(item) {
                continue;
            }
            let mut blocks = Vec::new();
            if matches!(item.name.as_str(), "ul" | "ol") {
                // Some authors put lists into lists without an item around.
                self.block(item, &mut blocks);
            } else {
                blocks = self.blocks(item);
            }
            let tight = blocks.len() <= 2 || blocks.iter().all(|block| !block.contains("\n\n"));
            let text = blocks.join(if tight { "\n" } else { "\n\n" });
            if text.is_empty() {
                continue;
            }
            let mark = if element.name == "ol" { format!("{number}. ") } else { "- ".to_owned() };
            number = number.saturating_add(1);
            items.push(prefixed(&text, &mark, &" ".repeat(mark.len())));
        }
        items.join("\n")
    }

    /// A table of data as one; a table that only arranges a page as the blocks in it.
    fn table<'e>(&mut self, element: &'e Element, blocks: &mut Vec<String>) {
        let parts = element.elements().flat_map(|part| {
            // `<tr>` stands in the table itself or in one of its parts.
            let own = (part.name == "tr").then_some(part);
            let inner = part.elements().filter(|row| row.name == "tr" && part.name != "tr");
            own.into_iter().chain(inner)
        });
        let cells =
            |row: &'e Element| row.elements().filter(|cell| matches!(cell.name.as_str(), "td" | "th")).collect();
        let rows: Vec<Vec<&Element>> = parts.map(cells).collect();
        let mut arranges = false;
        element.visit(&mut |inner| {
            let block = matches!(inner.name.as_str(), "table" | "ul" | "ol" | "pre");
            arranges |= block && !std::ptr::eq(inner, element);
        });
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        if arranges || !(2..=MAX_COLUMNS).contains(&columns) || rows.len() < 2 {
            for child in element.elements() {
                blocks.extend(self.blocks(child));
            }
            return;
        }
        let mut lines = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let mut cells: Vec<String> = row.iter().map(|cell| self.line(cell)).collect();
            cells.resize(columns, String::new());
            if self.format == Format::Text {
                lines.push(cells.join(" | ").trim_end().to_owned());
                continue;
            }
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            lines.push(format!("| {} |", cells.join(" | ")));
            if index == 0 {
                lines.push(format!("|{}", " --- |".repeat(columns)));
            }
        }
        blocks.push(lines.join("\n"));
    }

    fn inline_children(&mut self, element: &Element) -> String {
        let mut line = String::new();
        for child in &element.children {
            match child {
                Node::Text(text) => line.push_str(text),
                Node::Element(child) if article::is_hidden(child) => {}
                Node::Element(child) => self.inline(child, &mut line),
            }
        }
        line
    }

    fn inline(&mut self, element: &Element, line: &mut String) {
        let markdown = self.format == Format::Markdown;
        match element.name.as_str() {
            "br" => line.push(LINE_BREAK),
            "img" => {
                let alt = collapsed(element.attribute("alt").unwrap_or_default()).replace(['[', ']'], "");
                let address = element.attribute("src").and_then(|address| address::join(self.base, address));
                if let (true, false, Some(address)) = (markdown, alt.is_empty(), address) {
                    line.push_str(&format!("![{alt}]({address})"));
                }
            }
            "a" => {
                let text = self.inline_children(element);
                let address = element.attribute("href").and_then(|address| address::join(self.base, address));
                match address {
                    Some(address) if !collapsed(&text).is_empty() => {
                        self.remember(collapsed(&text), &address);
                        if markdown { around(&text, "[", &format!("]({address})"), line) } else { line.push_str(&text) }
                    }
                    Some(_) | None => line.push_str(&text),
                }
            }
            "b" | "strong" if markdown => around(&self.inline_children(element), "**", "**", line),
            "i" | "em" if markdown => around(&self.inline_children(element), "*", "*", line),
            "del" | "s" | "strike" if markdown => around(&self.inline_children(element), "~~", "~~", line),
            "code" | "kbd" | "samp" | "tt" if markdown => around(&element.text().replace('`', "'"), "`", "`", line),
            _ => line.push_str(&self.inline_children(element)),
        }
    }

    fn remember(&mut self, text: String, url: &str) {
        if self.seen.insert(url.to_owned()) {
            self.links.push(Link { text: text.replace('\n', " "), url: url.to_owned() });
        }
    }
}

/// Stands for `<br>` until spaces are collapsed. A page that has the character itself means the same by it.
const LINE_BREAK: char = '\u{2028}';

/// Marks around a text, with its outer spaces outside of them; nothing around nothing.
fn around(text: &str, before: &str, after: &str, line: &mut String) {
    let inner = text.trim();
    if inner.is_empty() {
        line.push_str(text);
        return;
    }
    let (start, end) = (text.len() - text.trim_start().len(), text.trim_end().len());
    line.push_str(text.get(..start).unwrap_or_default());
    line.push_str(before);
    line.push_str(&collapsed(inner));
    line.push_str(after);
    line.push_str(text.get(end..).unwrap_or_default());
}

/// Spaces as a browser shows them: one between words, none at the ends of a line.
pub(crate) fn collapsed(text: &str) -> String {
    let lines = text.split(LINE_BREAK).map(|line| {
        let words = line.split(|character: char| character.is_whitespace() && character != LINE_BREAK);
        let words: Vec<&str> = words.filter(|word| !word.is_empty() && *word != "\u{200b}").collect();
        words.join(" ")
    });
    let lines: Vec<String> = lines.collect();
    lines.join("\n").trim().to_owned()
}

/// Every line with something before it; the first line with its own.
fn prefixed(text: &str, first: &str, others: &str) -> String {
    let lines = text.lines().enumerate().map(|(index, line)| {
        let prefix = if index == 0 { first } else { others };
        format!("{prefix}{line}").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether an inline element has a block in it, as a link around a card has.
fn has_block(element: &Element) -> bool {
    let mut found = false;
    for child in element.elements() {
        child.visit(&mut |inner| found |= inner.is_block());
    }
    found
}
