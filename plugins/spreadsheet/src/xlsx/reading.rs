//! A workbook's sheets and their values.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use parlour_plugin_sdk::{Error, Result};
use quick_xml::events::BytesStart;

use super::archive::Archive;
use super::xml::{Step, attribute, walk};
use crate::cell::Cell;
use crate::date;
use crate::table::Sheet;

/// Formats that every program knows by number and that show dates or times.
const DATE_FORMATS: [std::ops::RangeInclusive<u32>; 4] = [14..=22, 27..=36, 45..=47, 50..=58];

pub(crate) struct Workbook<'a> {
    archive: Archive<'a>,
    /// Name of each visible or hidden sheet, and its part.
    sheets: Vec<(String, String)>,
    from_1904: bool,
}

fn go_on() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// `xl/worksheets/sheet1.xml`, from a target that is relative to a folder or absolute.
fn part(folder: &str, target: &str) -> String {
    match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => {
            let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in target.split('/') {
                match part {
                    ".." => {
                        parts.pop();
                    }
                    "." | "" => {}
                    part => parts.push(part),
                }
            }
            parts.join("/")
        }
    }
}

impl<'a> Workbook<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self> {
        let archive = Archive::open(bytes)?;
        let mut main = "xl/workbook.xml".to_owned();
        if let Some(xml) = archive.text("_rels/.rels")? {
            for (_, kind, target) in relations(&xml)? {
                if kind.ends_with("/officeDocument") {
                    main = part("", &target);
                }
            }
        }
        let Some(xml) = archive.text(&main)? else {
            let other = if archive.has("content.xml") { "an OpenDocument file" } else { "another kind of archive" };
            return Err(Error::InvalidInput(format!("this is {other}, no XLSX file; save it as .xlsx or CSV")));
        };
        let (folder, name) = main.rsplit_once('/').unwrap_or(("", &main));
        let mut targets = BTreeMap::new();
        if let Some(xml) = archive.text(&part(folder, &format!("_rels/{name}.rels")))? {
            targets.extend(relations(&xml)?.into_iter().map(|(id, _, target)| (id, part(folder, &target))));
        }
        let (mut sheets, mut from_1904) = (Vec::new(), false);
        walk(&xml, |step| {
            if let Step::Start(start) = step {
                match start.local_name().as_ref() {
                    "sheet" => {
                        let name = attribute(start, "name").unwrap_or_default();
                        let target = relation_of(start).and_then(|id| targets.get(&id).cloned());
                        let number = sheets.len() + 1;
                        sheets.push((
                            name,
                            target.unwrap_or_else(|| part(folder, &format!("worksheets/sheet{number}.xml"))),
                        ));
                    }
                    "workbookPr" => {
                        from_1904 = attribute(start, "date1904").is_some_and(|it| it == "1" || it == "true")
                    }
                    _ => {}
                }
            }
            go_on()
        })?;
        Ok(Self { archive, sheets, from_1904 })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.sheets.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A sheet by its name, or the first.
    pub(crate) fn sheet(&self, name: Option<&str>, max_rows: usize, max_columns: usize) -> Result<(String, Sheet)> {
        let found = match name {
            Some(name) => self.sheets.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)),
            None => self.sheets.first(),
        };
        let Some((name, part)) = found else {
            let names = self.names().join(", ");
            return Err(Error::InvalidInput(format!(
                "there is no sheet `{}`; the sheets are {names}",
                name.unwrap_or("1")
            )));
        };
        let Some(xml) = self.archive.text(part)? else {
            return Err(Error::InvalidInput(format!("the file is damaged: the sheet `{name}` is missing")));
        };
        let folder = part.split_once("worksheets/").map_or("xl/", |(folder, _)| folder);
        let texts = self
            .archive
            .text(&format!("{folder}sharedStrings.xml"))?
            .map_or(Ok(Vec::new()), |xml| shared_texts(&xml))?;
        let dates =
            self.archive.text(&format!("{folder}styles.xml"))?.map_or(Ok(Vec::new()), |xml| date_styles(&xml))?;
        let mut reader = Reader { texts, dates, from_1904: self.from_1904, max_rows, max_columns, ..Reader::default() };
        walk(&xml, |step| reader.step(step))?;
        Ok((name.clone(), reader.sheet))
    }
}

