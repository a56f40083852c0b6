//! Letters with their places into lines, and lines into paragraphs and headings. A PDF knows none of these: everything here
//! goes by distances, in units of the letters' own size.

use std::collections::HashMap;

use hayro_interpret::kurbo::Point;

use crate::parse::block::Block;

pub(super) struct Glyph {
    text: String,
    x0: f64,
    x1: f64,
    y: f64,
    size: f64,
    is_stroke: bool,
}

impl Glyph {
    /// Nothing for what is turned sideways, such as a watermark, or has no extent.
    pub(super) fn new(text: String, from: Point, to: Point, size: f64, is_stroke: bool) -> Option<Glyph> {
        let sound = [from.x, from.y, to.x, to.y, size].iter().all(|it| it.is_finite() && it.abs() < 1e6);
        if !sound || size < 0.5 {
            return None;
        }
        let slope = (to.y - from.y).abs();
        let is_level = slope <= (to.x - from.x).abs() * 0.2 + size * 0.01 && to.x >= from.x - size * 0.01;
        is_level.then_some(Glyph { text, x0: from.x, x1: to.x.max(from.x), y: from.y, size, is_stroke })
    }
}

/// A piece of a line without a wide gap.
struct Segment {
    text: String,
    x0: f64,
    x1: f64,
    y: f64,
    size: f64,
}

struct Line {
    text: String,
    x0: f64,
    x1: f64,
    y: f64,
    size: f64,
    /// The right edge of the column in which it lies.
    right: f64,
}

/// One page, in its reading order.
#[derive(Default)]
pub(super) struct PageText {
    lines: Vec<Line>,
    height: f64,
    pub(super) glyphs: usize,
    /// Letters of which nobody knows which they are.
    pub(super) unknown: usize,
    pub(super) pictures: usize,
}

impl PageText {
    pub(super) fn of(glyphs: Vec<Glyph>, (width, height): (f64, f64), unknown: usize, pictures: usize) -> PageText {
        let letters = glyphs.iter().filter(|it| !it.text.trim().is_empty()).count();
        let segments = joined_segments(segments(glyphs));
        let lines = in_reading_order(segments, width);
        PageText { lines, height, glyphs: letters + unknown, unknown, pictures }
    }
}

