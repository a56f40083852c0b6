//! The kinds of nodes: one file each, and one line each in the list below. `fields` and `people` are what several kinds
//! share: fields to be filled in, and questions to people.

mod agent;
mod answer;
mod approve;
mod ask;
mod branch;
mod classify_intent;
mod code;
mod each;
mod extract;
mod fields;
mod guard;
mod http;
mod llm;
mod loops;
mod parse_document;
mod people;
mod plugin_tool;
mod retrieve;
mod rules;
mod set;
mod template;
mod wait;
mod workflow;

pub(crate) use classify_intent::OTHER;
pub use code::CODE_PLUGINS;
pub(crate) use each::{Contains, MAX_CONCURRENCY};
pub(crate) use llm::{DEFAULT_MODEL, history};
pub(crate) use loops::{DEFAULT_ITERATIONS, MAX_ITERATIONS};

use crate::compile::NodeContext;
use crate::node::{Built, Declaration, NodeKindInfo};
use crate::program::ContainerKind;
use crate::yaml::Span;

/// Every kind that `use` may name directly.
static KINDS: &[&Declaration] = &[
    &llm::DECLARATION,
    &agent::DECLARATION,
    &classify_intent::DECLARATION,
    &extract::DECLARATION,
    &retrieve::DECLARATION,
    &branch::DECLARATION,
    &answer::DECLARATION,
    &template::DECLARATION,
    &set::DECLARATION,
    &http::DECLARATION,
    &each::DECLARATION,
    &loops::DECLARATION,
    &ask::DECLARATION,
    &approve::DECLARATION,
    &wait::DECLARATION,
    &parse_document::DECLARATION,
    &rules::DECLARATION,
    &guard::DECLARATION,
    &code::DECLARATION,
];

/// Kinds whose `use` is the name of something else: `workflow/NAME`, a plugin's tool.
static OTHERS: [&Declaration; 2] = [&workflow::DECLARATION, &plugin_tool::DECLARATION];

/// Every kind of node, for palettes, forms and documentation.
#[must_use]
pub fn node_kinds() -> Vec<NodeKindInfo> {
    KINDS.iter().chain(OTHERS.iter()).map(|it| it.info()).collect()
}

/// Whether `use` names a container.
pub(crate) fn is_container(use_name: &str) -> bool {
    [each::DECLARATION.name, loops::DECLARATION.name].contains(&use_name)
}

/// What a container does with its body; none for other nodes.
pub(crate) fn container(context: &NodeContext<'_, '_>) -> Option<ContainerKind> {
    if !is_container(context.use_name) {
        return None;
    }
    Some(if context.use_name == each::DECLARATION.name { each::kind(context) } else { ContainerKind::Loop })
}

/// What keeping an output has to know of what `use` names.
pub(crate) struct Caching {
    /// Whether its output may be kept.
    pub(crate) allowed: bool,
    /// Whether it asks the default model when it names none.
    pub(crate) asks_model: bool,
    /// Whether its `history` is how much of the conversation it is shown. A tool's may be anything.
    pub(crate) hears: bool,
}

pub(crate) fn caching(use_name: &str) -> Caching {
    let Some(kind) = KINDS.iter().find(|it| it.name == use_name) else {
        return Caching { allowed: true, asks_model: false, hears: false };
    };
    let has = |setting: &str| (kind.config)().pointer(setting).is_some();
    // `guard` has its model inside of a check.
    let asks_model = has("/properties/model") || use_name == guard::DECLARATION.name;
    Caching { allowed: kind.caches, asks_model, hears: has("/properties/history") }
}

/// Compiles one node by what its `use` names.
pub(crate) fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let name = context.use_name;
    if let Some(kind) = KINDS.iter().find(|it| it.name == name) {
        if !context.check(kind.config, crate::schema::KEYS) {
            return None;
        }
        return (kind.build)(context);
    }
    if name.starts_with(workflow::PREFIX) || name == workflow::DECLARATION.name {
        return (workflow::DECLARATION.build)(context);
    }
    if context.context.catalog.tools.contains_key(name) {
        return (plugin_tool::DECLARATION.build)(context);
    }
    unknown(context, name);
    None
}

fn unknown(context: &mut NodeContext<'_, '_>, name: &str) {
    let span = context.use_span;
    if unknown_tool(context, name, span) {
        return;
    }
    let tools: Vec<&str> = context.context.catalog.tools.keys().map(String::as_str).collect();
    let diagnostics = context.diagnostics();
    diagnostics.error("unknown_kind", span, format!("there is no kind of node, and no plugin, called `{name}`"));
    let kinds: Vec<&str> = KINDS.iter().map(|it| it.name).collect();
    if let Some(near) = crate::names::nearest(name, kinds.iter().copied().chain(tools.iter().copied())) {
        diagnostics.hint(format!("did you mean `{near}`?"));
        return;
    }
    let list = |names: &[&str]| names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    let mut hint = format!("kinds: {}, `workflow/NAME`", list(&kinds));
    if !tools.is_empty() {
        hint.push_str(&format!("; plugin tools: {}", list(&tools)));
    }
    diagnostics.hint(hint);
}

/// Reports an expression where a value must be known before the run.
fn must_be_written(context: &mut NodeContext<'_, '_>, (key, span): (&str, Span), why: &str) {
    let message = format!("`{key}` must be written out, this is an expression");
    context.diagnostics().error("wrong_type", span, message).hint(why);
}

/// Reports a name that is almost a plugin's tool. False when it is nothing like one.
fn unknown_tool(context: &mut NodeContext<'_, '_>, name: &str, span: Span) -> bool {
    let tools: Vec<&str> = context.context.catalog.tools.keys().map(String::as_str).collect();
    let plugin = name.split('/').next().unwrap_or(name);
    let of_plugin: Vec<&str> =
        tools.iter().copied().filter(|it| it.split('/').next() == Some(plugin) && it.contains('/')).collect();
    let diagnostics = context.diagnostics();
    if !of_plugin.is_empty() {
        let message = if name.contains('/') {
            format!("the plugin `{plugin}` has no tool `{}`", name.get(plugin.len() + 1..).unwrap_or_default())
        } else {
            format!("the plugin `{plugin}` has several tools; say which one")
        };
        diagnostics.error("unknown_tool", span, message);
        let near = crate::names::nearest(name, of_plugin.iter().copied()).filter(|_| name.contains('/'));
        let hint = near.map_or_else(
            || format!("its tools: {}", of_plugin.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")),
            |it| format!("did you mean `{it}`?"),
        );
        diagnostics.hint(hint);
        return true;
    }
    if name.contains('/') {
        diagnostics.error("unknown_tool", span, format!("there is no plugin `{plugin}`"));
        diagnostics.suggest(name, tools, "known tools");
        return true;
    }
    false
}
