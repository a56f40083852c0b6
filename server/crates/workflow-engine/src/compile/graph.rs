//! What the nodes of a document mean to each other: references, ports, cycles, nodes that can never run, nodes that
//! nobody waits for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::context::{Context, Use};
use super::{NodeSource, OnError};
use crate::names::{is_id, nearest};
use crate::program::ProgramNode;
use crate::schema::{Lookup, lookup};
use crate::template::Template;

/// What an expression may read without any node.
const SCOPE: [&str; 6] = ["inputs", "state", "chat", "user", "run", "env"];
const CHAT: [&str; 3] = ["message", "history", "files"];
const USER: [&str; 3] = ["id", "name", "attributes"];
const RUN: [&str; 2] = ["id", "started_at"];

pub(super) fn check(
    context: &mut Context<'_>,
    sources: &[NodeSource],
    drafts: &mut [Option<ProgramNode>],
    outputs: &[(String, Template)],
) {
    let mut dependencies: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); sources.len()];
    let mut read_by_outputs: BTreeSet<usize> = BTreeSet::new();
    for used in std::mem::take(&mut context.uses) {
        context.diagnostics.node = used.reader.and_then(|it| sources.get(it)).map(|it| it.id.clone());
        let Some(target) = check_use(context, &used, drafts) else { continue };
        match used.reader.and_then(|it| dependencies.get_mut(it)) {
            Some(reads) => {
                reads.insert(target);
            }
            None => {
                read_by_outputs.insert(target);
            }
        }
    }
    check_after(context, sources, drafts, &mut dependencies);
    for (number, reads) in dependencies.iter().enumerate() {
        if let Some(Some(node)) = drafts.get_mut(number) {
            node.dependencies = reads.iter().copied().collect();
        }
    }
    if check_cycles(context, sources, &dependencies) {
        check_reachable(context, sources, drafts, &dependencies);
    }
    let used: BTreeSet<usize> = dependencies.iter().flatten().copied().chain(read_by_outputs).collect();
    check_unused(context, sources, drafts, (&used, outputs));
    context.diagnostics.node = None;
}

/// Checks one reference. Some when it is to a node.
fn check_use(context: &mut Context<'_>, used: &Use, drafts: &[Option<ProgramNode>]) -> Option<usize> {
    let Use { path, span, reader: _ } = used;
    let first = path.rest.first().map(String::as_str);
    let known: &[&str] = match path.root.as_str() {
        "secrets" => {
            context.diagnostics.error("secret_not_allowed", *span, format!("`{path}` may not be read here")).hint(
                "a secret may stand as `{{ secrets.NAME }}` in the `headers` and `auth` of an `http` node, and in a \
                     plugin's configuration; never in a value that a trace shows",
            );
            return None;
        }
        "inputs" => {
            if let (Some(name), Some(inputs)) = (first, context.inputs.clone())
                && !inputs.iter().any(|it| it == name)
            {
                context.diagnostics.error("unknown_reference", *span, format!("there is no input `{name}`"));
                context.diagnostics.suggest(name, inputs.iter().map(String::as_str), "inputs");
            }
            return None;
        }
        "state" | "env" => return None,
        "chat" => &CHAT,
        "user" => &USER,
        "run" => &RUN,
        "item" | "index" | "loop" => {
            let message = format!("`{}` has a meaning only inside of a loop", path.root);
            context.diagnostics.error("unknown_reference", *span, message);
            return None;
        }
        name => return check_node_use(context, used, name, drafts),
    };
    if let Some(name) = first.filter(|it| !known.contains(it)) {
        context.diagnostics.error("unknown_reference", *span, format!("`{}` has no `{name}`", path.root));
        context.diagnostics.suggest(name, known.iter().copied(), "it has");
    }
    None
}

