//! Properties that hold for every document and every run, not only for those that somebody thought of.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::{Environment, context};
use proptest::prelude::*;
use serde_json::{Value, json};
use workflow_engine::{
    Catalog, Delta, Effect, EffectError, EffectId, Event, Outcome, Program, RequestedEffect, Run, RunInput, RunStatus,
    ToolSpec, compile_assistant, compile_workflow, signature,
};

use crate::{files, folder, read};

/// Every document of the golden files, good and bad.
fn documents() -> &'static [String] {
    static DOCUMENTS: OnceLock<Vec<String>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        files(&folder())
            .into_iter()
            .chain(files(&folder().join("diagnostics")))
            .filter_map(|path| {
                let (_, case) = read(&path);
                let found = ["workflow", "assistant", "document"].iter().find_map(|it| case.get(*it));
                found.and_then(Value::as_str).map(str::to_owned)
            })
            .collect()
    })
}

fn compile_everything(text: &str) {
    let catalog = Catalog::default();
    let workflow = compile_workflow(text, &catalog);
    let assistant = compile_assistant(text, &catalog);
    let errors = workflow.diagnostics.iter().filter(|it| it.is_error()).count();
    assert_eq!(workflow.value.is_none(), errors > 0, "a value exactly without errors");
    let errors = assistant.diagnostics.iter().filter(|it| it.is_error()).count();
    assert_eq!(assistant.value.is_none(), errors > 0, "a value exactly without errors");
    for it in workflow.diagnostics.iter().chain(&assistant.diagnostics) {
        assert!(it.line >= 1 && it.column >= 1, "{it}");
        assert!(it.render("document.yaml", text).contains(it.code));
    }
    let _ = signature(text);
    if let Some(program) = workflow.value {
        let (mut run, _) = Run::start(&program, RunInput::default());
        for request in run.pending() {
            run.progress(&program, request.id, Delta::Text("x".to_owned()));
            run.resume(&program, request.id, Outcome::Ok { value: json!({ "text": [1] }) });
        }
    }
}

proptest! {
    #![proptest_config(crate::config(400))]

    #[test]
    fn any_bytes_give_diagnostics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        compile_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_yaml_like_text_gives_diagnostics(text in "(workflow|assistant): [a-z{}\\[\\]&*!|>'\"%@#:,. 一-龟\\n\\t-]{0,200}") {
        compile_everything(&text);
    }

    #[test]
    fn a_damaged_document_gives_diagnostics(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0usize..40,
        insert in "[a-z{}\\[\\]&*!|>'\"%:,. 辣\\n-]{0,8}",
    ) {
        let documents = documents();
        let characters: Vec<char> = documents[which.index(documents.len())].chars().collect();
        let from = at.index(characters.len() + 1);
        let until = (from + length).min(characters.len());
        let damaged: String = characters[..from].iter().copied().chain(insert.chars()).chain(characters[until..].iter().copied()).collect();
        compile_everything(&damaged);
    }
}

/// An output that every node of a kind has.
fn output_of(kind: u8) -> &'static str {
    match kind % 6 {
        2 => "case",
        4 => "count",
        _ => "text",
    }
}

