//! Whatever the outside answers, agents, requests, searches and tables come to an end without a panic, and what an agent has
//! streamed is what it says in the end.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use workflow_engine::{
    Catalog, ChatContext, ChatTurn, Delta, Effect, EffectError, Event, Outcome, Program, RequestedEffect, Run,
    RunInput, RunStatus, ToolSpec, WorkflowSignature, compile_workflow,
};

/// An agent of three steps with 32 calls each asks for at most this much; a request with retries for less.
const MOST_EFFECTS: usize = 120;

/// Keys that somebody reads, so that arbitrary values get past the first look.
const KEYS: [&str; 16] = [
    "text",
    "tool_calls",
    "id",
    "name",
    "arguments",
    "usage",
    "input_tokens",
    "status",
    "ok",
    "headers",
    "retry-after",
    "hits",
    "outputs",
    "rows",
    "total",
    "price",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![200, 404, 408, 429, 503]).prop_map(Value::from),
        prop::sample::select(vec!["look", "workflow__other", "search_knowledge", "{\"query\": \"辣\"}", "1e9"])
            .prop_map(Value::from),
        "[a-z辣\n:*]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(KEYS.to_vec()), inner), 0..6).prop_map(|it| Value::Object(
                it.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

/// A model's answer that may well be one.
fn any_answer() -> impl Strategy<Value = Value> {
    let name =
        prop::sample::select(vec!["look", "workflow__other", "workflow/other", "search_knowledge", "nothing", ""]);
    let call =
        (name, any_json()).prop_map(|(name, arguments)| json!({ "id": "a", "name": name, "arguments": arguments }));
    let text = prop_oneof![
        "[a-z辣 \n]{0,12}",
        "(Thought|思考): ?[a-z]{0,5}\n\\*{0,2}(Action|行动)(:|：) ?(look|search_knowledge|x)\nAction Input: ?[a-z{}\":]{0,8}(\nObservation: no)?",
        "Final Answer: [a-z辣\n]{0,9}",
    ];
    (text, prop::collection::vec(call, 0..4)).prop_map(|(text, calls)| json!({ "text": text, "tool_calls": calls }))
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => any_answer().prop_map(|value| Outcome::Ok { value }),
        3 => any_json().prop_map(|value| Outcome::Ok { value }),
        1 => "[a-z_]{0,12}".prop_map(|code| Outcome::Failed { error: EffectError { code, ..EffectError::default() } }),
    ]
}

fn program(node: &str, output: &str) -> Program {
    let mut catalog = Catalog::default();
    let input = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
    let look = ToolSpec { plugin: "look".into(), tool: "look".into(), input: input.clone(), ..ToolSpec::default() };
    catalog.tools.insert("look".into(), look);
    let other = WorkflowSignature { name: "other".into(), inputs: input, ..WorkflowSignature::default() };
    catalog.workflows.insert("other".into(), other);
    catalog.knowledge_bases.insert("menu".into());
    let text = format!(
        "workflow: any\nnodes:\n  work: {node}\n  reply: {{ use: answer, with: {{ text: \"{{{{ work.{output} }}}}\" }} }}\noutputs: {{ text: \"{{{{ work.{output} }}}}\" }}\n"
    );
    let compiled = compile_workflow(&text, &catalog);
    compiled.value.unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.diagnostics))
}

/// Plays outcomes until they are used up, then lets everything succeed. Gives the outputs of a run that finished.
fn play(program: &Program, outcomes: Vec<Outcome>) -> (Run, Option<Value>) {
    let said_before = ChatTurn { role: "user".into(), content: "有什么辣的".into() };
    let chat = ChatContext { history: vec![said_before], ..ChatContext::default() };
    let (mut run, mut events) = Run::start(program, RunInput { chat: Some(chat), ..RunInput::default() });
    let mut pending: Vec<RequestedEffect> = Vec::new();
    let (mut said, mut outputs) = (String::new(), None);
    let mut outcomes = outcomes.into_iter();
    for _ in 0..MOST_EFFECTS {
        for event in std::mem::take(&mut events) {
            match event {
                Event::EffectRequested(it) => pending.push(it),
                Event::EffectCancelled { id, .. } => pending.retain(|it| it.id != id),
                Event::AnswerDelta { text, .. } => said.push_str(&text),
                Event::RunFinished { outputs: all, .. } => outputs = Some(all),
                _ => {}
            }
        }
        run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        let Some(request) = pending.pop() else { break };
        let outcome =
            outcomes.next().unwrap_or_else(|| Outcome::Ok { value: json!({ "text": "done", "status": 200 }) });
        if let Outcome::Ok { value } = &outcome {
            let text = value.get("text").and_then(Value::as_str).unwrap_or("of a tool");
            let streamed: String = text.chars().take(3).collect();
            let is_model = matches!(request.effect, Effect::Complete { .. });
            if !is_model || value.get("text").is_some_and(Value::is_string) {
                events.extend(run.progress(program, request.id, Delta::Text(streamed)));
            }
        }
        events.extend(run.resume(program, request.id, outcome));
    }
    assert!(run.status().is_terminal(), "it comes to an end");
    assert_eq!(run.answer(), said);
    (run, outputs)
}

proptest! {
    #![proptest_config(crate::config(300))]

    #[test]
    fn an_agent_says_what_it_streamed(outcomes in prop::collection::vec(any_outcome(), 0..12), react in any::<bool>()) {
        let strategy = if react { "react" } else { "tools" };
        let node = format!(
            "{{ use: agent, with: {{ goal: x, strategy: {strategy}, max_steps: 3, tools: [look, workflow/other], knowledge: [menu] }} }}"
        );
        let program = program(&node, "text");
        let (run, outputs) = play(&program, outcomes);
        if let Some(outputs) = outputs {
            prop_assert_eq!(outputs["text"].as_str(), Some(run.answer()));
        } else {
            prop_assert_eq!(run.status(), RunStatus::Failed);
        }
    }

    #[test]
    fn a_request_ends(outcomes in prop::collection::vec(any_outcome(), 0..8), retries in 1..5) {
        let program = program(&format!("{{ use: http, retry: {retries}, with: {{ url: https://example.com }} }}"), "body");
        let (run, outputs) = play(&program, outcomes);
        prop_assert_eq!(run.status() == RunStatus::Finished, outputs.is_some());
    }

    #[test]
    fn a_search_for_a_follow_up_and_a_table_over_rows_end(outcomes in prop::collection::vec(any_outcome(), 0..6), rules in any::<bool>()) {
        let (node, output) = if rules {
            ("{ use: rules, retry: 2, with: { from: { knowledge_base: menu }, rules: { when: { a: '{{ row.price * 2 }}' }, then: [b], rows: [{ a: '> 1', b: '{{ row }}' }] } } }", "rows")
        } else {
            ("{ use: retrieve, retry: 2, with: { knowledge_bases: [menu], query: x, rewrite: true } }", "hits")
        };
        let program = program(node, output);
        let (run, outputs) = play(&program, outcomes);
        prop_assert_eq!(run.status() == RunStatus::Finished, outputs.is_some());
    }
}
