//! Presentations: slides in their order with titles, lists, tables and the speaker's notes.

use std::collections::HashMap;

use super::Input;
use crate::error::KnowledgeError;
use crate::notice::notice;
use crate::parse::archive::Archive;
use crate::parse::block::{Block, Blocks};
use crate::parse::xml::{Element, Node, XmlReader, elements};

/// A presentation with more is a film.
const MAX_SLIDES: usize = 5000;

pub(crate) fn read(input: &Input<'_>, blocks: &mut dyn Blocks) -> Result<(), KnowledgeError> {
    let damaged = |message: String| KnowledgeError::UnreadableFile {
        file: input.name.to_owned(),
        message: format!("the presentation is damaged: {message}"),
        hint: "open it in PowerPoint, save it again, and upload it again".to_owned(),
    };
    let mut archive = Archive::open(input.source, input.name)?;
    let missing = |part: &str| damaged(format!("`{part}` is missing"));
    let main = "ppt/presentation.xml";
    let presentation = archive.part(main)?.ok_or_else(|| missing(main))?;
    let relations = relations_of(&mut archive, main).map_err(|it| it.unwrap_or_else(&damaged))?;
    let mut slides: Vec<String> = Vec::new();
    elements(&presentation, |path, element| {
        if element.name == "sldId"
            && path.last().is_some_and(|it| it == "sldIdLst")
            && let Some((_, target)) = relation(element).and_then(|it| relations.get(it))
        {
            slides.push(target.clone());
        }
    })
    .map_err(damaged)?;
    if slides.len() > MAX_SLIDES {
        return Err(crate::parse::archive::too_large(
            input.name,
            format!("it has {} slides; at most {MAX_SLIDES} are read", slides.len()),
        ));
    }
    let total = slides.len() as u64;
    for (at, path) in slides.iter().enumerate() {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        blocks.block(Block::Page(number))?;
        let Some(slide) = archive.part(path)? else {
            blocks.warn(notice!("slide_missing", "slide {number} is missing", number));
            continue;
        };
        match slide_blocks(&slide) {
            Ok(all) => all.into_iter().try_for_each(|it| blocks.block(it))?,
            Err(error) => {
                blocks.warn(notice!("slide_damaged", "slide {number} is damaged: {error}", number, error));
            }
        }
        let notes = relations_of(&mut archive, path)
            .ok()
            .and_then(|it| it.into_values().find(|(kind, _)| kind.ends_with("/notesSlide")).map(|(_, target)| target));
        if let Some(notes) = notes
            && let Ok(Some(bytes)) = archive.part(&notes)
            && let Ok(text) = notes_text(&bytes)
            && !text.is_empty()
        {
            blocks.block(Block::Paragraph(text))?;
        }
        blocks.progress(u64::from(number), total)?;
    }
    Ok(())
}

/// The id of a relation; the slide list has a number of its own as `id` before it.
fn relation(element: &Element) -> Option<&str> {
    element.all("id").find(|it| it.starts_with(|it: char| it.is_ascii_alphabetic()))
}

type Relations = HashMap<String, (String, String)>;

/// Kinds and targets by id. The error is of the archive, or a text about the part.
fn relations_of(archive: &mut Archive<'_>, part: &str) -> Result<Relations, Result<KnowledgeError, String>> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let bytes = archive.part(&format!("{folder}/_rels/{name}.rels")).map_err(Ok)?.unwrap_or_default();
    let mut relations = Relations::new();
    elements(&bytes, |_, element| {
        if element.name == "Relationship"
            && let (Some(id), Some(target)) = (element.attribute("Id"), element.attribute("Target"))
        {
            let kind = element.attribute("Type").unwrap_or_default().to_owned();
            relations.insert(id.to_owned(), (kind, resolved(folder, target)));
        }
    })
    .map_err(Err)?;
    Ok(relations)
}

/// `../notesSlides/n1.xml` seen from `ppt/slides`.
pub(crate) fn resolved(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|it| !it.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Title,
    Body,
    Other,
    /// The number, date and footer that every slide has.
    Furniture,
}

fn shape_of(kind: &str) -> Shape {
    match kind {
        "title" | "ctrTitle" => Shape::Title,
        "body" | "" | "obj" => Shape::Body,
        "sldNum" | "dt" | "ftr" | "hdr" => Shape::Furniture,
        _ => Shape::Other,
    }
}

/// A slide is small, so its title can be put first wherever it stands.
fn slide_blocks(bytes: &[u8]) -> Result<Vec<Block>, String> {
    let mut xml = XmlReader::new(bytes);
    let (mut title, mut blocks) = (Vec::new(), Vec::new());
    let mut shape = Shape::Other;
    let (mut text, mut level, mut in_text) = (String::new(), 0usize, false);
    let (mut row, mut cell, mut in_table, mut rows) = (Vec::new(), String::new(), false, 0usize);
    loop {
        match xml.next()? {
            Node::Open(element) => match element.name.as_str() {
                "sp" | "graphicFrame" => shape = Shape::Other,
                "ph" => shape = shape_of(element.attribute("type").unwrap_or_default()),
                "p" => level = 0,
                "pPr" => level = element.attribute("lvl").and_then(|it| it.parse().ok()).unwrap_or(0usize).min(8),
                "t" => in_text = true,
                "br" => text.push('\n'),
                "tbl" => {
                    in_table = true;
                    rows = 0;
                }
                "tr" => row = Vec::new(),
                "tc" => cell.clear(),
                _ => {}
            },
            Node::Text(it) if in_text => text.push_str(&it),
            Node::Text(_) => {}
            Node::Close(name) => match name.as_str() {
                "t" => in_text = false,
                "p" => {
                    let said = std::mem::take(&mut text);
                    let said = said.trim();
                    if in_table {
                        if !cell.is_empty() && !said.is_empty() {
                            cell.push('\n');
                        }
                        cell.push_str(said);
                    } else if !said.is_empty() {
                        match shape {
                            Shape::Title => title.push(said.replace('\n', " ")),
                            Shape::Body => {
                                blocks.push(Block::ListItem(format!("{}- {said}", "  ".repeat(level))));
                            }
                            Shape::Other => blocks.push(Block::Paragraph(said.to_owned())),
                            Shape::Furniture => {}
                        }
                    }
                }
                "tc" => row.push(std::mem::take(&mut cell)),
                "tr" => {
                    rows += 1;
                    let cells = std::mem::take(&mut row);
                    blocks.push(if rows == 1 { Block::TableHeader(cells) } else { Block::TableRow(cells) });
                }
                "tbl" => {
                    in_table = false;
                    blocks.push(Block::TableEnd);
                }
                _ => {}
            },
            Node::End => break,
        }
    }
    if !title.is_empty() {
        blocks.insert(0, Block::Heading { level: 1, text: title.join(" ") });
    }
    Ok(blocks)
}

fn notes_text(bytes: &[u8]) -> Result<String, String> {
    let lines = slide_blocks(bytes)?.into_iter().filter_map(|it| match it {
        Block::ListItem(text) => Some(text.trim_start().trim_start_matches("- ").to_owned()),
        Block::Heading { .. }
        | Block::Paragraph(_)
        | Block::Code(_)
        | Block::TableHeader(_)
        | Block::TableRow(_)
        | Block::TableEnd
        | Block::SheetHeader { .. }
        | Block::SheetRow { .. }
        | Block::Object { .. }
        | Block::Broken { .. }
        | Block::Page(_)
        | Block::Part(_)
        | Block::Question { .. } => None,
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