fn check_node_use(context: &mut Context<'_>, used: &Use, name: &str, drafts: &[Option<ProgramNode>]) -> Option<usize> {
    let Some(target) = context.node_ids.get(name).copied() else {
        if used.path.may_be_local {
            return None;
        }
        context.diagnostics.error("unknown_reference", used.span, format!("there is no node `{name}`"));
        let in_inputs = context.inputs.as_ref().is_some_and(|it| it.iter().any(|it| it == name));
        if in_inputs {
            context.diagnostics.hint(format!("did you mean `inputs.{name}`?"));
        } else {
            let ids: Vec<String> = sorted_ids(context);
            context.diagnostics.suggest(name, ids.iter().map(String::as_str).chain(SCOPE), "in scope");
        }
        return None;
    };
    let Some(Some(node)) = drafts.get(target) else { return Some(target) };
    let error_output = used.path.rest.first().is_some_and(|it| it == "error")
        && matches!(node.on_error, OnError::Continue | OnError::Route);
    if error_output || matches!(node.on_error, OnError::Value(_)) {
        return Some(target);
    }
    if let Lookup::Missing { name: missing, known, certain } = lookup(&node.outputs, &used.path.rest) {
        let owner: Vec<&str> = std::iter::once(name)
            .chain(used.path.rest.iter().map(String::as_str).take_while(|it| *it != missing))
            .collect();
        let message = format!("`{}` has no output `{missing}`", owner.join("."));
        if certain {
            context.diagnostics.error("unknown_output", used.span, message);
        } else {
            context.diagnostics.warning("unknown_output", used.span, message);
        }
        if missing == "error" {
            context.diagnostics.hint("a node has `error` with `on_error: continue` or `on_error: route`");
        } else {
            context.diagnostics.suggest(&missing, known.iter().map(String::as_str), "it has");
        }
    }
    Some(target)
}

fn sorted_ids(context: &Context<'_>) -> Vec<String> {
    let sorted: BTreeMap<usize, String> =
        context.node_ids.iter().map(|(id, number)| (*number, id.to_string())).collect();
    sorted.into_values().collect()
}

fn check_after(
    context: &mut Context<'_>,
    sources: &[NodeSource],
    drafts: &mut [Option<ProgramNode>],
    dependencies: &mut [BTreeSet<usize>],
) {
    for number in 0..drafts.len() {
        let Some(Some(node)) = drafts.get_mut(number) else { continue };
        let Some(mut after) = node.after.take() else { continue };
        context.diagnostics.node = sources.get(number).map(|it| it.id.clone());
        for entry in &mut after {
            let Some(target) = context.node_ids.get(entry.name.as_str()).copied() else {
                context.diagnostics.error("unknown_node", entry.span, format!("there is no node `{}`", entry.name));
                let ids = sorted_ids(context);
                context.diagnostics.suggest(&entry.name, ids.iter().map(String::as_str), "nodes");
                continue;
            };
            entry.node = target;
            if let Some(reads) = dependencies.get_mut(number) {
                reads.insert(target);
            }
            if let (Some(port), Some(Some(target))) = (&entry.port, drafts.get(target)) {
                check_port(context, target, (port, &entry.name), entry.span);
            }
        }
        if let Some(Some(node)) = drafts.get_mut(number) {
            node.after = Some(after);
        }
    }
}

fn check_port(context: &mut Context<'_>, target: &ProgramNode, (port, name): (&str, &str), span: crate::yaml::Span) {
    let routes = matches!(target.on_error, OnError::Route);
    if target.ports.iter().any(|it| it == port) || (port == "error" && routes) {
        return;
    }
    context.diagnostics.error("unknown_port", span, format!("`{name}` has no way out `{port}`"));
    if port == "error" {
        context.diagnostics.hint(format!("`{name}` leaves by `error` only with `on_error: route`"));
    } else if let Some(near) = nearest(port, target.ports.iter().map(String::as_str)) {
        context.diagnostics.hint(format!("did you mean `{name}.{near}`?"));
    } else {
        context.diagnostics.hint(format!("its ways out: {}", target.ports.join(", ")));
    }
}