/// A random program: node `nK` may read any node before it, by reference, by `after`, or by port.
fn program_text(shapes: &[(u8, Vec<usize>, bool)]) -> String {
    let mut text = String::from("workflow: random\nnodes:\n");
    for (number, (kind, reads, after)) in shapes.iter().enumerate() {
        let reads: Vec<usize> = reads.iter().filter(|_| number > 0).map(|it| it % number.max(1)).collect();
        let output = |it: &usize| output_of(shapes[*it].0);
        let words: String =
            reads.iter().map(|it| format!("{{{{ n{it}.{} or n{it}.error.code or 'none' }}}} ", output(it))).collect();
        let after = if *after && !reads.is_empty() {
            let entries: Vec<String> = reads
                .iter()
                .map(|it| if shapes[*it].0 % 6 == 2 { format!("n{it}.yes") } else { format!("n{it}") })
                .collect();
            format!(", after: [{}]", entries.join(", "))
        } else {
            String::new()
        };
        let node = match kind % 6 {
            0 => format!("{{ use: template{after}, on_error: continue, with: {{ text: \"{number} {words}\" }} }}"),
            1 => format!("{{ use: tool{after}, on_error: continue, with: {{ text: \"{words}\" }} }}"),
            2 => {
                let first = reads.first().map_or_else(
                    || "true".to_owned(),
                    |it| format!("n{it}.{0} is defined and n{it}.{0} | length > 12", output(it)),
                );
                format!("{{ use: branch{after}, on_error: continue, with: {{ cases: {{ yes: \"{first}\" }} }} }}")
            }
            3 => format!("{{ use: llm{after}, on_error: continue, with: {{ prompt: \"{words}\" }} }}"),
            4 => format!(
                "{{ use: each{after}, on_error: continue, with: {{ items: [a, b, c], concurrency: {}, on_item_error: keep }}, \
                 do: {{ t{number}: {{ use: tool, with: {{ text: \"{{{{ item }}}} {words}\" }} }}, \
                 s{number}: {{ use: answer, with: {{ text: \"<{{{{ index }}}}{{{{ t{number}.text }}}}>\" }} }} }}, \
                 collect: \"{{{{ s{number}.text }}}}\" }}",
                number % 3 + 1
            ),
            _ => format!(
                "{{ use: loop{after}, on_error: continue, with: {{ times: 2, vars: {{ text: \"{words}\" }} }}, \
                 do: {{ l{number}: {{ use: llm, on_error: continue, with: {{ prompt: \"{{{{ loop.text }}}}{{{{ index }}}}\" }} }}, \
                 a{number}: {{ use: answer, with: {{ text: \"[{{{{ l{number}.text }}}}]\" }} }} }}, \
                 next: {{ text: \"{{{{ loop.text }}}}+\" }} }}"
            ),
        };
        text.push_str(&format!("  n{number}: {node}\n"));
    }
    let all: String = (0..shapes.len()).map(|it| format!("{{{{ n{it}.{} }}}}|", output_of(shapes[it].0))).collect();
    text.push_str(&format!("  reply: {{ use: answer, with: {{ text: \"{all}\" }} }}\n"));
    let outputs: String = (0..shapes.len()).map(|it| format!("  o{it}: \"{{{{ n{it} }}}}\"\n")).collect();
    text + "outputs:\n" + &outputs
}

fn compile(text: &str) -> Program {
    let mut catalog = Catalog::default();
    let tool = ToolSpec {
        plugin: "tool".into(),
        tool: "tool".into(),
        input: json!({ "type": "object" }),
        output: json!({ "type": "object", "additionalProperties": true }),
        ..ToolSpec::default()
    };
    catalog.tools.insert("tool".into(), tool);
    let compiled = compile_workflow(text, &catalog);
    // References to outputs that a kind does not have are the point of these programs: `or` chooses among them.
    compiled.value.unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.diagnostics))
}

/// The same outcome for the same request, whenever it comes.
fn outcome(request: &RequestedEffect) -> Outcome {
    let fails = request.node.len() + request.node.bytes().map(usize::from).sum::<usize>();
    if fails.is_multiple_of(5) {
        return Outcome::Failed { error: EffectError { code: "unavailable".into(), ..EffectError::default() } };
    }
    let value = match &request.effect {
        Effect::CallTool { arguments, .. } => json!({ "text": format!("tool({arguments})"), "case": null }),
        _ => json!({ "text": format!("words of {}", request.node), "model": "m" }),
    };
    Outcome::Ok { value }
}

struct Finished {
    nodes: BTreeMap<String, String>,
    outputs: Value,
    answer: String,
    said: String,
    steps: usize,
}

/// Plays a program to its end, taking pending effects in the order that `choices` gives.
fn play(program: &Program, choices: &[usize], stream: bool) -> Finished {
    let (mut run, mut events) = Run::start(program, RunInput::default());
    let mut pending: Vec<RequestedEffect> = Vec::new();
    let mut done =
        Finished { nodes: BTreeMap::new(), outputs: Value::Null, answer: String::new(), said: String::new(), steps: 0 };
    loop {
        for event in events {
            match event {
                Event::EffectRequested(it) => pending.push(it),
                Event::NodeFinished { node, port, output, .. } => {
                    drop(done.nodes.insert(node, format!("{port} {output}")))
                }
                Event::NodeSkipped { node } => drop(done.nodes.insert(node, "skipped".into())),
                Event::NodeFailed { node, error, handled } => {
                    drop(done.nodes.insert(node, format!("{error:?} {handled}")))
                }
                Event::AnswerDelta { text, .. } => done.said.push_str(&text),
                Event::RunFinished { outputs, answer } => (done.outputs, done.answer) = (outputs, answer),
                _ => {}
            }
        }
        if pending.is_empty() {
            assert_eq!(run.status(), RunStatus::Finished);
            return done;
        }
        let choice = choices.get(done.steps % choices.len().max(1)).copied().unwrap_or(0);
        let request = pending.remove(choice % pending.len());
        done.steps += 1;
        let settled = outcome(&request);
        // A stranger's outcome in between changes nothing.
        assert!(run.resume(program, EffectId(request.id.0 + 1_000_000), settled.clone()).is_empty());
        run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        events = Vec::new();
        if let (true, Outcome::Ok { value }) = (stream, &settled) {
            let text = value["text"].as_str().unwrap();
            for (number, character) in text.chars().enumerate() {
                if number % 3 == choice % 3 || number > 20 {
                    break;
                }
                events.extend(run.progress(program, request.id, Delta::Text(character.to_string())));
            }
        }
        events.extend(run.resume(program, request.id, settled));
    }
}

