//! `rules`: a decision table. The rows whose conditions all hold decide what comes out, of values of the run or, with `from`,
//! of each row of a knowledge base.
//!
//! Written by hand: GoRules ZEN (`zen-engine`) brings an expression language and a runtime of its own besides minijinja, for
//! what is here a loop over parsed cells.

mod cell;
mod decide;
mod read;
mod rows;

use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::expression::Names;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, PortsInfo, Step, Words, object_schema};
use crate::template::Template;
use crate::yaml::{Node, Span, Yaml};
use cell::{Condition, Fact};
use decide::{Decision, Decisions};

/// The way out when no row matches.
const NONE: &str = "none";

const EXAMPLE: &str = r#"workflow: discount
inputs: { level: string, amount: number }
nodes:
  price:
    use: rules
    with:
      rules:
        when: { level: "{{ inputs.level }}", amount: "{{ inputs.amount }}" }
        then: [discount, note]
        rows:
          - { level: gold, amount: ">= 100", discount: 0.2, note: 金牌 }
          - { level: "gold, silver", discount: 0.1, note: 会员 }
  told: { use: answer, after: [price.done], with: { text: "{{ price.result.note }}: {{ price.result.discount }}" } }
  none: { use: answer, after: [price.none], with: { text: 没有折扣 } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "rules",
    title: Words { en: "Decision table", zh: "决策表" },
    summary: Words {
        en: "Looks values up in a table of conditions, written here or kept in a CSV file.",
        zh: "按条件表得出结果，表可以写在这里，也可以是 CSV 文件。",
    },
    config,
    outputs,
    ports,
    streams: false,
    caches: true,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    let rules = object_schema(
        json!({
            "hit": { "title": "Rows that count · 命中方式", "description": "first: the first row that matches; collect: all of them · first 取第一条，collect 取全部",
                "type": "string", "enum": ["first", "collect"], "default": "first" },
            "when": { "title": "Conditions · 条件列", "description": "Column: the value that its cells are held against; with `from` it may read `row`, and a list names columns of the row · 列名: 要判断的值；有 from 时可引用 row，也可只列出行的列名",
                "type": ["object", "array"], "minProperties": 1, "minItems": 1, "items": { "type": "string" } },
            "then": { "title": "Results · 结果列", "type": "array", "minItems": 1, "items": { "type": "string" } },
            "rows": { "title": "Rows · 规则", "description": "Cells: a value, >= 100, [1..5], a, b, not a, contains a, starts a, or - for anything · 单元格写法",
                "type": "array", "minItems": 1, "items": { "type": "object" } },
            "table": { "title": "Table file · 表文件", "description": "A CSV file whose header names the columns · 表头即列名的 CSV 文件", "type": "string" },
        }),
        &["when", "then"],
    );
    let mut rules = rules;
    if let Some(rules) = rules.as_object_mut() {
        rules.insert("title".to_owned(), json!("Decision table · 决策表"));
        rules.insert("x-widget".to_owned(), json!("rules"));
    }
    object_schema(json!({ "rules": rules, "from": from() }), &["rules"])
}

/// The members are those of a query of a knowledge base.
fn from() -> Value {
    let names = |title: &str| json!({ "title": title, "type": "array", "items": { "type": "string" } });
    let mut from = object_schema(
        json!({
            "knowledge_base": { "title": "Knowledge base · 知识库", "type": "string", "x-widget": "knowledge_base" },
            "filter": { "title": "Filter · 筛选", "description": "Conditions on fields, such as {spend: {gt: 0}} · 字段条件", "type": ["object", "string"] },
            "select": names("Columns · 列"),
            "group_by": names("Groups · 分组"),
            "aggregate": { "title": "Figures · 汇总", "description": "Name: {function: field}; count, count_distinct, sum, avg, min, max · 名称: {函数: 字段}", "type": "object" },
            "order_by": { "title": "Order · 排序", "type": "array", "items": { "type": "object" } },
            "offset": { "title": "Skipped rows · 跳过的行数", "type": "integer", "minimum": 0 },
            "limit": { "title": "Most rows · 最多行数", "type": "integer", "minimum": 1, "maximum": rows::MAX_ROWS },
        }),
        &["knowledge_base"],
    );
    if let Some(members) = from.as_object_mut() {
        let words = "The table judges each of these rows instead of one set of values · 对知识库里的每一行分别判断";
        members.insert("title".to_owned(), json!("Rows of a knowledge base · 知识库里的行"));
        members.insert("description".to_owned(), json!(words));
    }
    from
}