/// False when there is a cycle.
fn check_cycles(context: &mut Context<'_>, sources: &[NodeSource], dependencies: &[BTreeSet<usize>]) -> bool {
    let mut waiting: Vec<usize> = dependencies.iter().map(BTreeSet::len).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); dependencies.len()];
    for (number, reads) in dependencies.iter().enumerate() {
        for target in reads {
            if let Some(list) = dependents.get_mut(*target) {
                list.push(number);
            }
        }
    }
    let mut free: VecDeque<usize> = (0..waiting.len()).filter(|it| waiting.get(*it) == Some(&0)).collect();
    while let Some(number) = free.pop_front() {
        for dependent in dependents.get(number).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*dependent) {
                *count -= 1;
                if *count == 0 {
                    free.push_back(*dependent);
                }
            }
        }
    }
    let stuck: BTreeSet<usize> = (0..waiting.len()).filter(|it| waiting.get(*it).is_some_and(|it| *it > 0)).collect();
    let Some(first) = stuck.first().copied() else { return true };
    // Walking from a stuck node to stuck dependencies must come back to a node that was seen: that is the cycle.
    let mut path = vec![first];
    let cycle = loop {
        let last = path.last().copied().unwrap_or(first);
        let next = dependencies.get(last).and_then(|it| it.iter().find(|it| stuck.contains(it)).copied());
        let Some(next) = next else { break path };
        if let Some(at) = path.iter().position(|it| *it == next) {
            break path.split_off(at);
        }
        path.push(next);
    };
    let name = |it: &usize| sources.get(*it).map_or("", |it| it.id.as_str()).to_owned();
    let mut names: Vec<String> = cycle.iter().map(name).collect();
    names.extend(cycle.first().map(name));
    let start = cycle.iter().copied().min().unwrap_or(first);
    context.diagnostics.node = sources.get(start).map(|it| it.id.clone());
    let span = sources.get(start).map(|it| it.span).unwrap_or_default();
    context
        .diagnostics
        .error("cycle", span, format!("these nodes wait for each other: {}", names.join(" → ")))
        .hint("take one of the references or `after` entries out");
    false
}

/// Nodes that no run can ever reach.
fn check_reachable(
    context: &mut Context<'_>,
    sources: &[NodeSource],
    drafts: &[Option<ProgramNode>],
    dependencies: &[BTreeSet<usize>],
) {
    let mut dead: BTreeSet<usize> = BTreeSet::new();
    // In each round the dead ones grow; a chain of n nodes in the worst order takes n rounds, but documents are written
    // roughly in order, so two rounds are the rule.
    loop {
        let before = dead.len();
        for (number, node) in drafts.iter().enumerate() {
            let Some(node) = node else { continue };
            if dead.contains(&number) {
                continue;
            }
            let never = node.condition.as_ref().is_some_and(|it| it.source().trim() == "false");
            let cut_off = match &node.after {
                Some(after) => after.iter().all(|it| dead.contains(&it.node)),
                None => {
                    let reads = dependencies.get(number);
                    reads.is_some_and(|it| !it.is_empty() && it.iter().all(|it| dead.contains(it)))
                }
            };
            if never || cut_off {
                dead.insert(number);
                report_unreachable(context, sources, (number, node), never);
            }
        }
        if dead.len() == before {
            return;
        }
    }
}

fn report_unreachable(
    context: &mut Context<'_>,
    sources: &[NodeSource],
    (number, node): (usize, &ProgramNode),
    never: bool,
) {
    let Some(source) = sources.get(number) else { return };
    context.diagnostics.node = Some(source.id.clone());
    let message = format!("`{}` can never run", source.id);
    if never {
        context.diagnostics.warning("unreachable", source.span, message).hint("its `if` is always false");
    } else if node.after.as_ref().is_some_and(Vec::is_empty) {
        context
            .diagnostics
            .error("unreachable", source.span, message)
            .hint("its `after` is empty; leave `after` out to run it from the start");
    } else {
        context
            .diagnostics
            .warning("unreachable", source.span, message)
            .hint("everything that it waits for can never run");
    }
}

fn check_unused(
    context: &mut Context<'_>,
    sources: &[NodeSource],
    drafts: &[Option<ProgramNode>],
    (used, outputs): (&BTreeSet<usize>, &[(String, Template)]),
) {
    for (number, node) in drafts.iter().enumerate() {
        let (Some(node), Some(source)) = (node, sources.get(number)) else { continue };
        if node.acts || used.contains(&number) || !is_id(&source.id) {
            continue;
        }
        context.diagnostics.node = Some(source.id.clone());
        context.diagnostics.warning("unused_node", source.span, format!("nobody uses what `{}` gives", source.id));
        let hint = if outputs.is_empty() {
            "refer to it in an `answer` or in `outputs`"
        } else {
            "refer to it, or take it out"
        };
        context.diagnostics.hint(hint);
    }
}
