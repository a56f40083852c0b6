//! What expressions cost that try to burn time or memory. Every one should end within 50 ms of CPU in a release build, with
//! `budget_exceeded` or `expression_limit` where it does not simply end.
//!
//! `cargo run --release -p workflow-engine --example measure_expressions [part of a name]`

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program for people, run by hand")]

use std::time::Instant;

use serde_json::{Value, json};
use workflow_engine::{Catalog, Event, Run, RunInput, compile_workflow};

/// Attacks by name. `{{ … }}` alone is an expression whose value becomes JSON; everything else is a text.
const ATTACKS: &[(&str, &str)] = &[
    ("range", "{{ range(1000000000) }}"),
    ("range as text", "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}"),
    ("empty loops", "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"),
    ("loop over nothing inside", "{% for i in range(100000) %}{% for j in [] %}{% endfor %}{% endfor %}"),
    ("arithmetic", "{% for i in range(100000) %}{% if i * i + i % 7 - i // 3 > 1 and i < 0 %}{% endif %}{% endfor %}"),
    ("calls", "{% macro f(a) %}{{ a }}{% endmacro %}{% for i in range(100000) %}{{ f(i) }}{% endfor %}"),
    ("repeated text", "{{ 'x' * 100000000 }}"),
    ("repeated text, less", "{{ 'x' * 60000000 }}"),
    ("repeated text in a loop", "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}"),
    (
        "doubling",
        "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(40) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    ),
    (
        "appending",
        "{% set n = namespace(s='') %}{% for i in range(100000) %}{% set n.s = n.s ~ 'xxxxxxxx' %}{% endfor %}{{ n.s }}",
    ),
    ("repeated list", "{{ [0] * 100000000 }}"),
    ("repeated list as text", "a{{ [0] * 100000000 }}"),
    ("repeated lists", "{{ ([[]] * 10000) * 10000 }}"),
    ("repeated big value", "{{ [inputs.rows] * 1000000 }}"),
    ("list of a range", "{{ ([0] * 100000000) | list }}"),
    ("sort", "{{ ([3, 1, 2] * 10000000) | sort }}"),
    ("sort long texts", "{{ ([inputs.big, inputs.big ~ ''] * 1000) | sort | length }}"),
    ("unique long texts", "{{ ([inputs.big, inputs.big ~ ''] * 1000) | unique | length }}"),
    ("max of long texts", "{{ ([inputs.big, inputs.big ~ ''] * 100000) | max | length }}"),
    ("group long texts", "{{ ([{'a': inputs.big}, {'a': inputs.big ~ ''}] * 1000) | groupby('a') | length }}"),
    ("join", "{{ (['xxxxxxxxxx'] * 10000000) | join(',') }}"),
    ("join by a long text", "{{ range(100000) | join('x' * 1000000) }}"),
    ("replace", "{{ inputs.big | replace('x', 'y' * 1000) }}"),
    ("replace of nothing", "{{ inputs.big | replace('', 'y' * 1000) }}"),
    ("indent", "{{ ('\\n' * 1000000) | indent(1000000) }}"),
    ("format", "{{ '%1000000000d' | format(1) }}"),
    ("round", "{{ 1.5 | round(1000000000) }}"),
    ("batch", "{{ [1] | batch(100000000, 'x') | list }}"),
    ("slice", "{{ [1] | slice(100000000, 'x') | list }}"),
    ("split", "{{ inputs.big | split('') | length }}"),
    ("lines", "{{ inputs.lines | lines | length }}"),
    ("upper in a loop", "{% for i in range(100000) %}{% if inputs.big | upper %}{% endif %}{% endfor %}"),
    ("tojson", "{{ ([inputs.rows] * 100000) | tojson }}"),
    ("pprint", "{{ ([inputs.rows] * 100000) | pprint }}"),
    ("string", "{{ ([inputs.rows] * 100000) | string }}"),
    ("length of lazy lists", "{{ (([0] * 10000)[0:100000000:1]) | length }}"),
    ("slices", "{{ ([0] * 100000000)[99999999:] | list }}"),
    (
        "slices in a loop",
        "{% for i in range(100000) %}{% for j in ([0] * 100000000)[99999999:] %}{% endfor %}{% endfor %}",
    ),
    ("slices of slices", "{% for i in range(100000) %}{{ inputs.rows[:] | length }}{% endfor %}"),
    ("slices backwards", "{{ ([0] * 100000000)[::-1] | length }}"),
    ("last of a lazy list", "{{ ([0] * 100000000) | last }}"),
    ("index into a lazy list", "{% for i in range(100000) %}{{ ([0] * 100000000)[99999999] }}{% endfor %}"),
    ("index from the end", "{% for i in range(100000) %}{{ ([0] * 100000000)[-1] }}{% endfor %}"),
    ("power", "{{ 10 ** 1000000000 }}"),
    ("powers", "{% for i in range(100000) %}{{ 2 ** 126 % 3 }}{% endfor %}"),
    (
        "compare long texts",
        "{% set b = inputs.big ~ '' %}{% for i in range(100000) %}{% if b == inputs.big %}{% endif %}{% endfor %}",
    ),
    (
        "compare made texts",
        "{% set a = 'x' * 3000000 %}{% set b = 'x' * 3000000 %}{% for i in range(100000) %}{% if a < b %}{% endif %}{% endfor %}",
    ),
    (
        "compare lists of texts",
        "{% set a = ['x' * 3000000] %}{% set b = ['x' * 3000000] %}{% for i in range(100000) %}{% if a == b %}{% endif %}{% endfor %}",
    ),
    ("compare repeated lists", "{{ [inputs.rows] * 1000000 == [inputs.rows2] * 1000000 }}"),
    (
        "test long texts",
        "{% set b = inputs.big ~ '' %}{% for i in range(100000) %}{% if b is eq(inputs.big) %}{% endif %}{% endfor %}",
    ),
    ("text in text", "{% for i in range(100000) %}{% if 'xy' in inputs.big %}{% endif %}{% endfor %}"),
    (
        "text in list",
        "{% set b = inputs.big ~ '' %}{{ b in ([inputs.big ~ 'y'] * 1000) }}{{ b in ([inputs.big[1:] ~ 'y'] * 100000) }}",
    ),
    ("value in list of lists", "{{ [inputs.rows] in ([[inputs.rows2]] * 100000) }}"),
    ("characters of a text", "{% for i in range(100000) %}{% if inputs.big[-1] %}{% endif %}{% endfor %}"),
    ("slices of a text", "{% for i in range(100000) %}{% if inputs.chinese[2000000:2000001] %}{% endif %}{% endfor %}"),
    (
        "slices of a made text",
        "{% set s = '字' * 1000000 %}{% for i in range(100000) %}{% if s[900000:900001] %}{% endif %}{% endfor %}",
    ),
    ("keys of maps", "{% for i in range(100000) %}{% if inputs.map[inputs.big] %}{% endif %}{% endfor %}"),
    ("long keys", "{% for i in range(100000) %}{% if {inputs.big: 1} %}{% endif %}{% endfor %}"),
    (
        "loop changed",
        "{% set b = inputs.big ~ '' %}{% for i in range(100000) %}{% if loop.changed(b) %}{% endif %}{% endfor %}",
    ),
    ("recursive macro", "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}"),
    (
        "branching macro",
        "{% macro f(n) %}{% if n < 40 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}",
    ),
    ("recursive loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
    (
        "nested list",
        "{% set n = namespace(x=[]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
    ),
    (
        "nested list, unseen",
        "{% set n = namespace(x=[]) %}{% for i in range(60000) %}{% set n.x = [n.x] %}{% endfor %}",
    ),
    (
        "nested by a filter",
        "{% set n = namespace(x=[]) %}{% for i in range(30000) %}{% set n.x = [n.x] | batch(1) | list %}{% endfor %}",
    ),
    (
        "sum of lists",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x | length }}",
    ),
    ("namespace in itself", "{% set n = namespace() %}{% set n.me = n %}{{ n }}"),
    ("namespace in a list in itself", "{% set n = namespace() %}{% set n.me = [n] %}{{ n | tojson }}{{ n == n }}"),
    ("many variables", "{% for i in range(100000) %}{% set a = i %}{% set b = a %}{% set c = b %}{% endfor %}"),
    ("chained filters", "{{ range(100000) | map('string') | map('upper') | map('length') | sum }}"),
    ("select", "{{ ([inputs.big] * 100000) | select('eq', inputs.big ~ '') | list | length }}"),
    ("urlize and title", "{% for i in range(1000) %}{{ inputs.big | title | length }}{% endfor %}"),
    ("int of a long text", "{% for i in range(100000) %}{{ inputs.big | int(default=0) }}{% endfor %}"),
    ("dict", "{{ dict([(1, 2)] * 1000000) }}"),
    ("zip", "{{ ([0] * 100000000) | zip([0] * 100000000) | list | length }}"),
    ("chain", "{{ ([0] * 100000000) | chain([0] * 100000000) | length }}"),
    ("items", "{% for i in range(100000) %}{% if inputs.map | items %}{% endif %}{% endfor %}"),
    ("captured", "{% set x %}{% for i in range(100000) %}{{ inputs.big }}{% endfor %}{% endset %}"),
    ("filter block", "{% filter upper %}{% for i in range(100000) %}{{ inputs.big }}{% endfor %}{% endfilter %}"),
    ("many big values", "{% for i in range(100000) %}{{ inputs.rows }}{% endfor %}"),
    (
        "lists of lists of lists",
        "{% set a = [inputs.rows, inputs.rows, inputs.rows, inputs.rows] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{{ a | tojson }}",
    ),
    (
        "the same, joined",
        "{% set a = [inputs.rows, inputs.rows, inputs.rows, inputs.rows] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{{ a ~ '' }}{{ a | join }}",
    ),
    (
        "the same, mapped",
        "{% set a = [inputs.rows, inputs.rows, inputs.rows, inputs.rows] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{% set a = [a, a, a, a, a, a] %}{{ a | map('tojson') | list | length }}",
    ),
    ("an error that quotes", "{{ (inputs.big ~ '') | round }}"),
];

