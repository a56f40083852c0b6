//! Each database is asked, and answers, as its public documentation says.

use parlour_plugin_sdk::testing::{FakeHost, Reply, Sent};
use parlour_plugin_sdk::{Error, Result, Value, json};

use super::{invalid, query, values};

const PASSWORD: &str = "p4ss-s3cret";

fn ask(host: &FakeHost, sql: &str, parameters: Value) -> Result<Value> {
    query(host, json!({"sql": sql, "parameters": parameters, "source": "service", "limit": 2}))
}

fn sent(host: &FakeHost) -> Sent {
    host.requests().remove(0)
}

fn clickhouse(reply: Reply) -> FakeHost {
    FakeHost::new()
        .config("provider", "clickhouse")
        .config("base_url", "https://ch.example.com:8443/")
        .config("database", "shop")
        .config("user", "reader")
        .secret("password", PASSWORD)
        .http("POST", "https://ch.example.com:8443/?", reply)
}

fn rqlite(reply: Reply) -> FakeHost {
    FakeHost::new()
        .config("provider", "rqlite")
        .config("base_url", "http://db.inside:4001")
        .secret("token", "dXNlcjpwNHNz")
        .http("POST", "http://db.inside:4001/db/query?level=weak", reply)
}

fn libsql(reply: Reply) -> FakeHost {
    FakeHost::new()
        .config("provider", "libsql")
        .config("base_url", "https://shop-me.turso.io")
        .secret("token", PASSWORD)
        .http("POST", "https://shop-me.turso.io/v2/pipeline", reply)
}

fn d1(reply: Reply) -> FakeHost {
    FakeHost::new()
        .config("provider", "d1")
        .config("account", "0a1b2c")
        .config("database", "3f-4d")
        .secret("token", PASSWORD)
        .http("POST", "https://api.cloudflare.com/client/v4/accounts/0a1b2c/d1/database/3f-4d/raw", reply)
}

#[test]
fn clickhouse_is_asked_with_typed_parameters() {
    let host = clickhouse(Reply::json(json!({
        "meta": [
            {"name": "city", "type": "String"}, {"name": "count()", "type": "UInt64"}, {"name": "x", "type": "Nullable(Int64)"},
            {"name": "id", "type": "String"}
        ],
        "data": [["上海", "18446744073709551615", "-5", "7"], ["北京", 2, null, "8"], ["广州", 1, null, "9"]],
        "rows": 3, "statistics": {"elapsed": 0.001, "rows_read": 3, "bytes_read": 30}
    })));
    let sql = "SELECT city, count(), x, id FROM orders -- all\n WHERE city IN (:cities) AND paid = :paid AND total > :least AND \
               amount < :most AND note <> :note AND nothing = :nothing AND city <> :note";
    let parameters = json!({
        "cities": ["上海", "北京"], "paid": true, "least": -5, "most": 2.5, "note": "a\tb\\c'd\n", "nothing": null
    });
    let answer = ask(&host, sql, parameters).unwrap();
    assert_eq!(values(&answer), json!([["上海", 18_446_744_073_709_551_615_u64, -5, "7"], ["北京", 2, null, "8"]]));
    assert_eq!((&answer["truncated"], answer.get("total")), (&json!(true), None));
    let sent = sent(&host);
    assert_eq!(
        sent.text(),
        "SELECT city, count(), x, id FROM orders WHERE city IN ({cities_1:String}, {cities_2:String}) AND paid = {paid:Bool} AND \
         total > {least:Int64} AND amount < {most:Float64} AND note <> {note:String} AND nothing = NULL AND city <> {note:String} \
         LIMIT 3"
    );
    let query = |name: &str| sent.query(name).unwrap_or_default();
    assert_eq!(
        (query("readonly"), query("default_format"), query("database")),
        ("1".into(), "JSONCompact".into(), "shop".into())
    );
    assert_eq!((query("param_cities_1"), query("param_cities_2")), ("上海".into(), "北京".into()));
    assert_eq!(
        (query("param_paid"), query("param_least"), query("param_most")),
        ("true".into(), "-5".into(), "2.5".into())
    );
    assert_eq!(query("param_note"), "a\\tb\\\\c'd\\n", "as in TabSeparated");
    assert_eq!(sent.query("param_nothing"), None);
    assert_eq!((sent.header("X-ClickHouse-User"), sent.header("X-ClickHouse-Key")), (Some("reader"), Some(PASSWORD)));
}

