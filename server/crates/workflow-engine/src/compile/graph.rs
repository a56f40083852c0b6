//! What the nodes of a document mean to each other: references, ports, cycles, nodes that can never run, nodes that
//! nobody waits for.

use std::collections::{BTreeSet, VecDeque};

use super::Draft;
use super::OnError;
use super::context::{Context, Expectation, Reader, ScopeKind, Use};
use crate::names::{is_id, nearest};
use crate::program::{ProgramNode, Spot};
use crate::schema::{Lookup, lookup};
use crate::template::Template;

/// What an expression may read without any node.
const SCOPE: [&str; 6] = ["inputs", "state", "chat", "user", "run", "env"];
const CHAT: [&str; 3] = ["message", "history", "files"];
const USER: [&str; 3] = ["id", "name", "attributes"];
const RUN: [&str; 2] = ["id", "started_at"];

/// What containers add to that for the nodes inside of them.
const VARIABLES: [(&str, &[ScopeKind]); 3] =
    [("item", &[ScopeKind::Each]), ("index", &[ScopeKind::Each, ScopeKind::Loop]), ("loop", &[ScopeKind::Loop])];

/// What the nodes of one body wait for.
type Dependencies = Vec<BTreeSet<usize>>;

pub(super) fn check(context: &mut Context<'_>, drafts: &mut [Draft], outputs: &[(String, Template)]) {
    let mut graph = Graph {
        dependencies: drafts.iter().map(|it| vec![BTreeSet::new(); it.nodes.len()]).collect(),
        used: BTreeSet::new(),
    };
    for used in std::mem::take(&mut context.uses) {
        context.diagnostics.node = id_of(drafts, used.reader);
        let Some(target) = check_use(context, &used, drafts) else { continue };
        graph.read(context, (used.reader, target), drafts, used.span);
    }
    check_after(context, drafts, &mut graph);
    for expectation in std::mem::take(&mut context.expectations) {
        context.diagnostics.node = id_of(drafts, expectation.reader);
        check_type(context, &expectation, drafts);
    }
    let Graph { dependencies, used } = graph;
    for (number, dependencies) in dependencies.iter().enumerate() {
        let Some(draft) = drafts.get_mut(number) else { continue };
        for (node, reads) in draft.nodes.iter_mut().zip(dependencies) {
            if let Some(node) = node {
                node.dependencies = reads.iter().copied().collect();
            }
        }
        if check_cycles(context, draft, dependencies) {
            check_reachable(context, (number, draft), dependencies);
        }
    }
    // Inner bodies first: a container is worth running when something inside of it is.
    for number in (0..drafts.len()).rev() {
        check_unused(context, drafts, number, (&used, outputs));
    }
    context.diagnostics.node = None;
}

struct Graph {
    /// By body and node.
    dependencies: Vec<Dependencies>,
    /// Nodes whose output somebody reads or waits for.
    used: BTreeSet<Spot>,
}

impl Graph {
    /// Notes that a node is read from somewhere. Whoever stands in a container makes the container wait.
    fn read(
        &mut self,
        context: &mut Context<'_>,
        (reader, target): (Reader, Spot),
        drafts: &mut [Draft],
        span: crate::yaml::Span,
    ) {
        self.used.insert(target);
        let body = reader.body();
        if target.body == body {
            match reader {
                Reader::Node(spot) => self.wait(spot, target.node),
                Reader::End(_) => {}
                Reader::Begin(_) => {
                    context
                        .diagnostics
                        .error("unknown_reference", span, "`while` is looked at before the nodes of the iteration run")
                        .hint("hand the value on with `next`, and read it as `loop.NAME`");
                }
            }
            return;
        }
        let mut owner = context.scopes.get(body).and_then(|it| it.owner);
        while let Some(at) = owner.filter(|it| it.body != target.body) {
            owner = context.scopes.get(at.body).and_then(|it| it.owner);
        }
        if let Some(container) = owner {
            self.wait(container, target.node);
        }
        if let Reader::Node(spot) = reader
            && let Some(Some(node)) = drafts.get_mut(spot.body).and_then(|it| it.nodes.get_mut(spot.node))
            && !node.outer.contains(&target)
        {
            node.outer.push(target);
        }
    }

