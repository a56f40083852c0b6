//! What makes a node a container: the nodes in its `do`, what it collects of them, and, for a `loop`, what decides about
//! the next iteration.

use super::context::{Context, Reader, ScopeKind};
use super::{Draft, NodeSource, body, node_sources};
use crate::program::{Container, ContainerKind, ProgramNode, Spot};
use crate::template::Template;
use crate::yaml::{Entry, Node};

/// Keys that only containers have, beside `with`.
pub(super) const CONTAINER_KEYS: [&str; 3] = ["do", "collect", "next"];

/// Compiles what stands in a container. Its own configuration has been compiled as that of any other node.
pub(super) fn finish(
    context: &mut Context<'_>,
    drafts: &mut Vec<Draft>,
    (source, spot): (&NodeSource, Spot),
    (node, kind): (&mut ProgramNode, ContainerKind),
) {
    let yaml = &source.body;
    let sources = inner_nodes(context, source);
    check_shadows(context, &sources, spot);
    let scope = match kind {
        ContainerKind::Each(_) => ScopeKind::Each,
        ContainerKind::Loop => ScopeKind::Loop,
    };
    let number = body(context, drafts, sources, (Some(spot), scope));
    context.diagnostics.node = Some(source.id.clone());
    context.reader = Reader::End(number);
    let collect = yaml.entry("collect").map(|it| context.template(&it.value));
    let next = match (yaml.entry("next"), kind) {
        (Some(entry), ContainerKind::Loop) => next_variables(context, entry, yaml),
        (Some(entry), ContainerKind::Each(_)) => {
            context
                .diagnostics
                .error("setting_not_here", entry.key_span, "`next` belongs to a `loop`")
                .hint("the items of an `each` know nothing of each other");
            Vec::new()
        }
        (None, _) => Vec::new(),
    };
    context.reader = Reader::Begin(number);
    let condition = yaml
        .get("with")
        .and_then(|it| it.get("while"))
        .filter(|_| kind == ContainerKind::Loop)
        .and_then(|it| context.condition(it, "while"));
    context.reader = Reader::Node(spot);
    if collect.is_none()
        && let Some(outputs) = node.outputs.get_mut("properties").and_then(|it| it.as_object_mut())
    {
        outputs.shift_remove("items");
    }
    if let Some(draft) = drafts.get_mut(number) {
        draft.collect = collect;
        draft.next = next;
        draft.condition = condition;
    }
    node.container = Some(Container { body: number, kind });
}

fn inner_nodes(context: &mut Context<'_>, source: &NodeSource) -> Vec<NodeSource> {
    if let Some(nodes) = source.body.entry("do") {
        return node_sources(context, "do", &nodes.value);
    }
    let misplaced = source.body.get("with").and_then(|it| it.entry("do"));
    let span = misplaced.map_or(source.span, |it| it.key_span);
    context.diagnostics.error("missing_key", span, format!("`{}` has no `do`", source.id)).hint(
        if misplaced.is_some() {
            "`do` stands beside `with`, not in it"
        } else {
            "`do` holds the nodes that are run for every item"
        },
    );
    Vec::new()
}

/// A name means one thing: nodes of a container may not be called as nodes around it.
fn check_shadows(context: &mut Context<'_>, sources: &[NodeSource], owner: Spot) {
    for source in sources {
        if context.resolve(owner.body, &source.id).is_some() {
            context
                .diagnostics
                .error("shadowed_id", source.span, format!("there is a node `{}` around this one", source.id))
                .hint("call it something else; nodes inside a container see the ones outside");
        }
    }
}

fn next_variables(context: &mut Context<'_>, entry: &Entry, yaml: &Node) -> Vec<(String, Template)> {
    if !entry.value.is_map() {
        context.wrong_type(&entry.value, "next", "a map");
        context.diagnostics.hint("for example `next: { total: \"{{ loop.total + price.value }}\" }`");
        return Vec::new();
    }
    let declared: Vec<&str> = yaml
        .get("with")
        .and_then(|it| it.get("vars"))
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|it| it.key.as_str())
        .collect();
    for it in entry.value.entries() {
        if !declared.contains(&it.key.as_str()) {
            let message = format!("the loop has no variable `{}`", it.key);
            context.diagnostics.error("unknown_key", it.key_span, message);
            if declared.is_empty() {
                context.diagnostics.hint("declare it with its first value in `with: { vars: … }`");
            } else {
                context.diagnostics.suggest(&it.key, declared.iter().copied(), "variables");
            }
        }
    }
    entry.value.entries().iter().map(|it| (it.key.clone(), context.template(&it.value))).collect()
}

/// Settings that mean nothing on a container.
pub(super) fn check_settings(context: &mut Context<'_>, yaml: &Node, name: &str) {
    for key in ["retry", "cache"] {
        if let Some(entry) = yaml.entry(key) {
            context
                .diagnostics
                .error("setting_not_here", entry.key_span, format!("`{key}` has no meaning on `{name}`"))
                .hint("put it on the nodes inside");
        }
    }
}
