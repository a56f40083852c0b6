//! The shipped projects compile without a word, against the signatures of one another and the tools they were written for.

use std::path::Path;

use serde_json::json;
use workflow_engine::{
    Catalog, ToolSpec, compile_assistant, compile_workflow, node_kinds, signature, workflow_json_schema,
};

/// The shipped tools as far as their manifests promise them; the plugins' own tests hold the manifests to the code.
fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let outputs = json!({ "type": "object" });
    for (name, plugin, tool) in [
        ("query_knowledge_base", "query_knowledge_base", "query_knowledge_base"),
        ("filter_spicy_dishes", "filter_spicy_dishes", "filter_spicy_dishes"),
        ("ad_report/daily", "ad_report", "daily"),
        ("ad_report/anomalies", "ad_report", "anomalies"),
    ] {
        let spec = ToolSpec {
            plugin: plugin.to_owned(),
            tool: tool.to_owned(),
            output: outputs.clone(),
            ..ToolSpec::default()
        };
        catalog.tools.insert(name.to_owned(), spec);
    }
    catalog
}

#[test]
fn shipped_projects_compile_without_a_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../workflows");
    let mut documents = 0;
    for project in ["restaurant", "marketing"] {
        let mut catalog = catalog();
        for base in std::fs::read_dir(root.join(project).join("knowledge")).unwrap() {
            catalog.knowledge_bases.insert(base.unwrap().file_name().to_string_lossy().into_owned());
        }
        let read = |folder: &str| -> Vec<(String, String)> {
            crate::files(&root.join(project).join(folder))
                .into_iter()
                .map(|it| (it.display().to_string(), std::fs::read_to_string(&it).unwrap()))
                .collect()
        };
        for (_, text) in read("workflows") {
            let found = signature(&text).unwrap();
            catalog.workflows.insert(found.name.clone(), found);
        }
        let mut said = String::new();
        for (file, text) in read("workflows") {
            said.extend(compile_workflow(&text, &catalog).diagnostics.iter().map(|it| it.render(&file, &text)));
            documents += 1;
        }
        for (file, text) in read("assistants") {
            said.extend(compile_assistant(&text, &catalog).diagnostics.iter().map(|it| it.render(&file, &text)));
            documents += 1;
        }
        assert!(said.is_empty(), "\n{said}");
    }
    assert!(documents >= 6);
}

#[test]
fn the_language_as_a_schema_fits_the_shipped_workflows_and_refuses_others() {
    let schema = workflow_json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../workflows");
    for path in ["restaurant", "marketing"].iter().flat_map(|it| crate::files(&root.join(it).join("workflows"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        let document: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let problems: Vec<String> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    }
    assert!(!validator.is_valid(&json!({ "workflow": "Not A Name", "nodes": { "a": { "use": "answer" } } })));
    assert!(!validator.is_valid(&json!({ "workflow": "a", "nodes": { "a": { "with": {} } } })));
    let mut catalog = catalog();
    catalog.knowledge_bases.insert("menu".to_owned());
    let dishes = "workflow: recommend_dishes\ninputs: { question: string }\nnodes: {}\n";
    catalog.workflows.insert("recommend_dishes".to_owned(), signature(dishes).unwrap());
    for kind in node_kinds() {
        // What a tool gives is only known from its manifest.
        let compiled = compile_workflow(kind.example, &catalog);
        let said: String = compiled.diagnostics.iter().map(|it| it.render(kind.name, kind.example)).collect();
        assert!(said.is_empty(), "the example of {}:\n{said}", kind.name);
        let document: serde_json::Value = serde_saphyr::from_str(kind.example).unwrap();
        let problems: Vec<String> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
        assert!(problems.is_empty(), "the example of {}: {problems:?}", kind.name);
        assert!(jsonschema::validator_for(&kind.config).is_ok(), "{}", kind.name);
        assert!(jsonschema::validator_for(&kind.outputs).is_ok(), "{}", kind.name);
        assert!(!kind.summary.en.is_empty() && !kind.summary.zh.is_empty());
    }
}
