//! SQL over a knowledge base means what SQL means, or is an error that names what does not.

use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Value, json};

use super::{invalid, query, values};

fn host() -> FakeHost {
    FakeHost::new().knowledge_base(
        "广告数据",
        [
            json!({"渠道": "微信", "花费": 10, "点击": 4, "日期": "2026-10-01", "在投": true}),
            json!({"渠道": "搜索", "花费": 2.5, "点击": 0, "日期": "2026-10-01", "在投": false}),
            json!({"渠道": "搜索", "花费": null, "点击": 5, "日期": "2026-10-02", "在投": null}),
            json!({"渠道": "微信", "花费": 5, "点击": 1, "日期": "2026-10-03", "在投": true}),
            json!({"渠道": null, "花费": 1, "点击": 2, "日期": "2026-10-03", "在投": false}),
        ],
    )
}

fn asked(sql: &str) -> Value {
    query(&host(), json!({"sql": sql})).unwrap_or_else(|error| panic!("{sql} gives {error}"))
}

fn rows(sql: &str) -> Value {
    values(&asked(sql))
}

/// What passes a condition, by `点击`, which every record has and no two share.
fn passing(condition: &str) -> Vec<i64> {
    let answer = asked(&format!("SELECT 点击 FROM 广告数据 WHERE {condition}"));
    answer["rows"].as_array().unwrap().iter().map(|row| row["点击"].as_i64().unwrap()).collect()
}

#[test]
fn groups_have_their_figures_under_the_names_of_the_sql() {
    let answer = query(
        &host(),
        json!({
            "sql": "SELECT \"渠道\" AS channel, SUM(\"花费\") AS \"总花费\", COUNT(*), COUNT(花费), COUNT(DISTINCT 日期) AS days, \
                    AVG(花费), MIN(日期) AS first, MAX(花费) FROM \"广告数据\" WHERE \"日期\" >= :since AND 渠道 IN (:channels) \
                    GROUP BY channel ORDER BY \"总花费\" DESC",
            "parameters": {"since": "2026-10-01", "channels": ["微信", "搜索"]},
        }),
    )
    .unwrap();
    assert_eq!(
        answer["columns"],
        json!(["channel", "总花费", "COUNT(*)", "COUNT(花费)", "days", "AVG(花费)", "first", "MAX(花费)"])
    );
    assert_eq!(
        values(&answer),
        json!([["微信", 15, 2, 2, 2, 7.5, "2026-10-01", 10], ["搜索", 2.5, 2, 1, 2, 2.5, "2026-10-01", 2.5]])
    );
    assert_eq!((&answer["total"], &answer["truncated"]), (&json!(2), &json!(false)));
    let text = answer["text"].as_str().unwrap();
    assert!(text.starts_with("| channel | 总花费 |") && text.contains("\n| 微信 | 15 | 2 |"), "{text}");
}

#[test]
fn all_fields_and_parts_of_the_rows() {
    let answer = asked("SELECT * FROM 广告数据 ORDER BY 花费 DESC LIMIT 2 OFFSET 1");
    assert_eq!(answer["columns"], json!(["渠道", "花费", "点击", "日期", "在投"]));
    assert_eq!(values(&answer)[0], json!(["微信", 5, 1, "2026-10-03", true]));
    assert_eq!((&answer["total"], &answer["truncated"]), (&json!(5), &json!(false)), "LIMIT is the author's wish");
    assert_eq!(rows("SELECT t.花费 FROM 广告数据 AS t ORDER BY t.花费 LIMIT 1, 1"), json!([[2.5]]));
    let none = asked("SELECT * FROM 广告数据 WHERE 花费 > 100");
    assert_eq!((&none["columns"][0], &none["rows"]), (&json!("渠道"), &json!([])), "columns are known without rows");
    assert_eq!(rows("SELECT 花费 FROM 广告数据 LIMIT 0"), json!([]));
    let cut = query(&host(), json!({"sql": "SELECT 花费 FROM 广告数据 LIMIT 4", "limit": 3})).unwrap();
    assert_eq!((cut["rows"].as_array().unwrap().len(), &cut["truncated"]), (3, &json!(true)));
    let whole = query(&host(), json!({"sql": "SELECT 花费 FROM 广告数据 LIMIT 9 OFFSET 2", "limit": 3})).unwrap();
    assert_eq!((whole["rows"].as_array().unwrap().len(), &whole["truncated"]), (3, &json!(false)));
}

