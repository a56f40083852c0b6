//! `approve`: asks somebody with a role whether something may happen. Leaves by `approved`, `rejected` or `timeout`.

use serde_json::{Value, json};

use crate::compile::NodeContext;
use crate::duration::{check_wait, wait_of};
use crate::effect::{Effect, EffectError, Outcome, Question, QuestionKind};
use crate::node::{Behaviour, Built, Declaration, Next, PortsInfo, Step, Words, invalid_input, object_schema, text_of};
use crate::nodes::people::{Verdict, by_schema, verdict};

const PORTS: [&str; 3] = ["approved", "rejected", "timeout"];
/// A tenant's roles, from the most to the least powerful.
const ROLES: [&str; 5] = ["owner", "admin", "author", "operator", "member"];
const DEFAULT_ROLE: &str = "operator";

const EXAMPLE: &str = r#"workflow: refund
inputs: { order: string, amount: number }
nodes:
  check:
    use: approve
    with: { title: "Refund {{ inputs.amount }}?", summary: "Order {{ inputs.order }}", who: admin, timeout: 2d }
  yes: { use: answer, after: [check.approved], with: { text: The money is on its way. } }
  no: { use: answer, after: [check.rejected], with: { text: "Not this time. {{ check.comment }}" } }
  late: { use: answer, after: [check.timeout], with: { text: Nobody could decide yet. } }
"#;

pub(super) static DECLARATION: Declaration = Declaration {
    name: "approve",
    title: Words { en: "Approval", zh: "审批" },
    summary: Words {
        en: "Asks somebody with a role whether to go on, and waits for the verdict.",
        zh: "请有相应角色的人审批，并等待结果。",
    },
    config,
    outputs,
    ports,
    streams: false,
    caches: false,
    example: EXAMPLE,
    build,
};

fn config() -> Value {
    object_schema(
        json!({
            "title": { "title": "Title · 标题", "description": "What is to be approved, in a line; the node's title if absent · 一句话说明审批什么；缺省为节点标题",
                "type": "string", "x-widget": "template" },
            "summary": { "title": "Summary · 说明", "description": "What whoever decides should know · 审批人需要了解的内容", "type": "string", "x-widget": "template" },
            "who": { "title": "Who · 审批人", "description": "The least role that may decide · 可以审批的最低角色",
                "type": "string", "enum": ROLES, "default": DEFAULT_ROLE },
            "timeout": { "title": "Time limit · 时限", "description": "Then the way out is `timeout`: 2h, 3d · 到时走 timeout：2h、3d",
                "type": ["string", "number"], "x-widget": "duration" },
        }),
        &[],
    )
}

fn outputs() -> Value {
    object_schema(json!({ "by": by_schema(), "comment": { "type": "string" } }), &["by", "comment"])
}

fn ports() -> PortsInfo {
    PortsInfo { fixed: PORTS.to_vec(), from: None }
}

fn build(context: &mut NodeContext<'_, '_>) -> Option<Built> {
    if context.get("title").is_none() && context.get("summary").is_none() {
        let span = context.with_span;
        context
            .diagnostics()
            .error("missing_key", span, "`title` is missing")
            .hint("say in `title` or `summary` what is to be approved");
    }
    check_wait(context, "timeout");
    Some(Built {
        behaviour: Box::new(Approve { title: context.title.unwrap_or(context.id).to_owned() }),
        input: context.input(&[]),
        ports: PORTS.map(str::to_owned).to_vec(),
        outputs: outputs(),
        streams: false,
        acts: true,
        says: false,
        answer: None,
    })
}

#[derive(Debug)]
struct Approve {
    /// Of the node.
    title: String,
}

impl Behaviour for Approve {
    fn start(&self, _: &mut Step<'_>, input: &Value) -> Result<Next, EffectError> {
        let who = match text_of(input, "who") {
            role if role.is_empty() => DEFAULT_ROLE.to_owned(),
            role if ROLES.contains(&role.as_str()) => role,
            other => {
                return Err(EffectError {
                    hint: Some(format!("roles: {}", ROLES.join(", "))),
                    ..invalid_input(format!("`who` must be a role, it is `{other}`"))
                });
            }
        };
        let title = match text_of(input, "title") {
            title if title.trim().is_empty() => self.title.clone(),
            title => title,
        };
        Ok(Next::ask(Effect::AskHuman(Box::new(Question {
            kind: QuestionKind::Approve,
            title,
            text: text_of(input, "summary"),
            options: Vec::new(),
            fields: None,
            who: Some(who),
            timeout_ms: wait_of(input, "timeout")?,
        }))))
    }

    fn resume(&self, _: &mut Step<'_>, _: Value, outcome: Outcome) -> Result<Next, EffectError> {
        let value = match outcome {
            Outcome::Failed { error } => return Err(error),
            Outcome::Ok { value } => value,
        };
        let (port, by, comment) = match verdict(&value)? {
            Verdict::TimedOut => ("timeout", Value::Null, String::new()),
            Verdict::Given { approved: true, comment, by } => ("approved", by, comment),
            Verdict::Given { approved: false, comment, by } => ("rejected", by, comment),
        };
        Ok(Next::Done { ports: vec![port.to_owned()], output: json!({ "by": by, "comment": comment }) })
    }
}
