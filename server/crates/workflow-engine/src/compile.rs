//! Text in, a [`Program`] or diagnostics out. Nothing stops at the first problem.
//!
//! * `inputs`: the `inputs:` section.
//! * `limits`: the `limits:` section.
//! * `triggers`: the `on:` section: what starts the workflow by itself.
//! * `settings`: what every node has besides its kind: `after`, `if`, `retry`, `timeout`, `on_error`, `cache`.
//! * `containers`: the nodes inside of nodes.
//! * `context`: what all of them share: the catalog, the diagnostics, and every reference that was read.
//! * `graph`: what the nodes mean to each other: references, ports, cycles, nodes that cannot run.

mod containers;
mod context;
mod graph;
mod inputs;
mod limits;
mod settings;
mod triggers;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use context::{Context, NodeContext};
use context::{Reader, Scope, ScopeKind};
pub(crate) use inputs::{Declared, Inputs, declaration};
pub use limits::LimitsAsked;
pub(crate) use settings::{After, Cache, OnError, Retry, Settings, duration_up_to};

use crate::catalog::{Catalog, WorkflowSignature};
use crate::diagnostic::{Compiled, Diagnostics};
use crate::expression::Expression;
use crate::names::{is_id, is_reserved};
use crate::nodes::Caching;
use crate::program::{Body, Outputs, Program, ProgramNode, Spot};
use crate::template::Template;
use crate::yaml::{Node, Span, Yaml};

const WORKFLOW_KEYS: [&str; 8] = ["workflow", "title", "description", "on", "inputs", "limits", "nodes", "outputs"];
const NODE_KEYS: [&str; 10] =
    ["use", "title", "description", "with", "after", "if", "retry", "timeout", "on_error", "cache"];

/// Compiles a workflow document.
#[must_use]
pub fn compile_workflow(text: &str, catalog: &Catalog) -> Compiled<Program> {
    let mut context = Context::new(text, catalog);
    let Some(root) = crate::yaml::parse(text, &mut context.diagnostics) else {
        return context.diagnostics.finish(None);
    };
    let program = workflow(&mut context, &root);
    context.diagnostics.finish(program)
}

/// The header of a workflow, read tolerantly: what other documents may know of it even while its nodes are broken.
#[must_use]
pub fn signature(text: &str) -> Option<WorkflowSignature> {
    let mut ignored = Diagnostics::default();
    let root = crate::yaml::parse(text, &mut ignored)?;
    let name = root.get("workflow")?.as_str().filter(|it| is_id(it))?.to_owned();
    let catalog = Catalog::default();
    let mut context = Context::new(text, &catalog);
    let inputs = Inputs::read(&mut context, root.get("inputs"));
    Some(header(&root, name, &inputs))
}

/// The names of the tables that a document's `rules` decide by.
#[must_use]
pub fn tables_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(root) = crate::yaml::parse(text, &mut Diagnostics::default()) {
        collect_tables(root.get("nodes"), &mut found);
    }
    found
}

fn collect_tables(nodes: Option<&Node>, found: &mut Vec<String>) {
    for entry in nodes.map(Node::entries).unwrap_or_default() {
        let table = entry.value.get("with").and_then(|it| it.get("rules")).and_then(|it| it.get("table"));
        found.extend(table.and_then(Node::as_str).map(str::to_owned));
        collect_tables(entry.value.get("do"), found);
    }
}

fn header(root: &Node, name: String, inputs: &Inputs) -> WorkflowSignature {
    let text = |key: &str| root.get(key).and_then(Node::as_str).map(str::to_owned);
    WorkflowSignature {
        name,
        title: text("title"),
        description: text("description"),
        inputs: inputs.schema().clone(),
        outputs: root
            .get("outputs")
            .map(|it| it.entries().iter().map(|it| it.key.clone()).collect())
            .unwrap_or_default(),
    }
}

fn workflow(context: &mut Context<'_>, root: &Node) -> Option<Program> {
    if !root.is_map() {
        context
            .diagnostics
            .error("wrong_type", root.span, format!("a workflow is a map of keys, this is {}", root.kind()))
            .hint("start with `workflow: its_name`");
        return None;
    }
    context.check_keys(root, &WORKFLOW_KEYS, "a workflow");
    let name = document_name(context, root, "workflow");
    for key in ["title", "description"] {
        context.optional_text(root, key);
    }
    let inputs = Inputs::read(context, root.get("inputs"));
    context.inputs = Some(inputs.names().map(str::to_owned).collect());
    context.input_schema = inputs.schema().clone();
    let limits = limits::read(context, root.get("limits"));
    let sources = match root.get("nodes") {
        Some(nodes) => node_sources(context, "nodes", nodes),
        None => {
            let span = root.entries().first().map_or(root.span, |it| it.key_span);
            context.diagnostics.error("missing_key", span, "`nodes` is missing");
            Vec::new()
        }
    };
    let name = name.unwrap_or_default();
    let signature = header(root, name, &inputs);
    let triggers = triggers::read(context, root.get("on"), &inputs);
    let mut program = compile_program(context, signature, (inputs, limits), (sources, root.get("outputs")))?;
    program.triggers = triggers;
    Some(program)
}

