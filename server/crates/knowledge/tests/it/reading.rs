//! Every format that people bring, read into records with their places.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::office::{docx, epub, paragraph, pptx, table, xlsx, zipped};
use knowledge::{
    BaseSpec, ColumnsKind, EstimatedTokens, KnowledgeError, Parsed, ReadOptions, Record, Sink, columns_of, parse,
    read_records,
};
use serde_json::{Map, Value, json};

fn base() -> BaseSpec {
    BaseSpec::from_yaml("knowledge: handbook\n").unwrap()
}

fn menu() -> BaseSpec {
    BaseSpec::from_yaml(
        "knowledge: menu\nfields:\n  name: { type: text, title: 菜名 }\n  price: { type: number, title: 价格 }\n",
    )
    .unwrap()
}

fn read(bytes: &[u8], name: &str) -> Parsed {
    parse(bytes, name, &base()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn texts(parsed: &Parsed) -> Vec<&str> {
    parsed.records.iter().map(|it| it.text.as_str()).collect()
}

fn all_text(parsed: &Parsed) -> String {
    parsed.records.iter().map(|it| format!("{}\n", it.searched_text())).collect()
}

#[test]
fn word_documents_have_headings_lists_tables_and_pages() {
    let body = [
        paragraph("toc", "", "退货政策....1"),
        paragraph("h1", "", "退货政策"),
        paragraph("", "", "七天内可以&lt;无理由&gt;退货。"),
        "<w:p><w:r><w:lastRenderedPageBreak/><w:t>第二页</w:t></w:r><w:del><w:r><w:t>删掉</w:t></w:r></w:del></w:p>"
            .to_owned(),
        paragraph("h2", "", "步骤"),
        paragraph("", "1", "联系客服"),
        paragraph("", "1", "寄回商品"),
        table(&[&["型号", "价格"], &["E102", "20"]]),
    ]
    .concat();
    let parsed = read(&docx(&body), "a.docx");
    let seen: Vec<(&str, &[String], Option<u32>)> =
        parsed.records.iter().map(|it| (it.text.as_str(), &it.position.headings[..], it.position.page)).collect();
    assert_eq!(seen[0].0, "七天内可以<无理由>退货。\n第二页");
    assert_eq!((seen[0].1, seen[0].2), (&["退货政策".to_owned()][..], Some(1)));
    assert_eq!(seen[1].0, "1. 联系客服\n2. 寄回商品\n| 型号 | 价格 |\n|---|---|\n| E102 | 20 |");
    assert_eq!((seen[1].1, seen[1].2), (&["退货政策".to_owned(), "步骤".to_owned()][..], Some(2)));
    assert!(!all_text(&parsed).contains("删掉") && !all_text(&parsed).contains("...."));
}

#[test]
fn a_documents_table_can_be_the_bases() {
    let body = [paragraph("", "", "本店菜单"), table(&[&["菜名", "价格"], &["鱼", "28元"], &["虾", "36"]])].concat();
    let parsed = parse(&docx(&body), "a.docx", &menu()).unwrap();
    assert_eq!(
        parsed.records.iter().filter_map(|it| it.fields.get("price").cloned()).collect::<Vec<_>>(),
        [json!(28), json!(36)]
    );
}

#[test]
fn slides_have_titles_and_numbers() {
    let parsed = read(&pptx(&[("开场", &["欢迎", "议程"]), ("结束", &["谢谢"])]), "a.pptx");
    assert_eq!(texts(&parsed), ["- 欢迎\n- 议程", "- 谢谢\n备注在这里"]);
    assert_eq!(parsed.records[1].position.headings, ["结束"]);
    assert_eq!((parsed.records[0].position.page, parsed.records[1].position.page), (Some(1), Some(2)));
}

#[test]
fn sheets_are_tables_wherever_their_header_stands() {
    let book = xlsx(&[
        ("午餐", &[&["2026年菜单"], &["", ""], &["菜名", "价格", "备注"], &["鱼", "28", "辣"], &["虾", "36.5", ""]]),
        ("说明", &[&["版本", "作者"], &["1", "王"]]),
    ]);
    let parsed = parse(&book, "a.xlsx", &menu()).unwrap();
    assert_eq!(parsed.records.len(), 2);
    assert_eq!(parsed.records[1].fields, json!({"name": "虾", "price": 36.5}).as_object().unwrap().clone());
    let position = &parsed.records[0].position;
    assert_eq!((position.part.as_deref(), position.row), (Some("午餐"), Some(4)));
    assert!(parsed.warnings.iter().any(|it| it.message.contains("`说明`")), "{:?}", parsed.warnings);
    let parsed = read(&book, "a.xlsx");
    assert_eq!(texts(&parsed)[..2], ["2026年菜单", "菜名: 鱼\n价格: 28\n备注: 辣"]);
    assert_eq!(parsed.records.last().unwrap().position.part.as_deref(), Some("说明"));
    let error = parse(&xlsx(&[("说明", &[&["版本", "作者"], &["1", "王"]])]), "a.xlsx", &menu()).unwrap_err();
    assert!(error.to_string().contains("none of the columns"), "{error}");
}

#[test]
fn web_pages_are_read_without_what_is_no_content() {
    let page = "<html><head><title>退货 - 商城</title><style>p{}</style></head><body>\
        <header>站名</header><nav><a>首页</a></nav><main><h1>退货政策</h1><p>七天内<b>可以</b>\n 退货。<br>请保留小票\
        <div style='display: none'>看不见<div>也看不见</div></div><ul><li>生鲜<ul><li>鱼</li></ul></li><li>其他</li></ul>\
        <table><tr><th>型号<th>价格<tr><td rowspan=2>E102<td>20<tr><td>30</table>\
        <pre>a  b\n c</pre><script>var x = '<p>';</script>完。</main><footer>版权</footer></body></html>";
    let parsed = read(page.as_bytes(), "a.html");
    assert_eq!(parsed.records[0].position.headings, ["退货 - 商城", "退货政策"]);
    assert_eq!(
        parsed.records[0].text,
        "七天内可以 退货。\n请保留小票\n- 生鲜\n  - 鱼\n- 其他\n| 型号 | 价格 |\n|---|---|\n| E102 | 20 |\n| E102 | 30 |\na  b\n c\n完。"
    );
    let (gbk, _, _) = encoding_rs::GBK.encode("<html><meta charset=gbk><p>麻婆豆腐，价格二十元。</p>");
    let parsed = parse(&gbk, "a.html", &base()).unwrap();
    assert_eq!((texts(&parsed), parsed.encoding.as_str()), (vec!["麻婆豆腐，价格二十元。"], "GB18030"));
}

#[test]
fn books_are_read_chapter_by_chapter() {
    let book = epub("红楼梦", &["<h1>第二回</h1><p>却说封肃。</p>", "<h1>第一回</h1><p>此开卷第一回也。</p>"]);
    let parsed = read(&book, "a.epub");
    assert_eq!(texts(&parsed), ["此开卷第一回也。", "却说封肃。"]);
    assert_eq!(parsed.records[0].position.headings, ["红楼梦", "第一回"]);
}

#[test]
fn archives_are_one_document_of_many_files() {
    let (gbk, _, _) = encoding_rs::GBK.encode("菜名,价格\n鱼,28\n");
    let inner = zipped(&[("x.txt", b"x")]);
    let archive = zipped(&[
        ("说明/读我.md", "# 一\n\n正文。".as_bytes()),
        ("menu.csv", &gbk),
        ("a.docx", &docx(&paragraph("", "", "一段话。"))),
        ("inner.zip", &inner),
        ("bad.pdf", b"%PDF-1.4 nothing"),
        ("__MACOSX/._menu.csv", b"\0\0"),
        ("../../etc/passwd.txt", "路径只是名字。".as_bytes()),
    ]);
    let parsed = read(&archive, "all.zip");
    let seen: Vec<(&str, &str)> =
        parsed.records.iter().map(|it| (it.position.part.as_deref().unwrap(), it.text.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("说明/读我.md", "正文。"),
            ("menu.csv", "菜名: 鱼\n价格: 28"),
            ("a.docx", "一段话。"),
            ("../../etc/passwd.txt", "路径只是名字。"),
        ]
    );
    assert_eq!(parsed.warnings.len(), 2, "{:?}", parsed.warnings);
    assert!(
        parsed.warnings[0].message.contains("inner.zip") && parsed.warnings[0].message.contains("within an archive")
    );
    assert!(parsed.warnings[1].message.contains("bad.pdf"), "{:?}", parsed.warnings);
    let error = parse(&zipped(&[("bad.pdf", b"%PDF-1.4"), ("b.doc", b"x")]), "all.zip", &base()).unwrap_err();
    assert!(error.to_string().contains("none of the 2 files"), "{error}");
    // A bad table in a base with fields is left out as a whole file is refused: with its row and column.
    let archive =
        zipped(&[("good.csv", "菜名,价格\n鱼,28\n".as_bytes()), ("bad.csv", "菜名,价格\n虾,贵\n".as_bytes())]);
    let parsed = parse(&archive, "all.zip", &menu()).unwrap();
    assert_eq!(parsed.records.len(), 1);
    assert!(
        parsed.warnings[0].message.contains("bad.csv") && parsed.warnings[0].message.contains("row 2"),
        "{:?}",
        parsed.warnings
    );
}

#[test]
fn what_a_file_is_wins_over_its_name() {
    let parsed = read(&docx(&paragraph("", "", "一段话。")), "a.pdf");
    assert_eq!(texts(&parsed), ["一段话。"]);
    assert!(
        parsed.warnings[0].message.contains("`.pdf`") && parsed.warnings[0].message.contains("Word"),
        "{:?}",
        parsed.warnings
    );
    let parsed = read("<html><body><table><tr><td>a<td>b</table>".as_bytes(), "export.xls");
    assert!(texts(&parsed)[0].contains("| a | b |"), "{:?}", texts(&parsed));
    let parsed = parse("菜名\t价格\n鱼\t3\n".as_bytes(), "export.xls", &menu()).unwrap();
    assert_eq!((parsed.records.len(), parsed.warnings.len()), (1, 1));
}

#[test]
fn pdfs_with_chinese_fonts_of_their_own_are_read() {
    let parsed = read(include_bytes!("../fixtures/documents/chinese.pdf"), "a.pdf");
    let text = all_text(&parsed);
    assert!(text.contains("七天内未拆封的商品可以无理由退货，请保留购物小票。退货时由客服核对订单，"), "{text}");
    assert!(!text.contains("员工手册"), "the header stands on every page: {text}");
    assert!(parsed.records.iter().any(|it| it.position.headings == ["退货政策"] && it.position.page == Some(1)));
    assert!(parsed.records.iter().any(|it| it.position.headings == ["附录"] && it.position.page == Some(4)));
    assert!(parsed.records.iter().any(|it| it.text.contains("本页结束于配送说明。")));
}

#[test]
fn pdfs_without_their_chinese_font_are_read() {
    let parsed = read(include_bytes!("../fixtures/documents/chinese_not_embedded.pdf"), "a.pdf");
    assert_eq!(parsed.records[0].position.headings, ["麻婆豆腐的做法"]);
    assert!(parsed.records[0].text.contains("捞出沥干备用。锅中放油"), "{}", parsed.records[0].text);
    assert!(parsed.records.iter().any(|it| it.text.contains("清蒸鲈鱼")));
}

#[test]
fn columns_of_a_pdf_are_read_one_after_the_other() {
    let parsed = read(include_bytes!("../fixtures/documents/english.pdf"), "a.pdf");
    let text = all_text(&parsed);
    assert!(text.contains("Goods may be sent back within seven days, e.g. by post, if the seal is unbroken"), "{text}");
    assert!(!text.contains("confidential") && !text.contains("Page 1 of"), "{text}");
    let chapter = |it: &str| parsed.records.iter().position(|record| record.position.headings == [it]).unwrap();
    assert!(chapter("Chapter 1: Returns") < chapter("Chapter 2: Delivery"));
    assert!(chapter("Chapter 2: Delivery") < chapter("Chapter 3: Warranty"));
    let parsed = read(include_bytes!("../fixtures/documents/hyphens.pdf"), "a.pdf");
    assert_eq!(
        parsed.records[0].text,
        "A document that was set with narrow columns has many hyphenated words, and every single one of them must be one \
         word for the search again, or nobody will ever find it.\nA second paragraph follows here."
    );
}

#[test]
fn protected_and_scanned_pdfs_are_told() {
    let error = |bytes: &[u8]| parse(bytes, "a.pdf", &base()).unwrap_err();
    let protected = error(include_bytes!("../fixtures/documents/encrypted.pdf"));
    assert!(protected.to_string().contains("protected by a password") && protected.hint().is_some(), "{protected}");
    assert_eq!(protected.code(), "protected_document");
    let open = read(include_bytes!("../fixtures/documents/owner_password.pdf"), "a.pdf");
    assert!(all_text(&open).contains("清蒸鲈鱼"), "an empty password is tried");
    let scanned = error(include_bytes!("../fixtures/documents/scanned.pdf"));
    assert!(scanned.to_string().contains("scanned") && scanned.hint().unwrap().contains("OCR"), "{scanned}");
    assert_eq!(scanned.code(), "document_without_text");
    let whole = include_bytes!("../fixtures/documents/chinese.pdf");
    let cut = parse(&whole[..whole.len() / 3], "a.pdf", &base());
    assert!(cut.is_err_and(|it| it.to_string().contains("damaged") || it.to_string().contains("no text")));
}

struct Stopping {
    left: usize,
    records: Vec<Record>,
    progress: Vec<(u64, u64)>,
}

impl Sink for Stopping {
    fn records(&mut self, records: Vec<Record>) -> ControlFlow<()> {
        assert!(records.len() <= 256);
        self.records.extend(records);
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn progress(&mut self, done: u64, total: u64) -> ControlFlow<()> {
        self.progress.push((done, total));
        ControlFlow::Continue(())
    }
}

#[test]
fn a_sink_that_has_enough_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let rows: String = (0..50_000).map(|it| format!("菜{it},{it}\n")).collect();
    std::fs::write(&path, format!("菜名,价格\n{rows}")).unwrap();
    let (spec, columns, metadata) = (menu(), BTreeMap::new(), Map::new());
    let options =
        ReadOptions { spec: &spec, media_type: None, columns: &columns, tokens: &EstimatedTokens, metadata: &metadata };
    let mut sink = Stopping { left: 3, records: Vec::new(), progress: Vec::new() };
    let error = read_records(&path, "a.csv", &options, &mut sink).unwrap_err();
    assert!(matches!(error, KnowledgeError::Stopped { .. }) && sink.records.len() == 768, "{error}");
    let mut sink = Stopping { left: usize::MAX, records: Vec::new(), progress: Vec::new() };
    let recognised = read_records(&path, "a.csv", &options, &mut sink).unwrap();
    assert_eq!((recognised.records, recognised.media_type.as_str()), (50_000, "text/csv"));
    assert_eq!(recognised.encoding.as_deref(), Some("UTF-8"));
    assert!(sink.progress.is_sorted() && sink.progress.len() > 5);
    assert_eq!(sink.progress.last().map(|(done, total)| done == total), Some(true));
}

#[test]
fn columns_can_be_said_and_metadata_fills_fields() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    std::fs::write(&path, "Dish,Cost,Secret\n鱼,28,x\n").unwrap();
    let spec = BaseSpec::from_yaml(
        "knowledge: menu\nfields:\n  name: text\n  price: number\n  branch: keyword\n  since: date\n",
    )
    .unwrap();
    let columns: BTreeMap<String, String> =
        [("Dish", "name"), ("cost", "price"), ("Secret", "")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    let mut metadata: Map<String, Value> =
        json!({"branch": "上海", "since": "2026年1月5日", "other": 1}).as_object().unwrap().clone();
    let read = |metadata: &Map<String, Value>, columns: &BTreeMap<String, String>| {
        let options = ReadOptions { spec: &spec, media_type: None, columns, tokens: &EstimatedTokens, metadata };
        let mut sink = Stopping { left: usize::MAX, records: Vec::new(), progress: Vec::new() };
        read_records(&path, "a.csv", &options, &mut sink).map(|it| (it, sink.records))
    };
    let (recognised, records) = read(&metadata, &columns).unwrap();
    assert_eq!(
        Value::Object(records[0].fields.clone()),
        json!({"name": "鱼", "price": 28, "branch": "上海", "since": "2026-01-05"})
    );
    assert_eq!(recognised.warnings, []);
    metadata.insert("since".to_owned(), json!("昨天"));
    let error = read(&metadata, &columns).unwrap_err();
    assert!(error.to_string().contains("metadata"), "{error}");
    let wrong: BTreeMap<String, String> = [("Dish".to_owned(), "nope".to_owned())].into();
    let error = read(&Map::new(), &wrong).unwrap_err();
    assert!(error.to_string().contains("`nope`, which is no field"), "{error}");
}

#[test]
fn columns_are_named_and_typed_by_their_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let table = "菜名,价格（元）,是否辣,上架日期,分类,过敏原,编号,Web Page,id\n".to_owned()
        + &(0..20)
            .map(|it| {
                format!(
                    "第{it}道菜,{it}.5元,是,2026-1-{},{},大豆、小麦,00{it},https://a.b/{it},{it}\n",
                    it + 1,
                    ["川菜", "粤菜"][it % 2]
                )
            })
            .collect::<String>();
    std::fs::write(&path, table).unwrap();
    let found = columns_of(&path, "menu.csv", &menu()).unwrap();
    assert_eq!(found.kind, ColumnsKind::Table);
    let seen: Vec<(String, Value, Option<String>)> = found
        .columns
        .iter()
        .map(|it| (it.suggestion.name.clone(), json!(it.suggestion.kind), it.suggestion.title.clone()))
        .collect();
    let expected = [
        ("name", "text", Some("菜名")),
        ("price", "number", Some("价格（元）")),
        ("column_3", "boolean", Some("是否辣")),
        ("column_4", "date", Some("上架日期")),
        ("category", "keyword", Some("分类")),
        ("column_6", "list", Some("过敏原")),
        ("code", "keyword", Some("编号")),
        ("web_page", "text", Some("Web Page")),
        ("id_value", "number", Some("id")),
    ];
    for (seen, (name, kind, title)) in seen.iter().zip(expected) {
        assert_eq!((seen.0.as_str(), &seen.1, seen.2.as_deref()), (name, &json!(kind), title));
    }
    assert_eq!((found.columns[0].field.as_deref(), found.columns[4].field.as_deref()), (Some("name"), None));
    assert_eq!(found.columns[0].samples.len(), 5);
    assert!(!found.columns[7].suggestion.embed);
    std::fs::write(&path, "问题,答案\n几点关门,十点\n").unwrap();
    assert_eq!(columns_of(&path, "a.csv", &base()).unwrap().kind, ColumnsKind::Questions);
    std::fs::write(&path, "一段话。").unwrap();
    assert_eq!(columns_of(&path, "a.txt", &base()).unwrap().kind, ColumnsKind::Text);
    std::fs::write(&path, "[{\"a\": 1}, {\"b\": \"x\"}]").unwrap();
    assert_eq!(columns_of(&path, "a.json", &base()).unwrap().columns.len(), 2);
}
