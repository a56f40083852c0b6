//! What an agent may call: plugin tools, workflows, and a search in knowledge bases, under names that model providers take.

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, SearchMode, ToolDefinition};
use crate::nodes::{retrieve, workflow};
use crate::template::has_expression;
use crate::yaml::{Node, Yaml};

/// The longest name that providers take.
const MAX_NAME: usize = 64;
/// What the function that searches the agent's knowledge bases is called.
const SEARCH: &str = "search_knowledge";
/// Passages that a search gives when the model does not say how many.
const DEFAULT_TOP_K: u32 = 5;
/// More passages crowd everything else out of what the model can read.
const MAX_TOP_K: u32 = 20;
/// Problems of wrong arguments that the model is told; the first ones explain the rest.
const TOLD_PROBLEMS: usize = 8;
/// What a model reads of a hit; its other fields stand in the text as well.
const TOLD_OF_HITS: [&str; 3] = ["text", "document", "score"];

/// Something that an agent may call.
pub(super) struct Tool {
    /// As a model calls it.
    pub(super) name: String,
    /// As the document names it.
    pub(super) written: String,
    pub(super) description: String,
    pub(super) parameters: Value,
    /// None where the tool's schema is none; then the tool judges its arguments itself.
    validator: Option<Arc<Validator>>,
    target: Target,
}

#[derive(Clone, Debug)]
enum Target {
    Plugin { plugin: String, tool: String },
    Workflow(String),
    Knowledge(Vec<String>),
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("target", &self.target).finish_non_exhaustive()
    }
}

/// Compiles what `tools` and `knowledge` name; what does not exist is reported.
pub(super) fn collect(context: &mut NodeContext<'_, '_>) -> Vec<Tool> {
    let mut tools: Vec<Tool> = Vec::new();
    for item in names(context, "tools") {
        let written = item.as_str().unwrap_or_default();
        if tools.iter().any(|it| it.written == written) {
            continue;
        }
        if let Some((description, parameters, target)) = find(context, item, written) {
            let compiled = context.context.validator(written, || parameters.clone());
            let name = safe_name(written, &tools);
            let validator = compiled.map(|(validator, _)| validator);
            tools.push(Tool { name, written: written.to_owned(), description, parameters, validator, target });
        }
    }
    let mut bases = Vec::new();
    for item in names(context, "knowledge") {
        let name = item.as_str().unwrap_or_default();
        retrieve::check_base(context, name, item.span);
        bases.push(name.to_owned());
    }
    if !bases.is_empty() {
        let name = safe_name(SEARCH, &tools);
        tools.push(search(name, bases));
    }
    tools
}

/// The texts of a list that is known before the run.
fn names<'c>(context: &mut NodeContext<'c, '_>, key: &str) -> Vec<&'c Node> {
    let Some(list) = context.get(key) else { return Vec::new() };
    let items = if let Yaml::List(items) = &list.value { items.as_slice() } else { std::slice::from_ref(list) };
    let mut found = Vec::new();
    for item in items {
        match item.as_str() {
            Some(text) if has_expression(text) => {
                let why = "what an agent may use is known before the run";
                crate::nodes::must_be_written(context, (key, item.span), why);
            }
            Some(_) => found.push(item),
            None => {}
        }
    }
    found
}

fn find(context: &mut NodeContext<'_, '_>, item: &Node, written: &str) -> Option<(String, Value, Target)> {
    if let Some(name) = written.strip_prefix(workflow::PREFIX) {
        let signature = workflow::signature(context, name, item.span)?;
        let description = signature.description.or(signature.title).unwrap_or_else(|| signature.name.clone());
        return Some((description, arguments_schema(&signature.inputs), Target::Workflow(signature.name)));
    }
    let catalog = context.context.catalog;
    if let Some(spec) = catalog.tools.get(written) {
        let description = [&spec.description, &spec.title].into_iter().find(|it| !it.is_empty());
        let description = description.map_or(written, String::as_str).to_owned();
        let target = Target::Plugin { plugin: spec.plugin.clone(), tool: spec.tool.clone() };
        return Some((description, arguments_schema(&spec.input), target));
    }
    if !crate::nodes::unknown_tool(context, written, item.span) {
        let workflows: Vec<String> = catalog.workflows.keys().map(|it| format!("{}{it}", workflow::PREFIX)).collect();
        let known = catalog.tools.keys().chain(&workflows).map(String::as_str);
        let diagnostics = context.diagnostics();
        diagnostics.error("unknown_tool", item.span, format!("there is no plugin `{written}`"));
        diagnostics.suggest(written, known, "known tools");
    }
    None
}

fn arguments_schema(schema: &Value) -> Value {
    if schema.is_object() { schema.clone() } else { json!({ "type": "object" }) }
}