/// The entries of `nodes`, or of a container's `do`.
fn node_sources(context: &mut Context<'_>, key: &str, nodes: &Node) -> Vec<NodeSource> {
    if !nodes.is_map() {
        context
            .diagnostics
            .error("wrong_type", nodes.span, format!("`{key}` must be a map, this is {}", nodes.kind()))
            .hint("every node is `id:` with `use:` below it, not a list entry");
        return Vec::new();
    }
    let mut sources = Vec::new();
    for entry in nodes.entries() {
        check_node_id(context, &entry.key, entry.key_span);
        sources.push(NodeSource { id: entry.key.clone(), span: entry.key_span, body: entry.value.clone() });
    }
    if sources.is_empty() {
        let owner = if key == "nodes" { "a workflow" } else { "`do`" };
        context.diagnostics.error("missing_key", nodes.span, format!("{owner} needs at least one node"));
    }
    sources
}

/// The document's name, from the key that also says its kind.
pub(crate) fn document_name(context: &mut Context<'_>, root: &Node, kind: &'static str) -> Option<String> {
    let first = root.entries().first();
    let Some(entry) = root.entry(kind) else {
        let span = first.map_or(root.span, |it| it.key_span);
        context
            .diagnostics
            .error("missing_key", span, format!("`{kind}` is missing"))
            .hint(format!("the first key says what the document is and what it is called: `{kind}: its_name`"));
        return None;
    };
    match entry.value.as_str() {
        Some(name) if is_id(name) => Some(name.to_owned()),
        Some(name) => {
            context.invalid_id(name, entry.value.span);
            None
        }
        None => {
            let message = format!("`{kind}` must be a name, this is {}", entry.value.kind());
            context.diagnostics.error("wrong_type", entry.value.span, message);
            None
        }
    }
}

fn check_node_id(context: &mut Context<'_>, id: &str, span: Span) {
    if is_reserved(id) {
        context.diagnostics.error("reserved_id", span, format!("`{id}` has a meaning of its own in expressions")).hint(
            format!(
                "call the node something else, for example `{id}_node`; reserved are: {}",
                crate::names::RESERVED.join(", ")
            ),
        );
    } else if !is_id(id) {
        context.invalid_id(id, span);
    }
}

/// One node as it stands in a document, or as a document was lowered into it.
#[derive(Clone)]
pub(crate) struct NodeSource {
    pub(crate) id: String,
    pub(crate) span: Span,
    pub(crate) body: Node,
}

/// A body while it is compiled.
pub(crate) struct Draft {
    sources: Vec<NodeSource>,
    /// None for a node that could not be compiled.
    nodes: Vec<Option<ProgramNode>>,
    owner: Option<Spot>,
    collect: Option<Template>,
    condition: Option<Expression>,
    next: Vec<(String, Template)>,
}

/// Compiles nodes and outputs into a program. Returns none after errors that leave nothing to return.
pub(crate) fn compile_program(
    context: &mut Context<'_>,
    signature: WorkflowSignature,
    (inputs, limits): (Inputs, LimitsAsked),
    (sources, outputs): (Vec<NodeSource>, Option<&Node>),
) -> Option<Program> {
    let mut drafts = Vec::new();
    body(context, &mut drafts, sources, (None, ScopeKind::Outermost));
    context.diagnostics.node = None;
    context.reader = Reader::End(0);
    let outputs: Outputs = compile_outputs(context, outputs);
    graph::check(context, &mut drafts, &outputs);
    if context.diagnostics.errors() > 0 {
        return None;
    }
    let scopes = std::mem::take(&mut context.scopes);
    let mut bodies = Vec::with_capacity(drafts.len());
    for (draft, scope) in drafts.into_iter().zip(scopes) {
        let Draft { sources: _, nodes, owner, collect, condition, next } = draft;
        let nodes = nodes.into_iter().collect::<Option<Vec<ProgramNode>>>()?;
        let mut body = Body { nodes, index: scope.ids, owner, collect, condition, next };
        body.link();
        bodies.push(body);
    }
    Some(Program::new(signature, (inputs, limits), bodies, outputs))
}

