//! What is not let through, and that what is let through goes on as it was checked.

use parlour_plugin_sdk::serde_json::Map;
use parlour_plugin_sdk::testing::{FakeHost, Reply};
use parlour_plugin_sdk::{Value, json};

use super::{invalid, query};
use crate::guard;
use crate::statement::{Dialect, Statement};

/// What a statement becomes after both checks: its text, or why not.
fn checked(dialect: Dialect, sql: &str) -> Result<String, String> {
    let statement = Statement::read(sql, dialect, &Map::new()).map_err(|error| error.to_string())?;
    guard::reads_only(&statement, dialect).map_err(|error| error.to_string())?;
    Ok(statement.tokens.iter().map(ToString::to_string).collect())
}

#[test]
fn nothing_but_one_select_is_read() {
    for dialect in [Dialect::Tables, Dialect::Sqlite, Dialect::Clickhouse] {
        for (sql, words) in [
            ("", "`sql` is empty"),
            (" -- nothing\n;", "`sql` is empty"),
            ("INSERT INTO t VALUES (1)", "begins with `INSERT`"),
            ("update t set a = 1", "begins with `update`"),
            ("DELETE FROM t", "begins with `DELETE`"),
            ("DROP TABLE t", "begins with `DROP`"),
            ("PRAGMA writable_schema = 1", "begins with `PRAGMA`"),
            ("ATTACH 'x' AS y", "begins with `ATTACH`"),
            ("EXPLAIN SELECT 1", "begins with `EXPLAIN`"),
            ("SELECT 1; DROP TABLE t", "a second statement"),
            ("SELECT 1; SELECT 2;", "a second statement"),
            ("SELECT a INTO b FROM t", "INTO"),
            ("SELECT a FROM t INTO OUTFILE 'x'", "INTO"),
            ("SELECT a FROM t WHERE x = ?", "write the value as `:name`"),
            ("SELECT a FROM t WHERE x = @x", "write the value as `:name`"),
            ("SELECT a FROM t WHERE x = : y", "not followed by a name"),
            ("SELECT a FROM t WHERE x = {y:String}", "`{`"),
            ("SELECT a FROM t WHERE x = 0x1f", "hexadecimal"),
            ("SELECT a FROM t WHERE x = 'open", "cannot be read"),
            ("SELECT FROM WHERE", "cannot be read"),
            ("SELECT a FROM t) x", "is not expected"),
        ] {
            let told = checked(dialect, sql).expect_err(sql);
            assert!(told.contains(words), "{dialect:?}: {sql} gives {told}");
        }
    }
}