#[test]
fn conditions_are_true_false_or_neither() {
    for (condition, expected) in [
        ("花费 = 10", vec![4]),
        ("花费 <> 10", vec![0, 1, 2]),
        ("NOT 花费 = 10", vec![0, 1, 2]),
        ("NOT (花费 <> 10)", vec![4]),
        ("花费 > 2.5", vec![4, 1]),
        ("NOT 花费 > 2.5", vec![0, 2]),
        ("5 <= 花费", vec![4, 1]),
        ("花费 BETWEEN 2.5 AND 5", vec![0, 1]),
        ("花费 NOT BETWEEN 2.5 AND 5", vec![4, 2]),
        ("花费 IN (1, 5, NULL)", vec![1, 2]),
        ("花费 NOT IN (1, 5)", vec![4, 0]),
        ("花费 NOT IN (1, NULL)", vec![]),
        ("花费 = NULL", vec![]),
        ("NOT 花费 = NULL", vec![]),
        ("花费 IS NULL", vec![5]),
        ("NOT 花费 IS NULL", vec![4, 0, 1, 2]),
        ("花费 IS NOT NULL AND 渠道 IS NOT NULL", vec![4, 0, 1]),
        ("渠道 LIKE '%微%'", vec![4, 1]),
        ("渠道 NOT LIKE '%微%'", vec![0, 5]),
        ("NOT (渠道 LIKE '%微%')", vec![0, 5]),
        ("渠道 LIKE '微信'", vec![4, 1]),
        ("渠道 LIKE '%'", vec![4, 0, 5, 1]),
        ("渠道 = '微信' OR 花费 < 2", vec![4, 1, 2]),
        ("NOT (渠道 = '微信' OR 花费 < 2)", vec![0]),
        ("NOT (渠道 = '微信' AND 花费 > 5)", vec![0, 5, 1, 2]),
        ("在投", vec![4, 1]),
        ("NOT 在投", vec![0, 2]),
        ("在投 IS NOT TRUE", vec![0, 5, 2]),
        ("在投 IS FALSE", vec![0, 2]),
        ("在投 = TRUE AND 日期 > DATE '2026-10-01'", vec![1]),
        ("日期 = '2026-10-02'", vec![5]),
        ("1 = 1 AND 花费 = 1", vec![2]),
        ("1 = 2 OR FALSE", vec![]),
        ("花费 > -1 AND (点击 = 4 OR 点击 = 0 OR (点击 = 2 AND 花费 = 1))", vec![4, 0, 2]),
    ] {
        assert_eq!(passing(condition), expected, "{condition}");
    }
}

#[test]
fn not_divides_the_records_with_a_value() {
    // What a condition and its negation pass together are the records of which it is either.
    for (condition, neither) in [
        ("花费 >= 5", 1),
        ("花费 IN (1, 2.5)", 1),
        ("渠道 LIKE '%信%'", 1),
        ("渠道 <> '微信'", 1),
        ("在投", 1),
        ("花费 IS NULL", 0),
        ("渠道 = '微信' AND 花费 > 5", 0),
        ("渠道 = '微信' OR 花费 > 5", 2),
    ] {
        let together = passing(condition).len() + passing(&format!("NOT ({condition})")).len();
        assert_eq!(together, 5 - neither, "{condition}");
    }
}

