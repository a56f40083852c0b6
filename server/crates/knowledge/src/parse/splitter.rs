//! Blocks into passages: by structure first, then by paragraphs, sentences and, where there is nothing else, by size. A
//! passage never has more tokens than the limit, and together the passages are the whole text.

use super::block::{table_line, table_rule};
use super::sentences::{cut_before, sentences};
use super::tokens::{TokenCounter, surely_fits};
use crate::spec::Splitting;

/// A longer heading is a paragraph that somebody made bold.
const MAX_HEADING_CHARS: usize = 200;

#[derive(Debug, PartialEq)]
pub(crate) struct Passage {
    pub(crate) text: String,
    pub(crate) headings: Vec<String>,
    pub(crate) page: Option<u32>,
    pub(crate) parent: Option<u32>,
    /// Characters at the beginning that the passage before ended with.
    pub(crate) overlap: u32,
}

/// The smallest thing that is moved: a sentence, a line of code, a row. It holds the space behind it.
#[derive(Clone)]
struct Atom {
    text: String,
    tokens: usize,
    page: Option<u32>,
    /// Prose can be said twice; rows and code cannot.
    repeatable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Anywhere,
    /// Only where it does not fit into one passage.
    IfItMust,
}

struct Table {
    header: Vec<String>,
    /// Header and rule as text, repeated on every piece; empty when it is too long for that.
    head: String,
    head_tokens: usize,
    rows: Vec<Atom>,
    tokens: usize,
}

