//! The golden cases and the programs of this folder: documents, catalogs, inputs, and outcomes that get a run on.
//!
//! A kind of node without a golden case does not exist (a test sees to that), so every kind is fuzzed without a list here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use workflow_engine::{Catalog, Program, RunInput, compile_assistant, compile_workflow};

/// A program, and what is known to fit it.
pub struct Case {
    pub name: String,
    pub program: Program,
    pub input: RunInput,
    /// Outcomes of the case's script, by the node that they are for.
    pub scripted: BTreeMap<String, Vec<Value>>,
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn golden() -> PathBuf {
    here().join("../../../../workflows/tests")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|it| it.path()).filter(|it| it.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    files
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document there is, good and broken: where fuzzing of the compiler begins.
pub fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let broken = golden().join("diagnostics");
    for path in files(&golden()).into_iter().chain(files(&broken)).chain(files(&here().join("programs"))) {
        let case = read(&path);
        let document = ["workflow", "assistant", "document"].iter().find_map(|it| case.get(*it)?.as_str());
        if let Some(document) = document {
            found.push((name(&path), document.to_owned()));
        }
    }
    for project in ["restaurant", "marketing"] {
        for folder in ["workflows", "assistants"] {
            let folder = golden().join("..").join(project).join(folder);
            found.extend(files(&folder).iter().map(|it| (format!("{project}_{}", name(it)), text(it))));
        }
    }
    found
}

fn name(path: &Path) -> String {
    path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Every case that can be run.
pub fn cases() -> Vec<Case> {
    let paths = files(&here().join("programs")).into_iter().chain(files(&golden()));
    let cases: Vec<Case> = paths.filter_map(|it| case(&it)).collect();
    assert!(cases.len() > 50, "only {} cases: the search for them is broken", cases.len());
    cases
}

fn case(path: &Path) -> Option<Case> {
    let case = read(path);
    let member = |key: &str| case.get(key).cloned().unwrap_or_else(|| json!({}));
    let catalog: Catalog = serde_json::from_value(member("catalog")).expect("a catalog");
    let document = |key: &str| case.get(key).and_then(Value::as_str);
    let (program, diagnostics) = match (document("workflow"), document("assistant")) {
        (Some(text), _) => {
            let compiled = compile_workflow(text, &catalog);
            (compiled.value, compiled.diagnostics)
        }
        (None, Some(text)) => {
            let compiled = compile_assistant(text, &catalog);
            (compiled.value.map(|it| it.program), compiled.diagnostics)
        }
        (None, None) => return None,
    };
    let program = program.unwrap_or_else(|| panic!("{}: {diagnostics:#?}", path.display()));
    let input = serde_json::from_value(member("input")).expect("an input");
    let mut scripted: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for step in case.get("script").and_then(Value::as_array).into_iter().flatten() {
        let Some(node) = step.get("node").and_then(Value::as_str) else { continue };
        let usage = json!({ "input_tokens": 10, "output_tokens": 5 });
        let said = step.get("text").map(|it| json!({ "text": it, "usage": usage, "model": "m" }));
        if let Some(value) = step.get("ok").cloned().or(said) {
            scripted.entry(node.to_owned()).or_default().push(value);
        }
    }
    Some(Case { name: name(path), program, input, scripted })
}

/// A surrounding in which much exists, for documents that nobody has written yet.
pub fn catalog() -> Catalog {
    let input = json!({ "type": "object", "properties": { "query": { "type": "string" }, "top_k": { "type": "integer" },
        "knowledge_base": { "type": "string" }, "dishes": { "type": "array" }, "min_level": { "type": "integer" } } });
    let output = json!({ "type": "object", "properties": { "hits": { "type": "array" }, "dishes": { "type": "array" } } });
    let tool = |plugin: &str, tool: &str| {
        json!({ "plugin": plugin, "tool": tool, "description": "does it", "input": input, "output": output })
    };
    let question = json!({ "type": "object", "properties": { "question": { "type": "string" } },
        "required": ["question"], "additionalProperties": false });
    let workflow = |name: &str| json!({ "name": name, "inputs": question, "outputs": ["dishes", "text"] });
    let catalog = json!({
        "tools": {
            "query_knowledge_base": tool("query_knowledge_base", "query_knowledge_base"),
            "filter_spicy_dishes": tool("filter_spicy_dishes", "filter_spicy_dishes"),
            "ad_report/daily": tool("ad_report", "daily"),
            "ad_report/anomalies": tool("ad_report", "anomalies"),
            "look": { "plugin": "look", "tool": "look" },
        },
        "workflows": { "recommend_dishes": workflow("recommend_dishes"), "hello": workflow("hello") },
        "knowledge_bases": ["menu", "ads", "rules"],
        "tables": { "prices.csv": { "header": ["city", "weight", "price"], "rows": [["a, b", "(1..20]", "8"], ["-", "", "{}"]] } },
    });
    serde_json::from_value(catalog).expect("a catalog")
}