proptest! {
    #![proptest_config(crate::config(150))]

    #[test]
    fn any_order_of_outcomes_gives_the_same_result(
        shapes in prop::collection::vec((any::<u8>(), prop::collection::vec(0usize..100, 0..4), any::<bool>()), 1..12),
        one in prop::collection::vec(0usize..16, 1..20),
        other in prop::collection::vec(0usize..16, 1..20),
    ) {
        let program = compile(&program_text(&shapes));
        let (a, b) = (play(&program, &one, false), play(&program, &other, true));
        prop_assert_eq!(&a.nodes, &b.nodes);
        prop_assert_eq!(&a.outputs, &b.outputs);
        // Several answers are said in the order in which they become active, which is the order of outcomes.
        if shapes.iter().all(|(kind, ..)| kind % 6 < 4) {
            prop_assert_eq!(&a.answer, &b.answer);
        }
        prop_assert_eq!(&a.said, &a.answer);
        prop_assert_eq!(&b.said, &b.answer);
    }

    #[test]
    fn an_answer_in_pieces_is_the_template_rendered_whole(pieces in prop::collection::vec(piece(), 0..10), chunks in prop::collection::vec(1usize..6, 1..10)) {
        let source: String = pieces.concat();
        let text = format!(
            "workflow: pieces\ninputs: {{ a: string, list: array }}\nnodes:\n  m: {{ use: llm, with: {{ prompt: x }} }}\n  reply:\n    use: answer\n    with:\n      text: {}\n",
            Value::from(source.as_str())
        );
        let compiled = compile_workflow(&text, &Catalog::default());
        let Some(program) = compiled.value else { panic!("{text}\n{:?}", compiled.diagnostics) };
        let inputs = json!({ "a": "<甲>", "list": ["x", "乙"] });
        let (mut run, mut events) = Run::start(&program, RunInput { inputs: inputs.clone(), ..RunInput::default() });
        let words = "两 words, streamed.\n";
        if let Some(request) = run.pending().pop() {
            let mut rest: &[char] = &words.chars().collect::<Vec<char>>();
            for chunk in &chunks {
                let (now, later) = rest.split_at((*chunk).min(rest.len()));
                rest = later;
                events.extend(run.progress(&program, request.id, Delta::Text(now.iter().collect())));
            }
            events.extend(run.resume(&program, request.id, Outcome::Ok { value: json!({ "text": words }) }));
        }
        let said: String = events.iter().filter_map(|it| if let Event::AnswerDelta { text, .. } = it { Some(text.as_str()) } else { None }).collect();
        let environment = Environment::new();
        let whole = environment
            .render_str(&source, context! { inputs => minijinja::value::Serde(inputs), m => context! { text => words } })
            .unwrap();
        prop_assert_eq!(run.status(), RunStatus::Finished);
        prop_assert_eq!(run.answer(), &said);
        prop_assert_eq!(said, whole, "{}", source);
    }
}

/// A piece of a template.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z甲。 \n]{0,6}",
        Just("{{ inputs.a }}".to_owned()),
        Just("{{- inputs.a -}}".to_owned()),
        Just("{{ m.text }}".to_owned()),
        Just("{{ m.text -}}".to_owned()),
        Just("{{ m.text | upper }}".to_owned()),
        Just("{# {{ nothing }} #}".to_owned()),
        Just("{#- -#}".to_owned()),
        Just("{% set v = inputs.a %}".to_owned()),
        Just("{%- set m2 = m.text -%}".to_owned()),
        Just("{% set v = 1 %}{% set m2 = m.text %}{{ v }}{{ m2 }}{{ m.text }}".to_owned()),
        Just("{% for it in inputs.list %} {{ loop.index }}{{ it }}{% endfor %}".to_owned()),
        Just("{%- for it in inputs.list -%} {{ it }} {% if it == 'x' %}!{% else %}{{ m.text }}{% endif %} {%- endfor -%}".to_owned()),
        Just("{% if inputs.a %}yes {{ m.text }}{% endif %}".to_owned()),
        Just("{% if inputs.a %}{% set w = 1 %}{% endif %}{{ w }}".to_owned()),
        Just("{% with z = 1 %}{{ z }}{% endwith %}".to_owned()),
        Just("{{ '}}' ~ \"{{\" }}".to_owned()),
        Just("{% raw %}{{ x }}{% endraw %}".to_owned()),
        Just("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(1) }}".to_owned()),
        Just("{% filter upper %}abc {{ inputs.a }}{% endfilter %}".to_owned()),
    ]
}
