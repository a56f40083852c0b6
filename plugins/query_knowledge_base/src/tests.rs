//! The tool against a knowledge base in memory.

use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Value, json};

use crate::query::Plugin;

fn host() -> FakeHost {
    FakeHost::new().knowledge_base(
        "menu",
        [
            json!({"name": "水煮鱼", "description": "麻辣鲜香的鱼片", "spice_level": 3, "score": 1}),
            json!({"name": "清蒸鲈鱼", "description": "清淡的鱼", "spice_level": 0}),
            json!({"name": "白粥", "description": "养胃", "spice_level": 0}),
        ],
    )
}

fn query(input: Value) -> Value {
    host().call::<Plugin>("query_knowledge_base", input).unwrap()
}

fn refusal(input: Value) -> String {
    match host().call::<Plugin>("query_knowledge_base", input) {
        Err(Error::InvalidInput(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hits_are_flat_and_their_texts_joined() {
    let answer = query(json!({"knowledge_base": "menu", "query": "麻辣 清淡的鱼"}));
    let hits = answer["hits"].as_array().unwrap();
    assert_eq!(answer["status"], "ok");
    assert_eq!(hits.len(), 2);
    let fish = hits.iter().find(|hit| hit["name"] == "水煮鱼").unwrap();
    assert_eq!(fish["spice_level"], 3);
    assert_eq!(fish["document"], "menu.csv");
    // The hit's own score, not the field that has the same name.
    assert!(fish["score"].as_f64().unwrap() < 1.0, "{fish}");
    let texts: Vec<&str> = hits.iter().map(|hit| hit["text"].as_str().unwrap()).collect();
    assert_eq!(answer["text"], texts.join("\n\n"));
    assert!(answer.get("reason").is_none());
}

#[test]
fn everything_is_passed_on_to_the_search() {
    let host = host();
    let input = json!({"knowledge_base": " menu ", "query": " 鱼片 ", "top_k": 1, "filter": {"spice_level": {"gte": 2}}, "min_score": 0.1, "mode": "lexical"});
    let answer = host.call::<Plugin>("query_knowledge_base", input).unwrap();
    assert_eq!(answer["hits"].as_array().unwrap().len(), 1);
    let search = &host.searches()[0];
    assert_eq!((search.knowledge_base.as_str(), search.query.as_str(), search.top_k), ("menu", "鱼片", 1));
    assert_eq!(search.filter, Some(json!({"spice_level": {"gte": 2}})));
    assert_eq!((search.min_score, search.mode.as_deref()), (Some(0.1), Some("lexical")));
}

#[test]
fn nothing_found_is_an_answer() {
    let answer = query(json!({"knowledge_base": "menu", "query": "pizza"}));
    assert_eq!(answer, json!({"hits": [], "status": "empty", "text": ""}));
    let answer = query(json!({"knowledge_base": "menu", "query": "清淡 辣子", "min_score": 0.9}));
    assert_eq!(answer["status"], "below_threshold");
}

#[test]
fn wrong_input_is_told_all_at_once() {
    let message = refusal(json!({"knowledge_base": " ", "query": "", "top_k": 0}));
    for part in ["`knowledge_base` is empty", "`query` is empty", "`top_k` is 0"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(refusal(json!({"knowledge_base": "menu", "query": "x".repeat(9000)})).contains("9000 bytes"));
    assert!(
        refusal(json!({"knowledge_base": "menu", "query": "鱼", "mode": "magic"}))
            .starts_with("`mode`: unknown variant")
    );
    assert!(
        refusal(json!({"knowledge_base": "menu", "query": "鱼", "filter": {"price": 3}})).contains("no field `price`")
    );
    assert!(refusal(json!({"knowledge_base": "menu"})).contains("missing field `query`"));
}

#[test]
fn refusals_keep_their_kind() {
    let input = json!({"knowledge_base": "menu", "query": "鱼"});
    let refused = host().refuse("menu").call::<Plugin>("query_knowledge_base", input);
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    let unknown = host().call::<Plugin>("query_knowledge_base", json!({"knowledge_base": "wine", "query": "red"}));
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
}
