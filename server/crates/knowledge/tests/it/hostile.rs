//! Bytes of people who mean no good, or whose disk was full: each is an error in words, none is a panic, a flood of memory or
//! an endless wait.

use std::time::{Duration, Instant};

use crate::office::{docx, epub, paragraph, pptx, table, xlsx, zipped};
use knowledge::{BaseSpec, KnowledgeError, parse};

fn base() -> BaseSpec {
    BaseSpec::from_yaml("knowledge: handbook\n").unwrap()
}

fn refused(bytes: &[u8], name: &str) -> KnowledgeError {
    let error = match parse(bytes, name, &base()) {
        Err(error) => error,
        Ok(parsed) => panic!("{name} was read: {:?}", parsed.records.first()),
    };
    assert!(error.hint().is_some_and(|it| !it.is_empty()), "{error} has no hint");
    error
}

fn text_of(bytes: &[u8], name: &str) -> String {
    let parsed = parse(bytes, name, &base()).unwrap_or_else(|error| panic!("{name}: {error}"));
    parsed.records.iter().map(|it| format!("{}\n", it.searched_text())).collect()
}

#[test]
fn a_zip_bomb_is_refused_before_it_goes_off() {
    let zeros = vec![0u8; 100 << 20];
    for (name, bytes) in [
        ("a.zip", zipped(&[("a.txt", &zeros)])),
        ("a.docx", zipped(&[("word/document.xml", &zeros)])),
        ("a.xlsx", zipped(&[("xl/workbook.xml", b"<workbook/>"), ("xl/worksheets/sheet1.xml", &zeros)])),
        ("a.epub", zipped(&[("META-INF/container.xml", &zeros)])),
    ] {
        let error = refused(&bytes, name);
        assert_eq!(error.code(), "too_large", "{name}: {error}");
    }
    let names: Vec<String> = (0..20_001).map(|it| format!("{it}.txt")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), b"x".as_slice())).collect();
    let error = refused(&zipped(&many), "a.zip");
    assert!(error.to_string().contains("20001 files"), "{error}");
}

#[test]
fn entities_are_neither_expanded_nor_fetched() {
    let laughs = "<!DOCTYPE d [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\">\
        <!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let document = format!(
        "<?xml version=\"1.0\"?>{laughs}<w:document xmlns:w=\"w\"><w:body><w:p><w:r><w:t>before &c; &x; &#x4E2D;&amp; after</w:t></w:r></w:p></w:body></w:document>"
    );
    let text = text_of(&zipped(&[("word/document.xml", document.as_bytes())]), "a.docx");
    assert_eq!(text, "before   中& after\n");
}

#[test]
fn depth_costs_nothing() {
    let deep = "<div>".repeat(1_000_000) + "<p>text" + &"</div>".repeat(1_000_000);
    assert_eq!(text_of(deep.as_bytes(), "a.html"), "text\n");
    let tables = "<table><tr><td>".repeat(20_000) + "text";
    assert!(text_of(tables.as_bytes(), "a.html").contains("text"));
    let lists = "<ul><li>".repeat(50_000) + "text";
    assert!(text_of(lists.as_bytes(), "a.html").contains("text"));
    let json = format!("[{}1{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(json.as_bytes(), "a.json").to_string().contains("recursion limit"));
    let xml = format!("<w:document>{}", "<w:p>".repeat(100_000));
    assert!(
        refused(&zipped(&[("word/document.xml", xml.as_bytes())]), "a.docx").to_string().contains("deep in each other")
    );
    let quotes = "> ".repeat(100_000) + "text";
    assert!(text_of(quotes.as_bytes(), "a.md").contains("text"));
}

#[test]
fn what_is_protected_or_old_is_told_with_what_to_do() {
    let container = |entry: &str| {
        let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        bytes.resize(1024, 0);
        bytes.extend(entry.encode_utf16().flat_map(u16::to_le_bytes));
        bytes.resize(2048, 0);
        bytes
    };
    let protected = refused(&container("EncryptedPackage"), "a.docx");
    assert!(protected.to_string().contains("protected by a password"), "{protected}");
    let old = refused(&container("WordDocument"), "a.doc");
    assert!(old.to_string().contains("old Word document") && old.hint().unwrap().contains(".docx"), "{old}");
    let old = refused(&container("PowerPoint Document"), "a.ppt");
    assert!(old.hint().unwrap().contains(".pptx"), "{old}");
    let broken = refused(&container("Workbook"), "a.xls");
    assert!(broken.to_string().contains("workbook is damaged"), "{broken}");
    let mut zip = zipped(&[("a.txt", b"text")]);
    // The flag of a member that is protected, in its own header and in the list of contents.
    zip[6] |= 1;
    let list = zip.windows(4).position(|it| it == b"PK\x01\x02").unwrap();
    zip[list + 8] |= 1;
    let protected = refused(&zip, "a.zip");
    assert!(protected.to_string().contains("protected by a password"), "{protected}");
    assert!(refused(b"", "a.pdf").to_string().contains("empty"));
    assert!(refused(b"   \n\n  ", "a.txt").to_string().contains("no records"));
    assert!(refused(&zipped(&[]), "a.zip").to_string().contains("no files"));
    assert!(refused(b"\x89PNG\r\n\x1a\n", "a.png").hint().unwrap().contains("OCR"));
}

#[test]
fn zero_bytes_are_replaced_in_texts() {
    let page = format!("<!doctype html><h1>标\0题</h1><p>{}\0正文", "字".repeat(3000));
    let parsed = parse(page.as_bytes(), "a.html", &base()).unwrap();
    let all: String = parsed.records.iter().map(|it| it.searched_text().into_owned()).collect();
    assert!(all.contains("\u{fffd}正文") && all.contains("标\u{fffd}题") && !all.contains('\0'), "{all}");
}

#[test]
fn a_pdf_bomb_is_refused() {
    use std::io::Write as _;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 300 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    let pdf = |filter: &str, data: &[u8]| {
        let mut bytes =
            format!("%PDF-1.4\n1 0 obj\n<</Filter {filter} /Length {}>>\nstream\n", data.len()).into_bytes();
        bytes.extend(data);
        bytes.extend(b"\nendstream\nendobj\n");
        bytes
    };
    assert_eq!(refused(&pdf("/FlateDecode", &packed), "a.pdf").code(), "too_large");
    assert_eq!(refused(&pdf("[/FlateDecode /FlateDecode]", &packed[..1000]), "a.pdf").code(), "too_large");
}

/// The same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// Bytes changed, cut out, doubled.
fn mutated(random: &mut Random, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len().max(1));
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let end = (at + random.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(random.below(256)).unwrap();
                }
            }
        }
        if bytes.is_empty() {
            return original[..1].to_vec();
        }
    }
    bytes
}