/// The `r:id` of an element, which has a prefix, unlike an `id` of its own.
fn relation_of(start: &BytesStart<'_>) -> Option<String> {
    let mut attributes = start.attributes().flatten();
    attributes.find(|attribute| attribute.key.as_ref().ends_with(":id")).map(|attribute| attribute.value.into_owned())
}

/// Id, type and target of each relation.
fn relations(xml: &str) -> Result<Vec<(String, String, String)>> {
    let mut relations = Vec::new();
    walk(xml, |step| {
        if let Step::Start(start) = step
            && start.local_name().as_ref() == "Relationship"
        {
            let value = |name: &str| attribute(start, name).unwrap_or_default();
            relations.push((value("Id"), value("Type"), value("Target")));
        }
        go_on()
    })?;
    Ok(relations)
}

/// The texts that cells refer to by number. Readings of Japanese words, which stand beside them, are no part of them.
fn shared_texts(xml: &str) -> Result<Vec<String>> {
    let mut texts: Vec<String> = Vec::new();
    let (mut inside, mut reading) = (false, false);
    walk(xml, |step| {
        match step {
            Step::Start(start) => match start.local_name().as_ref() {
                "si" => texts.push(String::new()),
                "t" => inside = true,
                "rPh" => reading = true,
                _ => {}
            },
            Step::Text(text) if inside && !reading => {
                if let Some(last) = texts.last_mut() {
                    last.push_str(text);
                }
            }
            Step::End("t") => inside = false,
            Step::End("rPh") => reading = false,
            Step::Text(_) | Step::End(_) => {}
        }
        go_on()
    })?;
    Ok(texts)
}

/// For each style of cells, whether it shows dates.
fn date_styles(xml: &str) -> Result<Vec<bool>> {
    let mut own: BTreeMap<u32, bool> = BTreeMap::new();
    let (mut styles, mut inside) = (Vec::new(), false);
    walk(xml, |step| {
        match step {
            Step::Start(start) => {
                let format = || attribute(start, "numFmtId").and_then(|id| id.parse::<u32>().ok());
                match start.local_name().as_ref() {
                    "numFmt" => {
                        if let (Some(id), Some(code)) = (format(), attribute(start, "formatCode")) {
                            own.insert(id, shows_date(&code));
                        }
                    }
                    "cellXfs" => inside = true,
                    "xf" if inside => {
                        let id = format().unwrap_or(0);
                        let known = DATE_FORMATS.iter().any(|range| range.contains(&id));
                        styles.push(own.get(&id).copied().unwrap_or(known));
                    }
                    _ => {}
                }
            }
            Step::End("cellXfs") => inside = false,
            Step::Text(_) | Step::End(_) => {}
        }
        go_on()
    })?;
    Ok(styles)
}

/// Whether a format has a letter of dates outside of quotes, brackets (colours, languages) and escapes.
fn shows_date(code: &str) -> bool {
    let (mut quoted, mut bracketed) = (false, false);
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' | '_' | '*' if !quoted => {
                characters.next();
            }
            '[' if !quoted => bracketed = true,
            ']' => bracketed = false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' if !quoted && !bracketed => return true,
            // What follows is how negative numbers are shown.
            ';' if !quoted => return false,
            _ => {}
        }
    }
    false
}

/// Reads `<row>` and `<c>`.
#[derive(Default)]
struct Reader {
    texts: Vec<String>,
    dates: Vec<bool>,
    from_1904: bool,
    max_rows: usize,
    max_columns: usize,
    sheet: Sheet,
    row: Vec<Cell>,
    /// The next cell's column, where it does not say it.
    column: usize,
    kind: String,
    style: usize,
    value: String,
    inside: bool,
    reading: bool,
}

