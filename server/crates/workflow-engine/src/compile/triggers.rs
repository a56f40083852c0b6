//! The `on:` section: schedules and a webhook, which start the workflow by themselves.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::context::Context;
use super::inputs::Inputs;
use crate::names::nearest;
use crate::template::{Template, has_expression};
use crate::trigger::{Hmac, Schedule, Trigger, Triggers, Webhook, WebhookResponse};
use crate::yaml::{Node, Span, Yaml};

const KEYS: [&str; 2] = ["schedule", "webhook"];
const SCHEDULE_KEYS: [&str; 3] = ["cron", "time_zone", "inputs"];
const WEBHOOK_KEYS: [&str; 3] = ["hmac", "inputs", "response"];
const HMAC_KEYS: [&str; 2] = ["secret", "header"];
const REQUEST: [&str; 4] = ["body", "headers", "query", "method"];
const RESPONSES: [&str; 2] = ["accepted", "outputs"];
/// Where GitHub and many after it put a signature.
const SIGNATURE_HEADER: &str = "X-Hub-Signature-256";
/// As long as names of anything else.
const MAX_NAME: usize = 63;

const CRON_HINT: &str =
    "minute, hour, day of month, month, day of week; for example `0 9 * * 1-5`, `*/15 * * * *`, `@daily`";

pub(super) fn read(context: &mut Context<'_>, on: Option<&Node>, inputs: &Inputs) -> Triggers {
    let mut triggers = Triggers::default();
    let Some(on) = on else { return triggers };
    if !on.is_map() {
        context.wrong_type(on, "on", "a map");
        context.diagnostics.hint("for example `on: { schedule: { cron: \"0 9 * * *\" } }` or `on: { webhook: true }`");
        return triggers;
    }
    context.check_keys(on, &KEYS, "`on`");
    if let Some(entry) = on.entry("schedule") {
        let single = std::slice::from_ref(&entry.value);
        let items = if let Yaml::List(items) = &entry.value.value { items.as_slice() } else { single };
        for item in items {
            triggers.list.extend(schedule(context, (item, entry.key_span), inputs).map(Trigger::Schedule));
        }
    }
    if let Some(entry) = on.entry("webhook") {
        let (webhook, template) = webhook(context, &entry.value, inputs);
        triggers.list.extend(webhook.map(Trigger::Webhook));
        triggers.webhook_inputs = template;
    }
    triggers
}

fn schedule(context: &mut Context<'_>, (node, key): (&Node, Span), inputs: &Inputs) -> Option<Schedule> {
    if !node.is_map() {
        context.wrong_type(node, "schedule", "a map or a list of maps");
        context.diagnostics.hint("for example `schedule: { cron: \"0 9 * * 1-5\", time_zone: Asia/Shanghai }`");
        return None;
    }
    context.check_keys(node, &SCHEDULE_KEYS, "a schedule");
    let cron = cron(context, (node, key));
    let time_zone = time_zone(context, node);
    let given = node.entry("inputs");
    let whole = given.map_or(key, |it| it.key_span);
    let given = given.map(|it| &it.value);
    if let Some(given) = given {
        refuse_expressions(context, given);
    }
    let inputs = check_inputs(context, (given, whole), inputs).unwrap_or_default();
    Some(Schedule { cron: cron?, time_zone, inputs })
}

fn cron(context: &mut Context<'_>, (node, key): (&Node, Span)) -> Option<String> {
    let Some(value) = node.get("cron") else {
        context.diagnostics.error("missing_key", key, "`cron` is missing in a schedule").hint(CRON_HINT);
        return None;
    };
    let Some(text) = value.as_str() else {
        context.wrong_type(value, "cron", "text");
        context.diagnostics.hint(CRON_HINT);
        return None;
    };
    match crate::cron::parse(text) {
        Ok(_) => Some(text.trim().to_owned()),
        Err(reason) => {
            let message = format!("`{text}` is not a cron expression: {reason}");
            context.diagnostics.error("invalid_cron", value.span, message).hint(CRON_HINT);
            None
        }
    }
}

fn time_zone(context: &mut Context<'_>, node: &Node) -> Option<String> {
    let value = node.get("time_zone")?;
    let name = context.optional_text(node, "time_zone")?;
    if TimeZone::get(&name).is_ok() {
        return Some(name);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|it| it.to_string()).collect();
    let hint = match nearest(&name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a name of the IANA database, for example `Asia/Shanghai`, `Europe/Berlin` or `UTC`".to_owned(),
    };
    context.diagnostics.error("unknown_time_zone", value.span, format!("there is no time zone `{name}`")).hint(hint);
    None
}

/// A schedule has nothing that an expression could read.
fn refuse_expressions(context: &mut Context<'_>, node: &Node) {
    match &node.value {
        Yaml::Text(text) if has_expression(text) => {
            context
                .diagnostics
                .error("unknown_reference", node.span, "a schedule's inputs are fixed: there is nothing to refer to")
                .hint("write the value out; nodes find the time of the run in `run.started_at`");
        }
        Yaml::List(items) => items.iter().for_each(|it| refuse_expressions(context, it)),
        Yaml::Map(entries) => entries.iter().for_each(|it| refuse_expressions(context, &it.value)),
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => {}
    }
}