#[test]
fn no_damage_makes_a_reader_panic_or_hang() {
    let body = [paragraph("h1", "", "一"), paragraph("", "1", "二"), table(&[&["a", "b"], &["c", "d"]])].concat();
    let stored = |bytes: &[u8]| bytes.to_vec();
    let (gbk, _, _) = encoding_rs::GBK.encode("菜名,价格\n\"鱼,\n\",28\n虾;3\n");
    let originals: Vec<(&str, Vec<u8>)> = vec![
        ("a.csv", gbk.into_owned()),
        ("a.json", br#"{"items": [{"a": 1, "b": [1, {"c": null}]}, {"a": "x\u4e2d"}]}"#.to_vec()),
        ("a.jsonl", b"{\"a\": 1}\n{\"b\": [2]}\n".to_vec()),
        (
            "a.md",
            "# 一\n\n| a | b |\n|--|--|\n| c | d |\n\n```\nx\n```\n- 1\n  - 2\n\n问：a\n答：b\n".as_bytes().to_vec(),
        ),
        (
            "a.html",
            "<!doctype html><title>t</title><p>a<table><tr><td rowspan=3 colspan=2>b<td>c</table><ol><li>d</ol><pre>e"
                .as_bytes()
                .to_vec(),
        ),
        ("a.docx", docx(&body)),
        ("a.pptx", pptx(&[("一", &["二"]), ("三", &["四"])])),
        ("a.xlsx", xlsx(&[("一", &[&["a", "b"], &["1", "x"]])])),
        ("a.epub", epub("书", &["<h1>一</h1><p>二"])),
        ("a.zip", zipped(&[("a.txt", b"text"), ("b.csv", b"a,b\n1,2\n")])),
        ("a.pdf", stored(include_bytes!("../fixtures/documents/chinese.pdf"))),
        ("b.pdf", stored(include_bytes!("../fixtures/documents/chinese_not_embedded.pdf"))),
        ("c.pdf", stored(include_bytes!("../fixtures/documents/english.pdf"))),
        ("d.pdf", stored(include_bytes!("../fixtures/documents/owner_password.pdf"))),
    ];
    let mut random = Random(11);
    let mut slowest = (Duration::ZERO, String::new());
    for (name, original) in &originals {
        let (mut read, mut rounds) = (0, 300);
        if name.ends_with(".pdf") {
            rounds = 150;
        }
        for round in 0..rounds {
            let bytes = mutated(&mut random, original);
            let began = Instant::now();
            match parse(&bytes, name, &base()) {
                Ok(parsed) => read += usize::from(!parsed.records.is_empty()),
                Err(error) => assert!(!error.to_string().contains("does not understand"), "{name} {round}: a panic"),
            }
            if began.elapsed() > slowest.0 {
                slowest = (began.elapsed(), format!("{name} {round}"));
            }
        }
        eprintln!("{name}: {read} of {rounds} still gave records");
    }
    assert!(slowest.0 < Duration::from_secs(3), "{} took {:?}", slowest.1, slowest.0);
}
