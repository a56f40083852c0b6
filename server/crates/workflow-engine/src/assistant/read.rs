//! Reading an assistant's document, with everything that is wrong with it.

use indexmap::IndexMap;

use super::{AssistantDocument, AssistantIntent, Fallback, KnowledgeChoice, Memory, ModelChoice};
use crate::compile::{Context, document_name};
use crate::names::is_id;
use crate::yaml::{Node, Yaml};

const KEYS: [&str; 12] = [
    "assistant",
    "title",
    "description",
    "model",
    "system_prompt",
    "opening",
    "suggestions",
    "memory",
    "knowledge",
    "tools",
    "intents",
    "fallback",
];
const INTENT_KEYS: [&str; 7] = ["title", "description", "examples", "run", "with", "say", "handoff"];
const DEFAULT_WINDOW: u32 = 20;
/// Turns that a model may be shown; more would not fit most models.
const MAX_WINDOW: u32 = 200;
const MAX_TOKENS: u32 = 1_000_000;

pub(super) fn document(context: &mut Context<'_>, root: &Node) -> Option<AssistantDocument> {
    if !root.is_map() {
        context
            .diagnostics
            .error("wrong_type", root.span, format!("an assistant is a map of keys, this is {}", root.kind()))
            .hint("start with `assistant: its_name`");
        return None;
    }
    context.check_keys(root, &KEYS, "an assistant");
    let name = document_name(context, root, "assistant");
    if let Some(tools) = root.entry("tools") {
        unsupported(context, tools.key_span, "`tools`", "give the workflow to an intent with `run`");
    }
    let model = model(context, root.get("model"));
    let knowledge = knowledge(context, root.get("knowledge"), &model);
    let document = AssistantDocument {
        name: name.unwrap_or_default(),
        title: context.optional_text(root, "title"),
        description: context.optional_text(root, "description"),
        model,
        system_prompt: context.optional_text(root, "system_prompt"),
        opening: context.optional_text(root, "opening"),
        suggestions: texts(context, root, "suggestions"),
        memory: memory(context, root.get("memory")),
        knowledge,
        intents: intents(context, root.get("intents")),
        fallback: fallback(context, root.get("fallback")),
    };
    Some(document)
}

fn unsupported(context: &mut Context<'_>, span: crate::yaml::Span, what: &str, instead: &str) {
    context.diagnostics.error("unsupported", span, format!("{what} is not in this version")).hint(instead);
}

fn texts(context: &mut Context<'_>, root: &Node, key: &str) -> Vec<String> {
    root.get(key).map_or_else(Vec::new, |it| texts_of(context, it, key))
}

fn texts_of(context: &mut Context<'_>, node: &Node, key: &str) -> Vec<String> {
    match &node.value {
        Yaml::List(items) => items
            .iter()
            .filter_map(|it| match &it.value {
                Yaml::Text(text) => Some(text.clone()),
                Yaml::Number(number) => Some(number.to_string()),
                Yaml::Null | Yaml::Bool(_) | Yaml::List(_) | Yaml::Map(_) => {
                    context.wrong_type(it, key, "a list of texts");
                    None
                }
            })
            .collect(),
        Yaml::Null => Vec::new(),
        Yaml::Text(text) => vec![text.clone()],
        Yaml::Bool(_) | Yaml::Number(_) | Yaml::Map(_) => {
            context.wrong_type(node, key, "a list of texts");
            Vec::new()
        }
    }
}

fn model(context: &mut Context<'_>, node: Option<&Node>) -> ModelChoice {
    let mut choice = ModelChoice { use_: "default".to_owned(), temperature: None, max_tokens: None };
    let Some(node) = node else { return choice };
    if let Some(name) = node.as_str() {
        choice.use_ = name.to_owned();
        return choice;
    }
    if !node.is_map() {
        context.wrong_type(node, "model", "a name or a map");
        context.diagnostics.hint("for example `model: { use: default, temperature: 0.3 }`");
        return choice;
    }
    context.check_keys(node, &["use", "temperature", "max_tokens"], "`model`");
    if let Some(name) = context.optional_text(node, "use") {
        choice.use_ = name;
    }
    if let Some(value) = node.get("temperature") {
        choice.temperature = value.to_json().as_f64().filter(|it| (0.0..=2.0).contains(it));
        if choice.temperature.is_none() {
            context.wrong_type(value, "temperature", "a number from 0 to 2");
        }
    }
    if let Some(value) = node.get("max_tokens") {
        choice.max_tokens = whole(context, value, ("max_tokens", 1, MAX_TOKENS));
    }
    choice
}