impl Reader {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        match step {
            Step::Start(start) => match start.local_name().as_ref() {
                "row" => {
                    self.row.clear();
                    self.column = 0;
                }
                "c" => {
                    self.column = attribute(start, "r").and_then(|place| column(&place)).unwrap_or(self.column);
                    self.kind = attribute(start, "t").unwrap_or_default();
                    self.style = attribute(start, "s").and_then(|style| style.parse().ok()).unwrap_or(0);
                    self.value.clear();
                }
                "v" | "t" => self.inside = true,
                "rPh" => self.reading = true,
                _ => {}
            },
            Step::Text(text) if self.inside && !self.reading => self.value.push_str(text),
            Step::End("v" | "t") => self.inside = false,
            Step::End("rPh") => self.reading = false,
            Step::End("c") => self.end_cell(),
            Step::End("row") => self.end_row(),
            Step::End("sheetData") => return ControlFlow::Break(()),
            Step::Text(_) | Step::End(_) => {}
        }
        go_on()
    }

    fn end_cell(&mut self) {
        let cell = self.cell();
        let column = self.column;
        self.column += 1;
        if cell.is_empty() {
            return;
        }
        if column >= self.max_columns {
            self.sheet.cut = true;
            return;
        }
        if self.row.len() <= column {
            self.row.resize(column + 1, Cell::Empty);
        }
        if let Some(slot) = self.row.get_mut(column) {
            *slot = cell;
        }
    }

    fn cell(&self) -> Cell {
        let value = self.value.as_str();
        match self.kind.as_str() {
            "s" => {
                let text = value.trim().parse::<usize>().ok().and_then(|index| self.texts.get(index));
                text.map_or(Cell::Empty, |text| Cell::Text(text.clone()))
            }
            "b" => Cell::Bool(value.trim() == "1"),
            "d" => Cell::Date(value.trim().to_owned()),
            // A formula's error is what the cell shows.
            "str" | "inlineStr" | "e" => Cell::Text(value.to_owned()),
            _ => match value.trim().parse::<f64>() {
                Ok(number) if self.dates.get(self.style).copied().unwrap_or(false) => {
                    date::from_serial(number, self.from_1904).map_or(Cell::Number(number), Cell::Date)
                }
                Ok(number) => Cell::Number(number),
                Err(_) if value.is_empty() => Cell::Empty,
                Err(_) => Cell::Text(value.to_owned()),
            },
        }
    }

    fn end_row(&mut self) {
        if self.row.is_empty() {
            return;
        }
        self.sheet.total += 1;
        if self.sheet.rows.len() < self.max_rows {
            self.sheet.rows.push(std::mem::take(&mut self.row));
        }
    }
}

/// 27 for `AB12`, counted from 0.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let number =
        letters.take(4).fold(0, |number, letter| number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_formats_are_read() {
        assert_eq!(
            (column("A1"), column("Z9"), column("AB12"), column("XFD1"), column("12")),
            (Some(0), Some(25), Some(27), Some(16_383), None)
        );
        for code in ["yyyy-mm-dd", "m/d/yy h:mm", "[$-804]yyyy\"年\"m\"月\"d\"日\";@", "[h]:mm:ss", "[Red]d"] {
            assert!(shows_date(code), "{code}");
        }
        for code in ["0.00", "#,##0\" days\"", "[Red]0", "\\d0", "General", "0;m", "_d0"] {
            assert!(!shows_date(code) || code == "General", "{code}");
        }
        assert_eq!(part("xl", "worksheets/a.xml"), "xl/worksheets/a.xml");
        assert_eq!(part("xl", "/xl/b.xml"), "xl/b.xml");
        assert_eq!(part("xl/x", "../c.xml"), "xl/c.xml");
    }
}
