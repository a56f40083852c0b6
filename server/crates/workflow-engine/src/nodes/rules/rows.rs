//! `from`: a decision table that judges the rows of a knowledge base, one after the other.
//!
//! The rows come with an effect, when the names of the run can no longer be read. So what conditions and results read besides
//! the row is taken into the node's input when it starts: it decides what comes out, and `cache` has to know it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cell::Fact;
use super::decide::{Decision, Decisions};
use super::{NONE, outputs_of_rows};
use crate::compile::NodeContext;
use crate::effect::{Effect, EffectError, Outcome};
use crate::expression::{Names, Path, from_json, to_json};
use crate::node::{Behaviour, Built, DONE, Next, Step, invalid_input};
use crate::nodes::llm::broken_memory;
use crate::nodes::retrieve::check_base;
use crate::template::{Template, has_expression};
use crate::yaml::{Node, Yaml};

/// What expressions call the row that is judged.
const ROW: &str = "row";
/// As many rows as a query gives at most.
pub(super) const MAX_ROWS: u32 = 1000;
/// Conditions of one node; so many take about half a second.
const MAX_CONDITIONS: usize = 5_000_000;
/// Expressions of one node. Each takes some microseconds, and may take some milliseconds.
const MAX_EXPRESSIONS: usize = 20_000;

/// Where the value of a condition column comes from.
#[derive(Debug)]
enum When {
    /// The row's column of the same name.
    Column(String),
    Value(Template),
}

#[derive(Debug)]
struct RowRules {
    decisions: Decisions,
    when: Vec<When>,
    /// What is read besides the row.
    reads: Vec<Path>,
    /// Columns of the row that are read for certain.
    columns: Vec<String>,
}

