//! Plain text and markdown, line by line: headings, lists, tables, code, paragraphs, and questions with their answers. Inline
//! marks are kept as they are written, since people and models read them.

use std::io::{BufRead, Read as _};

use super::Input;
use crate::error::KnowledgeError;
use crate::parse::block::{Block, Blocks};
use crate::parse::encoding::Charset;
use crate::parse::sentences::cut_before;
use crate::parse::source::{Meter, unreadable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Plain,
    Markdown,
}

/// A paragraph, item or code block that is longer is handed on in pieces, so that a file of one line needs no memory.
const MAX_BLOCK_BYTES: usize = 64 << 10;

const LOOKED_AT: u64 = 1 << 20;

pub(crate) fn read(
    input: &Input<'_>,
    charset: &Charset,
    flavour: Flavour,
    blocks: &mut dyn Blocks,
) -> Result<(), KnowledgeError> {
    let failed = |error: std::io::Error| unreadable(input.name, &error);
    let meter = Meter::default();
    let mut head = Vec::new();
    let beginning = charset.reader(input.source, &Meter::default()).map_err(failed)?;
    beginning.take(LOOKED_AT).read_to_end(&mut head).map_err(failed)?;
    // Form feeds make pages; without any, there are none to be named.
    if head.contains(&b'\x0C') {
        blocks.block(Block::Page(1))?;
    }
    let mut lines = Lines { reader: charset.reader(input.source, &meter).map_err(failed)?, left: Vec::new() };
    let mut reader = TextReader::new(flavour, blocks);
    let total = input.source.length();
    let mut told = 0;
    while let Some(line) = lines.next().map_err(failed)? {
        meter.begin_record();
        reader.line(&line)?;
        if meter.done() > told {
            told = meter.done();
            reader.blocks.progress(told, total)?;
        }
    }
    reader.finish()?;
    blocks.progress(total, total)
}

struct Lines<'a> {
    reader: Box<dyn BufRead + 'a>,
    /// The begin of a character that the last piece was cut in.
    left: Vec<u8>,
}

impl Lines<'_> {
    /// A line without its end, or a piece of a very long one.
    fn next(&mut self) -> std::io::Result<Option<String>> {
        let mut bytes = std::mem::take(&mut self.left);
        let count = self.reader.by_ref().take(MAX_BLOCK_BYTES as u64).read_until(b'\n', &mut bytes)?;
        if count == 0 && bytes.is_empty() {
            return Ok(None);
        }
        if count > 0 && !bytes.ends_with(b"\n") {
            let valid = match std::str::from_utf8(&bytes) {
                Ok(_) => bytes.len(),
                Err(error) => error.valid_up_to(),
            };
            // At most three bytes of a character can be missing their end.
            if bytes.len() - valid < 4 {
                self.left = bytes.split_off(valid);
            }
        }
        let mut line =
            String::from_utf8(bytes).unwrap_or_else(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        line.truncate(line.trim_end_matches(['\n', '\r']).len());
        Ok(Some(line))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Paragraph,
    Item,
}

struct Asked {
    question: String,
    answer: Option<String>,
    /// Came behind an empty line: more of the answer, if another question follows.
    later: Vec<String>,
    after_gap: bool,
}

struct TextReader<'a> {
    flavour: Flavour,
    blocks: &'a mut dyn Blocks,
    open: Open,
    text: String,
    /// The marks that will close the code block.
    fence: Option<String>,
    code: String,
    in_table: bool,
    asked: Option<Asked>,
    page: u32,
}

