//! CSV, in whichever encoding and with whichever separator it comes.

use encoding_rs::{BIG5, Encoding, GB18030, UTF_8, WINDOWS_1252};
use parlour_plugin_sdk::{Error, Result, Value};

use crate::cell::{Cell, number};
use crate::table::{Given, Sheet, words};

/// What stands between cells, where it is not said.
const SEPARATORS: [u8; 4] = *b",;\t|";
/// Lines that are looked at to find it.
const LOOKED_AT: usize = 10;
/// What a spreadsheet would take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The text of a file: by its mark, as UTF-8, or as Chinese, or else Western.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let fits = |encoding: &'static Encoding| !encoding.decode_without_bom_handling(bytes).1;
    let encoding = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let encoding = encoding.or_else(|| [UTF_8, GB18030, BIG5].into_iter().find(|encoding| fits(encoding)));
    encoding.unwrap_or(WINDOWS_1252).decode(bytes).0.into_owned()
}

/// Which separator cuts the first lines into as many parts each, and into the most.
fn separator(text: &str) -> u8 {
    let score = |separator: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(text.as_bytes());
        let widths: Vec<usize> = reader.records().take(LOOKED_AT).map_while(Result::ok).map(|row| row.len()).collect();
        let first = widths.first().copied().unwrap_or(0);
        (widths.iter().all(|width| *width == first) && first > 1, first)
    };
    let best = SEPARATORS.into_iter().rev().max_by_key(|separator| score(*separator));
    best.filter(|separator| score(*separator).1 > 1).unwrap_or(b',')
}

pub(crate) fn read(text: &str, chosen: Option<char>, max_rows: usize, max_columns: usize) -> Result<Sheet> {
    let text = text.trim_start_matches('\u{feff}');
    let separator = chosen.and_then(|chosen| u8::try_from(chosen).ok()).unwrap_or_else(|| separator(text));
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    let mut sheet = Sheet::default();
    for record in reader.records() {
        let record = record.map_err(Error::invalid_input)?;
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        sheet.total += 1;
        if sheet.rows.len() < max_rows {
            sheet.cut |= record.len() > max_columns;
            let cell = |text: &str| if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) };
            sheet.rows.push(record.iter().take(max_columns).map(cell).collect());
        }
    }
    Ok(sheet)
}

/// Makes numbers and truth values of columns that have nothing else; the first `skipped` rows are a header. One cell that is
/// none leaves the whole column text: a column of 12, 007 and 3 is one of names.
pub(crate) fn typed(rows: &mut [Vec<Cell>], skipped: usize) {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..width {
        for read in [|text: &str| number(text).map(Cell::Number), truth] {
            let cells = || rows.iter().skip(skipped).filter_map(|row| row.get(column));
            let all = cells().all(|cell| match cell {
                Cell::Text(text) => read(text).is_some(),
                Cell::Empty => true,
                Cell::Number(_) | Cell::Bool(_) | Cell::Date(_) => false,
            });
            if !all {
                continue;
            }
            for cell in rows.iter_mut().skip(skipped).filter_map(|row| row.get_mut(column)) {
                if let Cell::Text(text) = cell
                    && let Some(value) = read(text)
                {
                    *cell = value;
                }
            }
        }
    }
}

fn truth(text: &str) -> Option<Cell> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(Cell::Bool(true)),
        "false" => Some(Cell::Bool(false)),
        _ => None,
    }
}

pub(crate) fn write(given: &Given, separator: char, safe: bool) -> Result<String> {
    let separator = u8::try_from(separator).map_err(|_| Error::invalid_input("`separator` is no ASCII character"))?;
    let mut writer = csv::WriterBuilder::new().flexible(true).delimiter(separator).from_writer(Vec::new());
    let text = |value: &Value| {
        let text = words(value);
        if safe && value.is_string() && is_formula(&text) { format!("'{text}") } else { text }
    };
    if let Some(header) = &given.header {
        writer.write_record(header.iter().map(|name| text(&Value::from(name.as_str()))))?;
    }
    for row in &given.rows {
        writer.write_record(row.iter().map(text))?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::failed(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether opening the file would compute it. A number with a sign is harmless.
fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULA) && number(text).is_none()
}

#[cfg(test)]
mod tests {
    use parlour_plugin_sdk::json;

    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        let sheet = read(text, None, 100, 100).unwrap();
        sheet.rows.iter().map(|row| row.iter().map(Cell::words).collect()).collect()
    }

    #[test]
    fn separators_and_quotes_are_found() {
        for text in ["a,b\n1,2\n", "a;b\r\n1;2", "a\tb\n1\t2", "\u{feff}a|b\n\n1|2\n,,\n"] {
            assert_eq!(cells(text)[..2], [["a", "b"], ["1", "2"]], "{text:?}");
        }
        assert_eq!(cells("a,b\n\"x, \"\"y\"\"\nz\",2\n"), [["a", "b"], ["x, \"y\" z", "2"]]);
        assert_eq!(cells("one column\nonly"), [["one column"], ["only"]]);
        assert_eq!(cells("name;note\na;1,5\nb;2,5"), [["name", "note"], ["a", "1,5"], ["b", "2,5"]]);
        assert_eq!(read("a b\n", Some(' '), 9, 9).unwrap().rows[0].len(), 2);
    }

    #[test]
    fn encodings_of_chinese_files() {
        for bytes in [
            "名称,价格".as_bytes().to_vec(),
            ["\u{feff}".as_bytes(), "名称,价格".as_bytes()].concat(),
            GB18030.encode("名称,价格").0.into_owned(),
            [b"\xff\xfe".to_vec(), "名称,价格".encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
        ] {
            assert_eq!(decode(&bytes), "名称,价格");
        }
        assert_eq!(decode(b"caf\xe9"), "café");
    }

    #[test]
    fn columns_are_typed_as_a_whole() {
        let mut sheet = read("n,id,on,mixed\n1,007,TRUE,1\n-2.5,1,false,x\n,2,,\n", None, 100, 100).unwrap();
        typed(&mut sheet.rows, 1);
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(sheet.rows[1], [Cell::Number(1.0), text("007"), Cell::Bool(true), text("1")]);
        assert_eq!(sheet.rows[3][..3], [Cell::Empty, text("2"), Cell::Empty]);
    }

    #[test]
    fn what_is_written_cannot_run() {
        let given = Given::of(
            vec![
                json!({"a": "=1+1", "b": -5, "c": "-5"}),
                json!({"a": "@x", "d": [1, "y"], "b": null}),
                json!({"a": "x, \"y\"\n"}),
            ],
            None,
            9,
        );
        let given = given.unwrap();
        let expected = "a,b,c,d\n'=1+1,-5,-5,\n'@x,,,\"[1,\"\"y\"\"]\"\n\"x, \"\"y\"\"\n\",,,\n";
        assert_eq!(write(&given, ',', true).unwrap(), expected);
        assert!(write(&given, ';', false).unwrap().contains("\n=1+1;"));
    }
}
