//! The words people use, and what the tool makes of whole records.

use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Result, Value, json};

use crate::level;
use crate::menu::Plugin;
use crate::words;

fn filter(input: Value) -> Result<Value> {
    FakeHost::new().call::<Plugin>("filter_spicy_dishes", input)
}

/// The level of one dish with this name and description.
fn level_of(dish: Value) -> (i64, String) {
    let answer = filter(json!({"dishes": [dish], "min_level": 0})).unwrap();
    let spice = &answer["dishes"][0]["spice"];
    (spice["level"].as_i64().unwrap(), spice["source"].as_str().unwrap().to_owned())
}

fn check(expected: &[(&str, Option<u8>)]) {
    let wrong: Vec<String> = expected
        .iter()
        .map(|(text, level)| (text, level, words::in_text(text)))
        .filter(|(_, level, found)| found.as_ref().map(|(level, _)| *level) != **level)
        .map(|(text, level, found)| format!("{text}: expected {level:?}, found {found:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn chinese_degrees() {
    check(&[
        ("不辣", Some(0)),
        ("微辣", Some(1)),
        ("微微辣", Some(1)),
        ("中辣", Some(2)),
        ("辣", Some(2)),
        ("香辣", Some(2)),
        ("麻辣", Some(2)),
        ("特辣", Some(3)),
        ("很辣", Some(3)),
        ("超辣", Some(3)),
        ("特别辣", Some(3)),
        ("爆辣", Some(4)),
        ("变态辣", Some(5)),
        ("有点辣", Some(1)),
        ("略带辣味", Some(1)),
        ("辣度：３", Some(3)),
        ("辣度 4/5", Some(4)),
        ("辣度适中", Some(2)),
        ("辣度较低", Some(1)),
        ("辣子鸡", Some(2)),
        ("辣椒炒肉", Some(2)),
        ("酸辣土豆丝", Some(2)),
        ("辣得过瘾", Some(3)),
        ("辣味不重", Some(1)),
        ("🌶️🌶️🌶️", Some(3)),
    ]);
}

#[test]
fn chinese_denials_and_what_only_looks_like_one() {
    check(&[
        ("不要辣", Some(0)),
        ("免辣", Some(0)),
        ("一点也不辣", Some(0)),
        ("麻而不辣", Some(0)),
        ("不麻不辣", Some(0)),
        ("不放辣椒", Some(0)),
        ("不加任何辣椒", Some(0)),
        ("没有辣味", Some(0)),
        ("适合不能吃辣的客人", Some(0)),
        ("怕辣的朋友放心点", Some(0)),
        ("不太辣", Some(1)),
        ("不是很辣", Some(1)),
        ("没那么辣", Some(1)),
        ("不怎么辣", Some(1)),
        ("无辣不欢", Some(2)),
        ("不辣不欢", Some(2)),
        ("不怕辣就来", Some(2)),
        ("怕不辣", Some(2)),
        ("不仅辣，还很香", Some(2)),
        ("怕辣者慎点", Some(2)),
        ("不能吃辣的客人请勿点", Some(2)),
        ("不油腻，香辣可口", Some(2)),
        ("辣而不燥", Some(2)),
    ]);
}

#[test]
fn chinese_texts_that_say_nothing_about_spice() {
    check(&[
        ("火锅", None),
        ("辣木叶炒蛋", None),
        ("性格泼辣的老板娘", None),
        ("可选微辣", None),
        ("可做成不辣", None),
        ("辣不辣都行", None),
        ("辣度可选", None),
        ("清蒸鲈鱼", None),
        ("水煮蛋", None),
        ("", None),
    ]);
}

#[test]
fn english_degrees_and_denials() {
    check(&[
        ("mild", Some(1)),
        ("medium", Some(2)),
        ("hot", Some(2)),
        ("spicy", Some(2)),
        ("very hot", Some(3)),
        ("extra hot", Some(3)),
        ("very, very spicy", Some(3)),
        ("extremely spicy", Some(4)),
        ("slightly spicy", Some(1)),
        ("a little spicy", Some(1)),
        ("a hint of chilli", Some(1)),
        ("medium hot", Some(2)),
        ("moderately spicy", Some(2)),
        ("not spicy", Some(0)),
        ("Not spicy at all", Some(0)),
        ("isn't spicy", Some(0)),
        ("non-spicy", Some(0)),
        ("no chili", Some(0)),
        ("without any chilli", Some(0)),
        ("chilli-free", Some(0)),
        ("neither sweet nor spicy", Some(0)),
        ("not too spicy", Some(1)),
        ("not very hot", Some(1)),
        ("hardly spicy", Some(1)),
        ("not only spicy but sour", Some(2)),
        ("hot and sour soup", Some(2)),
        ("spice level: 4", Some(4)),
        ("heat 2/5", Some(2)),
        ("no nuts, very spicy", Some(3)),
        ("Sweet but spicy", Some(2)),
    ]);
}

#[test]
fn english_words_that_only_look_like_spice() {
    check(&[
        ("hot pot", None),
        ("hotpot", None),
        ("hot dog", None),
        ("hot chocolate", None),
        ("served hot", None),
        ("served piping hot", None),
        ("hot from the oven", None),
        ("steak, medium rare", None),
        ("medium-sized portion", None),
        ("chilled cucumber", None),
        ("fragrant spices", None),
        ("spiced chai", None),
        ("can be made spicy", None),
        ("spicy on request", None),
        ("mild cheddar", None),
        ("hot tea", None),
    ]);
}

#[test]
fn dishes_known_to_be_spicy_need_no_word() {
    check(&[
        ("麻婆豆腐", Some(2)),
        ("水煮鱼", Some(2)),
        ("剁椒鱼头", Some(2)),
        ("宫保鸡丁", Some(1)),
        ("kimchi stew", Some(1)),
        ("Kung Pao chicken", Some(1)),
        ("mapo tofu", Some(2)),
    ]);
    // A word is stronger than the name.
    assert_eq!(level_of(json!({"name": "麻婆豆腐（不辣）"})), (0, "text".to_owned()));
    assert_eq!(level_of(json!({"name": "宫保鸡丁", "description": "特辣"})), (3, "text".to_owned()));
}

#[test]
fn levels_written_in_many_ways() {
    let level = |value: Value| level::of_value(&value).map(|(level, _)| level);
    for (value, expected) in [
        (json!(0), Some(0)),
        (json!(2), Some(2)),
        (json!(2.6), Some(3)),
        (json!(9), Some(5)),
        (json!(-1), Some(0)),
        (json!("3"), Some(3)),
        (json!("３"), Some(3)),
        (json!(" 2 级 "), Some(2)),
        (json!("Level 4"), Some(4)),
        (json!("3/5"), Some(3)),
        (json!("5/10"), Some(3)),
        (json!("★★☆☆☆"), Some(2)),
        (json!("🌶🌶"), Some(2)),
        (json!("微辣"), Some(1)),
        (json!("Extra Hot"), Some(3)),
        (json!("无"), Some(0)),
        (json!("中"), Some(2)),
        (json!(true), Some(2)),
        (json!(false), Some(0)),
        (json!("1/0"), None),
        (json!("2 people"), None),
        (json!("chef's choice"), None),
        (json!(null), None),
        (json!([3]), None),
        (json!(""), None),
    ] {
        assert_eq!(level(value.clone()), expected, "{value}");
    }
}

#[test]
fn the_field_goes_before_the_words_and_the_words_before_nothing() {
    assert_eq!(level_of(json!({"name": "微辣鱼", "spice_level": 4})), (4, "field".to_owned()));
    assert_eq!(level_of(json!({"name": "微辣鱼", "spice_level": null})), (1, "text".to_owned()));
    assert_eq!(level_of(json!({"name": "微辣鱼", "spice_level": "看情况"})), (1, "text".to_owned()));
    assert_eq!(level_of(json!({"name": "白粥"})), (0, "none".to_owned()));
    // A degree in the description is stronger than a general word in the name.
    assert_eq!(level_of(json!({"name": "香辣虾", "description": "微辣开胃"})), (1, "text".to_owned()));
    // A hit's text repeats the fields; a list of tags counts as well.
    assert_eq!(
        level_of(json!({"name": "拌面", "tags": ["素食", "特辣"], "text": "拌面 不辣"})),
        (3, "text".to_owned())
    );
    // What is not about taste is not read.
    assert_eq!(level_of(json!({"name": "白粥", "document": "特辣菜单.csv", "id": "辣-1"})), (0, "none".to_owned()));
}

#[test]
fn dishes_come_back_unchanged_and_in_order() {
    let dishes =
        json!([{"price": 38.0, "name": "B 特辣", "extra": {"a": [1]}}, {"name": "A 微辣"}, {"name": "C 很辣"}]);
    let answer = filter(json!({"dishes": dishes, "min_level": 2})).unwrap();
    let kept = answer["dishes"].as_array().unwrap();
    assert_eq!(kept.len(), 2);
    let mut first = kept[0].clone();
    let spice = first.as_object_mut().unwrap().remove("spice").unwrap();
    assert_eq!(first.to_string(), dishes[0].to_string());
    assert_eq!(spice["reason"]["zh"], "`name` 写有“特辣”：3 级（特辣），不低于 2 级。");
    assert_eq!(kept[1]["name"], "C 很辣");
    assert_eq!(answer["dropped"][0]["name"], "A 微辣");
    assert_eq!(answer["summary"]["zh"], "3 道菜中有 2 道辣度不低于 2 级。");
}

#[test]
fn limits() {
    let dishes = json!([{"name": "甲", "spice_level": 0}, {"name": "乙", "spice_level": 1}, {"spice_level": 3}]);
    let kept = |limits: Value| {
        let mut input = limits;
        input["dishes"] = dishes.clone();
        filter(input).unwrap()["dishes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dish| dish["spice_level"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(json!({})), [1, 3]);
    assert_eq!(kept(json!({"max_level": 0})), [0]);
    assert_eq!(kept(json!({"min_level": 1, "max_level": 1})), [1]);
    assert_eq!(kept(json!({"min_level": 0})), [0, 1, 3]);
    let nameless = filter(json!({"dishes": dishes, "max_level": 1})).unwrap();
    assert_eq!(nameless["dropped"][0]["name"], "#3");
    assert_eq!(
        filter(json!({"dishes": []})).unwrap()["summary"]["en"],
        "0 of 0 dishes have a spice level of at least 1."
    );
}

#[test]
fn wrong_input_is_told_with_its_place() {
    let message = |input: Value| match filter(input) {
        Err(Error::InvalidInput(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(message(json!({"dishes": [], "min_level": 3, "max_level": 1})).contains("above `max_level` 1"));
    let both = message(json!({"dishes": [], "min_level": 7, "max_level": 6}));
    assert!(both.contains("`min_level` is 7") && both.contains("`max_level` is 6"), "{both}");
    assert!(message(json!({"dishes": [{}, "fish"]})).starts_with("`dishes[1]`: invalid type"));
    assert!(message(json!({"dishes": [], "min_levle": 1})).contains("unknown field `min_levle`"));
    assert!(message(json!({})).contains("missing field `dishes`"));
}

#[test]
fn another_level_field() {
    let answer =
        filter(json!({"dishes": [{"name": "鱼", "辣度": "特辣"}], "level_field": "辣度", "min_level": 3})).unwrap();
    assert_eq!(answer["dishes"][0]["spice"]["source"], "field");
}

#[test]
fn the_examples_are_true() {
    FakeHost::new().check_examples::<Plugin>();
}

#[test]
fn what_goes_with_spicy_food_is_not_spicy_itself() {
    check(&[
        ("红糖水和山楂片，冰凉解辣", None),
        ("酸甜冰凉，吃辣配它最好", None),
        ("冰镇瓶装，配辣子鸡正好", None),
        ("可不放辣椒", None),
        ("适合爱吃辣的客人", Some(2)),
        ("Freshly ground soy milk, hot or cold", None),
        ("Lemonade, iced or hot", None),
        ("goes well with chilli chicken", None),
        ("noodles with spicy beef", Some(2)),
        ("Mild braised chicken, no chilli", Some(0)),
        ("made with ghost pepper", Some(4)),
    ]);
}