impl<'a> TextReader<'a> {
    fn new(flavour: Flavour, blocks: &'a mut dyn Blocks) -> TextReader<'a> {
        TextReader {
            flavour,
            blocks,
            open: Open::Nothing,
            text: String::new(),
            fence: None,
            code: String::new(),
            in_table: false,
            asked: None,
            page: 1,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), KnowledgeError> {
        let mut parts = line.split('\u{c}');
        if let Some(first) = parts.next() {
            self.line_of_page(first)?;
        }
        for part in parts {
            self.close()?;
            self.page += 1;
            self.blocks.block(Block::Page(self.page))?;
            if !part.is_empty() {
                self.line_of_page(part)?;
            }
        }
        Ok(())
    }

    fn line_of_page(&mut self, line: &str) -> Result<(), KnowledgeError> {
        let line = line.trim_end();
        let trimmed = line.trim_start();
        if let Some(fence) = &self.fence {
            if trimmed.starts_with(fence.as_str()) {
                return self.close_code();
            }
            self.code.push_str(line);
            self.code.push('\n');
            return if self.code.len() > MAX_BLOCK_BYTES { self.tell_code() } else { Ok(()) };
        }
        if trimmed.is_empty() {
            return self.empty_line();
        }
        let is_markdown = self.flavour == Flavour::Markdown;
        if is_markdown && (trimmed.starts_with("```") || trimmed.starts_with("~~~")) {
            self.close()?;
            self.fence = trimmed.get(..3).map(str::to_owned);
            return Ok(());
        }
        if let Some((level, text)) = self.heading(line) {
            self.close()?;
            return self.blocks.block(Block::Heading { level, text });
        }
        if self.in_table {
            if line.contains('|') {
                return self.blocks.block(Block::TableRow(cells(line)));
            }
            self.end_table()?;
        }
        if is_markdown && self.begins_table(line)? {
            return Ok(());
        }
        if is_markdown && self.open == Open::Paragraph && !self.text.contains('\n') && trimmed.len() >= 3 {
            let level = match trimmed {
                _ if trimmed.bytes().all(|it| it == b'=') => Some(1),
                _ if trimmed.bytes().all(|it| it == b'-') => Some(2),
                _ => None,
            };
            if let Some(level) = level {
                let text = std::mem::take(&mut self.text);
                self.open = Open::Nothing;
                return self.blocks.block(Block::Heading { level, text });
            }
        }
        self.prose(line, trimmed)
    }

    fn prose(&mut self, line: &str, trimmed: &str) -> Result<(), KnowledgeError> {
        if let Some(question) = after_mark(trimmed, &QUESTION_MARKS) {
            self.close_text()?;
            self.close_question(true)?;
            let question = question.to_owned();
            self.asked = Some(Asked { question, answer: None, later: Vec::new(), after_gap: false });
            return Ok(());
        }
        if let Some(asked) = &mut self.asked {
            match (&mut asked.answer, after_mark(trimmed, &ANSWER_MARKS)) {
                (None, Some(answer)) => asked.answer = Some(answer.to_owned()),
                (None, None) => {
                    asked.question.push('\n');
                    asked.question.push_str(trimmed);
                }
                (Some(_), _) if asked.after_gap => match asked.later.last_mut().filter(|it| !it.is_empty()) {
                    Some(last) => {
                        last.push('\n');
                        last.push_str(line);
                    }
                    None => asked.later.push(line.to_owned()),
                },
                (Some(answer), _) => {
                    answer.push('\n');
                    answer.push_str(trimmed);
                }
            }
            let size = asked.answer.as_ref().map_or(asked.question.len(), String::len)
                + asked.later.iter().map(String::len).sum::<usize>();
            return if size > MAX_BLOCK_BYTES { self.close_question(false) } else { Ok(()) };
        }
        if is_item(trimmed) {
            self.close_text()?;
            self.open = Open::Item;
            let depth = indentation(line) / 2;
            (0..depth.min(8)).for_each(|_| self.text.push_str("  "));
            self.text.push_str(trimmed);
            return Ok(());
        }
        if self.open == Open::Nothing {
            self.open = Open::Paragraph;
        } else {
            self.text.push('\n');
        }
        self.text.push_str(if self.open == Open::Item { trimmed } else { line });
        while self.text.len() > MAX_BLOCK_BYTES {
            let rest = self.text.split_off(cut_before(&self.text, MAX_BLOCK_BYTES));
            let open = self.open;
            self.close_text()?;
            self.open = open;
            self.text = rest;
        }
        Ok(())
    }

    fn empty_line(&mut self) -> Result<(), KnowledgeError> {
        self.end_table()?;
        if let Some(asked) = &mut self.asked {
            if asked.answer.is_some() {
                asked.after_gap = true;
                asked.later.push(String::new());
            }
            return Ok(());
        }
        self.close_text()
    }

    /// The last line was a header if this one is the rule under it.
    fn begins_table(&mut self, line: &str) -> Result<bool, KnowledgeError> {
        if self.open == Open::Nothing || !is_rule(line) {
            return Ok(false);
        }
        let at = self.text.rfind('\n').map_or(0, |it| it + 1);
        let header = self.text.get(at..).unwrap_or_default();
        if !header.contains('|') || cells(header).len() != cells(line).len() {
            return Ok(false);
        }
        let header = cells(header);
        self.text.truncate(at.saturating_sub(1));
        self.close_text()?;
        self.in_table = true;
        self.blocks.block(Block::TableHeader(header))?;
        Ok(true)
    }

    fn heading(&self, line: &str) -> Option<(u8, String)> {
        const DEEPEST: usize = 6;
        let level = line.bytes().take_while(|it| *it == b'#').count();
        if (1..=DEEPEST).contains(&level) {
            let title = line.get(level..)?.strip_prefix(' ')?.trim().trim_end_matches('#').trim_end();
            return (!title.is_empty()).then(|| (u8::try_from(level).unwrap_or(1), title.to_owned()));
        }
        if self.flavour == Flavour::Plain && self.open == Open::Nothing { chapter(line.trim()) } else { None }
    }

    fn end_table(&mut self) -> Result<(), KnowledgeError> {
        if std::mem::take(&mut self.in_table) { self.blocks.block(Block::TableEnd) } else { Ok(()) }
    }

    fn tell_code(&mut self) -> Result<(), KnowledgeError> {
        let code = std::mem::take(&mut self.code);
        if code.trim().is_empty() { Ok(()) } else { self.blocks.block(Block::Code(code)) }
    }

    fn close_code(&mut self) -> Result<(), KnowledgeError> {
        self.fence = None;
        self.tell_code()
    }

    fn close_text(&mut self) -> Result<(), KnowledgeError> {
        let text = std::mem::take(&mut self.text);
        match std::mem::replace(&mut self.open, Open::Nothing) {
            _ if text.trim().is_empty() => Ok(()),
            Open::Nothing | Open::Paragraph => self.blocks.block(Block::Paragraph(text)),
            Open::Item => self.blocks.block(Block::ListItem(text)),
        }
    }

    /// What stands behind an empty line belongs to the answer if another question follows, and else is text of its own.
    fn close_question(&mut self, another_follows: bool) -> Result<(), KnowledgeError> {
        let Some(Asked { question, answer, later, .. }) = self.asked.take() else { return Ok(()) };
        let later: Vec<String> = later.into_iter().filter(|it| !it.trim().is_empty()).collect();
        let Some(mut answer) = answer.filter(|it| !it.trim().is_empty()) else {
            self.blocks.block(Block::Paragraph(question))?;
            return later.into_iter().try_for_each(|it| self.blocks.block(Block::Paragraph(it)));
        };
        if another_follows {
            for paragraph in &later {
                answer.push_str("\n\n");
                answer.push_str(paragraph);
            }
            return self.blocks.block(Block::Question { question, answer });
        }
        self.blocks.block(Block::Question { question, answer })?;
        later.into_iter().try_for_each(|it| self.blocks.block(Block::Paragraph(it)))
    }

    fn close(&mut self) -> Result<(), KnowledgeError> {
        self.end_table()?;
        self.close_code()?;
        self.close_text()?;
        self.close_question(false)
    }

    fn finish(mut self) -> Result<(), KnowledgeError> {
        self.close()
    }
}

const QUESTION_MARKS: [&str; 6] = ["Q", "q", "问", "问题", "提问", "Question"];
const ANSWER_MARKS: [&str; 6] = ["A", "a", "答", "答案", "回答", "Answer"];

/// `Q: text`, `问：text`, `**Q1.** text` → `text`.
fn after_mark<'a>(line: &'a str, marks: &[&str]) -> Option<&'a str> {
    let line = line.trim_start_matches('*');
    marks.iter().find_map(|mark| {
        let rest = line.strip_prefix(mark)?;
        let rest = rest.trim_start_matches(|it: char| it.is_ascii_digit());
        let rest = rest.strip_prefix([':', '：'])?;
        Some(rest.trim_start_matches('*').trim())
    })
}

