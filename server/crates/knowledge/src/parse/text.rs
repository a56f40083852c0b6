//! Plain text and markdown as passages: paragraphs, joined up to a size that fits the embedding model, each under its
//! headings, so that a passage makes sense alone.

use serde_json::{Map, Value};

use super::Collected;
use crate::error::{KnowledgeError, Problem};
use crate::spec::FieldKind;

/// About 400 tokens of Chinese; e5 reads 512.
const PASSAGE_CHARS: usize = 500;

pub(super) fn read(text: &str, found: &mut Collected<'_>) -> Result<(), KnowledgeError> {
    let target = found.spec.fields.iter().find(|it| it.embed && it.kind == FieldKind::Text).map(|it| it.name.clone());
    if target.is_none() && !found.spec.fields.is_empty() {
        found.problem(Problem::of(format!(
            "it is text, and this knowledge base takes tables with {}; upload a CSV or JSON file, or give the base an \
             embedded field of type text",
            found.spec.field_names()
        )));
        return Ok(());
    }
    for passage in passages(text) {
        let mut fields = Map::new();
        if let Some(name) = &target {
            fields.insert(name.clone(), Value::String(passage.clone()));
        }
        found.push(passage, fields)?;
    }
    Ok(())
}

fn passages(text: &str) -> Vec<String> {
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut passages = Vec::new();
    let mut open = String::new();
    let mut close = |open: &mut String, headings: &[(usize, String)]| {
        let body = std::mem::take(open);
        if body.trim().is_empty() {
            return;
        }
        let path: Vec<&str> = headings.iter().map(|(_, it)| it.as_str()).collect();
        passages.push(if path.is_empty() {
            body.trim().to_owned()
        } else {
            format!("{}\n{}", path.join(" › "), body.trim())
        });
    };
    for paragraph in paragraphs(text) {
        if let Some((level, title)) = heading(&paragraph) {
            close(&mut open, &headings);
            headings.retain(|(it, _)| *it < level);
            headings.push((level, title));
            continue;
        }
        for piece in pieces(&paragraph) {
            if !open.is_empty() && open.chars().count() + piece.chars().count() > PASSAGE_CHARS {
                close(&mut open, &headings);
            }
            if !open.is_empty() {
                open.push('\n');
            }
            open.push_str(&piece);
        }
    }
    close(&mut open, &headings);
    passages
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut all: Vec<String> = vec![String::new()];
    for line in text.lines() {
        let line = line.trim_end();
        if line.trim().is_empty() {
            all.push(String::new());
        } else if heading(line).is_some() {
            all.extend([line.to_owned(), String::new()]);
        } else if let Some(last) = all.last_mut() {
            if !last.is_empty() {
                last.push('\n');
            }
            last.push_str(line);
        }
    }
    all.retain(|it| !it.is_empty());
    all
}

fn heading(line: &str) -> Option<(usize, String)> {
    const DEEPEST: usize = 6;
    let level = line.chars().take_while(|it| *it == '#').count();
    let title = line.get(level..)?.strip_prefix(' ')?.trim();
    ((1..=DEEPEST).contains(&level) && !title.is_empty() && !line.contains('\n')).then(|| (level, title.to_owned()))
}

/// A paragraph that is too long is cut after sentences, and where there are none, at the size.
fn pieces(paragraph: &str) -> Vec<String> {
    if paragraph.chars().count() <= PASSAGE_CHARS {
        return vec![paragraph.to_owned()];
    }
    let mut all = Vec::new();
    let mut piece = String::new();
    let mut length = 0usize;
    let mut sentence_end = 0usize;
    for character in paragraph.chars() {
        piece.push(character);
        length += 1;
        if matches!(character, '。' | '！' | '？' | '；' | '!' | '?' | '\n') || (character == '.' && length > 1) {
            sentence_end = piece.len();
        }
        if length >= PASSAGE_CHARS {
            let cut = if sentence_end > piece.len() / 3 { sentence_end } else { piece.len() };
            let rest = piece.split_off(cut);
            all.push(std::mem::replace(&mut piece, rest));
            length = piece.chars().count();
            sentence_end = 0;
        }
    }
    if !piece.trim().is_empty() {
        all.push(piece);
    }
    all
}
