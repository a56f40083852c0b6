//! A plugin in words: who it is, what it asks for, what its schemas take.

use plugin_host::{
    Grants, HttpPermission, KnowledgePermission, Localized, Manifest, ModelPermission, Permissions, StoragePermission,
};
use serde_json::{Value, json};

/// A schema can be nested; a type in words says no more than this much of it.
const DEEPEST: usize = 3;

/// One thing that a plugin asks for.
pub(super) struct Ask {
    /// As people write permissions: `knowledge: menu`.
    pub(super) permission: String,
    /// What it would be able to do.
    pub(super) words: String,
    /// Why, as the plugin's author says.
    pub(super) reason: String,
}

pub(super) fn asks(permissions: &Permissions) -> Vec<Ask> {
    let Permissions { knowledge, http, model, storage } = permissions;
    let ask =
        |permission: String, words: String, reason: &Localized| Ask { permission, words, reason: reason.en.clone() };
    let bases = knowledge.iter().map(|KnowledgePermission { name, reason }| {
        let words = if name == "*" {
            "read every knowledge base".to_owned()
        } else {
            format!("read the knowledge base `{name}`")
        };
        ask(format!("knowledge: {name}"), words, reason)
    });
    let hosts = http.iter().map(|HttpPermission { host, methods, reason }| {
        let words = format!("send {} requests to {}", methods.join(", "), hosts_in_words(host));
        ask(format!("http: {host}"), words, reason)
    });
    let models = model.iter().flat_map(|ModelPermission { roles, max_tokens_per_call, reason }| {
        roles.iter().map(move |role| {
            let words = format!("ask the language model `{role}`, up to {max_tokens_per_call} tokens in one call");
            ask(format!("model: {role}"), words, reason)
        })
    });
    let kept = storage.iter().map(|StoragePermission { max_bytes, reason }| {
        let size = usize::try_from(*max_bytes).map_or_else(|_| "any amount".to_owned(), size);
        ask("storage".to_owned(), format!("keep up to {size} of its own between calls"), reason)
    });
    bases.chain(hosts).chain(models).chain(kept).collect()
}

fn hosts_in_words(host: &str) -> String {
    match (host, host.strip_prefix("*."), host.strip_prefix("config:")) {
        ("*", _, _) => "any host".to_owned(),
        (_, Some(above), _) => format!("every host below `{above}`"),
        (_, _, Some(setting)) => format!("the host in its setting `{setting}`"),
        (host, None, None) => format!("`{host}`"),
    }
}

/// The asks as a block of lines, or one line that there are none.
pub(super) fn asks_in_lines(asks: &[Ask]) -> Vec<String> {
    if asks.is_empty() {
        return vec!["asks for nothing".to_owned()];
    }
    let lines = asks.iter().map(|Ask { permission, words, reason }| format!("  {permission}   {words}: {reason}"));
    std::iter::once("asks to".to_owned()).chain(lines).collect()
}

/// The body that grants all of it, without what says nothing.
pub(super) fn grants(permissions: &Permissions) -> Value {
    let mut grants = serde_json::to_value(Grants::all_of(permissions)).unwrap_or_default();
    if let Value::Object(kinds) = &mut grants {
        kinds.retain(|_, it| !it.is_null() && *it != json!([]) && *it != json!(false));
    }
    grants
}

/// `wine_list` 0.1.0
pub(super) fn name(manifest: &Manifest) -> String {
    let Manifest { id, version, .. } = manifest;
    format!("`{id}` {version}")
}

/// A text in both languages, once where they are the same.
pub(super) fn both(text: &Localized) -> String {
    let Localized { en, zh } = text;
    if en == zh { en.clone() } else { format!("{en} · {zh}") }
}

pub(super) fn size(bytes: usize) -> String {
    if bytes < 1_000 { format!("{bytes} bytes") } else { format!("{} KB", bytes.div_ceil(1_000)) }
}

/// Microseconds as milliseconds.
pub(super) fn time(microseconds: u64) -> String {
    format!("{}.{:02} ms", microseconds / 1_000, microseconds % 1_000 / 10)
}

pub(super) fn memory(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}

/// The properties of an object's schema, a line each: name, type, what it is. Anything else is one line with its type.
pub(super) fn fields(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object).filter(|it| !it.is_empty());
    let Some(properties) = properties else { return vec![kind(schema, schema, 0)] };
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let widest = properties.keys().map(|it| it.chars().count()).max().unwrap_or_default();
    let line = |(name, property): (&String, &Value)| {
        let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
        let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let text =
            if text.is_empty() { String::new() } else { format!("   {}", text.lines().next().unwrap_or_default()) };
        format!("{name:widest$}  {}{optional}{text}", kind(property, schema, 0))
    };
    properties.iter().map(line).collect()
}

