//! Files that are read for a workflow: their text, pages and tables, and which kinds are refused in words.

use knowledge::{Content, DocumentText, KnowledgeError, read_document};
use serde_json::{Value, json};

fn read(bytes: &[u8], name: &str) -> DocumentText {
    read_document(Content::Bytes(bytes.to_vec()), name, None).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn code(bytes: &[u8], name: &str, media_type: Option<&str>) -> String {
    let error = read_document(Content::Bytes(bytes.to_vec()), name, media_type).unwrap_err();
    assert!(error.to_string().contains(name), "{error}");
    error.code().to_owned()
}

#[test]
fn tables_in_any_encoding_and_delimiter_become_rows() {
    let expected = json!([["菜名", "价格"], ["麻婆豆腐", "20"], ["夫妻肺片", ""]]);
    let utf_8 = "菜名,价格\n麻婆豆腐,20\r\n夫妻肺片,\n";
    let gbk =
        b"\xb2\xcb\xc3\xfb;\xbc\xdb\xb8\xf1\n\xc2\xe9\xc6\xc5\xb6\xb9\xb8\xaf;20\n\xb7\xf2\xc6\xde\xb7\xce\xc6\xac;\n";
    let tabs = "菜名\t价格\n麻婆豆腐\t20\n夫妻肺片\t\n";
    for (bytes, name, encoding) in [
        (utf_8.as_bytes(), "a.csv", "UTF-8"),
        (gbk.as_slice(), "a.csv", "GB18030"),
        (tabs.as_bytes(), "a.tsv", "UTF-8"),
    ] {
        let document = read(bytes, name);
        assert_eq!((json!(document.tables), document.encoding.as_str()), (json!([expected]), encoding), "{name}");
    }
    assert_eq!(read(utf_8.as_bytes(), "a.csv").text, "菜名,价格\n麻婆豆腐,20\n夫妻肺片,\n");
}

#[test]
fn json_keeps_its_types_and_lists_of_objects_are_tables() {
    let rows = json!([["name", "price", "tags"], ["a", 2, null], [null, 1.5, "x、y"]]);
    let array = r#"[{"name": "a", "price": 2}, {"price": 1.5, "tags": ["x", "y"]}]"#;
    assert_eq!(json!(read(array.as_bytes(), "a.json").tables), json!([rows]));
    assert_eq!(json!(read(format!("{{\"total\": 2, \"items\": {array}}}").as_bytes(), "a.json").tables), json!([rows]));
    let lines = "{\"name\": \"a\", \"price\": 2}\n\n{\"price\": 1.5, \"tags\": [\"x\", \"y\"]}\n";
    let lines = read(lines.as_bytes(), "a.jsonl");
    assert_eq!((json!(lines.tables), lines.media_type.as_str()), (json!([rows]), "application/jsonl"));
    assert_eq!(read(br#"{"a": 1}"#, "a.json").tables.len(), 0);
    assert_eq!(read(b"[1, {\"a\": 1}]", "a").tables.len(), 0);
    assert_eq!(code(b"{\"a\": ", "a.json", None), "invalid_document");
    assert_eq!(code(b"{}\n{", "a.jsonl", None), "invalid_document");
    assert_eq!(read(b"[sic] no JSON", "a").media_type, "text/plain");
}

#[test]
fn text_has_its_pages_and_markdown_its_tables() {
    let document = read("第一页\n\u{c}\n第二页".as_bytes(), "a.txt");
    assert_eq!(document.pages, ["第一页", "第二页"]);
    let markdown = "# 菜单\n\n| 菜 | 价 |\n|:---|---:|\n| 麻\\|婆 | 20 |\n| 面 | 8 |\nEnd | of\n\n\
        ```\n| no | table |\n|--|--|\n```\n\na | b\n--|--\n1 | 2\n";
    let tables = json!(read(markdown.as_bytes(), "a.md").tables);
    assert_eq!(tables[0][0], json!(["菜", "价"]));
    assert_eq!(tables[0][1], json!(["麻|婆", "20"]));
    assert_eq!(tables[1], json!([["a", "b"], ["1", "2"]]));
    assert_eq!(tables.as_array().map(Vec::len), Some(2), "{tables}");
    let given = read_document(Content::Text("a,b\n1,2".into()), "upload", Some("text/csv; charset=utf-8")).unwrap();
    assert_eq!((json!(given.tables), given.media_type.as_str()), (json!([[["a", "b"], ["1", "2"]]]), "text/csv"));
}

#[test]
fn office_files_and_pages_become_markdown() {
    let body = [
        crate::office::paragraph("h1", "", "退货政策"),
        crate::office::paragraph("", "", "七天内可以退货。"),
        crate::office::paragraph("", "2", "保留小票"),
        crate::office::paragraph("", "2", "不要拆封"),
        crate::office::table(&[&["型号", "价格"], &["E102", "20"]]),
    ]
    .concat();
    let document = read(&crate::office::docx(&body), "a.docx");
    assert_eq!(
        document.text,
        "# 退货政策\n\n七天内可以退货。\n\n- 保留小票\n- 不要拆封\n\n| 型号 | 价格 |\n|---|---|\n| E102 | 20 |\n"
    );
    assert_eq!(json!(document.tables), json!([[["型号", "价格"], ["E102", "20"]]]));
    assert!(document.media_type.ends_with("wordprocessingml.document"));
    let slides = read(&crate::office::pptx(&[("开场", &["你好"]), ("结束", &["再见"])]), "a.pptx");
    assert_eq!(slides.pages, ["# 开场\n\n- 你好", "# 结束\n\n- 再见\n\n备注在这里"]);
    let book = read(&crate::office::xlsx(&[("菜单", &[&["菜", "价"], &["面", "8"]])]), "a.xlsx");
    assert_eq!(json!(book.tables), json!([[["菜", "价"], ["面", "8"]]]));
    let page = read(b"<!doctype html><title>T</title><p>One<p>Two", "a");
    assert_eq!((page.text.as_str(), page.media_type.as_str()), ("# T\n\nOne\n\nTwo\n", "text/html"));
    let pdf = read(include_bytes!("../fixtures/documents/chinese_not_embedded.pdf"), "a.pdf");
    assert_eq!(pdf.pages.len(), 2);
    assert!(pdf.pages[1].contains("清蒸鲈鱼"), "{}", pdf.pages[1]);
}

#[test]
fn other_kinds_are_refused_with_what_is_read() {
    for (bytes, name, media_type, expected) in [
        (b"%PDF-1.7".as_slice(), "a.txt", None, "invalid_document"),
        (b"PK\x03\x04..", "a.docx", None, "invalid_document"),
        (b"x", "a.pdf", None, "invalid_document"),
        (b"x", "a.doc", None, "unsupported_document"),
        (b"x", "a", Some("application/msword"), "unsupported_document"),
        (b"x", "a", Some("Image/PNG"), "unsupported_document"),
        (b"\x89PNG\r\n", "a", None, "unsupported_document"),
        (b"{\\rtf1", "a.txt", None, "unsupported_document"),
    ] {
        assert_eq!(code(bytes, name, media_type), expected, "{name} {media_type:?}");
    }
    let Err(KnowledgeError::UnsupportedDocument { kind, hint, .. }) =
        read_document(Content::Bytes(b"x".to_vec()), "a.doc", None)
    else {
        panic!("an old document was read")
    };
    assert!(kind == "an old Word document" && hint.contains(".docx"), "{kind} {hint}");
    assert_eq!(code(b"\x00\x01\x02", "a.dat", None), "unknown_encoding");
    assert_eq!(code(&vec![b'x'; (8 << 20) + 1], "a.txt", None), "too_large");
    assert_eq!(code("a\n".repeat(200_001).as_bytes(), "a.csv", None), "too_large");
    assert_eq!(Value::Null, json!(read(b"", "empty.txt").tables.first()));
}