/// `第三章 退货` and its like stand alone in a line.
fn chapter(line: &str) -> Option<(u8, String)> {
    const LONGEST: usize = 40;
    let rest = line.strip_prefix('第')?;
    let number: String =
        rest.chars().take_while(|it| it.is_ascii_digit() || "一二三四五六七八九十百千零〇两".contains(*it)).collect();
    let behind = rest.get(number.len()..)?;
    let unit = behind.chars().next()?;
    let level = match unit {
        '部' | '卷' | '篇' => 1,
        '章' | '回' | '讲' => 2,
        '节' => 3,
        _ => return None,
    };
    let title = behind.get(unit.len_utf8()..)?;
    let stands_apart = title.is_empty() || title.starts_with([' ', '\u{3000}', '：', ':', '、']);
    let ends_nothing = !title.ends_with(['。', '，', '；', '！', '？']);
    (!number.is_empty() && line.chars().count() <= LONGEST && stands_apart && ends_nothing)
        .then(|| (level, line.to_owned()))
}

fn indentation(line: &str) -> usize {
    line.chars().take_while(|it| it.is_whitespace()).map(|it| if it == '\t' { 4 } else { 1 }).sum()
}

fn is_item(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix(['-', '*', '+', '•', '·', '●', '○', '■', '◆']) {
        return rest.starts_with([' ', '\t', '\u{3000}']) && !rest.trim().is_empty();
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let behind = line.get(digits..).unwrap_or_default();
    (1..=3).contains(&digits)
        && (behind.strip_prefix(['.', ')']).is_some_and(|it| it.starts_with(' ')) || behind.starts_with(['、', '）']))
}

pub(crate) fn is_rule(line: &str) -> bool {
    let dashes = |cell: &str| {
        let inside = cell.trim().trim_start_matches(':').trim_end_matches(':');
        !inside.is_empty() && inside.bytes().all(|it| it == b'-')
    };
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    line.contains('-') && line.strip_suffix('|').unwrap_or(line).split('|').all(dashes)
}

pub(crate) fn cells(line: &str) -> Vec<String> {
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
    all.into_iter().map(|it| it.trim().to_owned()).collect()
}