fn outputs() -> Value {
    let result = json!({ "description": "The matching row's values, or a list of them with hit: collect; null when none matches · 命中的结果" });
    let mut outputs = with_result(&result);
    if let Some(properties) = outputs.pointer_mut("/properties").and_then(Value::as_object_mut) {
        let rows = json!({ "description": "With `from`, instead: {row, result, matched} for each row of the knowledge base · 有 from 时改为逐行给出",
            "type": "array", "items": { "type": "object" } });
        properties.insert("rows".to_owned(), rows);
        let total = json!({ "description": "With `from`: rows that there are without `limit` · 有 from 时：不限条数时的行数", "type": "integer" });
        properties.insert("total".to_owned(), total);
    }
    outputs
}

/// What comes out of each row of a knowledge base.
fn outputs_of_rows(decisions: &Decisions, columns: Option<&[String]>) -> Value {
    let row = match columns {
        Some(columns) => {
            let cells: Map<String, Value> = columns.iter().map(|it| (it.clone(), json!({}))).collect();
            json!({ "type": "object", "properties": cells, "additionalProperties": false })
        }
        None => json!({ "type": "object" }),
    };
    let mut judged = known_outputs(decisions);
    if let Some(properties) = judged.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.insert("row".to_owned(), row);
    }
    object_schema(
        json!({ "rows": { "type": "array", "items": judged }, "total": { "type": "integer" } }),
        &["rows", "total"],
    )
}

fn with_result(result: &Value) -> Value {
    object_schema(
        json!({
            "result": result,
            "matched": { "description": "Numbers of the rows that matched, from 1 · 命中的行号", "type": "array", "items": { "type": "integer" } },
        }),
        &["result", "matched"],
    )
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: vec![DONE, NONE], from: None }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    First,
    Collect,
}

#[derive(Debug)]
struct Row {
    number: usize,
    span: Span,
    when: Vec<Condition>,
    then: Vec<Template>,
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    let rules = context.get("rules").filter(|it| it.is_map())?;
    if let Some(from) = context.get("from") {
        return rows::build(context, (from, rules), |it| decisions(it, rules));
    }
    let when = rules.get("when");
    if let Some(list) = when.filter(|it| matches!(it.value, Yaml::List(_))) {
        let message = "`when` is a list, but there are no rows whose columns it could name";
        let hint = "write `column: value`, or take rows of a knowledge base with `from`";
        context.diagnostics().error("wrong_type", list.span, message).hint(hint);
        return None;
    }
    let when = when.map(|it| context.context.template(it));
    let decisions = decisions(context, rules)?;
    let outputs = known_outputs(&decisions);
    Some(Built {
        behaviour: Box::new(Rules { decisions }),
        input: Template::Map(when.map(|it| ("when".to_owned(), it)).into_iter().collect()),
        ports: vec![DONE.to_owned(), NONE.to_owned()],
        outputs,
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

fn decisions(context: &mut NodeContext<'_, '_>, rules: &Node) -> Option<Decisions> {
    let hit = match rules.get("hit").and_then(|it| it.as_str()) {
        Some("collect") => Hit::Collect,
        Some(_) | None => Hit::First,
    };
    let before = context.diagnostics().errors();
    let columns = read::columns(context, rules)?;
    let rows = read::rows(context, rules, &columns)?;
    // A cell that could not be read matches anything, which says nothing about the rows after it.
    if hit == Hit::First && context.diagnostics().errors() == before {
        read::warn_unreachable(context, &rows);
    }
    Some(Decisions { columns, hit, rows })
}

fn known_outputs(decisions: &Decisions) -> Value {
    let cells: Map<String, Value> = decisions.columns.then.iter().map(|it| (it.clone(), json!({}))).collect();
    let row = json!({ "type": ["object", "null"], "properties": cells, "additionalProperties": false });
    match decisions.hit {
        Hit::First => with_result(&row),
        Hit::Collect => with_result(&json!({ "type": "array", "items": row })),
    }
}

#[derive(Debug)]
struct Rules {
    decisions: Decisions,
}

impl Behaviour for Rules {
    /// Decides as well: cells of `then` may read names.
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        let input = template.evaluate(names)?;
        let when = input.get("when").unwrap_or(&Value::Null);
        let columns = &self.decisions.columns.when;
        let facts: Vec<Fact<'_>> = columns.iter().map(|it| Fact::new(when.get(it).unwrap_or(&Value::Null))).collect();
        let Decision { matched, result, evaluated: _ } = self.decisions.decide(&facts, names)?;
        Ok(json!({ "when": when, "matched": matched, "result": result }))
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let matched = input.get("matched").cloned().unwrap_or_else(|| json!([]));
        let result = input.get("result").cloned().unwrap_or(Value::Null);
        let port = if matched.as_array().is_some_and(|it| !it.is_empty()) { DONE } else { NONE };
        Ok(Next::Done { ports: vec![port.to_owned()], output: json!({ "result": result, "matched": matched }) })
    }
}
