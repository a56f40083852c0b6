//! Whatever people, models and clocks answer: the kinds of nodes that talk with people never panic, never ask without end,
//! and what they give fits what they promise.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use workflow_engine::{
    Catalog, Effect, EffectError, Event, Outcome, Program, Run, RunInput, RunStatus, compile_workflow,
};

/// More effects than any of the documents below may ask for: ten questions, and two readings of each answer.
const MOST_EFFECTS: usize = 40;

/// Documents with one node `it`, and JSON Schema of what it gives.
fn documents() -> &'static [(Program, Value)] {
    static DOCUMENTS: OnceLock<Vec<(Program, Value)>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let fields = "{ name: string, people: { type: integer, minimum: 1, maximum: 9 }, seat: { enum: [in, out], required: false } }";
        let text = json!({ "type": ["string", "null"], "minLength": 1 });
        let people = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 9 });
        let filled = json!({ "name": text, "people": people, "seat": { "enum": ["in", "out", null] } });
        let closed = |properties: &Value| {
            let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        };
        let by = json!({ "type": ["object", "null"], "properties": { "id": text, "name": text }, "additionalProperties": false });
        let answer = json!({ "type": "string", "maxLength": 65_536 });
        let asked = |options: &[&str], fields: &Value| {
            let option = json!({ "enum": options.iter().map(|it| json!(it)).chain([Value::Null]).collect::<Vec<_>>() });
            closed(&json!({ "answer": answer, "option": option, "fields": closed(fields), "by": by }))
        };
        let mut extracted = filled.clone();
        extracted["missing"] = json!({ "type": "array", "items": { "enum": ["name", "people"] } });
        extracted["usage"] = closed(&json!({ "input_tokens": { "type": "integer" }, "output_tokens": { "type": "integer" } }));
        let options = "{ in: 堂食, out: Take away }";
        [
            (format!("use: extract, with: {{ text: 订位, ask_missing: 10, fields: {fields} }}"), closed(&extracted)),
            ("use: ask, with: { question: Anything?, max_attempts: 10 }".to_owned(), asked(&[], &json!({}))),
            (format!("use: ask, with: {{ question: 哪里？, options: {options} }}"), asked(&["in", "out"], &json!({}))),
            (format!("use: ask, with: {{ question: Who?, fields: {fields} }}"), asked(&[], &filled)),
            (
                format!("use: ask, with: {{ question: Who?, max_attempts: 10, options: {options}, fields: {fields} }}"),
                asked(&["in", "out"], &filled),
            ),
            ("use: approve, with: { title: Refund? }".to_owned(), closed(&json!({ "by": by, "comment": answer }))),
            ("use: wait, with: { for: 2h }".to_owned(), closed(&json!({}))),
            ("use: wait, with: { until: 2026-10-01 }".to_owned(), closed(&json!({}))),
        ]
        .into_iter()
        .map(|(node, schema)| {
            let text = format!("workflow: talk\nnodes:\n  it: {{ {node} }}\noutputs: {{ it: \"{{{{ it }}}}\" }}\n");
            let compiled = compile_workflow(&text, &Catalog::default());
            assert!(compiled.diagnostics.is_empty(), "{text}\n{:#?}", compiled.diagnostics);
            (compiled.value.unwrap(), schema)
        })
        .collect()
    })
}

/// Any JSON, often with the keys that mean something, and now and then very long.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|it| json!(it)),
        (0i64..12).prop_map(Value::from),
        "[a-z堂食外带不12三第个。 ]{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["in", "out", "1", "２", "堂食", "take away", "Ann", "三", "7"]).prop_map(Value::from),
        prop::sample::select(vec!["长", "a ", "{\"name\":", "[", "```"])
            .prop_map(|it| Value::from(it.repeat((1 << 20) / it.len()))),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            3 => prop::sample::select(vec![
                "text", "option", "fields", "by", "timed_out", "approved", "comment", "usage", "name", "people", "seat", "id",
                "input_tokens",
            ])
            .prop_map(str::to_owned),
            1 => "[a-z ]{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|it| Value::Object(it.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// An outcome: any JSON, an answer of a model that holds any JSON, or a failure.
fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => json_value().prop_map(|value| Outcome::Ok { value }),
        2 => json_value().prop_map(|it| Outcome::Ok { value: json!({ "text": it.to_string(), "fields": it }) }),
        1 => prop::sample::select(vec!["unavailable", "invalid_input"])
            .prop_map(|it| Outcome::Failed { error: EffectError { code: it.to_owned(), ..EffectError::default() } }),
    ]
}

proptest! {
    #![proptest_config(crate::config(120))]

    #[test]
    fn whatever_is_answered_ends_well(outcomes in prop::collection::vec(outcome(), 1..12)) {
        for (program, schema) in documents() {
            let (mut run, mut events) = Run::start(program, RunInput::default());
            let mut asked = 0;
            while let Some(request) = run.pending().pop() {
                prop_assert!(asked < MOST_EFFECTS, "it asks without end");
                if let Effect::AskHuman(question) = &request.effect {
                    prop_assert!(!question.title.is_empty() && question.text.len() < 1000);
                }
                run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
                events = run.resume(program, request.id, outcomes[asked % outcomes.len()].clone());
                asked += 1;
            }
            match events.last() {
                Some(Event::RunFinished { outputs, .. }) => {
                    let problems: Vec<String> = jsonschema::validator_for(schema).unwrap().iter_errors(&outputs["it"]).map(|it| it.to_string()).collect();
                    prop_assert!(problems.is_empty(), "{problems:?} in {}", outputs["it"]);
                }
                Some(Event::RunFailed { error, .. }) => {
                    let known = ["unavailable", "invalid_input", "invalid_answer"];
                    prop_assert!(known.contains(&error.code.as_str()), "{error:?}");
                }
                other => prop_assert!(false, "{other:?}"),
            }
            prop_assert!(matches!(run.status(), RunStatus::Finished | RunStatus::Failed));
        }
    }
}
