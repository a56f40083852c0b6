//! Which characters a page's bytes stand for: what the bytes themselves say, then the header, then the page's own `<meta>`,
//! in the order of the HTML standard.

use encoding_rs::{BIG5, Encoding, GB18030, UTF_8, WINDOWS_1252};

/// How far browsers look for a `<meta>`.
const LOOKED_AT: usize = 1024;

/// The text, and the name of its encoding.
pub(crate) fn decode(bytes: &[u8], content_type: &str) -> (String, &'static str) {
    let declared = Encoding::for_bom(bytes)
        .map(|(encoding, _)| encoding)
        .or_else(|| label_in(content_type).and_then(|label| Encoding::for_label(label.as_bytes())))
        .or_else(|| declared_inside(bytes));
    let encoding = declared.unwrap_or_else(|| guessed(bytes));
    let (text, encoding, _) = encoding.decode(bytes);
    (text.into_owned(), encoding.name())
}

/// `…charset=gbk…`, with or without quotes.
fn label_in(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (_, after) = lower.split_once("charset")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let end = value.find(|character: char| !(character.is_ascii_alphanumeric() || "-_:.".contains(character)));
    value.get(..end.unwrap_or(value.len())).filter(|label| !label.is_empty()).map(str::to_owned)
}

fn declared_inside(bytes: &[u8]) -> Option<&'static Encoding> {
    let beginning = bytes.get(..LOOKED_AT.min(bytes.len())).unwrap_or_default();
    let beginning = String::from_utf8_lossy(beginning);
    let label = beginning.split('<').filter(|tag| is_declaration(tag)).find_map(label_in);
    let xml = || beginning.split("encoding=").nth(1).and_then(|rest| label_in(&format!("charset={rest}")));
    let label = label.or_else(|| if beginning.trim_start().starts_with("<?xml") { xml() } else { None })?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A page in UTF-16 could not have been read so far; whoever writes this means UTF-8.
    Some(if encoding.is_ascii_compatible() { encoding } else { UTF_8 })
}

fn is_declaration(tag: &str) -> bool {
    tag.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("meta"))
}

/// Nothing is declared: UTF-8 if it is, else what Chinese pages are written in if they can be, else the West's.
fn guessed(bytes: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    let fits = |encoding: &'static Encoding| !encoding.decode_without_bom_handling(bytes).1;
    [GB18030, BIG5].into_iter().find(|encoding| fits(encoding)).unwrap_or(WINDOWS_1252)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], content_type: &str) -> (String, &'static str) {
        decode(bytes, content_type)
    }

    #[test]
    fn the_header_goes_before_the_page_and_the_bytes_before_both() {
        let gbk = GB18030.encode("<p>你好</p>").0;
        assert_eq!(read(&gbk, "text/html; charset=GB2312"), ("<p>你好</p>".to_owned(), "GBK"));
        assert_eq!(read(&gbk, "text/html;charset=\"gb18030\"").1, "gb18030");
        let big5 = BIG5.encode("<meta charset='big5'><p>臺灣</p>").0;
        assert_eq!(read(&big5, "text/html"), ("<meta charset='big5'><p>臺灣</p>".to_owned(), "Big5"));
        let old = GB18030.encode("<META http-equiv=Content-Type content=\"text/html; charset=gbk\">网页").0;
        assert!(read(&old, "").0.ends_with("网页"));
        let mark = [b"\xef\xbb\xbf".as_slice(), "你".as_bytes()].concat();
        assert_eq!(read(&mark, "text/html; charset=gbk"), ("你".to_owned(), "UTF-8"));
        assert_eq!(read(b"\xff\xfeh\x00i\x00", ""), ("hi".to_owned(), "UTF-16LE"));
    }

    #[test]
    fn what_is_not_declared_is_guessed() {
        assert_eq!(read("臺灣".as_bytes(), "text/html"), ("臺灣".to_owned(), "UTF-8"));
        assert_eq!(read(&GB18030.encode("没有声明编码的网页").0, ""), ("没有声明编码的网页".to_owned(), "gb18030"));
        assert_eq!(read(b"caf\xe9 cr\xe8me", ""), ("café crème".to_owned(), "windows-1252"));
        // An unknown name is none, and a page cannot say in ASCII that it is UTF-16.
        assert_eq!(read("<meta charset=utf-16>é".as_bytes(), "text/html; charset=klingon").1, "UTF-8");
        assert_eq!(read(b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\xe9", "").0.chars().last(), Some('é'));
    }
}
