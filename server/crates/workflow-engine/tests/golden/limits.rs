//! Expressions that try to burn time, memory or stack end with a code instead. How long they take is measured by
//! `examples/measure_expressions.rs`; here a test that never ends would show the same.

use serde_json::{Value, json};
use workflow_engine::{Catalog, Event, Outcome, Run, RunInput, compile_workflow};

/// On the stack that a server's thread has, which tests of other things do not guarantee.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

fn document(source: &str) -> String {
    format!(
        "workflow: attack\ninputs: {{ big: any, rows: any }}\nnodes:\n  a: {{ use: template, with: {{ text: x }} }}\n\
         outputs: {{ a: {} }}\n",
        Value::from(source)
    )
}

fn code_of(events: &[Event]) -> String {
    match events.last() {
        Some(Event::RunFailed { error, .. }) => error.code.clone(),
        Some(other) => format!("{other:?}").chars().take(200).collect(),
        None => String::new(),
    }
}

#[test]
fn attacks_end_with_a_code() {
    on_a_small_stack(|| {
        let inputs = json!({ "big": "x".repeat(2 << 20), "rows": vec![json!({ "id": 1 }); 2000] });
        let billion = "{% set a = [inputs.rows] * 9 %}{% set a = [a, a, a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a, a, a] %}\
                       {% set a = [a, a, a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a, a, a] %}";
        let billion = |end: &str| format!("{billion}{end}");
        for (source, code) in [
            ("{{ range(1000000000) }}".to_owned(), "expression_limit"),
            ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".into(), "budget_exceeded"),
            ("{{ 'x' * 100000000 }}".into(), "budget_exceeded"),
            ("{% set n = namespace(s='xx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}".into(), "budget_exceeded"),
            ("{{ [0] * 100000000 }}".into(), "budget_exceeded"),
            ("{{ 100000000 * [[]] }}".into(), "budget_exceeded"),
            ("{{ ([0] * 100000000)[99999999:] | list }}".into(), "budget_exceeded"),
            ("{{ ([inputs.big, inputs.big ~ ''] * 1000) | sort | length }}".into(), "budget_exceeded"),
            ("{{ inputs.big | replace('x', 'y' * 1000) }}".into(), "budget_exceeded"),
            ("{{ range(100000) | join('x' * 1000000) }}".into(), "budget_exceeded"),
            ("{{ ('\\n' * 1000000) | indent(1000000) }}".into(), "budget_exceeded"),
            ("{% set b = inputs.big ~ '' %}{% for i in range(100000) %}{% if b == inputs.big %}{% endif %}{% endfor %}".into(), "budget_exceeded"),
            ("{% for i in range(100000) %}{% if inputs.big[-1] %}{% endif %}{% endfor %}".into(), "budget_exceeded"),
            ("{% for i in range(100000) %}{% if 'y' in inputs.big %}{% endif %}{% endfor %}".into(), "budget_exceeded"),
            (billion("{{ a }}"), "budget_exceeded"),
            (billion("{{ a | tojson }}"), "budget_exceeded"),
            (billion("{{ a ~ '' }}"), "budget_exceeded"),
            (billion("{{ a | map('string') | list }}"), "budget_exceeded"),
            ("{{ 10 ** 1000000000 }}".into(), "expression_failed"),
            ("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}".into(), "expression_limit"),
            ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(), "expression_limit"),
            ("{% set n = namespace(x=[]) %}{% for i in range(60000) %}{% set n.x = [n.x] %}{% endfor %}".into(), "expression_limit"),
            ("{% set n = namespace() %}{% set n.me = [n] %}{{ n }}".into(), "expression_limit"),
        ] {
            let compiled = compile_workflow(&document(&source), &Catalog::default());
            let program = compiled.value.unwrap_or_else(|| panic!("{source}: {:?}", compiled.diagnostics));
            let (_, events) = Run::start(&program, RunInput { inputs: inputs.clone(), ..RunInput::default() });
            assert_eq!(code_of(&events), code, "{source}");
        }
    });
}