pub(super) fn build(
    context: &mut NodeContext<'_, '_>,
    (from, rules): (&Node, &Node),
    decisions: impl FnOnce(&mut NodeContext<'_, '_>) -> Option<Decisions>,
) -> Option<Built> {
    if !from.is_map() {
        super::super::must_be_written(context, ("from", from.span), "its members may be expressions");
        return None;
    }
    if let Some(base) = from.get("knowledge_base")
        && let Some(name) = base.as_str().filter(|it| !has_expression(it))
    {
        check_base(context, name, base.span);
    }
    let query = context.context.template(from);
    let known = known_columns(from);
    let before = context.context.uses.len();
    let when = when(context, rules, known.as_deref());
    let decisions = decisions(context);
    // Also when there is an error: `row` is no name that the rest of the document knows.
    let (reads, mut columns) = take_reads(context, before, known.as_deref());
    columns.extend(when.iter().filter_map(|it| match it {
        When::Column(name) => Some(name.clone()),
        When::Value(_) => None,
    }));
    let row_rules = RowRules { decisions: decisions?, when, reads, columns };
    let outputs = outputs_of_rows(&row_rules.decisions, known.as_deref());
    Some(Built {
        behaviour: Box::new(row_rules),
        input: Template::Map(vec![("from".to_owned(), query)]),
        ports: vec![DONE.to_owned(), NONE.to_owned()],
        outputs,
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

/// The columns that the rows will have; none where only the knowledge base knows.
fn known_columns(from: &Node) -> Option<Vec<String>> {
    let names = |key: &str| match from.get(key).map(|it| &it.value) {
        None | Some(Yaml::Null) => Some(Vec::new()),
        Some(Yaml::List(items)) => items
            .iter()
            .map(|it| it.as_str().filter(|it| !has_expression(it)).map(str::to_owned))
            .collect::<Option<Vec<String>>>(),
        Some(Yaml::Map(entries)) => Some(entries.iter().map(|it| it.key.clone()).collect()),
        Some(Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_)) => None,
    };
    let groups: Vec<String> = names("group_by")?.into_iter().chain(names("aggregate")?).collect();
    let columns = if groups.is_empty() { names("select")? } else { groups };
    (!columns.is_empty()).then_some(columns)
}

fn when(context: &mut NodeContext<'_, '_>, rules: &Node, known: Option<&[String]>) -> Vec<When> {
    let Some(written) = rules.get("when") else { return Vec::new() };
    let Yaml::List(items) = &written.value else {
        return written.entries().iter().map(|it| When::Value(context.context.template(&it.value))).collect();
    };
    let mut when = Vec::new();
    for item in items {
        let Some(name) = item.as_str() else { continue };
        if let Some(known) = known.filter(|it| !it.iter().any(|it| it == name)) {
            let diagnostics = context.diagnostics();
            diagnostics.error("unknown_column", item.span, format!("the rows have no column `{name}`"));
            diagnostics.suggest(name, known.iter().map(String::as_str), "their columns");
        }
        when.push(When::Column(name.to_owned()));
    }
    when
}

/// What has been read since: what belongs to the run, and columns of the row, which are no names of the run.
fn take_reads(context: &mut NodeContext<'_, '_>, since: usize, known: Option<&[String]>) -> (Vec<Path>, Vec<String>) {
    let (mut reads, mut columns) = (Vec::new(), Vec::new());
    for read in context.context.uses.split_off(since) {
        if read.path.root != ROW {
            reads.push(read.path.clone());
            context.context.uses.push(read);
            continue;
        }
        let Some(column) = read.path.rest.first().filter(|_| !read.path.may_be_local) else { continue };
        if let Some(known) = known.filter(|it| !it.contains(column)) {
            let diagnostics = context.diagnostics();
            diagnostics.error("unknown_reference", read.span, format!("`{ROW}` has no `{column}`"));
            diagnostics.suggest(column, known.iter().map(String::as_str), "its columns");
        }
        columns.push(column.clone());
    }
    (reads, columns)
}

impl RowRules {
    fn check_columns(&self, row: &Map<String, Value>) -> Result<(), EffectError> {
        let Some(column) = self.columns.iter().find(|it| !row.contains_key(*it)) else { return Ok(()) };
        let hint = crate::names::suggestion(column, row.keys().map(String::as_str), "their columns");
        Err(EffectError { hint, ..invalid_input(format!("the rows have no column `{column}`")) })
    }

    fn judge(&self, row: &Map<String, Value>, names: &Value) -> Result<Decision, EffectError> {
        let names = RowNames { row: from_json(row), others: from_json(names) };
        let absent = Value::Null;
        let mut values = Vec::with_capacity(self.when.len());
        let mut evaluated = 0;
        for it in &self.when {
            values.push(match it {
                When::Column(name) => Cow::Borrowed(row.get(name).unwrap_or(&absent)),
                When::Value(Template::Literal(value)) => Cow::Borrowed(value),
                When::Value(template) => {
                    evaluated += 1;
                    Cow::Owned(template.evaluate(&names)?)
                }
            });
        }
        let facts: Vec<Fact<'_>> = values.iter().map(|it| Fact::new(it)).collect();
        let mut decision = self.decisions.decide(&facts, &names)?;
        decision.evaluated += evaluated;
        Ok(decision)
    }
}

/// What the node remembers while the rows are fetched.
#[derive(Serialize, Deserialize)]
struct Memory {
    /// What is read besides the row.
    names: Value,
    /// Whether the document wants a part of the rows only.
    part: bool,
}

impl Behaviour for RowRules {
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        let mut input = template.evaluate(names)?;
        let mut read = Map::new();
        for path in &self.reads {
            keep(&mut read, path, names)?;
        }
        if let (Some(members), false) = (input.as_object_mut(), read.is_empty()) {
            members.insert("names".to_owned(), Value::Object(read));
        }
        Ok(input)
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let mut query = input.get("from").and_then(Value::as_object).cloned().unwrap_or_default();
        query.retain(|_, it| !it.is_null());
        let Some(Value::String(knowledge_base)) = query.shift_remove("knowledge_base") else {
            return Err(invalid_input("`knowledge_base` must be the name of a knowledge base"));
        };
        let part = ["limit", "offset"].iter().any(|it| query.contains_key(*it));
        query.entry("limit").or_insert(json!(MAX_ROWS));
        let names = input.get("names").cloned().unwrap_or_else(|| json!({}));
        Ok(Next::Ask { effect: Effect::Query { knowledge_base, query }, memory: json!(Memory { names, part }) })
    }

    fn resume(&self, _: &mut Step<'_>, memory: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let Memory { names, part } = serde_json::from_value(memory).map_err(|it| broken_memory(&it))?;
        let found = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let rows: Vec<&Map<String, Value>> =
            found.get("rows").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).collect();
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let total = found.get("total").and_then(Value::as_u64).unwrap_or(count);
        if !part && total > count {
            let hint = "make fewer of them with `filter`, `group_by` and `aggregate`, or ask for a part with `limit`";
            let message = format!("there are {total} rows; a decision table judges at most {MAX_ROWS}");
            return Err(EffectError { hint: Some(hint.to_owned()), ..invalid_input(message) });
        }
        if let Some(first) = rows.first() {
            self.check_columns(first)?;
        }
        let conditions = self.decisions.rows.len().saturating_mul(self.when.len()).saturating_mul(rows.len());
        if conditions > MAX_CONDITIONS {
            return Err(too_much(format!(
                "{} rows have {conditions} conditions; {MAX_CONDITIONS} are held",
                rows.len()
            )));
        }
        let (mut judged, mut any, mut evaluated) = (Vec::with_capacity(rows.len()), false, 0);
        for row in rows {
            let Decision { matched, result, evaluated: more } = self.judge(row, &names)?;
            any |= !matched.is_empty();
            evaluated += more;
            if evaluated > MAX_EXPRESSIONS {
                return Err(too_much(format!("the rows have more than {MAX_EXPRESSIONS} expressions")));
            }
            judged.push(json!({ "row": row, "result": result, "matched": matched }));
        }
        let port = if any { DONE } else { NONE };
        Ok(Next::Done { ports: vec![port.to_owned()], output: json!({ "rows": judged, "total": total }) })
    }
}