/// A schema's type as one says it: `array of integer`, `"a" or "b"`.
fn kind(schema: &Value, root: &Value, depth: usize) -> String {
    let Value::Object(keywords) = schema else { return "anything".to_owned() };
    if depth > DEEPEST {
        return "…".to_owned();
    }
    if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or_else(|| "anything".to_owned(), |target| kind(target, root, depth + 1));
    }
    let either = |all: &[Value], one: &dyn Fn(&Value) -> String| {
        let mut words: Vec<String> = all.iter().map(one).collect();
        words.dedup();
        words.join(" or ")
    };
    if let Some(all) = keywords.get("enum").and_then(Value::as_array) {
        return either(all, &Value::to_string);
    }
    if let Some(value) = keywords.get("const") {
        return value.to_string();
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(all) = keywords.get(alternatives).and_then(Value::as_array) {
            return either(all, &|it| kind(it, root, depth + 1));
        }
    }
    match keywords.get("type") {
        Some(Value::String(name)) if name == "array" => match keywords.get("items") {
            Some(items) => format!("array of {}", kind(items, root, depth + 1)),
            None => name.clone(),
        },
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => either(names, &|it| it.as_str().unwrap_or_default().to_owned()),
        Some(_) | None => "anything".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_told_by_their_fields() {
        let schema = json!({
            "type": "object",
            "required": ["dishes"],
            "properties": {
                "dishes": { "type": "array", "items": { "$ref": "#/$defs/dish" }, "description": "The dishes\nwith more" },
                "mode": { "enum": ["a", "b"] },
                "limit": { "type": ["integer", "null"] },
                "any": true,
                "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            },
            "$defs": { "dish": { "type": "object" } },
        });
        assert_eq!(
            fields(&schema),
            [
                "dishes  array of object   The dishes",
                "mode    \"a\" or \"b\", optional",
                "limit   integer or null, optional",
                "any     anything, optional",
                "either  string or null, optional",
            ]
        );
        assert_eq!(fields(&json!({ "type": "array", "items": { "type": "string" } })), ["array of string"]);
        assert_eq!(fields(&json!(true)), ["anything"]);
    }

    #[test]
    fn figures_are_short() {
        assert_eq!((size(999), size(213_800)), ("999 bytes".to_owned(), "214 KB".to_owned()));
        assert_eq!((time(13), time(12_345)), ("0.01 ms".to_owned(), "12.34 ms".to_owned()));
        assert_eq!((memory(0), memory(1_114_112)), ("0.0 MiB".to_owned(), "1.0 MiB".to_owned()));
    }

    #[test]
    fn permissions_are_told_and_granted_by_name() {
        let reason = json!({ "en": "Why.", "zh": "原因。" });
        let permissions: Permissions = serde_json::from_value(json!({
            "knowledge": [{ "name": "menu", "reason": reason }, { "name": "*", "reason": reason }],
            "http": [
                { "host": "api.example.com", "reason": reason },
                { "host": "*.example.org", "methods": ["POST"], "reason": reason },
                { "host": "config:webhook", "methods": ["POST"], "reason": reason },
            ],
            "model": { "roles": ["fast"], "max_tokens_per_call": 100, "reason": reason },
            "storage": { "max_bytes": 4096, "reason": reason },
        }))
        .unwrap();
        assert_eq!(
            asks_in_lines(&asks(&permissions)),
            [
                "asks to",
                "  knowledge: menu   read the knowledge base `menu`: Why.",
                "  knowledge: *   read every knowledge base: Why.",
                "  http: api.example.com   send GET, HEAD requests to `api.example.com`: Why.",
                "  http: *.example.org   send POST requests to every host below `example.org`: Why.",
                "  http: config:webhook   send POST requests to the host in its setting `webhook`: Why.",
                "  model: fast   ask the language model `fast`, up to 100 tokens in one call: Why.",
                "  storage   keep up to 5 KB of its own between calls: Why.",
            ]
        );
        let granted = grants(&permissions);
        assert_eq!((&granted["model"], &granted["storage"]), (&json!(["fast"]), &json!(true)), "{granted}");
        assert_eq!(asks_in_lines(&[]), ["asks for nothing"]);
        assert_eq!(grants(&Permissions::default()), json!({}));
    }
}