/// `plugin/tool` as a function's name that is not taken yet.
fn safe_name(written: &str, taken: &[Tool]) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() || it == '_' || it == '-' { it } else { '_' };
    let base: String = written.replace('/', "__").chars().map(plain).collect();
    let free = |name: &String| !taken.iter().any(|it| it.name == *name);
    let cut = |suffix: &str| {
        let head: String = base.chars().take(MAX_NAME - suffix.len()).collect();
        format!("{head}{suffix}")
    };
    std::iter::once(cut("")).chain((2..=taken.len() + 2).map(|it| cut(&format!("_{it}")))).find(free).unwrap_or(base)
}

fn search(name: String, bases: Vec<String>) -> Tool {
    let parameters = json!({
        "type": "object",
        "properties": {
            "query": { "type": "string", "minLength": 1, "description": "What to look for, as a question or in keywords" },
            "top_k": { "type": "integer", "minimum": 1, "maximum": MAX_TOP_K, "description": format!("How many passages, {DEFAULT_TOP_K} by default") },
        },
        "required": ["query"],
        "additionalProperties": false,
    });
    Tool {
        written: name.clone(),
        name,
        description: format!("Finds passages of the knowledge bases that fit a question: {}", bases.join(", ")),
        validator: crate::schema::validator(&parameters).ok(),
        parameters,
        target: Target::Knowledge(bases),
    }
}

impl Tool {
    pub(super) fn definition(&self) -> ToolDefinition {
        let (name, description) = (self.name.clone(), self.description.clone());
        ToolDefinition { name, description, parameters: self.parameters.clone() }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.written == name
    }

    /// The one text that the tool takes, for models that write it without its name.
    pub(super) fn only_text(&self) -> Option<&str> {
        let properties = self.parameters.get("properties")?.as_object()?;
        let required = self.parameters.get("required").and_then(Value::as_array);
        let name = match required.map(Vec::as_slice) {
            Some([only]) => only.as_str()?,
            Some([]) | None if properties.len() == 1 => properties.keys().next()?,
            Some(_) | None => return None,
        };
        let is_text = properties.get(name)?.get("type")?.as_str()? == "string";
        is_text.then_some(name)
    }

    /// The effect that a call stands for. The error is for the model to read.
    pub(super) fn effect(&self, arguments: &Value) -> Result<Effect, EffectError> {
        let arguments = object(arguments).ok_or_else(|| wrong_arguments("the arguments are not a JSON object"))?;
        let arguments = Value::Object(arguments);
        if let Some(validator) = &self.validator {
            let problems: Vec<String> = crate::schema::problems(validator, &arguments)
                .into_iter()
                .take(TOLD_PROBLEMS)
                .map(|(path, message)| if path.is_empty() { message } else { format!("{path}: {message}") })
                .collect();
            if !problems.is_empty() {
                return Err(wrong_arguments(&format!("the arguments do not fit: {}", problems.join("; "))));
            }
        }
        Ok(match &self.target {
            Target::Plugin { plugin, tool } => {
                Effect::CallTool { plugin: plugin.clone(), tool: tool.clone(), arguments }
            }
            Target::Workflow(name) => Effect::RunWorkflow { workflow: name.clone(), version: None, inputs: arguments },
            Target::Knowledge(bases) => Effect::Search {
                knowledge_bases: bases.clone(),
                query: crate::node::text_of(&arguments, "query"),
                top_k: crate::node::count_of(&arguments, "top_k", MAX_TOP_K)?.unwrap_or(DEFAULT_TOP_K),
                min_score: None,
                mode: SearchMode::Hybrid,
                filter: None,
                rerank: false,
                expand: 0,
            },
        })
    }

    /// What the model reads of a result, and the tokens that it took.
    pub(super) fn result(&self, value: Value) -> (Value, Option<Value>) {
        match &self.target {
            Target::Plugin { .. } => (value, None),
            Target::Workflow(_) => {
                let part = |key: &str| value.get(key).cloned().unwrap_or(Value::Null);
                (json!({ "outputs": part("outputs"), "text": part("text") }), value.get("usage").cloned())
            }
            Target::Knowledge(_) => {
                let hits = value.get("hits").and_then(Value::as_array).into_iter().flatten();
                let told = hits.map(|hit| {
                    let fields = TOLD_OF_HITS.iter().filter_map(|it| Some(((*it).to_owned(), hit.get(it)?.clone())));
                    Value::Object(fields.collect())
                });
                let hits: Vec<Value> = told.collect();
                (json!({ "hits": hits, "status": value.get("status").cloned().unwrap_or(Value::Null) }), None)
            }
        }
    }
}

fn wrong_arguments(message: &str) -> EffectError {
    EffectError { code: "invalid_arguments".to_owned(), message: message.to_owned(), ..EffectError::default() }
}

/// Arguments as the map that they are meant to be: models write them as text, leave them out, or fill optional ones with
/// null.
fn object(arguments: &Value) -> Option<Map<String, Value>> {
    let map = match arguments {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        Value::String(text) if text.trim().is_empty() => Map::new(),
        Value::String(text) => match crate::nodes::llm::find_json(text)? {
            Value::Object(map) => map,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return None,
        },
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
    };
    Some(map.into_iter().filter(|(_, it)| !it.is_null()).collect())
}
