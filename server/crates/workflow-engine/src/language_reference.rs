//! The language's reference as Markdown: prose from `language_reference.md`, and for every kind of node what its
//! declaration says, so that the two cannot drift apart. `workflows/README.md` is what this writes.

use serde_json::Value;

use crate::node::NodeKindInfo;
use crate::nodes::node_kinds;
use crate::schema::type_name;

const PROSE: &str = include_str!("language_reference.md");
/// Where the kinds go in the prose.
const PLACE: &str = "<!-- kinds -->";

/// The whole reference.
#[must_use]
pub fn workflow_reference() -> String {
    let mut kinds = String::from("| kind · 种类 | |\n|---|---|\n");
    let all = node_kinds();
    for kind in &all {
        kinds.push_str(&format!(
            "| [`{0}`](#{0}) | {1} · {2} |\n",
            kind.name,
            cell(kind.summary.en),
            cell(kind.summary.zh)
        ));
    }
    for kind in &all {
        kinds.push_str(&section(kind));
    }
    PROSE.replace(PLACE, kinds.trim_end())
}

fn section(kind: &NodeKindInfo) -> String {
    let mut text = format!(
        "\n### {}\n\n**{} · {}**\n\n{}\n{}\n",
        kind.name, kind.title.en, kind.title.zh, kind.summary.en, kind.summary.zh
    );
    text.push_str(&properties("`with`", &kind.config, true));
    text.push_str(&properties("Outputs · 输出", &kind.outputs, false));
    let mut ports: Vec<String> = kind.ports.fixed.iter().map(|it| format!("`{it}`")).collect();
    if let Some(key) = kind.ports.from {
        ports.insert(0, format!("one per entry of `{key}` · `{key}` 的每一项"));
    }
    text.push_str(&format!("\nWays out · 出口: {}\n", ports.join(", ")));
    let mut more = Vec::new();
    if kind.streams {
        more.push("`text` streams · `text` 流式输出");
    }
    if kind.caches {
        more.push("may have `cache` · 可用 `cache`");
    }
    if !more.is_empty() {
        text.push_str(&format!("\n{}\n", more.join("; ")));
    }
    text.push_str(&format!("\n```yaml\n{}```\n", kind.example));
    text
}

/// A table of an object's properties.
fn properties(title: &str, schema: &Value, with_defaults: bool) -> String {
    let Some(all) = schema.get("properties").and_then(Value::as_object).filter(|it| !it.is_empty()) else {
        return schema
            .get("description")
            .and_then(Value::as_str)
            .map_or_else(String::new, |it| format!("\n{title}: {it}\n"));
    };
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut text = format!("\n| {title} | type · 类型 | |\n|---|---|---|\n");
    for (name, property) in all {
        let must = if with_defaults && required.contains(&name.as_str()) { " \\*" } else { "" };
        text.push_str(&format!(
            "| `{name}`{must} | {} | {} |\n",
            cell(&types(property)),
            cell(&words(property, with_defaults))
        ));
    }
    text
}

fn types(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .map(|it| format!("`{}`", it.as_str().map_or_else(|| it.to_string(), str::to_owned)))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let Some(names) = crate::schema::types(schema) else { return "any".to_owned() };
    names.into_iter().map(type_name).collect::<Vec<_>>().join(" or ")
}

fn words(schema: &Value, with_defaults: bool) -> String {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let mut parts: Vec<String> =
        [text("title"), text("description")].into_iter().flatten().map(str::to_owned).collect();
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => parts.push(format!("{least}–{most}")),
        (Some(least), None) => parts.push(format!("≥ {least}")),
        (None, Some(most)) => parts.push(format!("≤ {most}")),
        (None, None) => {}
    }
    if let (true, Some(default)) = (with_defaults, schema.get("default")) {
        parts.push(format!("default · 默认 `{}`", default.as_str().map_or_else(|| default.to_string(), str::to_owned)));
    }
    parts.join(". ")
}

/// Text inside of a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
