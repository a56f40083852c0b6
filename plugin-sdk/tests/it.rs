//! The SDK as a plugin's author meets it: the attributes, the manifest they make, and the fake host.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests, which may panic")]

#[path = "it/powers.rs"]
mod powers;
#[path = "it/tables.rs"]
mod tables;

use std::collections::BTreeSet;

use parlour_plugin_sdk::manifest::{Effects, Manifest};
use parlour_plugin_sdk::testing::FakeHost;
use parlour_plugin_sdk::{Error, Plugin as _, Value, config, json, knowledge, log, plugin, system};

/// Greets people.
///
/// In two languages.
#[plugin(
    id = "greeter",
    title(en = "Greeter", zh = "迎宾"),
    zh = "向人问好。",
    icon = "tests/icon.svg",
    homepage = "https://example.org",
    config = Settings,
    knowledge(name = "guests", en = "Looks up who comes.", zh = "查询来宾。")
)]
mod greeter {
    use parlour_plugin_sdk::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Settings {
        /// Put before the name
        #[zh("放在名字前面")]
        pub(crate) prefix: String,
        #[serde(default)]
        pub(crate) loud: bool,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Guest {
        /// Who
        #[zh("谁")]
        pub(crate) name: String,
        #[serde(default)]
        pub(crate) visits: Vec<Visit>,
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Visit {
        pub(crate) year: u16,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Greeting {
        /// The words
        pub(crate) text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) since: Option<u16>,
    }

    /// Says hello
    /// to one guest.
    #[tool(title(en = "Say hello", zh = "打招呼"), zh = "向一位来宾问好。", effects = "none")]
    #[example(title(en = "Ada", zh = "阿达"), input = {"name": "Ada", "visits": [{"year": 1843}]}, output = {"text": "Hello, Ada", "since": 1843})]
    pub(crate) fn hello(input: Guest) -> Result<Greeting> {
        let since = input.visits.iter().map(|visit| visit.year).min();
        Ok(Greeting { text: format!("Hello, {}", input.name), since })
    }

    /// Adds numbers that stand in texts.
    #[tool]
    fn add(
        /** The first */
        #[zh("第一个")]
        one: String,
        #[serde(default = "zero")] other: String,
    ) -> Result<i64> {
        Ok(one.parse::<i64>()? + other.parse::<i64>()?)
    }

    fn zero() -> String {
        "0".to_owned()
    }

    /// Rings, which cannot be undone.
    #[tool(effects = "writes")]
    fn ring() -> Result<()> {
        log::warn("ringing");
        Ok(())
    }

    /// Finds guests.
    #[tool]
    fn find(base: String, query: String) -> Result<Vec<String>> {
        let settings: Settings = config::read()?;
        let found = knowledge::search(&knowledge::Search::new(base, query))?;
        let name = |hit: knowledge::Hit| format!("{} {}", settings.prefix, hit.entry.text);
        Ok(found
            .hits
            .into_iter()
            .map(name)
            .map(|name| if settings.loud { name.to_uppercase() } else { name })
            .collect())
    }
}

use greeter::Plugin;

fn manifest() -> Manifest {
    Plugin::manifest()
}

#[test]
fn the_manifest_says_what_the_attributes_and_comments_say() {
    let manifest = manifest();
    assert_eq!((manifest.id.as_str(), manifest.version.as_str()), ("greeter", env!("CARGO_PKG_VERSION")));
    assert_eq!(manifest.description.en, "Greets people.\n\nIn two languages.");
    assert_eq!(manifest.description.zh, "向人问好。");
    assert!(manifest.icon.unwrap().starts_with("<svg"));
    assert_eq!(manifest.license.as_deref(), Some("Apache-2.0"));
    assert_eq!(manifest.permissions.knowledge[0].reason.zh, "查询来宾。");
    let names: Vec<&str> = manifest.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["hello", "add", "ring", "find"]);
    let [hello, add, ring, find] = manifest.tools.as_slice() else { panic!("four tools") };
    assert_eq!(hello.description.en, "Says hello to one guest.");
    assert_eq!(hello.title.zh, "打招呼");
    // Where only one language is given, it stands for both.
    assert_eq!((add.title.en.as_str(), add.description.zh.as_str()), ("Add", "Adds numbers that stand in texts."));
    let flags = |tool: &parlour_plugin_sdk::manifest::Tool| (tool.effects, tool.idempotent);
    assert_eq!(flags(hello), (Effects::None, true));
    assert_eq!(flags(ring), (Effects::Writes, false));
    assert_eq!(flags(find), (Effects::Reads, true));
}

#[test]
fn schemas_are_flat_closed_and_in_the_authors_order() {
    let manifest = manifest();
    let input = &manifest.tools[0].input;
    let visit = json!({
        "type": "object", "properties": {"year": {"type": "integer", "format": "uint16", "minimum": 0, "maximum": 65535}}, "required": ["year"]
    });
    let expected = json!({
        "type": "object",
        "properties": {
            "name": {"description": "Who", "type": "string", "x-description": {"zh": "谁"}},
            "visits": {"type": "array", "items": visit}
        },
        "additionalProperties": false,
        "required": ["name"]
    });
    assert_eq!(*input, expected);
    let order: Vec<&String> = input["properties"].as_object().unwrap().keys().collect();
    assert_eq!(order, ["name", "visits"]);
    let output = &manifest.tools[0].output;
    assert_eq!(output["required"], json!(["text"]));
    let add = &manifest.tools[1].input;
    assert_eq!(add["properties"]["one"]["description"], "The first");
    assert_eq!(add["properties"]["one"]["x-description"]["zh"], "第一个");
    assert_eq!(add["properties"]["other"]["default"], "0");
    assert_eq!(manifest.tools[2].input, json!({"type": "object", "properties": {}, "additionalProperties": false}));
    assert_eq!(manifest.config.unwrap()["required"], json!(["prefix"]));
}

/// What of a value the published schema does not allow. Enough of JSON Schema for that one file.
fn problems(schema: &Value, root: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        return problems(root.pointer(&reference[1..]).unwrap(), root, value, place, found);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !allowed.contains(&kind) {
        found.push(format!("{place} is {kind}"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        found.push(format!("{place} is {value}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        problems(&schema["items"], root, item, &format!("{place}/{index}"), found);
    }
    let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else { return };
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(required) {
            found.push(format!("{place}/{required} is missing"));
        }
    }
    for (name, member) in members {
        match properties.get(name) {
            Some(schema) => problems(schema, root, member, &format!("{place}/{name}"), found),
            None => found.push(format!("{place}/{name} is unknown")),
        }
    }
}

#[test]
fn the_manifest_fits_its_published_schema() {
    let schema: Value = serde_json_from(include_str!("../manifest.schema.json"));
    let mut value: Value = serde_json_from(&parlour_plugin_sdk::serde_json::to_string(&manifest()).unwrap());
    let mut found = Vec::new();
    problems(&schema, &schema, &value, "", &mut found);
    assert_eq!(found, Vec::<String>::new());
    value["surprise"] = json!(1);
    value["tools"][0]["effects"] = json!("maybe");
    value["title"] = json!({"en": "Only English"});
    problems(&schema, &schema, &value, "", &mut found);
    let found: BTreeSet<String> = found.into_iter().collect();
    let expected = ["/surprise is unknown", "/title/zh is missing", "/tools/0/effects is \"maybe\""];
    assert_eq!(found, expected.map(str::to_owned).into());
}

fn serde_json_from(text: &str) -> Value {
    parlour_plugin_sdk::serde_json::from_str(text).unwrap()
}

fn refusal(tool: &str, input: Value) -> Error {
    FakeHost::new().call::<Plugin>(tool, input).unwrap_err()
}

#[test]
fn tools_run_and_their_examples_are_true() {
    let host = FakeHost::new();
    host.check_examples::<Plugin>();
    assert_eq!(host.call::<Plugin>("add", json!({"one": "2", "other": "3"})), Ok(json!(5)));
    assert_eq!(host.call::<Plugin>("ring", json!({})), Ok(Value::Null));
    assert_eq!(host.logs(), [(log::Level::Warn, "ringing".to_owned())]);
    // A tool is a plain function as well.
    let greeting = greeter::hello(greeter::Guest { name: "Bob".to_owned(), visits: Vec::new() }).unwrap();
    assert_eq!((greeting.text.as_str(), greeting.since), ("Hello, Bob", None));
}

#[test]
fn wrong_input_names_its_place_and_errors_keep_their_kind() {
    assert_eq!(
        refusal("hello", json!({"name": "Ada", "visits": [{"year": 1}, {"year": "x"}]})),
        Error::InvalidInput("`visits[1].year`: invalid type: string \"x\", expected u16".to_owned())
    );
    assert_eq!(refusal("hello", json!({})), Error::InvalidInput("missing field `name`".to_owned()));
    let unknown = refusal("hello", json!({"name": "Ada", "nmae": 1}));
    assert!(
        matches!(&unknown, Error::InvalidInput(message) if message.contains("unknown field `nmae`")),
        "{unknown:?}"
    );
    let unknown = refusal("add", json!({"one": "1", "two": "2"}));
    assert!(matches!(&unknown, Error::InvalidInput(message) if message.contains("unknown field `two`")), "{unknown:?}");
    assert_eq!(
        refusal("sing", json!({})),
        Error::NotFound("there is no tool `sing`; this plugin has: hello, add, ring, find".to_owned())
    );
    // `?` on a standard error.
    assert_eq!(refusal("add", json!({"one": "two"})), Error::Failed("invalid digit found in string".to_owned()));
}

#[test]
fn only_what_the_manifest_asks_for_and_the_tenant_grants_is_read() {
    let host = FakeHost::new().config("prefix", "Dr.").knowledge_base("guests", [json!({"name": "Ada Lovelace"})]);
    let host = host.knowledge_base("staff", [json!({"name": "Ada Admin"})]);
    let find = |host: &FakeHost, base: &str| host.call::<Plugin>("find", json!({"base": base, "query": "ada"}));
    assert_eq!(find(&host, "guests"), Ok(json!(["Dr. Ada Lovelace"])));
    assert_eq!(find(&host.clone().config("loud", true), "guests"), Ok(json!(["DR. ADA LOVELACE"])));
    assert!(matches!(find(&host, "staff"), Err(Error::Denied(_))));
    assert!(matches!(find(&host.refuse("guests"), "guests"), Err(Error::Denied(_))));
}

#[test]
fn a_missing_setting_is_named() {
    let problem = refusal("find", json!({"base": "guests", "query": "x"}));
    assert!(matches!(&problem, Error::Failed(message) if message.contains("missing field `prefix`")), "{problem:?}");
}

#[test]
fn the_fake_host_filters_pages_and_counts_as_the_server_does() {
    let records = (0..1200)
        .map(|n| json!({"n": n, "kind": if n % 2 == 0 { "even" } else { "odd" }, "tags": ["a", n.to_string()]}));
    FakeHost::new().now_ms(42).config("key", json!([1, 2])).knowledge_base("numbers", records).run(|| {
        let count = |filter: Value| knowledge::list_all("numbers", Some(&filter), 5000).map(|entries| entries.len());
        assert_eq!(count(json!({})), Ok(1200));
        assert_eq!(count(json!({"n": {"gte": 10, "lt": 20}, "kind": "even"})), Ok(5));
        assert_eq!(count(json!({"any": [{"n": 1}, {"n": {"in": [2, 3]}}, {"n": {"gt": 1198}}]})), Ok(4));
        assert_eq!(count(json!({"not": {"kind": {"ne": "odd"}}, "n": {"lte": 9}})), Ok(5));
        assert_eq!(
            count(json!({"all": [{"tags": "7"}, {"kind": {"contains": "od"}}, {"n": {"exists": true}}]})),
            Ok(1)
        );
        assert!(
            matches!(count(json!({"m": 1})), Err(Error::InvalidInput(message)) if message.contains("kind, n, tags"))
        );
        assert!(matches!(count(json!({"n": {"about": 1}})), Err(Error::InvalidInput(_))));
        assert!(matches!(knowledge::list_all("numbers", None, 1100), Err(Error::InvalidInput(_))));
        assert!(matches!(knowledge::list("numbers", None, None, 1001), Err(Error::InvalidInput(_))));
        let page = knowledge::list("numbers", None, Some("1199"), 10).unwrap();
        assert_eq!((page.entries.len(), page.next_cursor), (1, None));
        assert_eq!(knowledge::get("numbers", "numbers-3").unwrap().fields["n"], 2);
        assert!(matches!(knowledge::get("numbers", "other"), Err(Error::NotFound(_))));
        assert_eq!((system::now_ms(), system::random(9000).len()), (42, 4096));
        assert_eq!(config::get::<Vec<u8>>("key"), Ok(Some(vec![1, 2])));
        assert_eq!(config::get::<u8>("none"), Ok(None));
    });
}

#[test]
#[should_panic(expected = "there is no host here")]
fn a_host_call_outside_of_a_host_says_what_to_do() {
    system::now_ms();
}