fn input() -> Value {
    let rows: Vec<Value> = (0..20_000).map(|it| json!({ "id": it, "name": "row" })).collect();
    let big = "x".repeat(6 << 20);
    json!({ "big": big, "lines": "a\n".repeat(2 << 20), "chinese": "字".repeat(2 << 20), "rows": rows, "rows2": rows, "map": { "a": 1 } })
}

/// Sources that are hard on a compiler rather than on a run.
fn sources(depth: usize) -> Vec<(&'static str, String)> {
    let around = |open: &str, inside: &str, close: &str| {
        format!("{{{{ {}{inside}{} }}}}", open.repeat(depth), close.repeat(depth))
    };
    vec![
        ("parentheses", around("(", "1", ")")),
        ("lists", around("[", "1", "]")),
        ("maps", around("{'a':", "1", "}")),
        ("ternaries", around("1 if 1 else ", "1", "")),
        ("not", around("not ", "1", "")),
        ("minus", around("-", "1", "")),
        ("sum", around("1+", "1", "")),
        ("power of power", around("2**", "1", "")),
        ("concatenation", around("a~", "a", "")),
        ("and", around("a and ", "a", "")),
        ("comparison", around("a<", "a", "")),
        ("attributes", around("", "a", ".a")),
        ("indexes", around("", "a", "[0]")),
        ("calls", around("", "a", "()")),
        ("filters", around("", "a", "|upper")),
        ("tests", around("", "a", " is none")),
        ("nested indexes", around("a[", "0", "]")),
        ("nested slices", around("a[:", "0", "]")),
        ("nested calls", around("range(", "1", ")")),
        ("wide list", format!("{{{{ [{}1]|length }}}}", "1,".repeat(depth))),
        ("ifs", format!("{}{}", "{% if 1 %}".repeat(depth), "{% endif %}".repeat(depth))),
        ("loops", format!("{}{}", "{% for a in [1] %}".repeat(depth), "{% endfor %}".repeat(depth))),
        ("elifs", format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(depth))),
        ("unclosed ifs", "{% if 1 %}".repeat(depth)),
        ("macros", format!("{}{}", "{% macro a() %}".repeat(depth), "{% endmacro %}".repeat(depth))),
        ("sets", format!("{}x", "{% set a = 1 %}".repeat(depth))),
        ("sets and values", format!("{}{}", "{% set a = 1 %}".repeat(depth / 2), "{{ a + 1 }}".repeat(depth / 2))),
        ("values", "{{ a }}".repeat(depth)),
        ("different values", (0..depth).map(|it| format!("{{{{ a{it} }}}}")).collect()),
        ("different filters", format!("{{{{ a {} }}}}", (0..depth).map(|it| format!("|f{it}")).collect::<String>())),
        ("comments", "{# a #}".repeat(depth)),
        ("braces", "{{".repeat(depth)),
        ("quotes", format!("{{{{ '{}", "\\'".repeat(depth))),
    ]
}