    fn wait(&mut self, reader: Spot, target: usize) {
        if let Some(reads) = self.dependencies.get_mut(reader.body).and_then(|it| it.get_mut(reader.node)) {
            reads.insert(target);
        }
    }
}

fn id_of(drafts: &[Draft], reader: Reader) -> Option<String> {
    let spot = match reader {
        Reader::Node(spot) => spot,
        Reader::Begin(body) | Reader::End(body) => drafts.get(body)?.owner?,
    };
    drafts.get(spot.body)?.sources.get(spot.node).map(|it| it.id.clone())
}

fn node_at(drafts: &[Draft], spot: Spot) -> Option<&ProgramNode> {
    drafts.get(spot.body)?.nodes.get(spot.node)?.as_ref()
}

/// A reference whose type can never be what is wanted.
fn check_type(context: &mut Context<'_>, expectation: &Expectation, drafts: &[Draft]) {
    let Expectation { path, span, reader, key, schema } = expectation;
    let actual = if path.root == "inputs" {
        crate::schema::at_path(&context.input_schema, &path.rest)
    } else {
        let target = context.resolve(reader.body(), &path.root).and_then(|it| node_at(drafts, it));
        // With `on_error` the output may be something else.
        let target = target.filter(|it| matches!(it.on_error, OnError::Stop));
        target.and_then(|it| crate::schema::at_path(&it.outputs, &path.rest))
    };
    let Some(actual) = actual.filter(|it| crate::schema::never_fits(it, schema)) else { return };
    let words = |schema| {
        let names: Vec<String> =
            crate::schema::types(schema).into_iter().flatten().map(crate::schema::type_name).collect();
        names.join(" or ")
    };
    let message = format!("`{key}` must be {}, `{path}` is {}", words(schema), words(actual));
    context.diagnostics.error("wrong_type", *span, message);
}

