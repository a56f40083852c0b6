//! Files as people save them: every usual encoding and delimiter is read to the same records, and everything that does not
//! fit is told at once with row and column.

use knowledge::{BaseSpec, KnowledgeError, Parsed, parse};
use serde_json::json;

const SPEC: &str = "knowledge: dishes
fields:
  name: { type: text, embed: true, title: 菜名 }
  category: { type: keyword, embed: true, title: 分类 }
  price: { type: number, title: 价格（元） }
  hot: { type: boolean, title: 辣 }
  since: { type: date, title: 上架日期 }
  tags: { type: list, title: 标签 }
";

const TABLE: &str = "菜名,分类,价格（元）,辣,上架日期,标签\n\
    麻婆豆腐,川菜,￥20.00,是,2026年10月3日,下饭、豆制品\n\
    \"清蒸鲈鱼\n（时令）\",粤菜,\"1,280\",否,2026/1/5,\n";

fn spec() -> BaseSpec {
    BaseSpec::from_yaml(SPEC).unwrap()
}

fn read(bytes: &[u8], name: &str) -> Parsed {
    parse(bytes, name, &spec()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn check_table(parsed: &Parsed) {
    let records = &parsed.records;
    assert_eq!(records.len(), 2);
    assert_eq!(
        serde_json::Value::Object(records[0].fields.clone()),
        json!({"name": "麻婆豆腐", "category": "川菜", "price": 20.0, "hot": true, "since": "2026-10-03", "tags": ["下饭", "豆制品"]})
    );
    assert_eq!(records[0].text, "菜名：麻婆豆腐\n分类：川菜");
    assert_eq!(
        serde_json::Value::Object(records[1].fields.clone()),
        json!({"name": "清蒸鲈鱼\n（时令）", "category": "粤菜", "price": 1280, "hot": false, "since": "2026-01-05"})
    );
    assert_eq!((records[0].ordinal, records[1].ordinal), (0, 1));
}

#[test]
fn every_usual_encoding_gives_the_same_records_and_is_reported() {
    let utf_16 = |big: bool, mark: bool| {
        let text = if mark { format!("\u{feff}{TABLE}") } else { TABLE.to_owned() };
        text.encode_utf16().flat_map(|it| if big { it.to_be_bytes() } else { it.to_le_bytes() }).collect::<Vec<u8>>()
    };
    let encoded = |encoding: &'static encoding_rs::Encoding, text: &str| {
        let (bytes, _, failed) = encoding.encode(text);
        assert!(!failed);
        bytes.into_owned()
    };
    for (bytes, expected) in [
        (TABLE.as_bytes().to_vec(), "UTF-8"),
        (format!("\u{feff}{TABLE}").into_bytes(), "UTF-8"),
        (encoded(encoding_rs::GBK, TABLE), "GB18030"),
        (encoded(encoding_rs::GB18030, TABLE), "GB18030"),
        (utf_16(false, true), "UTF-16LE"),
        (utf_16(true, true), "UTF-16BE"),
        (utf_16(false, false), "UTF-16LE"),
        (utf_16(true, false), "UTF-16BE"),
    ] {
        let parsed = read(&bytes, "菜单.csv");
        assert_eq!(parsed.encoding, expected);
        check_table(&parsed);
    }
    // Traditional characters, as Big5 has no simplified ones.
    let spec = BaseSpec::from_yaml(
        "knowledge: d\nfields:\n  name: { type: text, title: 菜名 }\n  note: { type: text, title: 說明 }\n",
    )
    .unwrap();
    let table = "菜名,說明\n麻婆豆腐,豆製品與牛肉，味道麻辣鮮香\n清蒸鱸魚,新鮮鱸魚清蒸，不辣\n";
    let parsed = parse(&encoded(encoding_rs::BIG5, table), "a.csv", &spec).unwrap();
    assert_eq!(
        (parsed.encoding.as_str(), parsed.records[1].text.as_str()),
        ("Big5", "菜名：清蒸鱸魚\n說明：新鮮鱸魚清蒸，不辣")
    );
}

#[test]
fn a_short_table_in_gbk_is_still_chinese() {
    let spec = BaseSpec::from_yaml(
        "knowledge: d\nfields:\n  name: { type: text, title: 菜名 }\n  price: { type: number, title: 价格 }\n",
    )
    .unwrap();
    let (bytes, _, _) = encoding_rs::GBK.encode("菜名,价格\n鱼,3\n");
    let parsed = parse(&bytes, "a.csv", &spec).unwrap();
    assert_eq!((parsed.encoding.as_str(), parsed.records[0].text.as_str()), ("GB18030", "菜名：鱼"));
}

#[test]
fn every_delimiter_is_found_by_the_header_it_gives() {
    for delimiter in [";", "\t", "|"] {
        let table = format!(
            "备注{delimiter}NAME{delimiter}Category {delimiter}price{delimiter}HOT{delimiter}since{delimiter}tags\n忽略, 的{delimiter}鱼{delimiter}川菜{delimiter}1{delimiter}否{delimiter}20261003{delimiter}a,b\n"
        );
        let spec =
            BaseSpec::from_yaml(&SPEC.replace("price: { type: number, title: 价格（元） }", "price: number")).unwrap();
        let parsed = parse(table.as_bytes(), "x.csv", &spec).unwrap();
        assert_eq!(parsed.records[0].fields["tags"], json!(["a", "b"]), "{delimiter:?}");
        assert!(parsed.warnings[0].message.contains("备注"), "{:?}", parsed.warnings);
    }
}

#[test]
fn missing_columns_are_named_with_what_was_found() {
    let error = parse("name,价格（元）,辣\n鱼,1,是\n".as_bytes(), "x.csv", &spec()).unwrap_err();
    let text = error.to_string();
    for expected in ["`category` (分类)", "`since`", "`tags`", "it has `name`, `价格（元）`, `辣`"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    assert_eq!(error.code(), "invalid_document");
    assert!(error.hint().is_some());
}

#[test]
fn all_bad_cells_are_collected_with_row_and_column() {
    let table =
        "name,category,price,hot,since,tags\n鱼,川菜,贵,也许,昨天,\n虾,粤菜,2,是,2026-02-30,\n\n,,3,,,\n少了,一格\n";
    let error = parse(table.as_bytes(), "x.csv", &spec()).unwrap_err();
    let problems: Vec<(Option<u32>, Option<String>)> =
        error.problems().into_iter().map(|it| (it.row, it.column)).collect();
    let column = |it: &str| Some(it.to_owned());
    assert_eq!(
        problems,
        [
            (Some(2), column("price")),
            (Some(2), column("hot")),
            (Some(2), column("since")),
            (Some(3), column("since")),
            (Some(4), None),
            (Some(5), None)
        ]
    );
    assert!(error.to_string().contains("6 problems"), "{error}");
}

#[test]
fn a_thousand_problems_are_counted_and_the_first_are_kept() {
    let mut table = "name,category,price,hot,since,tags\n".to_owned();
    table.push_str(&"鱼,川菜,贵,,,\n".repeat(1000));
    let error = parse(table.as_bytes(), "x.csv", &spec()).unwrap_err();
    assert!(matches!(error, KnowledgeError::InvalidDocument { count: 1000, .. }));
    assert_eq!(error.problems().len(), 200);
}

#[test]
fn json_and_json_lines_are_read_and_checked() {
    let object = json!({"name": "鱼", "category": "川菜", "price": "１２元", "hot": true, "since": "2026-10-03", "tags": ["a", 1], "x": 1});
    for (text, name) in [
        (json!([object]).to_string(), "x.json"),
        (json!({"total": 1, "items": [object]}).to_string(), "x.json"),
        (format!("{object}\n\n{object}\n"), "x.jsonl"),
        (json!([object]).to_string(), "upload"),
    ] {
        let parsed = read(text.as_bytes(), name);
        let fields = serde_json::Value::Object(parsed.records[0].fields.clone());
        assert_eq!(
            fields,
            json!({"name": "鱼", "category": "川菜", "price": 12, "hot": true, "since": "2026-10-03", "tags": ["a", "1"]})
        );
        assert!(parsed.warnings.iter().any(|it| it.message.contains("`x`")), "{:?}", parsed.warnings);
    }
    let bad = json!([object, 7, {"name": {"zh": "x"}, "category": "c", "hot": "maybe"}]).to_string();
    let error = parse(bad.as_bytes(), "x.json", &spec()).unwrap_err();
    let rows: Vec<Option<u32>> = error.problems().iter().map(|it| it.row).collect();
    assert_eq!(rows, [Some(2), Some(3), Some(3)], "{error}");
    let error = parse(b"[{\"name\": \"a\"}", "x.json", &spec()).unwrap_err();
    assert!(error.to_string().contains("not JSON") && error.to_string().contains("line 1"), "{error}");
    let error = parse(json!([{"name": "a"}]).to_string().as_bytes(), "x.json", &spec()).unwrap_err();
    assert!(error.to_string().contains("no record has `category`"), "{error}");
    let error = parse(b"{\"name\": 1}\n{oops\n", "x.jsonl", &spec()).unwrap_err();
    assert!(error.problems().iter().any(|it| it.row == Some(2)), "{error}");
}

#[test]
fn what_is_not_text_is_refused_with_advice() {
    for (bytes, words) in [
        (b"PK\x03\x04rest".to_vec(), "damaged archive"),
        (b"%PDF-1.7".to_vec(), "PDF is damaged"),
        (vec![0x89, b'P', 0, 1, 2, 3], "character set"),
        (b"name\xff\xff\xfe\x81\n".to_vec(), "character set"),
        (b"".to_vec(), "empty"),
        ("name,category,price,hot,since,tags\n".as_bytes().to_vec(), "no records"),
        (b"\"just a string\"".to_vec(), "wanted"),
    ] {
        let name = if bytes.starts_with(b"\"") { "x.json" } else { "x.csv" };
        let error = parse(&bytes, name, &spec()).unwrap_err();
        assert!(error.to_string().contains(words), "{words} is missing in {error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn too_much_is_refused_with_what_would_be_allowed() {
    let long = format!("name,category,price,hot,since,tags\n\"{}\",a,1,,,\n", "x".repeat(40_000));
    let error = parse(long.as_bytes(), "x.csv", &spec()).unwrap_err();
    assert!(error.to_string().contains("quote not closed"), "{error}");
    let endless = format!("name,category,price,hot,since,tags\n\"{}", "x,\n".repeat(6 << 20));
    let error = parse(endless.as_bytes(), "x.csv", &spec()).unwrap_err();
    assert!(error.to_string().contains("more than 16 MB; is a quote not closed"), "{error}");
    // A file that is all hole: its length is looked at before its bytes.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::File::create(&path).unwrap().set_len((2 << 30) + 1).unwrap();
    let error = knowledge::columns_of(&path, "x.csv", &spec()).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("2048 MB")), ("too_large", true));
}

#[test]
fn text_becomes_passages_under_their_headings() {
    let base = BaseSpec::from_yaml("knowledge: handbook\n").unwrap();
    let text = format!(
        "# 退货\n\n七天内可以退货。\n请保留小票。\n\n## 例外\n\n{}\n\n# 配送\n\n次日送达。\n",
        "生鲜食品不退。".repeat(120)
    );
    let parsed = parse(text.as_bytes(), "handbook.md", &base).unwrap();
    let texts: Vec<&str> = parsed.records.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(
        (texts[0], &parsed.records[0].position.headings[..]),
        ("七天内可以退货。\n请保留小票。", &["退货".to_owned()][..])
    );
    assert_eq!(parsed.records[1].position.headings, ["退货", "例外"]);
    assert!(texts[1].starts_with("生鲜食品不退。"));
    assert!(texts.iter().all(|it| it.chars().count() < 600), "no passage is longer than the model reads");
    assert_eq!(texts.last(), Some(&"次日送达。"));
    let fresh = |it: &knowledge::Record| it.text.chars().skip(it.position.overlap as usize).collect::<String>();
    let joined: usize = parsed.records.iter().map(|it| fresh(it).matches("生鲜").count()).sum();
    assert_eq!(joined, 120, "nothing is lost where a paragraph is cut");

    let with_field = BaseSpec::from_yaml("knowledge: d\nfields:\n  body: text\n").unwrap();
    let parsed = parse("一段话。".as_bytes(), "a.txt", &with_field).unwrap();
    assert_eq!(parsed.records[0].fields["body"], json!("一段话。"));
    let table_only = BaseSpec::from_yaml("knowledge: d\nfields:\n  k: keyword\n  n: number\n").unwrap();
    let error = parse("一段话。".as_bytes(), "a.txt", &table_only).unwrap_err();
    assert!(error.to_string().contains("takes tables"), "{error}");
}

#[test]
fn a_base_without_fields_takes_every_column_as_text() {
    let base = BaseSpec::from_yaml("knowledge: anything\n").unwrap();
    let parsed = parse("姓名,部门,\n王芳,财务,备用\n李雷\n".as_bytes(), "people.csv", &base).unwrap();
    assert_eq!(parsed.records[0].text, "姓名: 王芳\n部门: 财务\ncolumn_3: 备用");
    assert_eq!((parsed.records[1].text.as_str(), parsed.records[1].position.row), ("姓名: 李雷", Some(3)));
    assert!(parsed.warnings[0].message.contains("more or fewer cells"), "{:?}", parsed.warnings);
}

#[test]
fn questions_with_answers_keep_them_apart() {
    let base = BaseSpec::from_yaml("knowledge: faq\n").unwrap();
    for table in ["问题,答案,分类\n几点关门,晚上十点,门店\n", "Category,Question,Answer\n门店,几点关门,晚上十点\n"]
    {
        let parsed = parse(table.as_bytes(), "faq.csv", &base).unwrap();
        assert_eq!(parsed.records[0].answer.as_deref(), Some("晚上十点"));
        assert!(parsed.records[0].text.starts_with("几点关门\n"), "{}", parsed.records[0].text);
    }
    let parsed = parse("[{\"q\": \"几点关门\", \"a\": \"晚上十点\"}]".as_bytes(), "faq.json", &base).unwrap();
    assert_eq!((parsed.records[0].text.as_str(), parsed.records[0].answer.as_deref()), ("几点关门", Some("晚上十点")));
}

#[test]
fn a_template_makes_the_text() {
    let base = BaseSpec::from_yaml(
        "knowledge: d\nembed_template: '{name}（{price} 元）'\nfields:\n  name: keyword\n  price: number\n",
    )
    .unwrap();
    let parsed = parse("name,price\n鱼,28\n".as_bytes(), "a.csv", &base).unwrap();
    assert_eq!(parsed.records[0].text, "鱼（28 元）");
}

#[test]
fn the_shipped_projects_can_be_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../workflows");
    for (base, file, at_least) in
        [("restaurant/knowledge/menu", "menu.csv", 60), ("marketing/knowledge/ads", "ads.csv", 480)]
    {
        let folder = root.join(base);
        let spec = BaseSpec::from_yaml(&std::fs::read_to_string(folder.join("knowledge.yaml")).unwrap()).unwrap();
        let parsed = parse(&std::fs::read(folder.join(file)).unwrap(), file, &spec).unwrap();
        assert!(parsed.records.len() >= at_least, "{base} has {} records", parsed.records.len());
    }
}