#[test]
fn what_the_limits_insert_changes_nothing_else() {
    let rows = json!([{ "id": 2, "tags": ["b", "a"] }, { "id": 10, "tags": [] }]);
    for (source, wanted) in [
        ("{{ inputs.rows[0].tags[1] ~ inputs.rows[-1].id }}", json!("a10")),
        ("{{ inputs.rows[1:] | map(attribute='id') | join('|') }}", json!("10")),
        ("{{ 2 * inputs.rows[0].id + -3 * 2 }}", json!(-2)),
        ("{{ [1, 2] * 2 }}", json!([1, 2, 1, 2])),
        ("{{ inputs.rows[0].tags | sort }}", json!(["a", "b"])),
        ("{{ 'c' not in inputs.rows[0].tags and inputs.rows[1].tags == [] }}", json!(true)),
        ("{{ inputs.rows | selectattr('id', 'gt', 5) | list | length }}", json!(1)),
        ("{{ {'a': 1}[inputs.rows[0].tags[1]] if inputs.rows[0].id is eq(2) else 'no' }}", json!(1)),
        ("{{ inputs.big.gone == none }}{{ inputs.big.gone.deeper[0] }}", json!("false")),
        (
            "{% set n = namespace(all=[]) %}{% for it in inputs.rows if it.id in [2, 3] %}{% set n.all = n.all + [it.id] %}{% endfor %}{{ n.all }}",
            json!("[2]"),
        ),
        (
            "{% for it in inputs.rows %}{% if loop.changed(it.id) %}{{ it.id * 1.5 }}{{ it.tags | tojson }};{% endif %}{% endfor %}",
            json!("3.0[\"b\", \"a\"];15.0[];"),
        ),
        ("{{ '%s-%s' | format(inputs.rows[0].id, 'x') }}{{ 'abc'[::-1] }}", json!("2-xcba")),
    ] {
        let compiled = compile_workflow(&document(source), &Catalog::default());
        let program = compiled.value.unwrap_or_else(|| panic!("{source}: {:?}", compiled.diagnostics));
        let inputs = json!({ "big": {}, "rows": rows });
        let (_, events) = Run::start(&program, RunInput { inputs, ..RunInput::default() });
        match events.last() {
            Some(Event::RunFinished { outputs, .. }) => assert_eq!(outputs["a"], wanted, "{source}"),
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[test]
fn sources_nested_without_end_are_diagnostics() {
    on_a_small_stack(|| {
        for depth in [10_000, 100_000] {
            let around = |open: &str, inside: &str, close: &str| {
                format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
            };
            for inside in [
                around("(", "1", ")"),
                around("[", "1", "]"),
                around("{'a':", "1", "}"),
                around("1 if 1 else ", "1", ""),
                around("not ", "1", ""),
                around("-", "1", ""),
                around("1+", "1", ""),
                around("2**", "1", ""),
                around("", "a", ".a"),
                around("", "a", "[0]"),
                around("", "a", "|upper"),
                around("a[", "0", "]"),
            ] {
                for source in [format!("{{{{ {inside} }}}}"), format!("x{{% if {inside} %}}y{{% endif %}}")] {
                    refused(&source);
                }
            }
            refused(&around("{% if 1 %}", "", "{% endif %}"));
            refused(&around("{% for a in [1] %}", "", "{% endfor %}"));
            refused(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(depth)));
            refused(&format!("{}{}", "{% set a = 1 %}".repeat(depth / 2), "{{ a + 1 }}".repeat(depth / 2)));
        }
    });
}

fn refused(source: &str) {
    let compiled = compile_workflow(&document(source), &Catalog::default());
    let codes: Vec<&str> = compiled.diagnostics.iter().map(|it| it.code).collect();
    assert!(codes.contains(&"expression_limit"), "{codes:?}: {}", source.chars().take(60).collect::<String>());
}

/// A list in a list in a list …
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inside, _| Value::Array(vec![inside]))
}

#[test]
fn values_nested_without_end_are_errors() {
    on_a_small_stack(|| {
        let text =
            "workflow: deep\ninputs: { a: any? }\nnodes:\n  tool: { use: deep }\noutputs: { a: \"{{ [tool] }}\" }\n";
        let tool = json!({ "tools": { "deep": { "plugin": "deep", "tool": "deep", "input": {}, "output": {} } } });
        let program = compile_workflow(text, &serde_json::from_value(tool).unwrap()).value.unwrap();
        for (depth, code) in [(10_000, "expression_limit"), (101, "expression_limit"), (100, "expression_limit")] {
            let (mut run, events) = Run::start(&program, RunInput::default());
            let Some(Event::EffectRequested(request)) = events.last() else { panic!("{events:?}") };
            let events = run.resume(&program, request.id, Outcome::Ok { value: nested(depth) });
            assert_eq!(code_of(&events), code, "{depth}");
        }
        // What is just not too deep survives being stored.
        let (mut run, events) = Run::start(&program, RunInput::default());
        let Some(Event::EffectRequested(request)) = events.last() else { panic!("{events:?}") };
        let events = run.resume(&program, request.id, Outcome::Ok { value: nested(99) });
        assert!(matches!(events.last(), Some(Event::RunFinished { .. })), "{events:?}");
        let stored = serde_json::to_string(&run).unwrap();
        let again: Run = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), stored);
        let mut inputs = json!({});
        inputs["a"] = nested(10_000);
        let input = RunInput { inputs, ..RunInput::default() };
        assert_eq!(code_of(&Run::start(&program, input).1), "invalid_input");
    });
}
