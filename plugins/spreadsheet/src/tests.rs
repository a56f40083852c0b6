//! Files as other programs make them, and what is written read again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Result, Value, json};

use crate::sheets::Plugin;
use crate::xlsx::packed;

fn call(tool: &str, input: Value) -> Result<Value> {
    FakeHost::new().call::<Plugin>(tool, input)
}

fn refusal(tool: &str, input: Value) -> String {
    match call(tool, input) {
        Err(Error::InvalidInput(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A workbook as Excel writes it: shared texts, styles, places, a phonetic reading, a formula, a merged cell.
fn workbook(properties: &str) -> Vec<u8> {
    let relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let parts = [
        ("_rels/.rels", format!(r#"<Relationships><Relationship Id="r1" Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#)),
        (
            "xl/workbook.xml",
            format!(
                r#"<?xml version="1.0"?><x:workbook xmlns:x="m" xmlns:r="{relation}">{properties}<x:sheets><x:sheet name="菜单 &amp; 酒" sheetId="1" r:id="rId7"/><x:sheet name="Empty" sheetId="2" r:id="rId8"/></x:sheets></x:workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships><Relationship Id="rId7" Type="{relation}/worksheet" Target="worksheets/first.xml"/><Relationship Id="rId8" Type="{relation}/worksheet" Target="/xl/worksheets/second.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/sharedStrings.xml",
            "<sst><si><t>菜名</t></si><si><r><t xml:space=\"preserve\">水煮</t></r><r><t>鱼</t></r><rPh sb=\"0\" eb=\"1\"><t>reading</t></rPh></si><si><t>日期</t></si><si><t/></si><si><t>A &lt; B &#x4f60;</t></si></sst>"
                .to_owned(),
        ),
        (
            "xl/styles.xml",
            r#"<styleSheet><numFmts><numFmt numFmtId="170" formatCode="yyyy&quot;年&quot;m&quot;月&quot;"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/><xf numFmtId="4"/></cellXfs></styleSheet>"#
                .to_owned(),
        ),
        (
            "xl/worksheets/first.xml",
            r#"<worksheet><dimension ref="A1:E9"/><sheetData>
              <row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>价格</t></is></c><c r="C1" t="s"><v>2</v></c><c r="E1" t="str"><f>"a"&amp;"b"</f><v>ok</v></c></row>
              <row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2" s="3"><v>68.5</v></c><c r="C2" s="1"><v>46353</v></c><c r="E2" t="b"><v>1</v></c></row>
              <row r="3"><c r="A3" t="s"><v>3</v></c></row>
              <row r="9"><c r="A9" t="s"><v>4</v></c><c r="B9"><f>1/0</f><v>12</v></c><c r="C9" s="2"><v>46353.75</v></c><c r="D9"/><c r="E9" t="e"><v>#DIV/0!</v></c></row>
            </sheetData><mergeCells/></worksheet>"#
                .to_owned(),
        ),
        ("xl/worksheets/second.xml", "<worksheet><sheetData/></worksheet>".to_owned()),
    ];
    packed(&parts.map(|(name, text)| (name.to_owned(), text)))
}

#[test]
fn the_examples_are_true() {
    FakeHost::new().check_examples::<Plugin>();
}

#[test]
fn a_workbook_is_read_with_its_types() {
    let answer = call("read", json!({"base64": base64(workbook(""))})).unwrap();
    assert_eq!(
        answer,
        json!({
            "format": "xlsx", "sheets": ["菜单 & 酒", "Empty"], "sheet": "菜单 & 酒",
            "columns": [
                {"name": "菜名", "kind": "text"}, {"name": "价格", "kind": "number"}, {"name": "日期", "kind": "date"},
                {"name": "column_4", "kind": "empty"}, {"name": "ok", "kind": "mixed"}
            ],
            "rows": [
                {"菜名": "水煮鱼", "价格": 68.5, "日期": "2026-11-27", "column_4": null, "ok": true},
                {"菜名": "A < B 你", "价格": 12, "日期": "2026-11-27T18:00:00", "column_4": null, "ok": "#DIV/0!"}
            ],
            "total_rows": 2, "truncated": false
        })
    );
    let lists =
        call("read", json!({"base64": base64(workbook("")), "header": false, "skip_rows": 1, "max_rows": 1})).unwrap();
    assert_eq!(
        (&lists["rows"], &lists["total_rows"]),
        (&json!([["水煮鱼", 68.5, "2026-11-27", null, true]]), &json!(2))
    );
    assert_eq!(lists["truncated"], true);
    let empty = call("read", json!({"base64": base64(workbook("")), "sheet": "empty"})).unwrap();
    assert_eq!((&empty["rows"], &empty["columns"], &empty["sheet"]), (&json!([]), &json!([]), &json!("Empty")));
    let old = call("read", json!({"base64": base64(workbook("<workbookPr date1904=\"1\"/>"))})).unwrap();
    assert_eq!(old["rows"][0]["日期"], "2030-11-28");
    assert!(
        refusal("read", json!({"base64": base64(workbook("")), "sheet": "Other"}))
            .contains("the sheets are 菜单 & 酒, Empty")
    );
}

#[test]
fn files_of_csv_are_read() {
    let (gbk, _, _) = encoding_rs::GB18030.encode("日期;编号;数量\r\n2026-11-27;007;3\r\n;008;\r\n");
    let answer = call("read", json!({"base64": format!("data:text/csv;base64,{}", base64(gbk))})).unwrap();
    assert_eq!(
        answer["rows"],
        json!([{"日期": "2026-11-27", "编号": "007", "数量": 3}, {"日期": null, "编号": "008", "数量": null}])
    );
    let untyped = call("read", json!({"text": "a b\n1 2\n", "separator": " ", "typed": false})).unwrap();
    assert_eq!(untyped["rows"], json!([{"a": "1", "b": "2"}]));
    let long: String = (0..3_000).map(|n| format!("{n},x\n")).collect();
    let answer = call("read", json!({"text": long, "header": false})).unwrap();
    assert_eq!(
        (answer["rows"].as_array().unwrap().len(), &answer["total_rows"], &answer["truncated"]),
        (1_000, &json!(3_000), &json!(true))
    );
    let wide = call("read", json!({"text": format!("{}\n", "x,".repeat(600))})).unwrap();
    assert_eq!((wide["columns"].as_array().unwrap().len(), &wide["truncated"]), (500, &json!(true)));
}

#[test]
fn what_is_written_is_read_again() {
    let rows = json!([
        {"名称": "水煮鱼 <辣> & \"香\"", "价格": 68.5, "上架": "2026-11-27", "时间": "2026-11-27 18:30", "证件": 110_101_199_003_078_888_u64, "有": true},
        {"名称": " two\nlines ", "价格": -3, "编号": "007", "备注": {"a": [1]}, "有": null}
    ]);
    let file = call(
        "write_xlsx",
        json!({"sheets": [{"name": "菜单", "rows": rows}, {"name": "Lists", "rows": [[1, "=1+1"], []]}]}),
    )
    .unwrap();
    assert_eq!(file["bytes"], STANDARD.decode(file["base64"].as_str().unwrap()).unwrap().len());
    let read = call("read", json!({"base64": file["base64"]})).unwrap();
    assert_eq!(
        read["rows"],
        json!([
            {"名称": "水煮鱼 <辣> & \"香\"", "价格": 68.5, "上架": "2026-11-27", "时间": "2026-11-27T18:30:00", "证件": "110101199003078888", "有": true, "编号": null, "备注": null},
            {"名称": " two\nlines ", "价格": -3, "上架": null, "时间": null, "证件": null, "有": null, "编号": "007", "备注": "{\"a\":[1]}"}
        ])
    );
    let lists = call("read", json!({"base64": file["base64"], "sheet": "Lists", "header": false})).unwrap();
    assert_eq!((&lists["rows"], &lists["sheets"]), (&json!([[1, "=1+1"]]), &json!(["菜单", "Lists"])));
    let again = call(
        "write_xlsx",
        json!({"sheets": [{"name": "菜单", "rows": rows}, {"name": "Lists", "rows": [[1, "=1+1"], []]}]}),
    )
    .unwrap();
    assert_eq!(file, again, "the same rows give the same file");
    let texts =
        call("write_xlsx", json!({"sheets": [{"name": "x", "rows": [{"d": "2026-11-27"}]}], "dates": false})).unwrap();
    assert_eq!(
        call("read", json!({"base64": texts["base64"]})).unwrap()["columns"],
        json!([{"name": "d", "kind": "text"}])
    );
}

#[test]
fn csv_is_written_for_spreadsheets() {
    let input = json!({"rows": [{"b": 1, "a": "x"}, ["y", 2]], "columns": ["a", "b"], "separator": ";"});
    let file = call("write_csv", input).unwrap();
    assert_eq!((&file["text"], &file["rows"]), (&json!("a;b\nx;1\ny;2\n"), &json!(2)));
    assert!(STANDARD.decode(file["base64"].as_str().unwrap()).unwrap().starts_with(b"\xef\xbb\xbfa;b"));
    let open = call("write_csv", json!({"rows": [["=A1"]], "safe": false})).unwrap();
    assert_eq!(open["text"], "=A1\n");
}

#[test]
fn wrong_input_is_told() {
    for (input, words) in [
        (json!({}), "either `text` or `base64`"),
        (json!({"text": "a", "base64": "YQ=="}), "either `text` or `base64`"),
        (json!({"text": "a", "max_rows": 0}), "`max_rows` is 0"),
        (json!({"text": "a", "separator": "，"}), "one ASCII character"),
        (json!({"base64": "*"}), "`base64` cannot be read"),
        (json!({"base64": ""}), "`base64` is empty"),
        (json!({"base64": base64(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")}), "old .xls"),
        (json!({"base64": base64(b"\x89PNG\x00\x00")}), "neither an XLSX file nor a text"),
        (json!({"base64": base64(b"PK\x03\x04")}), "its directory is missing"),
        (json!({"base64": base64(packed(&[("content.xml".to_owned(), String::new())]))}), "OpenDocument"),
        (json!({"base64": base64(packed(&[("a.txt".to_owned(), String::new())]))}), "another kind of archive"),
        (
            json!({"base64": base64(packed(&[("xl/workbook.xml".to_owned(), "<a><b></a>".to_owned())]))}),
            "the file is damaged",
        ),
    ] {
        let message = refusal("read", input.clone());
        assert!(message.contains(words), "{input}: {message}");
    }
    let sheets = json!({"sheets": [
        {"name": "a/b", "rows": []}, {"name": "x", "rows": [1]}, {"name": "X", "rows": [["long".repeat(9_000)]]}
    ]});
    let message = refusal("write_xlsx", sheets);
    for part in
        ["`a/b` is no sheet's name", "sheet `x`, row 1 is neither", "sheet `X`, row 1 has a text of 36000 characters"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(
        refusal("write_xlsx", json!({"sheets": [{"name": "a", "rows": []}, {"name": "A", "rows": []}]}))
            .contains("two sheets `A`")
    );
    assert!(refusal("write_xlsx", json!({"sheets": []})).contains("0 sheets"));
    let wide: Vec<i32> = (0..501).collect();
    assert!(refusal("write_csv", json!({"rows": [wide]})).contains("501 columns"));
    let keys: Vec<Value> = (0..501).map(|n| json!({format!("k{n}"): n})).collect();
    assert!(refusal("write_csv", json!({"rows": keys})).contains("more than 500 different keys"));
}