#[test]
fn figures_are_computed_with() {
    let sql = "SELECT 渠道, ROUND(SUM(花费) / SUM(点击), 2) AS cpc, COUNT(*) * 10 + 1 AS n FROM 广告数据 GROUP BY 1 ORDER BY cpc DESC";
    assert_eq!(rows(sql), json!([["微信", 3, 21], ["搜索", 0.5, 21], [null, 0.5, 11]]));
    let sql = "SELECT 渠道, COUNT(*) AS n FROM 广告数据 GROUP BY 渠道 HAVING n > 1 AND NOT SUM(花费) > 10 ORDER BY 1";
    let answer = asked(sql);
    assert_eq!((values(&answer), &answer["total"]), (json!([["搜索", 2]]), &json!(1)));
    // What HAVING finds neither true nor false does not pass, and an order may be by what is not shown.
    assert_eq!(
        rows("SELECT 日期 FROM 广告数据 GROUP BY 日期 HAVING SUM(花费) <> 15"),
        json!([["2026-10-01"], ["2026-10-03"]])
    );
    assert_eq!(
        rows("SELECT 渠道 FROM 广告数据 WHERE 渠道 IS NOT NULL GROUP BY 渠道 ORDER BY SUM(花费)"),
        json!([["搜索"], ["微信"]])
    );
    let sql = "SELECT 花费 / NULLIF(点击, 0) AS cpc, COALESCE(花费, 0) AS spend FROM 广告数据 ORDER BY cpc DESC, spend LIMIT 4";
    assert_eq!(rows(sql), json!([[5, 5], [2.5, 10], [0.5, 1], [null, 0]]));
    let sql = "SELECT COUNT(1) AS n, SUM(花费) AS total, ABS(-SUM(点击)) FROM 广告数据 WHERE 渠道 = '无'";
    assert_eq!(rows(sql), json!([[0, null, null]]), "sums of nothing are one row");
    assert_eq!(rows("SELECT 点击 / 0 FROM 广告数据 LIMIT 1"), json!([[null]]));
    assert_eq!(
        rows("SELECT DISTINCT 日期 FROM 广告数据 ORDER BY 日期 DESC"),
        json!([["2026-10-03"], ["2026-10-02"], ["2026-10-01"]])
    );
}

#[test]
fn rows_that_are_ordered_here_all_come_over() {
    let many = |rows: i64| FakeHost::new().knowledge_base("t", (0..rows).map(|n| json!({"n": n, "one": 1})));
    let sql = json!({"sql": "SELECT n FROM t ORDER BY 0 - n LIMIT 2 OFFSET 1"});
    let answer = query(&many(2500), sql.clone()).unwrap();
    assert_eq!((values(&answer), &answer["total"]), (json!([[2498], [2497]]), &json!(2500)));
    let told = invalid(query(&many(10_001), sql));
    assert!(told.contains("10001 rows") && told.contains("narrow WHERE"), "{told}");
}

#[test]
fn columns_of_one_name_are_told_apart_and_cells_stay_in_their_place() {
    let host = FakeHost::new().knowledge_base("t", [json!({"a": "x | y\nz", "tags": ["p", "q"]})]);
    let answer = query(&host, json!({"sql": "SELECT a, a, tags AS a_2 FROM t"})).unwrap();
    assert_eq!(answer["columns"], json!(["a", "a_2", "a_2_2"]));
    assert_eq!(answer["text"], "| a | a_2 | a_2_2 |\n| --- | --- | --- |\n| x \\| y z | x \\| y z | p, q |");
}