#[test]
fn a_statement_keeps_its_own_limit() {
    let none = || Reply::json(json!({"meta": [], "data": []}));
    for (sql, text) in [
        ("SELECT a FROM t LIMIT 9", "SELECT a FROM t LIMIT 9"),
        ("SELECT a FROM t LIMIT 1 BY b", "SELECT a FROM t LIMIT 1 BY b LIMIT 3"),
        (
            "SELECT a FROM t UNION ALL SELECT a FROM u",
            "SELECT * FROM (SELECT a FROM t UNION ALL SELECT a FROM u) LIMIT 3",
        ),
        ("SELECT a FROM (SELECT a FROM t LIMIT 9)", "SELECT a FROM (SELECT a FROM t LIMIT 9) LIMIT 3"),
    ] {
        let host = clickhouse(none());
        ask(&host, sql, json!({})).unwrap();
        assert_eq!(sent(&host).text(), text);
    }
    let host = rqlite(Reply::json(json!({"results": [{"columns": ["a"]}]})));
    ask(&host, "SELECT a FROM t UNION SELECT a FROM u ORDER BY a", json!({})).unwrap();
    assert_eq!(sent(&host).json(), json!([["SELECT a FROM t UNION SELECT a FROM u ORDER BY a LIMIT 3"]]));
}

#[test]
fn clickhouse_says_by_its_code_what_is_wrong() {
    let error = |status: u16, code: &str, text: &str| {
        let reply = Reply::text(text).with_status(status).header("X-ClickHouse-Exception-Code", code);
        ask(&clickhouse(reply), "SELECT a FROM t", json!({})).unwrap_err()
    };
    let unknown = error(404, "60", "Code: 60. DB::Exception: Table shop.t does not exist. (UNKNOWN_TABLE)");
    assert!(
        matches!(&unknown, Error::InvalidInput(text) if text.contains("Table shop.t does not exist")),
        "{unknown:?}"
    );
    let syntax = error(500, "47", "Code: 47. DB::Exception: Unknown expression identifier `a`. (UNKNOWN_IDENTIFIER)");
    assert!(matches!(&syntax, Error::InvalidInput(text) if text.contains("identifier `a`")), "{syntax:?}");
    let password =
        error(403, "516", "Code: 516. DB::Exception: reader: Authentication failed. (AUTHENTICATION_FAILED)");
    assert!(matches!(&password, Error::Denied(text) if text.contains("`user` and `password`")), "{password:?}");
    let readonly =
        error(500, "164", "Code: 164. DB::Exception: Cannot modify 'readonly' setting in readonly mode. (READONLY)");
    assert!(matches!(&readonly, Error::Denied(text) if text.contains("`readonly = 2`")), "{readonly:?}");
    let slow = error(408, "159", "Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)");
    assert!(matches!(&slow, Error::Unavailable(text) if text.contains("Timeout exceeded")), "{slow:?}");
    // Without the header, as older servers answer; and a proxy before it that is down.
    let old = Reply::text("Code: 62. DB::Exception: Syntax error: failed at position 8").with_status(400);
    assert!(invalid(ask(&clickhouse(old), "SELECT a FROM t", json!({}))).contains("Syntax error"));
    let down = ask(&clickhouse(Reply::status(502)), "SELECT a FROM t", json!({})).unwrap_err();
    assert!(matches!(down, Error::Unavailable(_)), "{down:?}");
    // After the first rows: in the JSON, or breaking it.
    let late = json!({"meta": [], "data": [], "exception": "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero"});
    assert!(invalid(ask(&clickhouse(Reply::json(late)), "SELECT a FROM t", json!({}))).contains("throwIf"));
    let broken = Reply::text("{\"meta\": [], \"data\": [[1],Code: 241. DB::Exception: Memory limit exceeded");
    let broken = ask(&clickhouse(broken), "SELECT a FROM t", json!({})).unwrap_err();
    assert!(matches!(&broken, Error::Unavailable(text) if text.contains("Memory limit")), "{broken:?}");
    let empty = invalid(ask(&clickhouse(Reply::status(200)), "SELECT a FROM t WHERE a IN (:x)", json!({"x": []})));
    assert!(empty.contains("`:x` is an empty list"), "{empty}");
}