fn whole(context: &mut Context<'_>, node: &Node, (key, least, most): (&str, u32, u32)) -> Option<u32> {
    let number = node.to_json().as_u64().and_then(|it| u32::try_from(it).ok()).filter(|it| (least..=most).contains(it));
    if number.is_none() {
        let message = format!("`{key}` must be a whole number from {least} to {most}");
        context.diagnostics.error("wrong_type", node.span, message);
    }
    number
}

fn memory(context: &mut Context<'_>, node: Option<&Node>) -> Memory {
    let mut memory = Memory { window: DEFAULT_WINDOW };
    let Some(node) = node else { return memory };
    if !node.is_map() {
        context.wrong_type(node, "memory", "a map");
        context.diagnostics.hint("for example `memory: { window: 20 }`");
        return memory;
    }
    context.check_keys(node, &["window", "summary", "facts"], "`memory`");
    if let Some(window) = node.get("window") {
        memory.window = whole(context, window, ("window", 0, MAX_WINDOW)).unwrap_or(DEFAULT_WINDOW);
    }
    for key in ["summary", "facts"] {
        let Some(entry) = node.entry(key) else { continue };
        match &entry.value.value {
            Yaml::Bool(false) => {}
            Yaml::Bool(true) => {
                context
                    .diagnostics
                    .warning(
                        "unsupported",
                        entry.key_span,
                        format!("`{key}` is not in this version; the window alone is remembered"),
                    )
                    .hint("take it out, or leave it for later versions");
            }
            Yaml::Null | Yaml::Number(_) | Yaml::Text(_) | Yaml::List(_) | Yaml::Map(_) => {
                context.wrong_type(&entry.value, key, "true or false");
            }
        }
    }
    memory
}

/// A list of names, or a map of such a list and how it is searched.
fn knowledge(context: &mut Context<'_>, node: Option<&Node>, model: &ModelChoice) -> KnowledgeChoice {
    let Some(node) = node else { return KnowledgeChoice::default() };
    if !node.is_map() {
        return KnowledgeChoice { use_: knowledge_bases(context, node, "knowledge"), rewrite: None };
    }
    context.check_keys(node, &["use", "rewrite"], "`knowledge`");
    let use_ = match node.get("use") {
        Some(bases) => knowledge_bases(context, bases, "use"),
        None => {
            context
                .diagnostics
                .error("missing_key", node.span, "`use` is missing in `knowledge`")
                .hint("for example `knowledge: { use: [handbook], rewrite: true }`");
            Vec::new()
        }
    };
    let rewrite = node.get("rewrite").and_then(|it| match &it.value {
        Yaml::Bool(true) => Some(model.use_.clone()),
        Yaml::Text(name) if !name.trim().is_empty() => Some(name.trim().to_owned()),
        Yaml::Bool(false) | Yaml::Null => None,
        Yaml::Number(_) | Yaml::Text(_) | Yaml::List(_) | Yaml::Map(_) => {
            context.wrong_type(it, "rewrite", "true, false or a model's name");
            None
        }
    });
    KnowledgeChoice { use_, rewrite }
}