#[test]
fn what_cannot_be_done_is_named_with_what_to_do() {
    for (sql, words) in [
        ("SELECT a.x FROM a JOIN b ON a.x = b.x", "a join"),
        ("SELECT x FROM a, b", "a join"),
        ("SELECT x FROM (SELECT x FROM a) t", "a subquery"),
        ("SELECT x FROM 广告数据 WHERE x IN (SELECT y FROM b)", "a subquery"),
        ("SELECT x FROM 广告数据 WHERE EXISTS (SELECT 1 FROM b)", "a subquery"),
        ("SELECT x FROM a UNION SELECT x FROM b", "UNION"),
        ("WITH t AS (SELECT 1) SELECT x FROM t", "WITH"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY 花费) FROM 广告数据", "the window function `ROW_NUMBER`"),
        ("SELECT CASE WHEN 花费 > 1 THEN 1 END FROM 广告数据", "`CASE"),
        ("SELECT CAST(花费 AS TEXT) FROM 广告数据", "CAST"),
        ("SELECT SUM(花费 * 点击) FROM 广告数据", "a sum is of one column"),
        ("SELECT SUM(DISTINCT 花费) FROM 广告数据", "DISTINCT goes with COUNT"),
        ("SELECT COUNT(*) FILTER (WHERE 花费 > 1) FROM 广告数据", "put the condition into WHERE"),
        ("SELECT median(花费) FROM 广告数据", "there are COUNT, SUM"),
        ("SELECT 渠道, 花费, COUNT(*) FROM 广告数据 GROUP BY 渠道", "`花费` is neither in GROUP BY"),
        ("SELECT * FROM 广告数据 GROUP BY 渠道", "`*` beside GROUP BY"),
        ("SELECT *, 渠道 FROM 广告数据", "write `*` alone"),
        ("SELECT 渠道 FROM 广告数据 HAVING 渠道 = 'x'", "write WHERE"),
        ("SELECT COUNT(*) FROM 广告数据 GROUP BY ROUND(花费)", "GROUP BY takes columns"),
        ("SELECT 渠道 FROM 广告数据 WHERE 渠道 = \"微信\"", "single quotes"),
        ("SELECT 渠道 FROM 广告数据 WHERE 花费 > 点击", "two columns"),
        ("SELECT 渠道 FROM 广告数据 WHERE 花费 * 2 > 4", "WHERE compares columns with values"),
        ("SELECT 渠道 FROM 广告数据 WHERE 渠道 LIKE '微%'", "LIKE '%part%'"),
        ("SELECT 渠道 FROM 广告数据 WHERE 渠道 GLOB '微*'", "GLOB"),
        ("SELECT 渠道 FROM 广告数据 ORDER BY 渠道 NULLS FIRST", "NULLS FIRST"),
        ("SELECT 渠道 FROM 广告数据 ORDER BY 3", "ORDER BY 3"),
        ("SELECT 渠道 FROM 广告数据 LIMIT 'x'", "LIMIT takes a whole number"),
        ("SELECT DISTINCT 渠道, COUNT(*) FROM 广告数据", "DISTINCT beside sums"),
        ("SELECT x.渠道 FROM 广告数据 t", "`x.渠道` is of no table here"),
        ("SELECT 渠道 FROM main.广告数据", "no knowledge base's name"),
        ("SELECT 1", "there is no FROM"),
        ("SELECT 钱 FROM 广告数据", "`钱`"),
    ] {
        let told = invalid(query(&host(), json!({"sql": sql})));
        assert!(told.contains(words), "{sql} gives {told}");
    }
    let list = json!({"sql": "SELECT 渠道 FROM 广告数据 WHERE 渠道 = :c", "parameters": {"c": ["微信"]}});
    let told = invalid(query(&host(), list));
    assert!(told.contains("IN (:c)"), "{told}");
}

#[test]
fn only_granted_bases_are_read() {
    let sql = json!({"sql": "SELECT 花费 FROM 广告数据"});
    assert!(matches!(query(&host().refuse("广告数据"), sql), Err(Error::Denied(_))));
    assert!(matches!(query(&host(), json!({"sql": "SELECT x FROM nothing"})), Err(Error::NotFound(_))));
}

#[test]
fn an_answer_that_does_not_fit_says_so() {
    let host = FakeHost::new().knowledge_base("t", (0..900).map(|_| json!({"long": "x".repeat(4000)})));
    let told = invalid(query(&host, json!({"sql": "SELECT long FROM t", "limit": 900})));
    assert!(told.contains("lower `limit`"), "{told}");
}