#[test]
fn rqlite_is_asked_with_named_parameters() {
    let host = rqlite(Reply::json(json!({
        "results": [{"columns": ["id", "名称"], "types": ["integer", "text"], "values": [[1, "fiona"], [2, null]]}], "time": 0.01
    })));
    let sql = "SELECT id, \"名称\" FROM foo WHERE name = :name AND ok = :ok AND id IN (:ids, 7)";
    let answer = ask(&host, sql, json!({"name": "fi'ona", "ok": true, "ids": [1, 2]})).unwrap();
    assert_eq!((&answer["columns"], values(&answer)), (&json!(["id", "名称"]), json!([[1, "fiona"], [2, null]])));
    assert_eq!(answer["truncated"], json!(false));
    let sent = sent(&host);
    assert_eq!(
        sent.json(),
        json!([[
            "SELECT id, \"名称\" FROM foo WHERE name = :name AND ok = :ok AND id IN (:ids_1, :ids_2, 7) LIMIT 3",
            {"name": "fi'ona", "ok": 1, "ids_1": 1, "ids_2": 2}
        ]])
    );
    assert_eq!(sent.header("Authorization"), Some("Basic dXNlcjpwNHNz"));
    let error = |reply: Reply| ask(&rqlite(reply), "SELECT a FROM t", json!({})).unwrap_err();
    let wrong = error(Reply::json(json!({"results": [{"error": "no such table: t"}], "time": 0.01})));
    assert!(matches!(&wrong, Error::InvalidInput(text) if text.contains("no such table: t")), "{wrong:?}");
    let denied = error(Reply::text("Unauthorized").with_status(401));
    assert!(matches!(&denied, Error::Denied(text) if text.contains("Base64 of `user:password`")), "{denied:?}");
    let alone = error(Reply::text("leader not found").with_status(503));
    assert!(matches!(&alone, Error::Unavailable(text) if text.contains("leader not found")), "{alone:?}");
    let empty = rqlite(Reply::json(json!({"results": [{"columns": ["id"], "types": ["integer"]}]})));
    assert_eq!(ask(&empty, "SELECT id FROM foo WHERE id IN (:x)", json!({"x": []})).unwrap()["rows"], json!([]));
}

#[test]
fn libsql_is_asked_by_a_pipeline() {
    let host = libsql(Reply::json(json!({"baton": null, "base_url": null, "results": [
        {"type": "ok", "response": {"type": "execute", "result": {
            "cols": [{"name": "id", "decltype": "INTEGER"}, {"name": "price", "decltype": "REAL"}, {"name": "note", "decltype": null}],
            "rows": [[{"type": "integer", "value": "9007199254740993"}, {"type": "float", "value": 2.5}, {"type": "null"}],
                     [{"type": "integer", "value": "2"}, {"type": "text", "value": "x"}, {"type": "blob", "base64": "AAE="}]],
            "affected_row_count": 0, "last_insert_rowid": null, "replication_index": null
        }}},
        {"type": "ok", "response": {"type": "close"}}
    ]})));
    let sql = "SELECT id, price, note FROM t WHERE a = :a AND b = :b AND c = :c AND d = :d AND e = :e";
    let answer = ask(&host, sql, json!({"a": "x", "b": 5, "c": 0.5, "d": null, "e": false})).unwrap();
    assert_eq!(values(&answer), json!([[9_007_199_254_740_993_i64, 2.5, null], [2, "x", "AAE="]]));
    let sent = sent(&host);
    let execute = json!({"type": "execute", "stmt": {"sql": format!("{sql} LIMIT 3"), "want_rows": true, "named_args": [
        {"name": "a", "value": {"type": "text", "value": "x"}}, {"name": "b", "value": {"type": "integer", "value": "5"}},
        {"name": "c", "value": {"type": "float", "value": 0.5}}, {"name": "d", "value": {"type": "null"}},
        {"name": "e", "value": {"type": "integer", "value": "0"}}
    ]}});
    assert_eq!(sent.json(), json!({"requests": [execute, {"type": "close"}]}));
    assert_eq!(sent.header("Authorization"), Some(format!("Bearer {PASSWORD}").as_str()));

    let error = |reply: Reply| ask(&libsql(reply), "SELECT a FROM t", json!({})).unwrap_err();
    let result = |message: &str, code: &str| {
        Reply::json(
            json!({"results": [{"type": "error", "error": {"message": message, "code": code}}, {"type": "ok", "response": {"type": "close"}}]}),
        )
    };
    let wrong = error(result("SQLite error: no such table: t", "SQLITE_ERROR"));
    assert!(matches!(&wrong, Error::InvalidInput(text) if text.contains("no such table: t")), "{wrong:?}");
    let busy = error(result("database is locked", "SQLITE_BUSY"));
    assert!(matches!(busy, Error::Unavailable(_)), "{busy:?}");
    let denied = error(Reply::json(json!({"error": "Unauthorized: invalid token"})).with_status(401));
    assert!(
        matches!(&denied, Error::Denied(text) if text.contains("`token`") && text.contains("invalid token")),
        "{denied:?}"
    );
    let elsewhere = error(Reply::html("<h1>nothing</h1>").with_status(404));
    assert!(matches!(&elsewhere, Error::NotFound(text) if text.contains("settings right")), "{elsewhere:?}");
}