pub(crate) struct Splitter<'a> {
    counter: &'a dyn TokenCounter,
    limit: usize,
    overlap: usize,
    parent: Option<usize>,
    headings: Vec<(u8, String)>,
    /// Whether the innermost heading stands above anything yet.
    heading_used: bool,
    budget: usize,
    page: Option<u32>,
    open: Vec<Atom>,
    open_tokens: usize,
    /// So many atoms of `open` repeat the passage before.
    repeated: usize,
    list: Vec<Atom>,
    list_tokens: usize,
    table: Option<Table>,
    parent_number: u32,
    parent_tokens: usize,
    parent_headings: Vec<String>,
    ready: Vec<Passage>,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(splitting: Splitting, counter: &'a dyn TokenCounter) -> Splitter<'a> {
        let limit = splitting.tokens.max(1) as usize;
        let overlap = if splitting.parent.is_some() { 0.0 } else { splitting.overlap * limit as f64 };
        Splitter {
            counter,
            limit,
            overlap: overlap as usize,
            parent: splitting.parent.map(|it| it as usize),
            headings: Vec::new(),
            heading_used: true,
            budget: limit,
            page: None,
            open: Vec::new(),
            open_tokens: 0,
            repeated: 0,
            list: Vec::new(),
            list_tokens: 0,
            table: None,
            parent_number: 0,
            parent_tokens: 0,
            parent_headings: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// The passages that are complete.
    pub(crate) fn take(&mut self) -> Vec<Passage> {
        std::mem::take(&mut self.ready)
    }

    pub(crate) fn page(&mut self, page: u32) {
        // A passage goes on over the edge of a page unless it is long already, so that its page says where to look.
        if self.page != Some(page) && self.table.is_none() && self.list.is_empty() && self.open_tokens * 2 > self.budget
        {
            self.close(Keep::Overlap);
        }
        self.page = Some(page);
    }

    pub(crate) fn current_page(&self) -> Option<u32> {
        self.page
    }

    pub(crate) fn current_headings(&self) -> Vec<String> {
        self.headings.iter().map(|(_, it)| it.clone()).collect()
    }

    /// Something outside of this splitter was said under the heading.
    pub(crate) fn use_heading(&mut self) {
        self.heading_used = true;
    }

    /// Another sheet or file: nothing of this one reaches into it.
    pub(crate) fn begin_part(&mut self) {
        self.finish();
        self.headings.clear();
        self.heading_used = true;
        self.page = None;
        self.budget = self.limit;
        self.next_parent();
    }

    pub(crate) fn finish(&mut self) {
        self.break_off();
        self.tell_unused_heading();
    }

    /// What has come so far is complete, under the same headings.
    pub(crate) fn break_off(&mut self) {
        self.end_table();
        self.end_list();
        self.close(Keep::Nothing);
    }

    pub(crate) fn heading(&mut self, level: u8, text: &str) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        if text.chars().count() > MAX_HEADING_CHARS || self.tokens(&text) > self.limit / 4 {
            self.paragraph(&text);
            return;
        }
        self.end_table();
        self.end_list();
        self.close(Keep::Nothing);
        if self.headings.last().is_some_and(|(last, _)| *last >= level) {
            self.tell_unused_heading();
        }
        self.headings.retain(|(it, _)| *it < level);
        self.headings.push((level, text));
        self.heading_used = false;
        self.measure_headings();
    }

    /// The headings are searched with the text, so they count. Half of a passage at most, from the innermost outwards.
    fn measure_headings(&mut self) {
        let cost = |headings: &[(u8, String)]| {
            let path: Vec<&str> = headings.iter().map(|(_, it)| it.as_str()).collect();
            if path.is_empty() { 0 } else { self.counter.count(&path.join(" › ")) + 1 }
        };
        let mut from = 0;
        let mut tokens = cost(&self.headings);
        while tokens > self.limit / 2 && from + 1 < self.headings.len() {
            from += 1;
            tokens = cost(self.headings.get(from..).unwrap_or_default());
        }
        self.headings.drain(..from);
        self.budget = self.limit.saturating_sub(tokens).max(self.limit / 2).max(1);
    }

    /// A heading with nothing under it is still something that somebody wrote.
    fn tell_unused_heading(&mut self) {
        if self.heading_used {
            return;
        }
        self.heading_used = true;
        if let Some((_, text)) = self.headings.pop() {
            let tokens = self.tokens(&text);
            let headings = self.current_headings();
            self.hand_over(text, tokens, headings, self.page);
        }
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.end_table();
        self.end_list();
        let atoms = self.prose(text);
        self.add(atoms, Cut::Anywhere);
    }

    /// Items that follow each other stay together where they fit.
    pub(crate) fn list_item(&mut self, text: &str) {
        self.end_table();
        let atoms = self.prose(text);
        let tokens: usize = atoms.iter().map(|it| it.tokens).sum();
        if self.list_tokens + tokens > self.budget {
            self.end_list();
        }
        self.list.extend(atoms);
        self.list_tokens += tokens;
    }

    fn end_list(&mut self) {
        let atoms = std::mem::take(&mut self.list);
        self.list_tokens = 0;
        self.add(atoms, Cut::IfItMust);
    }

    pub(crate) fn code(&mut self, text: &str) {
        self.end_table();
        self.end_list();
        let mut atoms: Vec<Atom> = Vec::new();
        for line in text.trim_matches('\n').split_inclusive('\n') {
            let line = line.trim_end_matches('\n');
            match atoms.last_mut() {
                // An empty line is part of the one before.
                Some(last) if line.trim().is_empty() => last.text.push('\n'),
                Some(_) | None => self.pieces(line, false, "\n", &mut atoms),
            }
        }
        self.add(atoms, Cut::IfItMust);
    }

    pub(crate) fn table_header(&mut self, header: Vec<String>) {
        self.end_table();
        self.end_list();
        let head = format!("{}\n{}\n", table_line(&header), table_rule(header.len()));
        let tokens = self.tokens(&head);
        let fits = tokens <= self.budget / 2;
        self.table = Some(Table {
            head: if fits { head } else { String::new() },
            head_tokens: if fits { tokens } else { 0 },
            header,
            rows: Vec::new(),
            tokens: 0,
        });
    }

    pub(crate) fn table_row(&mut self, cells: &[String]) {
        let Some(mut table) = self.table.take() else {
            self.paragraph(&table_line(cells));
            return;
        };
        let line = format!("{}\n", table_line(cells));
        let tokens = self.tokens(&line);
        if !table.head.is_empty() && table.head_tokens + tokens <= self.budget {
            if table.head_tokens + table.tokens + tokens > self.budget {
                self.table_piece(&mut table);
            }
            table.tokens += tokens;
            table.rows.push(Atom { text: line, tokens, page: self.page, repeatable: false });
        } else {
            // Too long for one passage: cell by cell, each behind the name of its column.
            self.table_piece(&mut table);
            self.close(Keep::Nothing);
            let mut atoms = Vec::new();
            for (at, cell) in cells.iter().enumerate().filter(|(_, it)| !it.trim().is_empty()) {
                let name = table.header.get(at).map(|it| it.trim()).filter(|it| !it.is_empty());
                let text = name.map_or_else(|| cell.trim().to_owned(), |it| format!("{it}: {}", cell.trim()));
                atoms.extend(self.prose(&text));
            }
            self.add(atoms, Cut::Anywhere);
            self.close(Keep::Nothing);
        }
        self.table = Some(table);
    }

    /// What has come of a table so far becomes a passage, with the header above it.
    fn table_piece(&mut self, table: &mut Table) {
        if table.rows.is_empty() {
            return;
        }
        let mut atoms = Vec::with_capacity(table.rows.len() + 1);
        let page = table.rows.first().and_then(|it| it.page);
        atoms.push(Atom { text: table.head.clone(), tokens: table.head_tokens, page, repeatable: false });
        atoms.append(&mut table.rows);
        table.tokens = 0;
        self.add(atoms, Cut::IfItMust);
        self.close(Keep::Nothing);
    }

    pub(crate) fn end_table(&mut self) {
        let Some(mut table) = self.table.take() else { return };
        let mut atoms = std::mem::take(&mut table.rows);
        if !table.head.is_empty() {
            let page = atoms.first().map_or(self.page, |it| it.page);
            atoms.insert(0, Atom { text: table.head, tokens: table.head_tokens, page, repeatable: false });
        }
        self.add(atoms, Cut::IfItMust);
    }

    fn tokens(&self, text: &str) -> usize {
        // A count is never 0, so that nothing is for free.
        self.counter.count(text).max(1)
    }

    fn prose(&self, text: &str) -> Vec<Atom> {
        let mut atoms = Vec::new();
        // The outermost white space is the block's own, but the indentation of a list item is part of it.
        let text = text.trim_end().trim_start_matches(['\n', '\r']);
        for sentence in sentences(text) {
            self.pieces(sentence, true, "", &mut atoms);
        }
        if let Some(last) = atoms.last_mut() {
            last.text.push('\n');
        }
        atoms
    }

    /// A sentence or a line, or what it is cut into when it is too long.
    fn pieces(&self, text: &str, repeatable: bool, behind: &str, atoms: &mut Vec<Atom>) {
        // Half a sentence is not repeated.
        let text_length = text.len();
        let mut rest = text;
        while !rest.is_empty() {
            let mut piece = rest;
            let mut tokens = self.tokens(piece);
            while tokens > self.budget {
                // The share that would fit if all letters were alike, a little less each time.
                let share = (piece.len() * self.budget / tokens).min(piece.len().saturating_sub(1));
                let cut = cut_before(piece, (share * 15 / 16).max(1));
                let head = piece.get(..cut).unwrap_or(piece);
                if head.len() >= piece.len() {
                    break;
                }
                piece = head;
                tokens = self.tokens(piece);
            }
            rest = rest.get(piece.len()..).unwrap_or_default();
            let is_last = rest.is_empty();
            let text = if is_last { format!("{piece}{behind}") } else { piece.to_owned() };
            atoms.push(Atom { text, tokens, page: self.page, repeatable: repeatable && piece.len() == text_length });
        }
    }

    fn add(&mut self, atoms: Vec<Atom>, cut: Cut) {
        let total: usize = atoms.iter().map(|it| it.tokens).sum();
        if total == 0 {
            return;
        }
        if self.open_tokens + total > self.budget && total <= self.budget {
            let is_full = self.open_tokens * 2 >= self.budget;
            if is_full || cut == Cut::IfItMust {
                self.close(Keep::Overlap);
                if self.open_tokens + total > self.budget {
                    self.forget_repeated();
                }
            }
        }
        for atom in atoms {
            if self.open_tokens + atom.tokens > self.budget {
                self.close(Keep::Overlap);
                if self.open_tokens + atom.tokens > self.budget {
                    self.forget_repeated();
                }
            }
            self.open_tokens += atom.tokens;
            self.open.push(atom);
        }
    }

    fn forget_repeated(&mut self) {
        let fresh = self.open.split_off(self.repeated.min(self.open.len()));
        self.open = fresh;
        self.repeated = 0;
        self.open_tokens = self.open.iter().map(|it| it.tokens).sum();
    }

    fn close(&mut self, keep: Keep) {
        let mut left = Vec::new();
        loop {
            let repeated = self.repeated.min(self.open.len());
            let text: String = self.open.iter().map(|it| it.text.as_str()).collect();
            let fresh: usize = self.open.iter().skip(repeated).map(|it| it.text.trim().len()).sum();
            if fresh == 0 {
                self.open.clear();
                self.open_tokens = 0;
                self.repeated = 0;
                break;
            }
            let trimmed = text.trim_end();
            // The sum of the parts says how long the whole is, up to what the tokenizer joins across their borders.
            let tokens = if self.open_tokens * 10 <= self.budget * 9 || surely_fits(trimmed, self.budget) {
                self.open_tokens
            } else {
                self.tokens(trimmed)
            };
            if tokens > self.budget && repeated > 0 {
                self.forget_repeated();
                continue;
            }
            if tokens > self.budget
                && self.open.len() > 1
                && let Some(atom) = self.open.pop()
            {
                self.open_tokens -= atom.tokens;
                left.push(atom);
                continue;
            }
            let overlap: usize = self.open.iter().take(repeated).map(|it| it.text.chars().count()).sum();
            let page = self.open.get(repeated).and_then(|it| it.page);
            let text = trimmed.to_owned();
            self.repeated = 0;
            self.hand_over(text, tokens, self.current_headings(), page);
            if let Some(passage) = self.ready.last_mut() {
                passage.overlap = u32::try_from(overlap).unwrap_or(u32::MAX);
            }
            let closed = std::mem::take(&mut self.open);
            self.open_tokens = 0;
            if keep == Keep::Overlap || !left.is_empty() {
                self.repeat_end_of(&closed);
            }
            if left.is_empty() {
                break;
            }
            while let Some(atom) = left.pop() {
                self.open_tokens += atom.tokens;
                self.open.push(atom);
            }
            if keep == Keep::Overlap {
                break;
            }
        }
    }

    /// The last sentences, as many as fit into the share that may be said twice.
    fn repeat_end_of(&mut self, closed: &[Atom]) {
        let mut kept = Vec::new();
        let mut tokens = 0;
        for atom in closed.iter().rev().take_while(|it| it.repeatable) {
            // A whole passage again would never come to an end.
            if tokens + atom.tokens > self.overlap || kept.len() + 1 == closed.len() {
                break;
            }
            tokens += atom.tokens;
            kept.push(atom.clone());
        }
        kept.reverse();
        self.repeated = kept.len();
        self.open_tokens = tokens;
        self.open = kept;
    }

    fn hand_over(&mut self, text: String, tokens: usize, headings: Vec<String>, page: Option<u32>) {
        self.heading_used = true;
        let parent = self.parent.map(|most| {
            let is_new_section = headings != self.parent_headings && self.parent_tokens * 2 >= most;
            if self.parent_tokens > 0 && (self.parent_tokens + tokens > most || is_new_section) {
                self.next_parent();
            }
            self.parent_tokens += tokens;
            self.parent_headings.clone_from(&headings);
            self.parent_number
        });
        self.ready.push(Passage { text, headings, page, parent, overlap: 0 });
    }

    fn next_parent(&mut self) {
        if self.parent_tokens > 0 {
            self.parent_number += 1;
            self.parent_tokens = 0;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    Overlap,
}
