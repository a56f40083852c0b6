//! Triggers: what starts a workflow by itself. A schedule has fixed inputs; a webhook makes its inputs of the request.
//!
//! The engine says when a schedule's next tick is and what a request's inputs are. Waiting for the one and listening for
//! the other is the server's business.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::effect::EffectError;
use crate::expression::{Names, from_json};
use crate::program::Program;
use crate::template::Template;

/// One entry of a workflow's `on:`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    Schedule(Schedule),
    Webhook(Webhook),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub cron: String,
    /// An IANA name; none means the server's own zone.
    pub time_zone: Option<String>,
    /// Checked against the workflow's inputs when it was compiled.
    pub inputs: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// How requests are signed; none takes every request that knows the address.
    pub hmac: Option<Hmac>,
    pub response: WebhookResponse,
}

/// HMAC-SHA256 over the body as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hmac {
    /// The name of the secret, not the secret.
    pub secret: String,
    /// The header with the signature.
    pub header: String,
}

/// What the sender of a request is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookResponse {
    /// At once, that there is a run.
    #[default]
    Accepted,
    /// The run's outputs, when it has ended.
    Outputs,
}

/// A program's triggers with what was compiled of them.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    pub(crate) list: Vec<Trigger>,
    pub(crate) webhook_inputs: Option<Template>,
}

impl Schedule {
    /// The first tick after a moment, in milliseconds since the epoch; none when there is none, or when this machine does
    /// not know the time zone (any more).
    #[must_use]
    pub fn next_after(&self, after_ms: i64, own_zone: &TimeZone) -> Option<i64> {
        let cron = crate::cron::parse(&self.cron).ok()?;
        match &self.time_zone {
            Some(name) => crate::cron::next_after(&cron, after_ms, &TimeZone::get(name).ok()?),
            None => crate::cron::next_after(&cron, after_ms, own_zone),
        }
    }
}

/// `request` and nothing else.
struct Request(minijinja::Value);

impl Names for Request {
    fn value(&self, name: &str) -> Option<minijinja::Value> {
        (name == "request").then(|| self.0.clone())
    }
}

impl Program {
    /// What starts the workflow by itself: its schedules in the document's order, then its webhook.
    #[must_use]
    pub fn triggers(&self) -> &[Trigger] {
        &self.triggers.list
    }

    /// The inputs that a request to the workflow's webhook means. `request` is `{method, headers, query, body}`. Where the
    /// document maps nothing, a body that is an object gives the inputs that the workflow declares.
    ///
    /// # Errors
    /// An expression that cannot be evaluated on this request.
    pub fn webhook_inputs(&self, request: &Value) -> Result<Value, EffectError> {
        if let Some(template) = &self.triggers.webhook_inputs {
            return template.evaluate(&Request(from_json(request)));
        }
        let declared = self.signature().inputs.get("properties").and_then(Value::as_object);
        let body = request.get("body").and_then(Value::as_object).into_iter().flatten();
        let known = body.filter(|(name, _)| declared.is_some_and(|it| it.contains_key(*name)));
        Ok(Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Catalog, compile_workflow};

    fn program(on: &str) -> Program {
        let text = format!(
            "workflow: orders\non: {on}\ninputs: {{ order: integer?, note: {{ type: string, default: none }} }}\n\
             nodes: {{ reply: {{ use: answer, with: {{ text: \"{{{{ inputs.order }}}}{{{{ inputs.note }}}}\" }} }} }}\n"
        );
        let compiled = compile_workflow(&text, &Catalog::default());
        compiled.value.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
    }

    #[test]
    fn a_program_tells_its_triggers_and_they_can_be_stored() {
        let program = program(
            "{ webhook: { hmac: { secret: SHOP }, response: outputs }, schedule: [{ cron: '@daily' }, \
             { cron: 0 9 * * 1-5, time_zone: Asia/Shanghai, inputs: { order: 7 } }] }",
        );
        let stored = serde_json::to_value(program.triggers()).unwrap();
        let expected = json!([
            { "kind": "schedule", "cron": "@daily", "time_zone": null, "inputs": {} },
            { "kind": "schedule", "cron": "0 9 * * 1-5", "time_zone": "Asia/Shanghai", "inputs": { "order": 7 } },
            { "kind": "webhook", "hmac": { "secret": "SHOP", "header": "X-Hub-Signature-256" }, "response": "outputs" },
        ]);
        assert_eq!(stored, expected);
        assert_eq!(serde_json::from_value::<Vec<Trigger>>(stored).unwrap(), program.triggers());
    }

    #[test]
    fn the_own_zone_counts_only_where_the_schedule_names_none() {
        let (shanghai, utc) = (TimeZone::get("Asia/Shanghai").unwrap(), TimeZone::UTC);
        let mut schedule = Schedule { cron: "0 9 * * *".into(), time_zone: None, inputs: Map::new() };
        const HOUR: i64 = 3_600_000;
        assert_eq!(schedule.next_after(0, &utc), Some(9 * HOUR));
        assert_eq!(schedule.next_after(0, &shanghai), Some(HOUR));
        schedule.time_zone = Some("Asia/Shanghai".into());
        assert_eq!(schedule.next_after(0, &utc), Some(HOUR));
        schedule.time_zone = Some("Middle/Earth".into());
        assert_eq!(schedule.next_after(0, &utc), None, "a stored name that nobody knows stops nothing else");
    }

    #[test]
    fn a_request_becomes_inputs() {
        let request = json!({
            "method": "POST", "headers": { "x-shop": "cafe" }, "query": { "dry": "1" },
            "body": { "order": 5, "total": 9.5, "lines": [{ "name": "黄焖鸡" }] },
        });
        let plain = program("{ webhook: true }").webhook_inputs(&request).unwrap();
        assert_eq!(plain, json!({ "order": 5 }), "what the workflow does not declare is left out");
        let mapped = program(
            "{ webhook: { inputs: { order: '{{ request.body.lines | length }}', \
             note: '{{ request.headers[\"x-shop\"] }}: {{ request.body.lines[0].name }}' } } }",
        );
        assert_eq!(mapped.webhook_inputs(&request).unwrap(), json!({ "order": 1, "note": "cafe: 黄焖鸡" }));
        let broken = program("{ webhook: { inputs: { order: '{{ request.body.total / 0 }}' } } }");
        assert_eq!(broken.webhook_inputs(&request).unwrap_err().code, "expression_failed");
        assert_eq!(program("{ webhook: true }").webhook_inputs(&json!({ "body": [1] })).unwrap(), json!({}));
    }
}
