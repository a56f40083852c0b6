//! What the engine itself costs: compiling and running chains of template and of branch nodes. Should be linear in
//! their number, and deciding by a large table.
//!
//! `cargo run --release -p workflow-engine --example measure_engine`

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program for people, run by hand")]

use std::time::{Duration, Instant};

use workflow_engine::{Catalog, Event, Limits, Run, RunInput, Table, compile_workflow};

/// A chain of templates, each writing on what the one before wrote.
fn templates(nodes: usize) -> String {
    let mut text = String::from("workflow: chain\ninputs: { word: string }\nnodes:\n");
    text.push_str("  n0: { use: template, with: { text: \"{{ inputs.word }}\" } }\n");
    for number in 1..nodes {
        let before = number - 1;
        text.push_str(&format!(
            "  n{number}: {{ use: template, with: {{ text: \"{number} {{{{ n{before}.text[:8] }}}}\" }} }}\n"
        ));
    }
    text.push_str(&format!("outputs:\n  last: \"{{{{ n{}.text }}}}\"\n", nodes - 1));
    text
}

/// A chain of branches, each looking at the way that the one before took.
fn branches(nodes: usize) -> String {
    let mut text = String::from("workflow: chain\ninputs: { word: string }\nnodes:\n");
    text.push_str("  n0: { use: branch, with: { cases: { on: inputs.word == 'hello', off: inputs.word == '' } } }\n");
    for number in 1..nodes {
        let before = number - 1;
        text.push_str(&format!(
            "  n{number}: {{ use: branch, after: [n{before}.on], with: {{ cases: {{ on: n{before}.case == 'on' }} }} }}\n"
        ));
    }
    text.push_str(&format!("outputs:\n  last: \"{{{{ n{}.case }}}}\"\n", nodes - 1));
    text
}

fn measure(text: &str, rounds: u32) -> (Duration, Duration) {
    let begun = Instant::now();
    let program = compile_workflow(text, &Catalog::default()).value.expect("the chain compiles");
    let compile = begun.elapsed();
    let limits = Limits { max_steps: 1_000_000, ..Limits::default() };
    let input = RunInput { inputs: serde_json::json!({ "word": "hello" }), limits, ..RunInput::default() };
    // The fastest round counts: others were disturbed by whatever else the machine does.
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let input = input.clone();
        let begun = Instant::now();
        let (_, events) = Run::start(&program, input);
        best = best.min(begun.elapsed());
        assert!(matches!(events.last(), Some(Event::RunFinished { .. })));
    }
    (compile, best)
}

/// A decision table of which the last row matches, so that every row is looked at.
fn decide(rows: usize) -> Duration {
    let header: Vec<String> = ["level", "amount", "city", "day", "vip", "result"].map(str::to_owned).to_vec();
    let row = |number: usize| {
        let cells = ["gold, silver", ">= 100", &format!("city {number}"), "[2026-10-01..2026-10-07]", "是", "1"];
        cells.map(str::to_owned).to_vec()
    };
    let table = Table { header, rows: (1..=rows).map(row).collect() };
    let catalog = Catalog { tables: [("t.csv".to_owned(), table)].into(), ..Catalog::default() };
    let text = format!(
        "workflow: decide\nnodes:\n  a: {{ use: rules, with: {{ rules: {{ when: {{ level: gold, amount: 150, \
         city: city {rows}, day: 2026-10-02, vip: true }}, then: [result], table: t.csv }} }} }}\noutputs: {{ a: \"{{{{ a.matched }}}}\" }}\n"
    );
    let program = compile_workflow(&text, &catalog).value.expect("the table compiles");
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        let (_, events) = Run::start(&program, RunInput::default());
        best = best.min(begun.elapsed());
        let Some(Event::RunFinished { outputs, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!(outputs.get("a"), Some(&serde_json::json!([rows])));
    }
    best
}

fn main() {
    println!("a decision table of 10,000 rows and five conditions: {:?}", decide(10_000));
    for kind in ["template", "branch"] {
        for (nodes, rounds) in [(10, 200), (100, 100), (1_000, 20), (10_000, 8)] {
            let chain = if kind == "template" { templates(nodes) } else { branches(nodes) };
            let (compile, run) = measure(&chain, rounds);
            let ns = run.as_nanos() / nodes as u128;
            println!("{kind:>8} {nodes:>6} nodes: {ns} ns a node, run {run:?}, compile {compile:?}");
        }
    }
}
