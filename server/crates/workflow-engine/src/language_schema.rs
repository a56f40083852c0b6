//! The workflow language as one JSON Schema, for editors. It comes from the declarations of the node kinds; what a schema
//! cannot say (references, ports, cycles) the compiler says.

use serde_json::{Map, Value, json};

use crate::names::RESERVED;
use crate::nodes::node_kinds;

/// JSON Schema (2020-12) of a workflow document.
#[must_use]
pub fn workflow_json_schema() -> Value {
    let id = json!({ "pattern": "^[a-z][a-z0-9_]{0,62}$", "not": { "enum": RESERVED } });
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    for kind in node_kinds() {
        let summary = format!("{} · {}", kind.summary.en, kind.summary.zh);
        definitions.insert(kind.name.to_owned(), kind.config);
        let named = match kind.name {
            "plugin_tool" => continue,
            name => json!({ "const": name }),
        };
        branches.push(json!({
            "if": { "properties": { "use": named }, "required": ["use"] },
            "then": { "description": summary, "properties": { "with": { "anyOf": [
                { "$ref": format!("#/$defs/{}", kind.name) },
                { "description": "values may be expressions", "type": "object" } ] } } },
        }));
    }
    let duration = json!({ "type": ["string", "number"], "pattern": "^[0-9.]+(ms|s|m|h|d)$", "description": "500ms, 30s, 2m, 1h, 7d · 时长" });
    definitions.insert("duration".to_owned(), duration);
    definitions.insert("node".to_owned(), node(&branches));
    definitions.insert("input".to_owned(), input());
    definitions.insert("on".to_owned(), on());
    definitions.insert("limits".to_owned(), limits());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parlour workflow · 工作流",
        "type": "object",
        "required": ["workflow", "nodes"],
        "additionalProperties": false,
        "properties": {
            "workflow": { "type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$" },
            "title": { "type": "string" },
            "description": { "type": "string" },
            "on": { "$ref": "#/$defs/on" },
            "inputs": { "type": "object", "propertyNames": id, "additionalProperties": { "$ref": "#/$defs/input" } },
            "limits": { "$ref": "#/$defs/limits" },
            "nodes": { "type": "object", "minProperties": 1, "propertyNames": id, "additionalProperties": { "$ref": "#/$defs/node" } },
            "outputs": { "type": "object" },
        },
        "$defs": definitions,
    })
}

fn node(branches: &[Value]) -> Value {
    let names = json!({ "type": ["array", "string"], "items": { "type": "string" } });
    json!({
        "type": "object",
        "required": ["use"],
        "additionalProperties": false,
        "properties": {
            "use": { "type": "string" },
            "title": { "type": "string" },
            "description": { "type": "string" },
            "with": { "type": "object" },
            "after": names,
            "if": { "type": ["string", "boolean"] },
            "retry": { "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": 20 },
                { "type": "object", "additionalProperties": false, "properties": {
                    "attempts": { "type": "integer", "minimum": 1, "maximum": 20 },
                    "delay": { "$ref": "#/$defs/duration" },
                    "backoff": { "type": "number", "minimum": 1, "maximum": 10 },
                    "max_delay": { "$ref": "#/$defs/duration" },
                    "on": names } } ] },
            "timeout": { "$ref": "#/$defs/duration" },
            "on_error": { "oneOf": [
                { "enum": ["stop", "continue", "route"] },
                { "type": "object", "required": ["value"], "additionalProperties": false, "properties": { "value": {} } } ] },
            "cache": { "oneOf": [
                { "$ref": "#/$defs/duration" },
                { "type": "object", "required": ["ttl"], "additionalProperties": false, "properties": {
                    "ttl": { "$ref": "#/$defs/duration" }, "key": {}, "scope": { "enum": ["tenant", "user"] } } } ] },
            "do": { "type": "object", "minProperties": 1, "additionalProperties": { "$ref": "#/$defs/node" },
                "description": "The nodes of a container · 容器内的节点" },
            "collect": { "description": "What each item gives · 每一项的结果" },
            "next": { "type": "object", "description": "A loop's variables in the next iteration · 循环变量的下一轮取值" },
        },
        "allOf": branches,
    })
}

fn on() -> Value {
    let schedule = json!({
        "type": "object",
        "required": ["cron"],
        "additionalProperties": false,
        "properties": {
            "cron": { "type": "string", "description": "Minute, hour, day, month, weekday; or @daily · 分 时 日 月 星期" },
            "time_zone": { "type": "string", "description": "IANA name; else the server's zone · 时区，默认用服务器的" },
            "inputs": { "type": "object", "description": "Fixed values · 固定的输入" },
        },
    });
    let hmac = json!({
        "type": "object",
        "required": ["secret"],
        "additionalProperties": false,
        "properties": {
            "secret": { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,62}$", "description": "Name of a secret · 密钥名" },
            "header": { "type": "string", "default": "X-Hub-Signature-256" },
        },
    });
    let webhook = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "hmac": hmac,
            "inputs": { "type": "object", "description": "Values that may read `request` · 可引用 `request` 的值" },
            "response": { "enum": ["accepted", "outputs"], "default": "accepted" },
        },
    });
    json!({
        "type": "object",
        "description": "What starts the workflow by itself · 触发器",
        "additionalProperties": false,
        "properties": {
            "schedule": { "oneOf": [schedule, { "type": "array", "items": schedule }] },
            "webhook": { "oneOf": [{ "const": true }, webhook] },
        },
    })
}

fn limits() -> Value {
    let count = json!({ "type": "integer", "minimum": 1 });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "max_steps": count, "max_parallel": count, "max_tokens": count,
        "max_cost": { "type": "number", "exclusiveMinimum": 0 }, "max_time": { "$ref": "#/$defs/duration" } } })
}

fn input() -> Value {
    let types = json!(["string", "integer", "number", "boolean", "array", "object", "any"]);
    json!({ "oneOf": [
        { "type": "string", "pattern": "^(string|integer|number|boolean|array|object|any)\\??$" },
        { "type": "object", "properties": { "type": { "enum": types }, "required": { "type": "boolean" }, "default": {} } } ] })
}