#[test]
fn d1_gets_texts_as_parameters_and_numbers_as_literals() {
    let host = d1(Reply::json(json!({"errors": [], "messages": [], "success": true, "result": [{
        "meta": {"changed_db": false, "changes": 0, "duration": 0.2, "rows_read": 2, "rows_written": 0},
        "results": {"columns": ["a", "a"], "rows": [["x", 1]]}, "success": true
    }]})));
    let sql = "SELECT a, a FROM t WHERE a = :a AND b = -:b AND c = :c AND d = :d AND e IN (:e) AND f = :a";
    let answer = ask(&host, sql, json!({"a": "x' OR 1=1", "b": -5, "c": true, "d": null, "e": ["p", 1.5]})).unwrap();
    assert_eq!((&answer["columns"], values(&answer)), (&json!(["a", "a_2"]), json!([["x", 1]])));
    let sent = sent(&host);
    assert_eq!(
        sent.json(),
        json!({
            "sql": "SELECT a, a FROM t WHERE a = ?1 AND b = -(-5) AND c = (1) AND d = (NULL) AND e IN (?2, (1.5)) AND f = ?1 LIMIT 3",
            "params": ["x' OR 1=1", "p"]
        })
    );
    assert_eq!(sent.header("Authorization"), Some(format!("Bearer {PASSWORD}").as_str()));
    let error = |reply: Reply| ask(&d1(reply), "SELECT a FROM t", json!({})).unwrap_err();
    let refusal = |status: u16, code: u32, message: &str| {
        let body =
            json!({"result": null, "success": false, "errors": [{"code": code, "message": message}], "messages": []});
        Reply::json(body).with_status(status)
    };
    let wrong = error(refusal(400, 7500, "no such table: t: SQLITE_ERROR"));
    assert!(matches!(&wrong, Error::InvalidInput(text) if text.contains("no such table: t")), "{wrong:?}");
    let denied = error(refusal(403, 10000, "Authentication error"));
    assert!(matches!(&denied, Error::Denied(text) if text.contains("`D1 Read`")), "{denied:?}");
    let gone = error(refusal(404, 7404, "The database 3f-4d could not be found"));
    assert!(matches!(&gone, Error::NotFound(text) if text.contains("3f-4d") && text.contains("settings")), "{gone:?}");
    let often = error(refusal(429, 10429, "too many").header("Retry-After", "7"));
    assert_eq!(often, Error::RateLimited(Some(7)));
    let odd = query(&d1(Reply::status(200)).config("account", "../x"), json!({"sql": "SELECT 1", "source": "service"}));
    assert!(matches!(&odd, Err(Error::Failed(text)) if text.contains("`account`")), "{odd:?}");
}

#[test]
fn what_is_not_set_up_is_named() {
    let told = |host: FakeHost| ask(&host, "SELECT a FROM t", json!({})).unwrap_err().to_string();
    assert!(told(FakeHost::new()).contains("setting `provider`"));
    assert!(told(FakeHost::new().config("provider", "rqlite")).contains("setting `base_url`"));
    let scheme = FakeHost::new().config("provider", "libsql").config("base_url", "libsql://shop-me.turso.io");
    assert!(told(scheme).contains("write it as `https://…`"));
    assert!(
        told(FakeHost::new().config("provider", "d1").config("account", "a").config("database", "b"))
            .contains("`token`")
    );
    let refused = rqlite(Reply::json(json!({"results": []}))).refuse("http: db.inside:4001");
    assert!(matches!(ask(&refused, "SELECT a FROM t", json!({})), Err(Error::Denied(_))));
}

#[test]
fn an_answer_that_is_too_large_says_what_to_do() {
    let large = Reply::error(Error::failed("`db.inside` answers with more than 16777216 bytes"));
    let told = ask(&rqlite(large), "SELECT a FROM t", json!({})).unwrap_err();
    assert!(
        matches!(&told, Error::Failed(text) if text.contains("16777216") && text.contains("fewer columns")),
        "{told:?}"
    );
}

#[test]
fn a_list_stands_in_brackets_and_its_names_are_free() {
    let host = rqlite(Reply::json(json!({"results": [{"columns": ["a"]}]})));
    let told = invalid(ask(&host, "SELECT a FROM t WHERE a = :x", json!({"x": [1]})));
    assert!(told.contains("`IN (:x)`"), "{told}");
    ask(&host, "SELECT a FROM t WHERE a IN ( :x ) AND b = :x_1", json!({"x": [1], "x_1": 2})).unwrap();
    assert_eq!(
        sent(&host).json(),
        json!([["SELECT a FROM t WHERE a IN ( :x_1_ ) AND b = :x_1 LIMIT 3", {"x_1_": 1, "x_1": 2}]])
    );
}
