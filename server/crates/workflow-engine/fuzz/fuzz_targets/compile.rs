//! Any bytes as a workflow and as an assistant: diagnostics, never a panic, and what compiles can be started.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use workflow_engine::{
    Catalog, Compiled, Delta, Limits, Outcome, Program, Run, RunInput, compile_assistant, compile_workflow, signature,
};
use workflow_engine_fuzz::cases::catalog;

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let workflow = compile_workflow(&text, &CATALOG);
    check(&text, &workflow);
    let assistant = compile_assistant(&text, &CATALOG);
    check(&text, &assistant);
    // What is said of a document hangs on nothing else: no order of a hash map, no address.
    if bytes.len() % 8 == 0 {
        assert_eq!(workflow.diagnostics, compile_workflow(&text, &CATALOG).diagnostics);
        assert_eq!(assistant.diagnostics, compile_assistant(&text, &CATALOG).diagnostics);
    }
    let known = signature(&text);
    if let Some(program) = workflow.value {
        let known = known.expect("what compiles has a signature");
        assert_eq!(known, *program.signature());
        start(&program);
    }
    if let Some(assistant) = assistant.value {
        start(&assistant.program);
    }
});

fn check<T>(text: &str, compiled: &Compiled<T>) {
    let errors = compiled.diagnostics.iter().filter(|it| it.is_error()).count();
    assert_eq!(compiled.value.is_none(), errors > 0, "a value exactly without errors");
    let places: Vec<(u32, u32)> = compiled.diagnostics.iter().map(|it| (it.line, it.column)).collect();
    assert!(places.is_sorted(), "in the order of the text: {places:?}");
    for it in compiled.diagnostics.iter().take(20) {
        assert!(it.line >= 1 && it.column >= 1, "{it}");
        assert!((it.end_line, it.end_column) >= (it.line, it.column), "{it}: ends at {}:{}", it.end_line, it.end_column);
        assert!(!it.message.is_empty() && it.render("document.yaml", text).contains(it.code), "{it}");
    }
}

fn start(program: &Program) {
    let limits = Limits { max_steps: 20, max_value_bytes: 1 << 20, ..Limits::default() };
    let (mut run, _) = Run::start(program, RunInput { limits, ..RunInput::default() });
    for request in run.pending() {
        run.progress(program, request.id, Delta::Text("x".to_owned()));
        run.resume(program, request.id, Outcome::Ok { value: json!({ "text": "y", "hits": [1] }) });
    }
    run.cancel();
    assert!(run.status().is_terminal() && run.pending().is_empty());
}
