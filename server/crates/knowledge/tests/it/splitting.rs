//! Passages: nothing of a text is lost, none is too long or empty, and structure is kept where it can be.

use knowledge::{BaseSpec, EstimatedTokens, Record, TokenCounter as _, parse};

fn base(splitting: &str) -> BaseSpec {
    BaseSpec::from_yaml(&format!("knowledge: handbook\nsplitting: {{ {splitting} }}\n")).unwrap()
}

fn read(text: &str, name: &str, splitting: &str) -> Vec<Record> {
    let records = parse(text.as_bytes(), name, &base(splitting)).unwrap_or_else(|error| panic!("{error}")).records;
    let limit = base(splitting).splitting.tokens as usize;
    for (at, record) in records.iter().enumerate() {
        let count = EstimatedTokens.count(&record.searched_text());
        assert!(count <= limit, "record {at} has {count} tokens of {limit}: {}", record.text);
        assert!(!record.text.trim().is_empty(), "record {at} is empty");
        assert_eq!(record.ordinal as usize, at);
    }
    records
}

/// What the records say, without what they repeat.
fn joined(records: &[Record]) -> String {
    let mut all = String::new();
    for (at, record) in records.iter().enumerate() {
        let overlap = record.position.overlap as usize;
        let (repeated, rest): (String, String) =
            (record.text.chars().take(overlap).collect(), record.text.chars().skip(overlap).collect());
        if overlap > 0 {
            let before = bare(&records[at - 1].text);
            assert!(before.ends_with(&bare(&repeated)), "record {at} repeats what was not there: {repeated}");
        }
        all.push_str(&rest);
    }
    bare(&all)
}

fn bare(text: &str) -> String {
    text.chars().filter(|it| !it.is_whitespace()).collect()
}

/// The same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn text(&mut self, language: usize, words: usize) -> String {
        const CHINESE: [&str; 12] =
            ["退货", "政策", "七天", "的", "商品，", "。", "！”", "（见第3.1节）", "；", "……", "小票", "\n"];
        const ENGLISH: [&str; 12] = [
            "return", "the ", "policy, ", "e.g. ", "3.14 ", "days. ", "Goods ", "(all)! ", "why?\" ", "a", "\n\n",
            "No. 7 ",
        ];
        (0..words)
            .map(|_| {
                let table = match language {
                    0 => CHINESE,
                    1 => ENGLISH,
                    _ if self.below(2) == 0 => CHINESE,
                    _ => ENGLISH,
                };
                table[self.below(12)]
            })
            .collect()
    }
}

#[test]
fn nothing_is_lost_whatever_the_text() {
    let mut random = Random(7);
    for round in 0..150 {
        let language = round % 3;
        let words = 1 + random.below(1500);
        let text = random.text(language, words);
        let tokens = 50 + random.below(350);
        let overlap = ["0", "0.15", "0.5"][random.below(3)];
        let records = match bare(&text).is_empty() {
            true => continue,
            false => read(&text, "a.txt", &format!("tokens: {tokens}, overlap: {overlap}")),
        };
        assert_eq!(joined(&records), bare(&text), "round {round}");
        if overlap == "0" {
            assert!(records.iter().all(|it| it.position.overlap == 0));
        }
    }
}

#[test]
fn a_text_without_any_break_is_cut_by_size() {
    for text in ["长".repeat(5000), "x".repeat(9000), "12345".repeat(1000), "a\u{301}".repeat(4000), "👩‍🚀".repeat(900)]
    {
        let records = read(&text, "a.txt", "tokens: 100, overlap: 0.15");
        assert_eq!(joined(&records), text);
        assert!(records.iter().all(|it| !it.text.starts_with('\u{301}')), "a letter was parted from its accent");
    }
}

#[test]
fn sentences_are_whole_and_said_again_at_the_border() {
    let sentences: Vec<String> = (0..80).map(|it| format!("第{it}条规定如下，请仔细阅读并遵守。")).collect();
    let records = read(&sentences.concat(), "a.txt", "tokens: 100, overlap: 0.2");
    assert!(records.len() > 5);
    assert!(records.iter().all(|it| it.text.starts_with('第') && it.text.ends_with('。')), "cut within a sentence");
    assert!(records.iter().skip(1).all(|it| it.position.overlap > 0), "nothing is said again");
    assert_eq!(joined(&records), sentences.concat());
}