/// Checks one reference. Some when it is to a node.
fn check_use(context: &mut Context<'_>, used: &Use, drafts: &[Draft]) -> Option<Spot> {
    let Use { path, span, reader } = used;
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
            check_variable(context, path, (*span, reader.body()));
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

/// `item`, `index` and `loop` exist inside of the containers that make them.
fn check_variable(context: &mut Context<'_>, path: &crate::expression::Path, (span, body): (crate::yaml::Span, usize)) {
    let Some((_, kinds)) = VARIABLES.iter().find(|(it, _)| *it == path.root) else { return };
    let container = match kinds {
        [ScopeKind::Each] => "an `each`",
        [ScopeKind::Loop] => "a `loop`",
        _ => "an `each` or a `loop`",
    };
    // A `for` of the template itself makes a `loop` as well; minijinja tells those apart, so what arrives here is ours.
    if !context.is_inside(body, kinds) && !path.may_be_local {
        let message = format!("`{}` has a meaning only inside of {container}", path.root);
        context.diagnostics.error("unknown_reference", span, message);
    }
}

fn check_node_use(context: &mut Context<'_>, used: &Use, name: &str, drafts: &[Draft]) -> Option<Spot> {
    let Some(target) = context.resolve(used.reader.body(), name) else {
        if used.path.may_be_local {
            return None;
        }
        report_unknown_node(context, ("unknown_reference", name), used.span, (drafts, used.reader.body()));
        return None;
    };
    let Some(node) = node_at(drafts, target) else { return Some(target) };
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

fn report_unknown_node(
    context: &mut Context<'_>,
    (code, name): (&'static str, &str),
    span: crate::yaml::Span,
    (drafts, body): (&[Draft], usize),
) {
    context.diagnostics.error(code, span, format!("there is no node `{name}`"));
    let container = drafts
        .iter()
        .find(|it| it.sources.iter().any(|it| it.id == name))
        .and_then(|it| it.owner)
        .and_then(|it| node_at(drafts, it));
    let in_inputs = context.inputs.as_ref().is_some_and(|it| it.iter().any(|it| it == name));
    if let Some(container) = container {
        let id = &container.id;
        context.diagnostics.hint(format!("`{name}` stands inside of `{id}`; give it out with `collect`"));
    } else if in_inputs && code == "unknown_reference" {
        context.diagnostics.hint(format!("did you mean `inputs.{name}`?"));
    } else {
        let ids = context.ids_in_sight(body);
        let ids = ids.iter().map(String::as_str);
        if code == "unknown_reference" {
            let variables = VARIABLES.iter().filter(|(_, kinds)| context.is_inside(body, kinds)).map(|(it, _)| *it);
            let variables: Vec<&str> = variables.collect();
            context.diagnostics.suggest(name, ids.chain(variables).chain(SCOPE), "in scope");
        } else {
            context.diagnostics.suggest(name, ids, "nodes");
        }
    }
}

fn check_after(context: &mut Context<'_>, drafts: &mut [Draft], graph: &mut Graph) {
    let spots: Vec<Spot> = drafts
        .iter()
        .enumerate()
        .flat_map(|(body, draft)| (0..draft.nodes.len()).map(move |node| Spot { body, node }))
        .collect();
    for spot in spots {
        let reader = Reader::Node(spot);
        let taken = drafts
            .get_mut(spot.body)
            .and_then(|it| it.nodes.get_mut(spot.node))
            .and_then(|it| it.as_mut())
            .and_then(|it| it.after.take());
        let Some(mut after) = taken else { continue };
        context.diagnostics.node = id_of(drafts, reader);
        for entry in &mut after {
            let Some(target) = context.resolve(spot.body, &entry.name) else {
                report_unknown_node(context, ("unknown_node", &entry.name), entry.span, (drafts, spot.body));
                continue;
            };
            entry.spot = target;
            graph.read(context, (reader, target), drafts, entry.span);
            if let (Some(port), Some(target)) = (&entry.port, node_at(drafts, target)) {
                check_port(context, target, (port, &entry.name), entry.span);
            }
        }
        let node = drafts.get_mut(spot.body).and_then(|it| it.nodes.get_mut(spot.node));
        if let Some(Some(node)) = node {
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
fn check_cycles(context: &mut Context<'_>, draft: &Draft, dependencies: &[BTreeSet<usize>]) -> bool {
    let sources = &draft.sources;
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
fn check_reachable(context: &mut Context<'_>, (number, draft): (usize, &Draft), dependencies: &[BTreeSet<usize>]) {
    let body = number;
    let mut dead: BTreeSet<usize> = BTreeSet::new();
    // In each round the dead ones grow; a chain of n nodes in the worst order takes n rounds, but documents are written
    // roughly in order, so two rounds are the rule.
    loop {
        let before = dead.len();
        for (number, node) in draft.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            if dead.contains(&number) {
                continue;
            }
            let never = node.condition.as_ref().is_some_and(|it| it.source().trim() == "false");
            let cut_off = match &node.after {
                Some(after) => after.iter().all(|it| it.spot.body == body && dead.contains(&it.spot.node)),
                None => {
                    let reads = dependencies.get(number);
                    node.outer.is_empty()
                        && reads.is_some_and(|it| !it.is_empty() && it.iter().all(|it| dead.contains(it)))
                }
            };
            if never || cut_off {
                dead.insert(number);
                report_unreachable(context, draft, (number, node), never);
            }
        }
        if dead.len() == before {
            return;
        }
    }
}

fn report_unreachable(context: &mut Context<'_>, draft: &Draft, (number, node): (usize, &ProgramNode), never: bool) {
    let Some(source) = draft.sources.get(number) else { return };
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
    drafts: &mut [Draft],
    number: usize,
    (used, outputs): (&BTreeSet<Spot>, &[(String, Template)]),
) {
    let Some(draft) = drafts.get(number) else { return };
    for (at, (node, source)) in draft.nodes.iter().zip(&draft.sources).enumerate() {
        let Some(node) = node else { continue };
        if node.acts || used.contains(&Spot { body: number, node: at }) || !is_id(&source.id) {
            continue;
        }
        context.diagnostics.node = Some(source.id.clone());
        context.diagnostics.warning("unused_node", source.span, format!("nobody uses what `{}` gives", source.id));
        context.diagnostics.hint(if draft.owner.is_some() {
            "refer to it in `collect`, or take it out"
        } else if outputs.is_empty() {
            "refer to it in an `answer` or in `outputs`"
        } else {
            "refer to it, or take it out"
        });
    }
    let acts = draft.nodes.iter().flatten().any(|it| it.acts);
    if let Some(owner) = draft.owner
        && let Some(Some(node)) = drafts.get_mut(owner.body).and_then(|it| it.nodes.get_mut(owner.node))
    {
        node.acts |= acts;
    }
}