#[test]
fn a_database_gets_nothing_that_does_more_than_read() {
    for (dialect, sql, words) in [
        (Dialect::Sqlite, "WITH x AS (SELECT 1) DELETE FROM t", "`DELETE` inside a query"),
        (Dialect::Sqlite, "WITH x AS (SELECT 1) UPDATE t SET a = 1", "`UPDATE` inside a query"),
        (Dialect::Sqlite, "SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
        (Dialect::Sqlite, "SELECT load_extension('x')", "`load_extension()`"),
        (Dialect::Sqlite, "SELECT a FROM t WHERE b = (SELECT READFILE ('x'))", "`READFILE()`"),
        (Dialect::Sqlite, "SELECT a FROM fsdir('/')", "`fsdir()`"),
        (Dialect::Sqlite, "SELECT [a] FROM t", "double quotes"),
        (Dialect::Clickhouse, "SELECT * FROM url('http://x', CSV, 'a String')", "`url()`"),
        (Dialect::Clickhouse, "SELECT * FROM URL /* x */ ('http://x')", "`URL()`"),
        (Dialect::Clickhouse, "SELECT * FROM `s3Cluster`('c', 'http://x')", "`s3Cluster()`"),
        (Dialect::Clickhouse, "SELECT * FROM t WHERE a IN (SELECT b FROM remote('h', d.t))", "`remote()`"),
        (Dialect::Clickhouse, "WITH x AS (SELECT * FROM file('a.csv')) SELECT * FROM x", "`file()`"),
        (Dialect::Clickhouse, "SELECT file('a.csv')", "`file()`"),
        (Dialect::Clickhouse, "SELECT * FROM executable('a.sh', CSV, 'a String')", "`executable()`"),
        (
            Dialect::Clickhouse,
            "SELECT * FROM tomorrowsFunction('http://x')",
            "the table function `tomorrowsFunction()`",
        ),
        (Dialect::Clickhouse, "SELECT 1 IN tomorrowsFunction('http://x')", "`IN tomorrowsFunction"),
        (Dialect::Clickhouse, "SELECT 1 IN (tomorrowsFunction('http://x'))", "`IN tomorrowsFunction"),
        (Dialect::Clickhouse, "SELECT notIn(1, tomorrowsFunction('http://x'))", "`notIn()`"),
        (Dialect::Clickhouse, "SELECT a FROM t UNION ALL SELECT a FROM mysql('h', 'd', 't', 'u', 'p')", "`mysql()`"),
        (Dialect::Clickhouse, "SELECT a FROM t FORMAT CSV", "FORMAT"),
        (Dialect::Clickhouse, "SELECT a FROM t SETTINGS readonly = 0", "SETTINGS"),
        (Dialect::Clickhouse, "SELECT sleep(3)", "`sleep()`"),
        // ClickHouse would read `\"` as part of the name, and what follows as SQL.
        (Dialect::Clickhouse, "SELECT \"a\\\", \"FROM url('x')--\" FROM t", "`\\`"),
        (Dialect::Clickhouse, "SELECT $a$text$a$", "single quotes"),
        (Dialect::Clickhouse, "INSERT INTO FUNCTION file('x') SELECT 1", "begins with `INSERT`"),
    ] {
        let told = checked(dialect, sql).expect_err(sql);
        assert!(told.contains(words), "{sql} gives {told}");
    }
}

#[test]
fn what_reads_goes_on_without_its_comments() {
    for (dialect, sql, sent) in [
        (Dialect::Sqlite, "SELECT a /* b */ FROM t -- end\n;", "SELECT a FROM t"),
        (Dialect::Sqlite, "SELECT 'it''s; -- no' AS \"a\"\"b\"", "SELECT 'it''s; -- no' AS \"a\"\"b\""),
        (Dialect::Sqlite, "WITH x AS (SELECT 1 AS a) SELECT a FROM x", "WITH x AS (SELECT 1 AS a) SELECT a FROM x"),
        (Dialect::Sqlite, "SELECT value FROM json_each('[1]')", "SELECT value FROM json_each('[1]')"),
        (
            Dialect::Clickhouse,
            "SELECT 'a\\'b', sum(x) FROM d.t PREWHERE y = 1 LIMIT 1 BY z",
            "SELECT 'a\\'b', sum(x) FROM d.t PREWHERE y = 1 LIMIT 1 BY z",
        ),
        (
            Dialect::Clickhouse,
            "SELECT number FROM numbers(3) WHERE number IN (1, 2)",
            "SELECT number FROM numbers(3) WHERE number IN (1, 2)",
        ),
        (
            Dialect::Clickhouse,
            "SELECT countIf(a > 1), quantile(0.5)(b), arrayMap(x -> x + 1, c) FROM t",
            "SELECT countIf(a > 1), quantile(0.5)(b), arrayMap(x -> x + 1, c) FROM t",
        ),
        (Dialect::Clickhouse, "SELECT urlHash FROM t", "SELECT urlHash FROM t"),
    ] {
        assert_eq!(checked(dialect, sql).as_deref(), Ok(sent), "{sql}");
    }
}

#[test]
fn parameters_and_placeholders_belong_together() {
    let told =
        |sql: &str, parameters: Value| invalid(query(&FakeHost::new(), json!({"sql": sql, "parameters": parameters})));
    let both = told("SELECT a FROM t WHERE a = :one AND b = :two", json!({"two": 2, "three": 3, "four": 4}));
    assert!(both.contains("`:one` has no value") && !both.contains("`:two`"), "{both}");
    assert!(
        both.contains("`three` is not used") && both.contains("`four` is not used"),
        "every problem at once: {both}"
    );
    let quoted = told("SELECT a FROM t WHERE a = ':one'", json!({"one": 1}));
    assert!(quoted.contains("`one` is not used"), "a text is no placeholder: {quoted}");
    let object = told("SELECT a FROM t WHERE a = :one", json!({"one": {"x": 1}}));
    assert!(object.contains("`one` is an object"), "{object}");
    let nested = told("SELECT a FROM t WHERE a IN (:one)", json!({"one": [[1]]}));
    assert!(nested.contains("`one` is a list with lists"), "{nested}");
}

#[test]
fn statements_without_end_are_refused_before_they_are_walked() {
    let chain = format!("SELECT a FROM t WHERE {}", vec!["a = 1"; 260].join(" OR "));
    let deep = format!("SELECT a FROM t WHERE a = {}1{}", "(".repeat(400), ")".repeat(400));
    let long = format!("SELECT a FROM t WHERE a = '{}'", "x".repeat(40_000));
    for (sql, words) in [(chain, "operators and keywords"), (deep, "cannot be read"), (long, "bytes")] {
        for dialect in [Dialect::Tables, Dialect::Sqlite, Dialect::Clickhouse] {
            let told = checked(dialect, &sql).expect_err("it is refused");
            assert!(told.contains(words), "{told}");
        }
    }
}

#[test]
fn a_refused_statement_is_not_sent() {
    let host = FakeHost::new().config("provider", "rqlite").config("base_url", "http://db.inside:4001").http(
        "POST",
        "http://db.inside:4001/",
        Reply::json(json!({"results": [{}]})),
    );
    let told = invalid(query(&host, json!({"sql": "WITH x AS (SELECT 1) DELETE FROM t", "source": "service"})));
    assert!(told.contains("DELETE") && host.requests().is_empty(), "{told}");
}