/// Compiles the nodes of a body and, after each, those inside of it. Returns the body's number.
fn body(
    context: &mut Context<'_>,
    drafts: &mut Vec<Draft>,
    sources: Vec<NodeSource>,
    (owner, kind): (Option<Spot>, ScopeKind),
) -> usize {
    let number = drafts.len();
    let ids: HashMap<Arc<str>, usize> =
        sources.iter().enumerate().map(|(number, it)| (Arc::from(it.id.as_str()), number)).collect();
    context.scopes.push(Scope { ids, owner, kind });
    let count = sources.len();
    drafts.push(Draft { sources, nodes: Vec::new(), owner, collect: None, condition: None, next: Vec::new() });
    for node_number in 0..count {
        let Some(source) = drafts.get(number).and_then(|it| it.sources.get(node_number)).cloned() else { continue };
        context.diagnostics.node = Some(source.id.clone());
        let spot = Spot { body: number, node: node_number };
        context.reader = Reader::Node(spot);
        let compiled = node(context, drafts, (&source, spot));
        if let Some(draft) = drafts.get_mut(number) {
            draft.nodes.push(compiled);
        }
    }
    number
}

fn compile_outputs(context: &mut Context<'_>, outputs: Option<&Node>) -> Vec<(String, Template)> {
    let Some(outputs) = outputs else { return Vec::new() };
    if !outputs.is_map() {
        if !matches!(outputs.value, Yaml::Null) {
            context
                .diagnostics
                .error("wrong_type", outputs.span, format!("`outputs` must be a map, this is {}", outputs.kind()))
                .hint("write `name: \"{{ node.output }}\"`");
        }
        return Vec::new();
    }
    outputs.entries().iter().map(|it| (it.key.clone(), context.template(&it.value))).collect()
}

/// Compiles one node. None when its kind could not be compiled; its settings are checked all the same.
fn node(
    context: &mut Context<'_>,
    drafts: &mut Vec<Draft>,
    (source, spot): (&NodeSource, Spot),
) -> Option<ProgramNode> {
    let body = &source.body;
    if !body.is_map() {
        context
            .diagnostics
            .error("wrong_type", source.span, format!("`{}` must be a map, this is {}", source.id, body.kind()))
            .hint("a node has at least `use:`");
        return None;
    }
    let is_container = body.get("use").and_then(Node::as_str).is_some_and(crate::nodes::is_container);
    if is_container {
        let known: Vec<&str> = NODE_KEYS.iter().chain(&containers::CONTAINER_KEYS).copied().collect();
        context.check_keys(body, &known, "a container");
    } else {
        context.check_keys(body, &NODE_KEYS, "a node");
    }
    context.optional_text(body, "description");
    let title = context.optional_text(body, "title");
    let mut settings = settings::read(context, body);
    let Some(use_entry) = body.entry("use") else {
        context
            .diagnostics
            .error("missing_key", source.span, format!("`{}` has no `use`", source.id))
            .hint("`use` names what the node does: a kind such as `answer`, a plugin, or `workflow/NAME`");
        return None;
    };
    let Some(use_name) = use_entry.value.as_str().map(str::to_owned) else {
        context.diagnostics.error(
            "wrong_type",
            use_entry.value.span,
            format!("`use` must be a name, this is {}", use_entry.value.kind()),
        );
        return None;
    };
    if is_container {
        containers::check_settings(context, body, &use_name);
    } else if let Some(cache) = &mut settings.cache {
        check_cache(context, body, &use_name, cache);
    }
    let with = body.entry("with");
    let mut node_context = NodeContext {
        context,
        id: &source.id,
        title: title.as_deref(),
        use_name: &use_name,
        use_span: use_entry.value.span,
        with: with.map(|it| &it.value),
        with_span: with.map_or(use_entry.value.span, |it| it.key_span),
    };
    let built = crate::nodes::build(&mut node_context);
    let container = crate::nodes::container(&node_context);
    let Some(built) = built else {
        // What stands inside is checked even when the container itself is wrong.
        if let Some(kind) = container {
            let mut ignored = ProgramNode::broken(source.id.as_str());
            containers::finish(context, drafts, (source, spot), (&mut ignored, kind));
        }
        return None;
    };
    let mut node = ProgramNode::new(Arc::from(source.id.as_str()), (use_name, title), settings, built);
    if let Some(kind) = container {
        containers::finish(context, drafts, (source, spot), (&mut node, kind));
    }
    Some(node)
}

fn check_cache(context: &mut Context<'_>, body: &Node, use_name: &str, cache: &mut Cache) {
    let Caching { allowed, asks_model, hears } = crate::nodes::caching(use_name);
    if !allowed {
        let span = body.entry("cache").map(|it| it.key_span).unwrap_or_default();
        context
            .diagnostics
            .error("setting_not_here", span, format!("what `{use_name}` does cannot be kept"))
            .hint("`cache` fits nodes that only compute or fetch something");
    }
    if asks_model && body.get("with").and_then(|it| it.get("model")).is_none() {
        cache.model = Some(crate::nodes::DEFAULT_MODEL.to_owned());
    }
    cache.hears = hears;
}
