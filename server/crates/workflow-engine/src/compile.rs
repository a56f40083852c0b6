//! Text in, a [`Program`] or diagnostics out. Nothing stops at the first problem.
//!
//! * `inputs`: the `inputs:` section.
//! * `settings`: what every node has besides its kind: `after`, `if`, `retry`, `timeout`, `on_error`.
//! * `triggers`: the `on:` section: what starts the workflow by itself.
//! * `context`: what all of them share: the catalog, the diagnostics, and every reference that was read.
//! * `graph`: what the nodes mean to each other: references, ports, cycles, nodes that cannot run.

mod context;
mod graph;
mod inputs;
mod settings;
mod triggers;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use context::{Context, NodeContext};
pub(crate) use inputs::Inputs;
pub(crate) use settings::{After, OnError, Retry, Settings};

use crate::catalog::{Catalog, WorkflowSignature};
use crate::diagnostic::{Compiled, Diagnostics};
use crate::names::{is_id, is_reserved};
use crate::program::{Program, ProgramNode};
use crate::template::Template;
use crate::yaml::{Node, Span, Yaml};

const WORKFLOW_KEYS: [&str; 7] = ["workflow", "title", "description", "on", "inputs", "nodes", "outputs"];
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
    let mut sources = Vec::new();
    match root.get("nodes") {
        Some(nodes) if nodes.is_map() => {
            for entry in nodes.entries() {
                check_node_id(context, &entry.key, entry.key_span);
                sources.push(NodeSource { id: entry.key.clone(), span: entry.key_span, body: entry.value.clone() });
            }
            if sources.is_empty() {
                context.diagnostics.error("missing_key", nodes.span, "a workflow needs at least one node");
            }
        }
        Some(nodes) => {
            context
                .diagnostics
                .error("wrong_type", nodes.span, format!("`nodes` must be a map, this is {}", nodes.kind()))
                .hint("every node is `id:` with `use:` below it, not a list entry");
        }
        None => {
            context.diagnostics.error(
                "missing_key",
                root.entries().first().map_or(root.span, |it| it.key_span),
                "`nodes` is missing",
            );
        }
    }
    let name = name.unwrap_or_default();
    let signature = header(root, name, &inputs);
    let triggers = triggers::read(context, root.get("on"), &inputs);
    let mut program = compile_program(context, signature, inputs, (&sources, root.get("outputs")))?;
    program.triggers = triggers;
    Some(program)
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
pub(crate) struct NodeSource {
    pub(crate) id: String,
    pub(crate) span: Span,
    pub(crate) body: Node,
}

/// Compiles nodes and outputs into a program. Returns none after errors that leave nothing to return.
pub(crate) fn compile_program(
    context: &mut Context<'_>,
    signature: WorkflowSignature,
    inputs: Inputs,
    (sources, outputs): (&[NodeSource], Option<&Node>),
) -> Option<Program> {
    let mut index: HashMap<Arc<str>, usize> = HashMap::with_capacity(sources.len());
    for (number, source) in sources.iter().enumerate() {
        index.insert(Arc::from(source.id.as_str()), number);
    }
    context.node_ids = index;
    let mut drafts = Vec::with_capacity(sources.len());
    for (number, source) in sources.iter().enumerate() {
        context.diagnostics.node = Some(source.id.clone());
        context.reader = Some(number);
        drafts.push(node(context, source));
    }
    context.diagnostics.node = None;
    context.reader = None;
    let outputs = compile_outputs(context, outputs);
    graph::check(context, sources, &mut drafts, &outputs);
    if context.diagnostics.errors() > 0 {
        return None;
    }
    let nodes = drafts.into_iter().collect::<Option<Vec<ProgramNode>>>()?;
    let index = std::mem::take(&mut context.node_ids);
    Some(Program::new(signature, inputs, nodes, (index, outputs)))
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
fn node(context: &mut Context<'_>, source: &NodeSource) -> Option<ProgramNode> {
    let body = &source.body;
    if !body.is_map() {
        context
            .diagnostics
            .error("wrong_type", source.span, format!("`{}` must be a map, this is {}", source.id, body.kind()))
            .hint("a node has at least `use:`");
        return None;
    }
    context.check_keys(body, &NODE_KEYS, "a node");
    context.optional_text(body, "description");
    let title = context.optional_text(body, "title");
    let settings = settings::read(context, body);
    if let Some(cache) = body.entry("cache") {
        context
            .diagnostics
            .warning("unsupported", cache.key_span, "`cache` is not in this version; the node runs every time")
            .hint("take it out, or leave it for later versions");
    }
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
    let built = crate::nodes::build(&mut node_context)?;
    Some(ProgramNode::new(Arc::from(source.id.as_str()), (use_name, title), settings, built))
}