fn workflow(source: &str) -> String {
    let source = Value::from(source);
    format!(
        "workflow: attack\ninputs: {{ big: any?, lines: any?, chinese: any?, rows: any?, rows2: any?, map: any? }}\n\
         nodes:\n  a: {{ use: template, with: {{ text: {source} }} }}\noutputs: {{ a: \"{{{{ a.text }}}}\" }}\n"
    )
}

/// Runs one attack; says what it cost beyond a run that does nothing, and returns the whole.
fn attack(name: &str, source: &str, inputs: &Value, nothing: f64) -> f64 {
    // Through `outputs`, where a single expression keeps its type.
    let text = format!(
        "workflow: attack\ninputs: {{ big: any, lines: any, chinese: any, rows: any, rows2: any, map: any }}\n\
         nodes:\n  a: {{ use: template, with: {{ text: x }} }}\noutputs: {{ a: {} }}\n",
        Value::from(source)
    );
    let compiled = compile_workflow(&text, &Catalog::default());
    let Some(program) = compiled.value else {
        let found: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
        println!("{name:>30}: does not compile: {}", found.join("; ").chars().take(120).collect::<String>());
        return nothing;
    };
    let input = RunInput { inputs: inputs.clone(), ..RunInput::default() };
    let before = cpu();
    let (run, events) = Run::start(&program, input);
    let spent = cpu() - before;
    let said = match events.last() {
        Some(Event::RunFailed { error, .. }) => format!("{}: {}", error.code, error.message),
        Some(_) | None => format!("{:?}", run.status()),
    };
    let own = (spent - nothing).max(0.0);
    println!("{own:>9.2} ms {name:>30}: {}", said.chars().take(100).collect::<String>());
    spent
}

/// Milliseconds of CPU that this thread has spent, as far as the system tells; else time that has passed.
fn cpu() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split(' ').next().and_then(|it| it.parse::<f64>().ok());
    static BEGUN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    nanoseconds.map_or_else(|| BEGUN.elapsed().as_secs_f64() * 1e3, |it| it / 1e6)
}

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    // The stack that servers' threads have.
    let work = move || {
        let inputs = input();
        let nothing = (0..5).map(|_| attack("(nothing)", "{{ 1 }}", &inputs, 0.0)).fold(f64::MAX, f64::min);
        for (name, source) in ATTACKS.iter().filter(|(name, _)| name.contains(&only)) {
            attack(name, source, &inputs, nothing);
        }
        for depth in [10_000, 100_000] {
            for (name, source) in sources(depth).into_iter().filter(|(name, _)| name.contains(&only)) {
                let before = cpu();
                let compiled = compile_workflow(&workflow(&source), &Catalog::default());
                let spent = cpu() - before;
                let said = compiled.diagnostics.first().map_or_else(|| "compiles".to_owned(), ToString::to_string);
                println!("{spent:>9.2} ms {depth} {name:>23}: {}", said.chars().take(100).collect::<String>());
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread").join().expect("no panic");
}