/// Holds what a trigger gives against what the workflow takes.
fn check_inputs(
    context: &mut Context<'_>,
    (given, whole): (Option<&Node>, Span),
    inputs: &Inputs,
) -> Option<Map<String, Value>> {
    let nothing = Node { span: whole, value: Yaml::Map(Vec::new()) };
    let given = given.filter(|it| !matches!(it.value, Yaml::Null)).unwrap_or(&nothing);
    if !given.is_map() {
        context.wrong_type(given, "inputs", "a map");
        return None;
    }
    // The name cannot be that of a node kind, which are kept in the same place.
    if let Some((validator, schema)) = context.validator("inputs of the workflow", || inputs.schema().clone()) {
        let codes = crate::schema::INPUTS;
        crate::schema::check(&mut context.diagnostics, (&validator, &schema), (given, whole), codes);
    }
    given.to_json().as_object().cloned()
}

fn webhook(context: &mut Context<'_>, node: &Node, inputs: &Inputs) -> (Option<Webhook>, Option<Template>) {
    let mut webhook = Webhook { hmac: None, response: WebhookResponse::default() };
    match &node.value {
        Yaml::Bool(true) => return (Some(webhook), None),
        Yaml::Map(_) => {}
        Yaml::Null | Yaml::Bool(false) | Yaml::Number(_) | Yaml::Text(_) | Yaml::List(_) => {
            context
                .diagnostics
                .error("wrong_type", node.span, "`webhook` must be `true` or a map")
                .hint("without a webhook, leave the key out");
            return (None, None);
        }
    }
    context.check_keys(node, &WEBHOOK_KEYS, "a webhook");
    if let Some(entry) = node.entry("hmac") {
        webhook.hmac = hmac(context, (&entry.value, entry.key_span));
    }
    if let Some(value) = node.get("response") {
        webhook.response = response(context, value);
    }
    let template = node.entry("inputs").filter(|it| !matches!(it.value.value, Yaml::Null)).map(|entry| {
        check_inputs(context, (Some(&entry.value), entry.key_span), inputs);
        request_template(context, &entry.value)
    });
    (Some(webhook), template)
}

fn hmac(context: &mut Context<'_>, (node, key): (&Node, Span)) -> Option<Hmac> {
    if !node.is_map() {
        context.wrong_type(node, "hmac", "a map");
        context.diagnostics.hint("for example `hmac: { secret: SHOP_WEBHOOK, header: X-Hub-Signature-256 }`");
        return None;
    }
    context.check_keys(node, &HMAC_KEYS, "`hmac`");
    let header = signature_header(context, node.get("header"));
    let secret = secret_name(context, node.get("secret"), key);
    Some(Hmac { secret: secret?, header: header? })
}

fn signature_header(context: &mut Context<'_>, node: Option<&Node>) -> Option<String> {
    let Some(node) = node else { return Some(SIGNATURE_HEADER.to_owned()) };
    let name = node.as_str().filter(|it| is_header(it));
    if name.is_none() {
        context
            .diagnostics
            .error("wrong_type", node.span, "`header` must be the name of an HTTP header")
            .hint(format!("for example `{SIGNATURE_HEADER}`, which is also what a missing `header` means"));
    }
    name.map(str::to_owned)
}

fn secret_name(context: &mut Context<'_>, node: Option<&Node>, key: Span) -> Option<String> {
    let Some(node) = node else {
        context
            .diagnostics
            .error("missing_key", key, "`secret` is missing in `hmac`")
            .hint("the name of the secret that the sender signs with, for example `secret: SHOP_WEBHOOK`");
        return None;
    };
    let name = node.as_str().filter(|it| is_secret_name(it));
    if name.is_none() {
        context
            .diagnostics
            .error("wrong_type", node.span, "`secret` must be the name of a secret")
            .hint("letters, digits and `_`, for example `SHOP_WEBHOOK`; the secret itself never stands in a document");
    }
    name.map(str::to_owned)
}

fn is_header(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
}

fn is_secret_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

fn response(context: &mut Context<'_>, node: &Node) -> WebhookResponse {
    match node.as_str() {
        Some("accepted") => WebhookResponse::Accepted,
        Some("outputs") => WebhookResponse::Outputs,
        Some(_) | None => {
            context.diagnostics.error("wrong_type", node.span, "`response` must be `accepted` or `outputs`");
            context.diagnostics.suggest(node.as_str().unwrap_or_default(), RESPONSES, "possible values");
            WebhookResponse::default()
        }
    }
}

/// Compiles a webhook's inputs. They see the request and nothing of the run, which does not exist yet.
fn request_template(context: &mut Context<'_>, node: &Node) -> Template {
    let of_others = std::mem::take(&mut context.uses);
    let template = context.template(node);
    for used in std::mem::replace(&mut context.uses, of_others) {
        let (path, first) = (&used.path, used.path.rest.first().map(String::as_str));
        if path.root == "request" {
            match first {
                Some(name) if REQUEST.contains(&name) => {}
                Some(name) => {
                    let message = format!("`request` has no `{name}`");
                    context.diagnostics.error("unknown_reference", used.span, message);
                    context.diagnostics.suggest(name, REQUEST, "it has");
                }
                None => {
                    let message = "`request` as a whole is not a value";
                    context.diagnostics.error("unknown_reference", used.span, message);
                    context.diagnostics.suggest("", REQUEST, "it has");
                }
            }
        } else if !path.may_be_local {
            let message = format!("a webhook's inputs cannot refer to `{}`", path.root);
            context
                .diagnostics
                .error("unknown_reference", used.span, message)
                .hint("they see only `request.body`, `request.headers`, `request.query` and `request.method`");
        }
    }
    template
}