fn knowledge_bases(context: &mut Context<'_>, node: &Node, key: &str) -> Vec<String> {
    let names = texts_of(context, node, key);
    let single = std::slice::from_ref(node);
    let items = if let Yaml::List(items) = &node.value { items.as_slice() } else { single };
    let known = &context.catalog.knowledge_bases;
    for item in items {
        let Some(name) = item.as_str().filter(|it| !known.contains(*it)) else { continue };
        context.diagnostics.error("unknown_knowledge_base", item.span, format!("there is no knowledge base `{name}`"));
        if known.is_empty() {
            context.diagnostics.hint("there are no knowledge bases yet; a project has them in `knowledge/NAME/`");
        } else {
            context.diagnostics.suggest(name, known.iter().map(String::as_str), "knowledge bases");
        }
    }
    names
}

fn intents(context: &mut Context<'_>, node: Option<&Node>) -> IndexMap<String, AssistantIntent> {
    let mut intents = IndexMap::new();
    let Some(node) = node else { return intents };
    if !node.is_map() {
        if !matches!(node.value, Yaml::Null) {
            context.wrong_type(node, "intents", "a map");
            context.diagnostics.hint("every intent is `name:` with `description:` and `run:` below it");
        }
        return intents;
    }
    for entry in node.entries() {
        if !is_id(&entry.key) {
            context.invalid_id(&entry.key, entry.key_span);
        }
        intents.insert(entry.key.clone(), intent(context, &entry.value, &entry.key));
    }
    intents
}

fn intent(context: &mut Context<'_>, node: &Node, name: &str) -> AssistantIntent {
    if let Some(description) = node.as_str() {
        return AssistantIntent { description: Some(description.to_owned()), ..AssistantIntent::default() };
    }
    if !node.is_map() {
        context.wrong_type(node, name, "a description or a map");
        return AssistantIntent::default();
    }
    context.check_keys(node, &INTENT_KEYS, "an intent");
    if let Some(handoff) = node.entry("handoff") {
        unsupported(context, handoff.key_span, "`handoff`", "say with `say` how to reach a person");
    }
    let intent = AssistantIntent {
        title: context.optional_text(node, "title"),
        description: context.optional_text(node, "description"),
        examples: texts(context, node, "examples"),
        run: context.optional_text(node, "run").map(|it| it.strip_prefix("workflow/").unwrap_or(&it).to_owned()),
        say: context.optional_text(node, "say"),
    };
    match (&intent.run, node.entry("say"), node.entry("with")) {
        (Some(_), Some(say), _) => {
            context
                .diagnostics
                .error("conflicting_keys", say.key_span, "`run` and `say` exclude each other")
                .hint("let the workflow say it with an `answer`");
        }
        (None, _, Some(with)) => {
            context
                .diagnostics
                .error("missing_key", with.key_span, "`with` needs a `run`")
                .hint("`run: NAME` names the workflow");
        }
        (Some(_) | None, _, _) => {}
    }
    intent
}

fn fallback(context: &mut Context<'_>, node: Option<&Node>) -> Fallback {
    const HINT: &str = "`chat`, `workflow/NAME`, or `{ say: … }`";
    let Some(node) = node else { return Fallback::Chat };
    match &node.value {
        Yaml::Text(text) if text == "chat" => Fallback::Chat,
        Yaml::Text(text) => match text.strip_prefix("workflow/") {
            Some(name) => Fallback::Workflow(name.to_owned()),
            None => {
                context
                    .diagnostics
                    .error("wrong_type", node.span, format!("`fallback` cannot be `{}`", text))
                    .hint(HINT);
                Fallback::Chat
            }
        },
        Yaml::Map(_) => {
            context.check_keys(node, &["say", "run", "with"], "`fallback`");
            let run = context.optional_text(node, "run");
            let say = context.optional_text(node, "say");
            match (run, say) {
                (Some(name), None) => Fallback::Workflow(name.strip_prefix("workflow/").unwrap_or(&name).to_owned()),
                (None, Some(text)) => Fallback::Say(text),
                (Some(_), Some(_)) | (None, None) => {
                    context
                        .diagnostics
                        .error("missing_key", node.span, "`fallback` needs either `say` or `run`")
                        .hint(HINT);
                    Fallback::Chat
                }
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::List(_) => {
            context.wrong_type(node, "fallback", "one word or a map");
            context.diagnostics.hint(HINT);
            Fallback::Chat
        }
    }
}