fn too_much(message: String) -> EffectError {
    let hint = "judge fewer rows at once; a list such as `when: [spend, clicks]` needs no expressions";
    EffectError { code: "expression_limit".to_owned(), hint: Some(hint.to_owned()), ..invalid_input(message) }
}

/// What expressions see while a row is judged.
struct RowNames {
    row: minijinja::Value,
    others: minijinja::Value,
}

impl Names for RowNames {
    fn value(&self, name: &str) -> Option<minijinja::Value> {
        if name == ROW {
            return Some(self.row.clone());
        }
        self.others.get_attr(name).ok().filter(|it| !it.is_undefined())
    }
}

/// Puts the value of a path where the path leads. Where it leads no further, to an item of a list for one, all of what it has
/// led to is kept; what has no value at all stays away, as it does in the run.
fn keep(read: &mut Map<String, Value>, path: &Path, names: &dyn Names) -> Result<(), EffectError> {
    let Some(mut value) = names.value(&path.root) else { return Ok(()) };
    let mut last = &path.root;
    let mut way = Vec::new();
    for part in &path.rest {
        match value.get_attr(part) {
            Ok(inner) if !inner.is_undefined() => {
                way.push(std::mem::replace(&mut last, part));
                value = inner;
            }
            Ok(_) | Err(_) => break,
        }
    }
    let mut within = read;
    for part in way {
        match within.entry(part.clone()).or_insert_with(|| json!({})) {
            Value::Object(inner) => within = inner,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return Ok(()),
        }
    }
    within.insert(last.clone(), to_json(&value)?);
    Ok(())
}
