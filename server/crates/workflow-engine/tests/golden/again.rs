//! Running again from a node, and containers that are large: what golden files cannot say.

use serde_json::{Value, json};
use workflow_engine::{
    Catalog, ChatContext, ChatTurn, Effect, Event, Limits, Outcome, Program, RerunError, Run, RunInput, RunStatus,
    compile_workflow,
};

fn program(text: &str) -> Program {
    let compiled = compile_workflow(text, &Catalog::default());
    compiled.value.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}

/// Answers every model with its own prompt, until the run is over. Gives all events.
fn play(program: &Program, run: &mut Run, mut events: Vec<Event>) -> Vec<Event> {
    let mut at = 0;
    while at < events.len() {
        if let Event::EffectRequested(request) = &events[at] {
            let Effect::Complete { messages, .. } = &request.effect else { panic!("{request:?}") };
            let text = format!("<{}>", messages.last().unwrap().content);
            let more = run.resume(program, request.id, Outcome::Ok { value: json!({ "text": text }) });
            events.extend(more);
        }
        at += 1;
    }
    events
}

fn asked(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|it| if let Event::EffectRequested(it) = it { Some(it.node.clone()) } else { None })
        .collect()
}

const CHAIN: &str = "workflow: chain
inputs: { word: string }
nodes:
  first: { use: llm, with: { prompt: '1 {{ inputs.word }}' } }
  hello: { use: answer, with: { text: 'Hello {{ first.text }}. ' } }
  keep: { use: set, with: { state: { seen: '{{ first.text }}' } } }
  side: { use: llm, with: { prompt: 'side' } }
  second: { use: llm, with: { prompt: '2 {{ first.text }} {{ state.seen }}' }, after: [keep] }
  third: { use: each, with: { items: [a, b] }, do: { t: { use: llm, with: { prompt: '{{ item }} {{ second.text }}' } } }, collect: '{{ t.text }}' }
  bye: { use: answer, with: { text: '{{ third.items | join }} {{ side.text }}' } }
outputs: { all: '{{ third.items }}' }
";

#[test]
fn a_run_begins_again_from_a_node_and_keeps_what_was_done_before_it() {
    let program = program(CHAIN);
    let input = RunInput { inputs: json!({ "word": "x" }), ..RunInput::default() };
    let (mut run, events) = Run::start(&program, input.clone());
    let before = play(&program, &mut run, events);
    assert_eq!(asked(&before), ["first", "side", "second", "third[0].t", "third[1].t"]);
    let past = run.past(&program);

    let (mut again, events) = Run::start_from(&program, input.clone(), ("second", &past)).unwrap();
    let events = play(&program, &mut again, events);
    assert_eq!(asked(&events), ["second", "third[0].t", "third[1].t"]);
    let kept: Vec<&str> = events
        .iter()
        .filter_map(|it| if let Event::NodeKept { node, .. } = it { Some(node.as_str()) } else { None })
        .collect();
    assert_eq!(kept, ["first", "hello", "keep", "side"]);
    assert_eq!(again.status(), RunStatus::Finished);
    assert_eq!(again.answer(), run.answer());
    assert_eq!(again.state(), run.state());
    assert_eq!(finished(&events), finished(&before));

    // From the first node everything is done anew; what does not depend on it is kept.
    let (mut all, events) = Run::start_from(&program, input.clone(), ("first", &past)).unwrap();
    let events = play(&program, &mut all, events);
    assert_eq!(asked(&events), ["first", "second", "third[0].t", "third[1].t"]);

    let unknown = Run::start_from(&program, input, ("t", &past)).err();
    assert!(
        matches!(unknown, Some(RerunError::UnknownNode { node, known }) if node == "t" && known.contains(&"third".to_owned()))
    );
}

fn finished(events: &[Event]) -> Value {
    match events.last() {
        Some(Event::RunFinished { outputs, .. }) => outputs.clone(),
        other => panic!("{other:?}"),
    }
}

/// Thousands of items that end at once, or fail at once, are no thousands of calls inside each other.
#[test]
fn large_containers_do_not_exhaust_the_stack() {
    for (node, expected) in [
        ("{ use: template, if: false, with: { text: x } }", "kept"),
        ("{ use: template, if: item.x.y(), with: { text: x } }", "skipped"),
        ("{ use: template, with: { text: '{{ item.x.y() }}' } }", "skipped"),
        ("{ use: template, with: { text: x } }", "kept"),
    ] {
        let text = format!(
            "workflow: large\nnodes:\n  all: {{ use: each, with: {{ items: '{{{{ range(20000) }}}}', concurrency: 100, on_item_error: skip }}, do: {{ n: {node} }}, collect: '{{{{ index }}}}' }}\n  again: {{ use: loop, with: {{ times: 20000 }}, do: {{ m: {{ use: template, with: {{ text: x }} }} }}, collect: '{{{{ m.text }}}}' }}\noutputs: {{ count: '{{{{ all.items | length }}}}', rounds: '{{{{ again.count }}}}' }}\n"
        );
        let program = program(&text);
        let limits = Limits { max_steps: 1_000_000, ..Limits::default() };
        let (run, events) = Run::start(&program, RunInput { limits, ..RunInput::default() });
        assert_eq!(run.status(), RunStatus::Finished, "{:?}", events.last());
        let count = if expected == "kept" { 20_000 } else { 0 };
        assert_eq!(finished(&events), json!({ "count": count, "rounds": 20_000 }), "{node}");
    }
}

#[test]
fn a_run_of_another_program_is_not_resumed() {
    let one = program(CHAIN);
    let other =
        program("workflow: other\nnodes: { a: { use: llm, with: { prompt: x } } }\noutputs: { a: '{{ a.text }}' }\n");
    let (mut run, events) = Run::start(&one, RunInput { inputs: json!({ "word": "x" }), ..RunInput::default() });
    let request =
        events.iter().find_map(|it| if let Event::EffectRequested(it) = it { Some(it.id) } else { None }).unwrap();
    assert!(run.resume(&other, request, Outcome::Ok { value: Value::Null }).is_empty());
    assert!(run.progress(&other, request, workflow_engine::Delta::Text("x".into())).is_empty());
}

#[test]
fn what_a_node_hears_of_the_conversation_is_part_of_what_its_output_is_kept_for() {
    let key = |with: &str, said: &str| {
        let node = format!("use: llm, cache: 1h, with: {{ prompt: and tomorrow?, history: {with} }}");
        let program = program(&format!("workflow: talk\nnodes:\n  it: {{ {node} }}\n"));
        let turn = |role: &str, content: &str| ChatTurn { role: role.to_owned(), content: content.to_owned() };
        let history = vec![turn("user", said), turn("assistant", "Yes.")];
        let chat = ChatContext { message: "and tomorrow?".to_owned(), history, files: Vec::new() };
        let (mut run, _) = Run::start(&program, RunInput { chat: Some(chat), ..RunInput::default() });
        let Some(Effect::Recall(key)) = run.pending().pop().map(|it| it.effect) else { panic!("nothing is looked up") };
        key.material.to_string()
    };
    assert_ne!(key("true", "Are you open today?"), key("true", "Is there parking today?"));
    assert_eq!(key("true", "Are you open today?"), key("true", "Are you open today?"));
    assert_eq!(key("false", "Are you open today?"), key("false", "Is there parking today?"));
}
