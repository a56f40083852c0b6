//! Rows and sums over a base's typed fields.

use crate::support::rows;
use knowledge::{BaseRef, BaseSpec, Knowledge, KnowledgeError, Rows};
use serde_json::{Value, json};

const TENANT: &str = "tenant-a";

fn ads() -> BaseRef {
    let spec = "knowledge: ads\nfields:\n  note: { type: text, embed: true }\n  channel: keyword\n  spend: number\n  day: date\n  live: boolean\n  tags: list\n";
    BaseRef::new("base-ads", BaseSpec::from_yaml(spec).unwrap(), None)
}

/// Two documents, so that groups go across segments; `Search` and `search` are equal to a filter.
async fn filled() -> (tempfile::TempDir, Knowledge) {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = Knowledge::open(folder.path().to_owned()).unwrap();
    for (id, csv) in [
        (
            "one",
            "note,channel,spend,day,live,tags\nx,微信,10.1,2026-10-01,true,a;b\nx,Search,2.5,2026-10-01,false,\nx,微信,0.2,2026-10-03,true,a\n",
        ),
        ("two", "note,channel,spend,day,live,tags\nx,search,,2026-10-02,true,b\nx,,1,2026-10-03,,\n"),
    ] {
        knowledge.put_document(TENANT, &ads(), rows(&ads(), id, csv), &|_| {}).await.unwrap();
    }
    (folder, knowledge)
}

async fn ask(knowledge: &Knowledge, query: Value) -> Result<Rows, KnowledgeError> {
    let Value::Object(query) = query else { panic!("a query is an object") };
    knowledge.query(TENANT, &ads(), &query, None).await
}

fn values(rows: &Rows) -> Value {
    Value::Array(rows.rows.iter().map(|row| Value::Array(row.values().cloned().collect())).collect())
}

#[tokio::test]
async fn groups_across_documents() {
    let (_folder, knowledge) = filled().await;
    let query = json!({
        "group_by": ["channel"],
        "aggregate": {
            "rows": { "count": "*" }, "paid": { "count": "spend" }, "days": { "count_distinct": "day" },
            "total": { "sum": "spend" }, "mean": { "avg": "spend" }, "first": { "min": "day" }, "most": { "max": "spend" },
            "tagged": { "count": "tags" },
        },
        "order_by": [{ "by": "rows", "descending": true }, { "by": "channel" }],
    });
    let found = ask(&knowledge, query).await.unwrap();
    assert_eq!(
        values(&found),
        json!([
            ["Search", 2, 1, 2, 2.5, 2.5, "2026-10-01", 2.5, 1],
            ["微信", 2, 2, 2, 10.3, 5.15, "2026-10-01", 10.1, 2],
            [null, 1, 1, 1, 1, 1, "2026-10-03", 1, 0],
        ])
    );
    assert_eq!(found.total, 3);
    assert_eq!(found.rows[0].keys().take(3).collect::<Vec<_>>(), ["channel", "rows", "paid"]);
}

#[tokio::test]
async fn sums_of_everything_and_of_nothing() {
    let (_folder, knowledge) = filled().await;
    let figures = json!({ "rows": { "count": "*" }, "total": { "sum": "spend" }, "last": { "max": "day" } });
    let all = ask(&knowledge, json!({ "aggregate": figures })).await.unwrap();
    assert_eq!((values(&all), all.total), (json!([[5, 13.8, "2026-10-03"]]), 1));
    for filter in [json!({ "channel": "nobody" }), json!({ "spend": { "gt": 1e9 } })] {
        let none = ask(&knowledge, json!({ "filter": filter, "aggregate": figures })).await.unwrap();
        assert_eq!((values(&none), none.total), (json!([[0, null, null]]), 1));
    }
    let grouped = json!({ "filter": { "channel": "nobody" }, "group_by": ["channel"], "aggregate": figures });
    assert_eq!(ask(&knowledge, grouped).await.unwrap(), Rows { rows: Vec::new(), total: 0 });
    let empty = BaseRef { id: "base-empty".to_owned(), ..ads() };
    let query = json!({ "aggregate": figures });
    let never_filled = knowledge.query(TENANT, &empty, query.as_object().unwrap(), None).await.unwrap();
    assert_eq!(values(&never_filled), json!([[0, null, null]]));
}

#[tokio::test]
async fn records_are_filtered_ordered_and_taken_in_parts() {
    let (_folder, knowledge) = filled().await;
    let query = json!({
        "filter": { "day": { "gte": "2026-10-01" } }, "select": ["spend", "document", "id"],
        "order_by": [{ "by": "spend", "descending": true }], "limit": 2, "offset": 1,
    });
    let found = ask(&knowledge, query).await.unwrap();
    assert_eq!((values(&found), found.total), (json!([[2.5, "one.csv", "one:1"], [1, "two.csv", "two:1"]]), 5));
    let last = ask(&knowledge, json!({ "select": ["spend", "channel"], "order_by": [{ "by": "spend" }], "offset": 4 }))
        .await
        .unwrap();
    assert_eq!(values(&last), json!([[null, "search"]]), "what has no value comes last");
    let by_flag = json!({ "select": ["live"], "order_by": [{ "by": "live" }, { "by": "day" }] });
    assert_eq!(values(&ask(&knowledge, by_flag).await.unwrap()), json!([[false], [true], [true], [true], [null]]));
    let beyond = ask(&knowledge, json!({ "offset": 99 })).await.unwrap();
    assert_eq!((beyond.rows.len(), beyond.total), (0, 5));
}

#[tokio::test]
async fn another_tenant_has_nothing_here_and_mistakes_are_told() {
    let (_folder, knowledge) = filled().await;
    let query = json!({ "aggregate": { "rows": { "count": "*" } } });
    let other = knowledge.query("tenant-b", &ads(), query.as_object().unwrap(), None).await.unwrap();
    assert_eq!(values(&other), json!([[0]]));
    let error = ask(&knowledge, json!({ "group_by": ["chanel"] })).await.unwrap_err();
    assert_eq!(error.code(), "invalid_filter");
    assert!(error.to_string().contains("`channel`, `spend`, `day`"), "{error}");
}

#[tokio::test]
async fn the_order_of_the_rows_does_not_change_a_sum() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = Knowledge::open(folder.path().to_owned()).unwrap();
    let numbers = ["1e16", "1", "-1e16", "0.1", "0.2", "-0.3"];
    for (id, order) in [("one", [0, 1, 2, 3, 4, 5]), ("two", [3, 1, 0, 5, 4, 2])] {
        let mut csv = "note,channel,spend,day,live,tags\n".to_owned();
        for at in order {
            csv += &format!("x,{id},{},,,\n", numbers[at]);
        }
        knowledge.put_document(TENANT, &ads(), rows(&ads(), id, &csv), &|_| {}).await.unwrap();
    }
    let found =
        ask(&knowledge, json!({ "group_by": ["channel"], "aggregate": { "sum": { "sum": "spend" } } })).await.unwrap();
    let sums: Vec<f64> = found.rows.iter().map(|row| row["sum"].as_f64().unwrap()).collect();
    assert!((sums[0] - sums[1]).abs() < 1e-9 && (sums[0] - 1.0).abs() < 1e-9, "{sums:?}");
}
