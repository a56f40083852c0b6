//! A workbook with a bold, fixed header and columns as wide as what is in them.

use std::fmt::Write as _;

use parlour_plugin_sdk::Value;

use super::archive::pack;
use super::xml::escaped;
use crate::cell::MAX_DIGITS;
use crate::date;
use crate::table::{Given, words};

/// Styles, by their number in `styles.xml`.
const HEADER: u8 = 1;
const DATE: u8 = 2;
const MOMENT: u8 = 3;
/// Characters; wider columns are read no better.
const WIDEST: usize = 60;
const NARROWEST: usize = 8;

const START: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// A sheet to be written.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) given: Given,
    /// Texts that are dates become dates.
    pub(crate) dates: bool,
}

pub(crate) fn write(pages: &[Page]) -> Vec<u8> {
    let numbers = 1..=pages.len();
    let overrides: String = numbers
        .clone()
        .map(|number| {
            format!("<Override PartName=\"/xl/worksheets/sheet{number}.xml\" ContentType=\"{TYPES}.worksheet+xml\"/>")
        })
        .collect();
    let types = format!(
        "{START}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/><Override PartName=\"/xl/styles.xml\" \
         ContentType=\"{TYPES}.styles+xml\"/>{overrides}</Types>"
    );
    let root = format!(
        "{START}<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let sheets: String = numbers
        .clone()
        .zip(pages)
        .map(|(number, page)| {
            format!("<sheet name=\"{}\" sheetId=\"{number}\" r:id=\"rId{number}\"/>", escaped(&page.name))
        })
        .collect();
    let workbook =
        format!("{START}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{sheets}</sheets></workbook>");
    let targets: String = numbers
        .map(|number| {
            format!(
                "<Relationship Id=\"rId{number}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
            )
        })
        .collect();
    let relations = format!(
        "{START}<Relationships xmlns=\"{RELATIONS}\">{targets}<Relationship Id=\"rIdStyles\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/></Relationships>"
    );
    let mut parts = vec![
        ("[Content_Types].xml".to_owned(), types),
        ("_rels/.rels".to_owned(), root),
        ("xl/workbook.xml".to_owned(), workbook),
        ("xl/_rels/workbook.xml.rels".to_owned(), relations),
        ("xl/styles.xml".to_owned(), styles()),
    ];
    parts.extend((1..).zip(pages).map(|(number, page)| (format!("xl/worksheets/sheet{number}.xml"), sheet(page))));
    pack(&parts)
}

/// Plain, bold, a date, a date with its time.
fn styles() -> String {
    format!(
        "{START}<styleSheet xmlns=\"{MAIN}\"><numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\"/><numFmt \
         numFmtId=\"165\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts><fonts count=\"2\"><font><sz val=\"11\"/><name \
         val=\"Calibri\"/></font><font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts><fills count=\"2\"><fill><patternFill \
         patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills><borders count=\"1\"><border><left/>\
         <right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" \
         borderId=\"0\"/></cellStyleXfs><cellXfs count=\"4\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/><xf \
         numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/><xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" \
         borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/><xf numFmtId=\"165\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" \
         applyNumberFormat=\"1\"/></cellXfs><cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>"
    )
}

fn sheet(page: &Page) -> String {
    let Page { name: _, given, dates } = page;
    let mut widths: Vec<usize> = Vec::new();
    let mut rows = String::new();
    let mut number = 0_usize;
    let mut add = |cells: &[Value], style: Option<u8>, rows: &mut String| {
        number += 1;
        rows.push_str("<row>");
        for (column, value) in cells.iter().enumerate() {
            if widths.len() <= column {
                widths.push(NARROWEST);
            }
            if let Some(width) = widths.get_mut(column) {
                *width = (*width).max(shown(value).min(WIDEST));
            }
            rows.push_str(&cell(value, style, *dates));
        }
        rows.push_str("</row>\n");
    };
    if let Some(header) = &given.header {
        let header: Vec<Value> = header.iter().map(|name| name.as_str().into()).collect();
        add(&header, Some(HEADER), &mut rows);
    }
    for row in &given.rows {
        add(row, None, &mut rows);
    }
    let pane = "<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>";
    let pane = if given.header.is_some() { pane } else { "" };
    let mut columns = String::new();
    for (number, width) in (1..).zip(&widths) {
        let _ = write!(columns, "<col min=\"{number}\" max=\"{number}\" width=\"{}\" customWidth=\"1\"/>", width + 2);
    }
    let columns = if columns.is_empty() { columns } else { format!("<cols>{columns}</cols>") };
    format!("{START}<worksheet xmlns=\"{MAIN}\">{pane}{columns}<sheetData>\n{rows}</sheetData></worksheet>")
}

/// How wide a value is: a Chinese character takes two places.
fn shown(value: &Value) -> usize {
    let text = words(value);
    let width = |line: &str| line.chars().map(|character| if character >= '\u{1100}' { 2 } else { 1 }).sum();
    text.lines().map(width).max().unwrap_or(0)
}

/// Places are left out: cells follow each other, and so do rows.
fn cell(value: &Value, style: Option<u8>, dates: bool) -> String {
    let plain = style.map(|style| format!(" s=\"{style}\"")).unwrap_or_default();
    match value {
        Value::Null => format!("<c{plain}/>"),
        Value::Bool(value) => format!("<c{plain} t=\"b\"><v>{}</v></c>", u8::from(*value)),
        // A spreadsheet would round it.
        Value::Number(number)
            if number.to_string().bytes().filter(u8::is_ascii_digit).count() <= MAX_DIGITS || number.is_f64() =>
        {
            format!("<c{plain}><v>{number}</v></c>")
        }
        Value::String(text) if dates && style.is_none() && date::to_serial(text).is_some() => {
            let (serial, has_time) = date::to_serial(text).unwrap_or_default();
            format!("<c s=\"{}\"><v>{serial}</v></c>", if has_time { MOMENT } else { DATE })
        }
        Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            format!("<c{plain} t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>", escaped(&words(value)))
        }
    }
}
