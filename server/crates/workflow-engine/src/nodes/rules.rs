//! `rules`: a decision table. The rows whose conditions all hold decide what comes out.
//!
//! Written by hand: GoRules ZEN (`zen-engine`) brings an expression language and a runtime of its own besides minijinja, for
//! what is here a loop over parsed cells.

mod cell;
mod read;

use serde_json::{Map, Value, json};

use crate::compile::NodeContext;
use crate::effect::EffectError;
use crate::expression::Names;
use crate::node::{Behaviour, Built, DONE, Declaration, Next, PortsInfo, Step, Words, object_schema};
use crate::template::Template;
use crate::yaml::Span;
use cell::{Condition, Fact};
use read::Columns;

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
            "when": { "title": "Conditions · 条件列", "description": "Column: the value that its cells are held against · 列名: 要判断的值",
                "type": "object", "minProperties": 1 },
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
    object_schema(json!({ "rules": rules }), &["rules"])
}

fn outputs() -> Value {
    with_result(
        &json!({ "description": "The matching row's values, or a list of them with hit: collect; null when none matches · 命中的结果" }),
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
    let hit = match rules.get("hit").and_then(|it| it.as_str()) {
        Some("collect") => Hit::Collect,
        Some(_) | None => Hit::First,
    };
    let when = rules.get("when").map(|it| context.context.template(it));
    let before = context.diagnostics().errors();
    let columns = read::columns(context, rules)?;
    let rows = read::rows(context, rules, &columns)?;
    // A cell that could not be read matches anything, which says nothing about the rows after it.
    if hit == Hit::First && context.diagnostics().errors() == before {
        read::warn_unreachable(context, &rows);
    }
    let outputs = known_outputs(&columns, hit);
    Some(Built {
        behaviour: Box::new(Rules { columns, hit, rows }),
        input: Template::Map(when.map(|it| ("when".to_owned(), it)).into_iter().collect()),
        ports: vec![DONE.to_owned(), NONE.to_owned()],
        outputs,
        streams: false,
        acts: false,
        says: false,
        answer: None,
    })
}

fn known_outputs(columns: &Columns, hit: Hit) -> Value {
    let cells: Map<String, Value> = columns.then.iter().map(|it| (it.clone(), json!({}))).collect();
    let row = json!({ "type": ["object", "null"], "properties": cells, "additionalProperties": false });
    match hit {
        Hit::First => with_result(&row),
        Hit::Collect => with_result(&json!({ "type": "array", "items": row })),
    }
}

#[derive(Debug)]
struct Rules {
    columns: Columns,
    hit: Hit,
    rows: Vec<Row>,
}

impl Behaviour for Rules {
    /// Decides as well: cells of `then` may read names, and only those of rows that match should.
    fn input(&self, template: &Template, names: &dyn Names) -> Result<Value, EffectError> {
        let input = template.evaluate(names)?;
        let when = input.get("when").unwrap_or(&Value::Null);
        let facts: Vec<Fact<'_>> =
            self.columns.when.iter().map(|it| Fact::new(when.get(it).unwrap_or(&Value::Null))).collect();
        let mut matched = Vec::new();
        let mut results = Vec::new();
        for row in &self.rows {
            if !row.when.iter().zip(&facts).all(|(condition, fact)| condition.holds(fact)) {
                continue;
            }
            matched.push(row.number);
            let cells = self.columns.then.iter().zip(&row.then);
            let cells = cells.map(|(name, it)| Ok((name.clone(), it.evaluate(names)?)));
            results.push(Value::Object(cells.collect::<Result<Map<_, _>, EffectError>>()?));
            if self.hit == Hit::First {
                break;
            }
        }
        let result = match self.hit {
            Hit::First => results.pop().unwrap_or(Value::Null),
            Hit::Collect => Value::Array(results),
        };
        Ok(json!({ "when": when, "matched": matched, "result": result }))
    }

    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let matched = input.get("matched").cloned().unwrap_or_else(|| json!([]));
        let result = input.get("result").cloned().unwrap_or(Value::Null);
        let port = if matched.as_array().is_some_and(|it| !it.is_empty()) { DONE } else { NONE };
        Ok(Next::Done { ports: vec![port.to_owned()], output: json!({ "result": result, "matched": matched }) })
    }
}