#[test]
fn headings_are_the_records_place_and_not_their_text() {
    let text = "# 退货\n\n七天内可以退货。\n\n## 例外\n\n生鲜不退。\n\n# 配送\n\n## 空的\n\n# 保修\n\n一年。\n";
    let records = read(text, "a.md", "tokens: 400");
    let seen: Vec<(&str, Vec<&str>)> = records
        .iter()
        .map(|it| (it.text.as_str(), it.position.headings.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        seen,
        [
            ("七天内可以退货。", vec!["退货"]),
            ("生鲜不退。", vec!["退货", "例外"]),
            ("空的", vec!["配送"]),
            ("一年。", vec!["保修"]),
        ]
    );
    assert_eq!(records[1].searched_text(), "退货 › 例外\n生鲜不退。");
}

#[test]
fn tables_keep_their_header_on_every_piece() {
    let mut text = "前言。\n\n| 型号 | 价格 |\n|---|---|\n".to_owned();
    (0..100).for_each(|it| text.push_str(&format!("| E{it:03} | {it} 元 |\n")));
    text.push_str("\n结语。\n");
    let records = read(&text, "a.md", "tokens: 120");
    let pieces: Vec<&Record> = records.iter().filter(|it| it.text.contains("| E")).collect();
    assert!(pieces.len() > 5);
    assert!(pieces.iter().all(|it| it.text.contains("| 型号 | 价格 |")), "a piece has no header");
    let rows: usize = records.iter().map(|it| it.text.matches("| E").count()).sum();
    assert_eq!(rows, 100);
    assert!(records[0].text.starts_with("前言。") && records.last().unwrap().text.ends_with("结语。"));
}

#[test]
fn a_row_that_is_too_long_is_read_cell_by_cell() {
    let long = "很长的说明文字。".repeat(60);
    let records =
        read(&format!("| 名 | 说明 |\n|---|---|\n| 甲 | {long} |\n| 乙 | 短 |\n"), "a.md", "tokens: 100, overlap: 0");
    assert!(records[0].text.starts_with("名: 甲"), "{}", records[0].text);
    assert_eq!(records.iter().map(|it| it.text.matches("很长的").count()).sum::<usize>(), 60);
    assert!(records.last().unwrap().text.ends_with("| 乙 | 短 |"));
}

#[test]
fn lists_and_code_stay_together_where_they_fit() {
    let filler = "填充文字用来占满前面的空间。".repeat(8);
    let list: String = (1..=6).map(|it| format!("{it}. 第{it}步操作\n")).collect();
    let records = read(&format!("{filler}\n\n{list}"), "a.md", "tokens: 120, overlap: 0");
    assert!(records.iter().any(|it| it.text.contains("1. 第1步") && it.text.contains("6. 第6步")), "{records:?}");
    let code = "let a = 1;\nlet b = 2;\n\nlet c = 3;";
    let records = read(&format!("{filler}\n\n```rust\n{code}\n```\n"), "a.md", "tokens: 120, overlap: 0");
    assert!(records.iter().any(|it| it.text.contains(code)), "{records:?}");
    let long: String = (0..200).map(|it| format!("    call_number_{it}();\n")).collect();
    let records = read(&format!("```\n{long}```\n"), "a.md", "tokens: 100");
    assert!(records.len() > 5 && records.iter().all(|it| it.text.ends_with(';')), "cut within a line");
    assert_eq!(joined(&records), bare(&long));
}

#[test]
fn a_parent_is_a_larger_passage_of_neighbours() {
    let text: String = (0..60).map(|it| format!("第{it}段说明了一件事情，需要大家注意。\n\n")).collect();
    let records = read(&text, "a.txt", "tokens: 60, overlap: 0.3, parent: 200");
    let parents: Vec<u32> = records.iter().map(|it| it.position.parent.unwrap()).collect();
    assert!(parents.is_sorted() && parents[0] == 0 && *parents.last().unwrap() > 3, "{parents:?}");
    assert!(records.iter().all(|it| it.position.overlap == 0));
    for parent in 0..=*parents.last().unwrap() {
        let own: Vec<&Record> = records.iter().filter(|it| it.position.parent == Some(parent)).collect();
        let tokens: usize = own.iter().map(|it| EstimatedTokens.count(&it.text)).sum();
        assert!(!own.is_empty() && tokens <= 220, "parent {parent} has {tokens} tokens");
    }
    assert_eq!(joined(&records), bare(&text));
}

#[test]
fn questions_keep_their_answers() {
    let text = "# 常见问题\n\n问：几点关门？\n答：晚上十点。\n节假日照常。\n\n问：可以退货吗？\n答：七天内可以。\n\n请保留小票。\n\n\
        Q1: Do you deliver?\nA1: Yes.\n\nAfter the questions.\n";
    let records = read(text, "a.md", "tokens: 400");
    let seen: Vec<(&str, Option<&str>)> = records.iter().map(|it| (it.text.as_str(), it.answer.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("几点关门？", Some("晚上十点。\n节假日照常。")),
            ("可以退货吗？", Some("七天内可以。\n\n请保留小票。")),
            ("Do you deliver?", Some("Yes.")),
            ("After the questions.", None),
        ]
    );
    assert_eq!(records[0].position.headings, ["常见问题"]);
    let table = "| 问题 | 答案 | 分类 |\n|--|--|--|\n| 能开发票吗 | 能 | 财务 |\n";
    let records = read(table, "a.md", "tokens: 400");
    assert_eq!((records[0].text.as_str(), records[0].answer.as_deref()), ("能开发票吗\n分类: 财务", Some("能")));
}

#[test]
fn a_plain_text_has_chapters_and_pages() {
    let records =
        read("第一章 总则\n\n本规定适用于全体员工。\n\u{c}第二章 考勤\n\n每天九点上班。", "a.txt", "tokens: 400");
    let seen: Vec<(Option<u32>, &str)> =
        records.iter().map(|it| (it.position.page, it.position.headings[0].as_str())).collect();
    assert_eq!(seen, [(Some(1), "第一章 总则"), (Some(2), "第二章 考勤")]);
}