pub(super) fn is_wide(it: char) -> bool {
    matches!(it, '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}'
        | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Letters follow each other as the file draws them; a gap or another height begins a new piece.
fn segments(glyphs: Vec<Glyph>) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut last: Option<(f64, String)> = None;
    for glyph in glyphs {
        let Glyph { text, x0, x1, y, size, is_stroke } = glyph;
        let is_space = text.chars().all(char::is_whitespace);
        let here = segments.last_mut().filter(|it| {
            let em = it.size.max(size);
            (it.y - y).abs() < em * 0.35 && x0 > it.x1 - em * 0.6 && x0 < it.x1 + em * 1.8
        });
        let Some(segment) = here else {
            // A stroke repeats the letters that were filled before.
            let is_again = segments.last().is_some_and(|it| (it.y - y).abs() < 0.1 && x0 >= it.x0 - 0.1 && x0 < it.x1);
            let is_repeated = is_stroke && is_again;
            if !is_space && !is_repeated {
                last = Some((x0, text.clone()));
                segments.push(Segment { text: clean(&text), x0, x1, y, size });
            }
            continue;
        };
        // Bold letters are sometimes drawn twice, a hair apart.
        if last.as_ref().is_some_and(|(at, same)| *same == text && (x0 - at).abs() < size * 0.12) {
            continue;
        }
        if is_space {
            if !segment.text.ends_with(' ') {
                segment.text.push(' ');
            }
            segment.x1 = segment.x1.max(x1);
            continue;
        }
        let gap = x0 - segment.x1;
        let between = (segment.text.chars().next_back(), text.chars().next());
        let are_wide = matches!(between, (Some(a), Some(b)) if is_wide(a) && is_wide(b));
        let apart = if are_wide { size * 0.8 } else { size * 0.2 };
        if gap > apart && !segment.text.ends_with(' ') {
            segment.text.push(' ');
        }
        segment.text.push_str(&clean(&text));
        segment.x1 = segment.x1.max(x1);
        segment.size = segment.size.max(size);
        last = Some((x0, text));
    }
    segments.retain(|it| !it.text.trim().is_empty());
    segments
}

/// Ligatures as their letters; what is no letter at all is left out.
fn clean(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    let is_ligature = |it: char| matches!(it, '\u{FB00}'..='\u{FB06}' | '\u{2F00}'..='\u{2FDF}');
    if text.chars().any(is_ligature) {
        return text.nfkc().collect();
    }
    text.chars()
        .filter(|it| !it.is_control() && *it != '\u{FFFD}')
        .map(|it| if it == '\u{A0}' { ' ' } else { it })
        .collect()
}

/// Pieces that touch, wherever in the file they were drawn.
fn joined_segments(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
    // Baselines differ by a hair within a line, so each joins the band of the one before.
    let mut band = 0usize;
    let mut banded: Vec<(usize, Segment)> = Vec::with_capacity(segments.len());
    let mut base: Option<(f64, f64)> = None;
    for segment in segments {
        match base {
            Some((y, size)) if (segment.y - y).abs() < size.max(segment.size) * 0.3 => {}
            Some(_) | None => {
                band += 1;
                base = Some((segment.y, segment.size));
            }
        }
        banded.push((band, segment));
    }
    banded.sort_by(|(a, one), (b, two)| a.cmp(b).then(one.x0.total_cmp(&two.x0)));
    let mut joined: Vec<(usize, Segment)> = Vec::new();
    for (band, segment) in banded {
        match joined.last_mut() {
            Some((same, before))
                if *same == band
                    && segment.x0 - before.x1 < before.size.max(segment.size) * 0.9
                    && segment.x0 > before.x1 - before.size =>
            {
                let gap = segment.x0 - before.x1;
                let wide = (before.text.chars().next_back(), segment.text.chars().next());
                let are_wide = matches!(wide, (Some(a), Some(b)) if is_wide(a) && is_wide(b));
                let apart = before.size * if are_wide { 0.8 } else { 0.2 };
                if gap > apart && !before.text.ends_with(' ') {
                    before.text.push(' ');
                }
                before.text.push_str(&segment.text);
                before.x1 = before.x1.max(segment.x1);
                before.size = before.size.max(segment.size);
            }
            Some(_) | None => joined.push((band, segment)),
        }
    }
    joined.into_iter().map(|(_, it)| it).collect()
}

/// From top to bottom; on a page of two columns, the left one before the right one between whatever spans both.
fn in_reading_order(segments: Vec<Segment>, width: f64) -> Vec<Line> {
    let Some(gutter) = gutter(&segments, width) else { return lines(segments) };
    let mut all = Vec::new();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for segment in segments {
        if segment.x1 <= gutter {
            left.push(segment);
        } else if segment.x0 >= gutter {
            right.push(segment);
        } else {
            all.extend(lines(std::mem::take(&mut left)));
            all.extend(lines(std::mem::take(&mut right)));
            all.extend(lines(vec![segment]));
        }
    }
    all.extend(lines(left));
    all.extend(lines(right));
    all
}

/// Where a page is parted into two columns of running text. Tables have gaps as well, but their cells do not fill a column.
fn gutter(segments: &[Segment], width: f64) -> Option<f64> {
    const LEAST: usize = 12;
    if segments.len() < LEAST {
        return None;
    }
    let candidates = (30..=70).map(|it| width * f64::from(it) / 100.0);
    let crossing = |x: f64| segments.iter().filter(|it| it.x0 < x - 2.0 && it.x1 > x + 2.0).count();
    let best = candidates.min_by(|a, b| {
        let middle = |it: &f64| (it - width / 2.0).abs();
        crossing(*a).cmp(&crossing(*b)).then(middle(a).total_cmp(&middle(b)))
    })?;
    let sides = |left: bool| -> Vec<&Segment> {
        segments.iter().filter(|it| if left { it.x1 <= best + 2.0 } else { it.x0 >= best - 2.0 }).collect()
    };
    let fills = |side: &[&Segment]| {
        let from = side.iter().map(|it| it.x0).fold(f64::MAX, f64::min);
        let to = side.iter().map(|it| it.x1).fold(f64::MIN, f64::max);
        let full = side.iter().filter(|it| it.x1 - it.x0 > (to - from) * 0.6).count();
        full * 2 > side.len()
    };
    let (left, right) = (sides(true), sides(false));
    let are_columns =
        left.len() * 4 > segments.len() && right.len() * 4 > segments.len() && fills(&left) && fills(&right);
    (crossing(best) * 5 <= segments.len() && are_columns).then_some(best)
}

/// Pieces of the same height are one line, with two spaces where the cells of a table stand apart.
fn lines(segments: Vec<Segment>) -> Vec<Line> {
    let right = segments.iter().map(|it| it.x1).fold(f64::MIN, f64::max);
    let mut lines: Vec<Line> = Vec::new();
    for segment in segments {
        let Segment { text, x0, x1, y, size } = segment;
        match lines.last_mut() {
            Some(line) if (line.y - y).abs() < line.size.max(size) * 0.3 => {
                line.text.truncate(line.text.trim_end().len());
                line.text.push_str("  ");
                line.text.push_str(text.trim());
                line.x0 = line.x0.min(x0);
                line.x1 = line.x1.max(x1);
                line.size = line.size.max(size);
            }
            Some(_) | None => lines.push(Line { text: text.trim().to_owned(), x0, x1, y, size, right }),
        }
    }
    lines
}

/// What the pages have in common: how large letters usually are, and what stands on every page.
#[derive(Default)]
pub(super) struct Layout {
    /// Letters by size in tenths.
    sizes: HashMap<u32, usize>,
    edges: HashMap<String, usize>,
}

/// On so many pages a line at the edge is a header or footer.
const REPEATED: usize = 3;
/// Different lines at edges that are remembered.
const MAX_EDGES: usize = 10_000;

fn tenths(size: f64) -> u32 {
    (size * 10.0).round().clamp(0.0, 1e6) as u32
}

impl Layout {
    pub(super) fn look_at(&mut self, page: &PageText) {
        for line in &page.lines {
            *self.sizes.entry(tenths(line.size)).or_default() += line.text.chars().count();
        }
        for at in edge_lines(page) {
            if let Some(line) = page.lines.get(at)
                && (self.edges.len() < MAX_EDGES || self.edges.contains_key(&edge_key(line)))
            {
                *self.edges.entry(edge_key(line)).or_default() += 1;
            }
        }
    }

    fn body_size(&self) -> f64 {
        let most = self.sizes.iter().max_by_key(|(size, letters)| (**letters, u32::MAX - **size));
        most.map_or(0.0, |(size, _)| f64::from(*size) / 10.0)
    }

    pub(super) fn blocks(&mut self, page: PageText) -> Vec<Block> {
        let body = self.body_size();
        let edges: Vec<usize> = edge_lines(&page)
            .into_iter()
            .filter(|at| {
                page.lines.get(*at).is_some_and(|it| {
                    // A large line on every page, with another number each time, is a heading.
                    is_page_number(&it.text)
                        || heading_level(it, body).is_none()
                            && self.edges.get(&edge_key(it)).is_some_and(|it| *it >= REPEATED)
                })
            })
            .collect();
        let lines: Vec<Line> =
            page.lines.into_iter().enumerate().filter(|(at, _)| !edges.contains(at)).map(|(_, it)| it).collect();
        let spacing = usual_spacing(&lines);
        let mut blocks = Vec::new();
        let mut paragraph: Option<(String, Line)> = None;
        for line in lines {
            let level = heading_level(&line, body);
            match &mut paragraph {
                Some((text, last)) if continues(last, &line, spacing) && level == heading_level(last, body) => {
                    join(text, &line.text);
                    *last = line;
                }
                Some(_) | None => {
                    blocks.extend(paragraph.take().map(|it| block_of(it, body)));
                    paragraph = Some((line.text.clone(), line));
                }
            }
        }
        blocks.extend(paragraph.map(|it| block_of(it, body)));
        blocks
    }
}

fn block_of((text, line): (String, Line), body: f64) -> Block {
    const LONGEST_HEADING: usize = 120;
    match heading_level(&line, body) {
        Some(level) if text.chars().count() <= LONGEST_HEADING => Block::Heading { level, text },
        Some(_) | None if begins_item(&text) => Block::ListItem(text),
        Some(_) | None => Block::Paragraph(text),
    }
}

fn heading_level(line: &Line, body: f64) -> Option<u8> {
    const LARGER: f64 = 1.15;
    let ratio = line.size / body.max(0.1);
    let letters = line.text.chars().filter(|it| it.is_alphanumeric()).count();
    if body <= 0.0 || ratio < LARGER || letters == 0 || line.text.ends_with(['。', '；', '，', ',', ';']) {
        return None;
    }
    Some(match ratio {
        _ if ratio >= 1.8 => 1,
        _ if ratio >= 1.4 => 2,
        _ => 3,
    })
}

/// The lines in the outermost tenth above and below, two on each side at most.
fn edge_lines(page: &PageText) -> Vec<usize> {
    let mut by_height: Vec<usize> = (0..page.lines.len()).collect();
    let y = |at: &usize| page.lines.get(*at).map_or(0.0, |it| it.y);
    by_height.sort_by(|a, b| y(a).total_cmp(&y(b)));
    let above = by_height.iter().take(2).filter(|it| y(it) < page.height * 0.12);
    let below = by_height.iter().rev().take(2).filter(|it| y(it) > page.height * 0.88);
    let mut edges: Vec<usize> = above.chain(below).copied().collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The same on every page but for numbers.
fn edge_key(line: &Line) -> String {
    line.text.chars().filter(|it| !it.is_whitespace()).map(|it| if it.is_ascii_digit() { '#' } else { it }).collect()
}

fn is_page_number(text: &str) -> bool {
    let rest: String = text
        .chars()
        .filter(|it| {
            !it.is_whitespace() && !it.is_ascii_digit() && !matches!(it, '-' | '–' | '—' | '/' | '·' | '.' | '|')
        })
        .collect();
    let has_digit = text.chars().any(|it| it.is_ascii_digit());
    has_digit
        && matches!(
            rest.to_lowercase().as_str(),
            "" | "page" | "p" | "pageof" | "第页" | "第页共页" | "第页,共页" | "第页，共页" | "共页第页" | "of"
        )
}

/// The usual distance between the lines of a paragraph: the most frequent one.
fn usual_spacing(lines: &[Line]) -> f64 {
    let mut distances: Vec<f64> = lines
        .windows(2)
        .filter_map(|it| match it {
            [a, b] if b.y > a.y && (b.y - a.y) < a.size * 3.0 && (a.size - b.size).abs() < 0.5 => Some(b.y - a.y),
            _ => None,
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    // Paragraphs have more lines than ends, so the lower third is within them.
    distances.get(distances.len() / 3).copied().unwrap_or(0.0)
}

fn continues(last: &Line, line: &Line, spacing: f64) -> bool {
    let em = last.size.max(line.size);
    if (last.size - line.size).abs() > em * 0.1 || begins_item(&line.text) {
        return false;
    }
    let distance = line.y - last.y;
    let is_next_column = distance < 0.0;
    let near = if spacing > 0.0 { spacing * 1.3 } else { em * 1.7 };
    if !is_next_column && distance > near.max(em * 1.15) {
        return false;
    }
    // The first line of a paragraph is set in; so is a centred one.
    if !is_next_column && line.x0 > last.x0 + em * 1.2 {
        return false;
    }
    // A line that ends early ends its paragraph; Latin words leave a ragged edge.
    let wide = last.text.chars().next_back().is_some_and(is_wide);
    let slack = if wide { em * 2.5 } else { ((last.right - last.x0) * 0.2).max(em * 4.0) };
    let is_full = last.x1 >= last.right - slack;
    // Cells stand apart in rows of tables, and rows are lines of their own.
    is_full && !(last.text.contains("  ") && line.text.contains("  "))
}

fn begins_item(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix(['•', '·', '●', '○', '■', '◆', '▪', '–', '-', '*', '\u{F0B7}', '\u{F06C}'])
    {
        return rest.starts_with(' ') || rest.chars().next().is_some_and(is_wide);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let behind = text.get(digits..).unwrap_or_default();
    let is_numbered = (1..=3).contains(&digits)
        && (behind.starts_with(['、', '）'])
            || behind
                .strip_prefix(['.', ')', '．'])
                .is_some_and(|it| it.starts_with(' ') || it.chars().next().is_some_and(is_wide)));
    let is_bracketed = text.strip_prefix(['（', '(']).is_some_and(|it| {
        let inside: String = it.chars().take_while(|it| !matches!(it, '）' | ')')).take(4).collect();
        (1..=3).contains(&inside.chars().count())
            && inside.chars().all(|it| it.is_ascii_digit() || "一二三四五六七八九十".contains(it))
    });
    is_numbered || is_bracketed
}

/// Chinese goes on without a space, Latin with one, and a word that was parted is one again.
fn join(text: &mut String, next: &str) {
    let (Some(last), Some(first)) = (text.chars().next_back(), next.chars().next()) else {
        text.push_str(next);
        return;
    };
    let before_hyphen = text.chars().rev().nth(1);
    let is_parted = matches!(last, '-' | '\u{AD}' | '\u{2010}')
        && before_hyphen.is_some_and(char::is_alphabetic)
        && first.is_lowercase();
    if is_parted {
        text.pop();
    } else if !(is_wide(last) || is_wide(first)) {
        text.push(' ');
    }
    text.push_str(next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_as_their_script_wants() {
        let joined = |a: &str, b: &str| {
            let mut text = a.to_owned();
            join(&mut text, b);
            text
        };
        assert_eq!(joined("知识", "库"), "知识库");
        assert_eq!(joined("know-", "ledge"), "knowledge");
        assert_eq!(joined("well-", "Known"), "well- Known");
        assert_eq!(joined("two", "words"), "two words");
    }

    #[test]
    fn page_numbers_are_recognised() {
        for text in ["12", "- 3 -", "Page 4 of 9", "第 3 页", "第3页 共10页", "3/10"] {
            assert!(is_page_number(text), "{text}");
        }
        for text in ["2026年报告", "Chapter 3", "第三页"] {
            assert!(!is_page_number(text), "{text}");
        }
    }
}
