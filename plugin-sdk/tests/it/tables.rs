//! Rows, sums and vectors, as a plugin's author meets them.

use parlour_plugin_sdk::knowledge::{Query, Rows};
use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Value, json, model, plugin};
use serde::Deserialize;

/// Adds up.
#[plugin(
    id = "sums",
    title(en = "Sums", zh = "汇总"),
    zh = "汇总数据。",
    knowledge(name = "ads", en = "Reads the figures.", zh = "读取数据。"),
    model(roles("embedding"), max_tokens = 1000, en = "Compares texts.", zh = "比较文本。")
)]
mod sums {
    use parlour_plugin_sdk::knowledge::Query;
    use parlour_plugin_sdk::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Channel {
        channel: Option<String>,
        total: f64,
    }

    /// Adds up by channel.
    #[tool]
    fn by_channel(#[serde(default = "ads")] base: String) -> Result<Vec<Channel>> {
        Query::new().group_by("channel").sum("total", "spend").order_by_descending("total").run(&base)?.read()
    }

    fn ads() -> String {
        "ads".to_owned()
    }

    /// How alike the first two texts are.
    #[tool]
    fn alike(texts: Vec<String>) -> Result<f32> {
        let made = model::embed(&texts, model::Purpose::Passage)?;
        match made.vectors.as_slice() {
            [one, other, ..] => Ok(model::similarity(one, other)),
            _ => Err(Error::invalid_input("two texts are compared")),
        }
    }
}

fn host() -> FakeHost {
    FakeHost::new().knowledge_base(
        "ads",
        [
            json!({"channel": "微信", "spend": 10, "day": "2026-10-01"}),
            json!({"channel": "Search", "spend": 2.5, "day": "2026-10-01"}),
            json!({"channel": "search", "spend": null, "day": "2026-10-02"}),
            json!({"channel": "微信", "spend": 5, "day": "2026-10-03"}),
            json!({"channel": null, "spend": 1, "day": "2026-10-03"}),
        ],
    )
}

fn run(query: Query) -> Result<Rows, Error> {
    host().run(|| query.run("ads"))
}

fn values(rows: &Rows) -> Value {
    Value::Array(rows.rows.iter().map(|row| Value::Array(row.values().cloned().collect())).collect())
}

#[test]
fn groups_have_their_figures() {
    let figures = Query::new()
        .group_by("channel")
        .count("rows")
        .count_distinct("days", "day")
        .sum("total", "spend")
        .average("mean", "spend")
        .min("first", "day")
        .max("most", "spend");
    let rows = run(figures.order_by("channel")).unwrap();
    assert_eq!(
        values(&rows),
        json!([
            ["Search", 2, 2, 2.5, 2.5, "2026-10-01", 2.5],
            ["微信", 2, 2, 15, 7.5, "2026-10-01", 10],
            [null, 1, 1, 1, 1, "2026-10-03", 1]
        ])
    );
    let all = run(Query::new().filter(json!({"channel": "nobody"})).count("rows").sum("total", "spend")).unwrap();
    assert_eq!((values(&all), all.total), (json!([[0, null]]), 1), "sums of nothing, as in SQL");
}

#[test]
fn records_are_ordered_and_taken_in_parts() {
    let rows = run(Query::new().select("spend").select("id").order_by_descending("spend").limit(2).offset(1)).unwrap();
    assert_eq!((values(&rows), rows.total), (json!([[5, "ads-4"], [2.5, "ads-2"]]), 5));
    let rows = run(Query::new().order_by("spend").offset(4)).unwrap();
    assert_eq!(values(&rows), json!([["search", null, "2026-10-02"]]), "what has no value comes last");
}

#[test]
fn mistakes_name_what_there_is() {
    for (query, words) in [
        (Query::new().group_by("chanel").count("rows"), "no field `chanel`"),
        (Query::new().select("spend").count("rows"), "`select` is for records"),
        (Query::new().count("rows").order_by("spend"), "no field `spend`"),
        (Query::new().limit(5_000), "1 to 1000"),
        (Query::new().filter(json!({"money": 1})), "no field `money`"),
        (Query::from_json(json!({"selct": []}).as_object().cloned().unwrap()), "unknown field `selct`"),
    ] {
        let error = run(query.clone()).unwrap_err();
        assert!(matches!(&error, Error::InvalidInput(told) if told.contains(words)), "{query:?} gives {error}");
    }
}

#[test]
fn a_tool_reads_rows_as_its_own_type_if_it_may() {
    let told = host().call::<sums::Plugin>("by_channel", json!({})).unwrap();
    assert_eq!(told[0], json!({"channel": "微信", "total": 15.0}));
    let other = host().knowledge_base("menu", [json!({"channel": "x", "spend": 1})]);
    let refused = other.call::<sums::Plugin>("by_channel", json!({"base": "menu"})).unwrap_err();
    assert!(matches!(refused, Error::Denied(_)), "{refused}");

    #[derive(Debug, Deserialize)]
    struct Wrong {
        #[expect(dead_code, reason = "it does not get that far")]
        channel: u32,
    }
    let wrong = run(Query::new().select("channel")).unwrap().read::<Wrong>().unwrap_err();
    assert!(wrong.to_string().contains("row 1") && wrong.to_string().contains("channel"), "{wrong}");
}

#[test]
fn texts_are_compared_if_the_tenant_lets() {
    let alike = |one: &str, other: &str| {
        host().call::<sums::Plugin>("alike", json!({"texts": [one, other]})).unwrap().as_f64().unwrap()
    };
    assert!((alike("麻婆豆腐", "麻婆豆腐") - 1.0).abs() < 1e-6);
    assert!(alike("麻婆豆腐", "麻辣豆腐") > alike("麻婆豆腐", "清蒸鲈鱼"));
    let refused = host().refuse("model: embedding").call::<sums::Plugin>("alike", json!({"texts": ["a", "b"]}));
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    let none = host().run(|| model::embed::<&str>(&[], model::Purpose::Query));
    assert!(matches!(none, Err(Error::InvalidInput(_))), "{none:?}");
    assert_eq!(model::similarity(&[1.0], &[1.0, 2.0]).to_bits(), 0.0_f32.to_bits());
}
