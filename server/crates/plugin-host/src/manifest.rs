//! What a plugin says about itself, and the check of it. The author gets every problem at once: first what the manifest's
//! own schema finds, then what a schema cannot say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::capabilities::http::HostPattern;
use crate::capabilities::knowledge::EVERY_BASE;
use crate::icon;
use crate::schema::{self, Schema};

/// The one that plugin developers read.
const MANIFEST_SCHEMA: &str = include_str!("../../../../plugin-sdk/manifest.schema.json");
/// Enough for 64 tools with generous schemas.
pub(crate) const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// How the validator puts it that a text has no visible character.
const NOT_BLANK: &str = r#"does not match "\S""#;
/// More problems than anyone corrects in one go.
const MAX_PROBLEMS: usize = 50;

/// A text in the two languages everything here speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Localized {
    pub en: String,
    pub zh: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub id: String,
    pub version: semver::Version,
    pub title: Localized,
    pub description: Localized,
    /// A checked SVG: no scripts, no styles, no references outside itself.
    #[serde(default)]
    pub icon: Option<String>,
    #[serde(default)]
    pub homepage: Option<String>,
    #[serde(default)]
    pub license: Option<String>,
    pub tools: Vec<Tool>,
    /// JSON Schema of the tenant's settings.
    #[serde(default)]
    pub config: Option<Value>,
    #[serde(default)]
    pub permissions: Permissions,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub title: Localized,
    pub description: Localized,
    /// JSON Schema of the argument.
    pub input: Value,
    /// JSON Schema of the result.
    pub output: Value,
    /// Whether a call may be repeated with the same input. Not said means no.
    #[serde(default)]
    pub idempotent: bool,
    /// Not said means the most careful: it writes.
    #[serde(default)]
    pub effects: Effects,
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// What a tool does to the world outside its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effects {
    None,
    Reads,
    #[default]
    Writes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub title: Localized,
    pub input: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// What the plugin asks for. Nothing of it holds until the tenant grants it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    pub knowledge: Vec<KnowledgePermission>,
    pub http: Vec<HttpPermission>,
    pub model: Option<ModelPermission>,
    pub storage: Option<StoragePermission>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnowledgePermission {
    /// A knowledge base, or `*` for all.
    pub name: String,
    pub reason: Localized,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPermission {
    /// A host; `*.host` for every one below it; `*` for any; `config:KEY` for the one of the address in that setting.
    pub host: String,
    #[serde(default = "reading_methods")]
    pub methods: Vec<String>,
    pub reason: Localized,
}

fn reading_methods() -> Vec<String> {
    ["GET", "HEAD"].map(str::to_owned).to_vec()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPermission {
    /// What the models are for, as the tenant names them.
    pub roles: Vec<String>,
    /// Input and output together, in one call of a tool.
    pub max_tokens_per_call: u64,
    pub reason: Localized,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoragePermission {
    /// Keys and values together.
    pub max_bytes: u64,
    pub reason: Localized,
}

/// The compiled schemas of one tool.
#[derive(Debug)]
pub(crate) struct ToolSchemas {
    pub(crate) input: Schema,
    pub(crate) output: Schema,
}

/// A manifest that passed every check, with its schemas compiled.
#[derive(Debug)]
pub(crate) struct CheckedManifest {
    pub(crate) manifest: Manifest,
    pub(crate) tools: BTreeMap<String, ToolSchemas>,
    pub(crate) config: Option<Schema>,
}

/// A manifest whose tools somebody else performs than a guest, held to the same rules.
#[derive(Debug)]
pub struct Declared(CheckedManifest);

impl Declared {
    /// # Errors
    /// Everything that is wrong with the manifest.
    pub fn check(manifest: &Value) -> Result<Declared, Vec<String>> {
        check(&manifest.to_string()).map(Declared)
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// What keeps an input from being this tool's; none when there is no such tool.
    #[must_use]
    pub fn input_problems(&self, tool: &str, input: &Value) -> Option<Vec<String>> {
        Some(self.0.tools.get(tool)?.input.problems(input, schema::MAX_SHOWN))
    }

    /// As for a plugin that is code.
    #[must_use]
    pub fn config_problems(&self, config: &Map<String, Value>) -> Vec<String> {
        config_problems(self.0.config.as_ref(), config)
    }
}

/// What keeps these settings from being a plugin's: each problem in words, empty when they are fine.
pub(crate) fn config_problems(schema: Option<&Schema>, config: &Map<String, Value>) -> Vec<String> {
    match schema {
        Some(schema) => schema.problems(&Value::Object(config.clone()), schema::MAX_SHOWN),
        None if config.is_empty() => Vec::new(),
        None => vec!["this plugin has no settings".to_owned()],
    }
}

/// Reads and checks the text that `describe` gave; an error is the list of everything that is wrong with it.
pub(crate) fn check(text: &str) -> Result<CheckedManifest, Vec<String>> {
    if text.len() > MAX_MANIFEST_BYTES {
        return Err(vec![format!("the manifest has {} bytes; at most {MAX_MANIFEST_BYTES} are read", text.len())]);
    }
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| vec![format!("the manifest is not JSON: {error}")])?;
    let mut problems = match manifest_schema() {
        Ok(schema) => schema.problems(&value, MAX_PROBLEMS),
        Err(problems) => problems.clone(),
    };
    for problem in &mut problems {
        *problem = problem.replace(NOT_BLANK, "is blank");
    }
    // A schema cannot tell a version from another text; a stand-in lets the rest be checked all the same.
    if let Some(Value::String(version)) = value.get_mut("version")
        && let Err(error) = semver::Version::parse(version)
    {
        problems.push(format!("at `/version`: `{version}` is not a semantic version such as 1.0.0 ({error})"));
        "0.0.0".clone_into(version);
    }
    let manifest: Option<Manifest> = match serde_json::from_value(value) {
        Ok(manifest) => Some(manifest),
        // What the schema has found already is not said twice.
        Err(error) if problems.is_empty() => {
            problems.push(error.to_string());
            None
        }
        Err(_) => None,
    };
    let Some(manifest) = manifest else { return Err(problems) };
    let mut tools = BTreeMap::new();
    let mut names = BTreeSet::new();
    for tool in &manifest.tools {
        if !names.insert(tool.name.as_str()) {
            problems.push(format!("tool `{}` is there twice; tool names are unique in a plugin", tool.name));
        }
        if let Some(schemas) = check_tool(tool, &mut problems) {
            tools.insert(tool.name.clone(), schemas);
        }
    }
    if let Some(icon) = &manifest.icon
        && let Err(reason) = icon::check(icon)
    {
        problems.push(format!("the icon cannot be shown safely: {reason}"));
    }
    let config = manifest.config.as_ref().and_then(|config| {
        Schema::compile(config).map_err(|found| in_place(&mut problems, "the `config` schema", found)).ok()
    });
    check_permissions(&manifest, &mut problems);
    if problems.is_empty() { Ok(CheckedManifest { manifest, tools, config }) } else { Err(problems) }
}

fn check_tool(tool: &Tool, problems: &mut Vec<String>) -> Option<ToolSchemas> {
    let name = &tool.name;
    let input_kind = tool.input.get("type").and_then(Value::as_str);
    if input_kind != Some("object") {
        problems.push(format!("tool `{name}`: the input schema must have `\"type\": \"object\"`"));
    }
    let input = Schema::compile(&tool.input)
        .map_err(|found| in_place(problems, &format!("tool `{name}`, input schema"), found))
        .ok();
    let output = Schema::compile(&tool.output)
        .map_err(|found| in_place(problems, &format!("tool `{name}`, output schema"), found))
        .ok();
    for (number, example) in (1..).zip(&tool.examples) {
        let place = format!("tool `{name}`, example {number}");
        if let Some(input) = &input {
            in_place(problems, &format!("{place}, input"), input.problems(&example.input, schema::MAX_SHOWN));
        }
        if let (Some(output), Some(value)) = (&output, &example.output) {
            in_place(problems, &format!("{place}, output"), output.problems(value, schema::MAX_SHOWN));
        }
    }
    Some(ToolSchemas { input: input?, output: output? })
}

fn check_permissions(manifest: &Manifest, problems: &mut Vec<String>) {
    let Permissions { knowledge, http, model: _, storage: _ } = &manifest.permissions;
    for permission in http {
        if let Err(reason) = HostPattern::check(&permission.host, manifest.config.as_ref()) {
            problems.push(format!("the permission `http: {}` {reason}", permission.host));
        }
    }
    let mut seen = BTreeSet::new();
    for permission in knowledge {
        if !seen.insert(permission.name.as_str()) {
            problems.push(format!("the permission `knowledge: {}` is there twice", permission.name));
        }
        if permission.name != EVERY_BASE && permission.name.contains(EVERY_BASE) {
            problems.push(format!(
                "the permission `knowledge: {}` is neither a name nor `*`; patterns do not exist",
                permission.name
            ));
        }
    }
}

fn in_place(problems: &mut Vec<String>, place: &str, found: Vec<String>) {
    problems.extend(found.into_iter().map(|problem| format!("{place}: {problem}")));
}

fn manifest_schema() -> &'static Result<Schema, Vec<String>> {
    static COMPILED: OnceLock<Result<Schema, Vec<String>>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let value: Value = serde_json::from_str(MANIFEST_SCHEMA).map_err(|error| vec![error.to_string()])?;
        Schema::compile(&value)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Value {
        json!({
            "id": "menu", "version": "1.2.3", "title": {"en": "Menu", "zh": "菜单"}, "description": {"en": "Reads it.", "zh": "读菜单。"},
            "icon": null, "homepage": null, "license": "Apache-2.0",
            "tools": [{
                "name": "pick", "title": {"en": "Pick", "zh": "选"}, "description": {"en": "Picks.", "zh": "选菜。"},
                "input": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
                "output": {"type": "object"}, "idempotent": true, "effects": "reads",
                "examples": [{"title": {"en": "One", "zh": "一"}, "input": {"n": 1}}]
            }],
            "config": null,
            "permissions": {"knowledge": [{"name": "*", "reason": {"en": "To read the menu.", "zh": "读菜单。"}}]}
        })
    }

    #[test]
    fn a_good_manifest_passes_and_its_schemas_are_ready() {
        let checked = check(&manifest().to_string()).expect("it is valid");
        assert_eq!(checked.manifest.id, "menu");
        assert!(!checked.tools["pick"].input.problems(&json!({"n": "x"}), 5).is_empty());
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let mut bad = manifest();
        bad["id"] = json!("Menu!");
        bad["title"] = json!({"en": "Menu"});
        bad["surprise"] = json!(1);
        bad["permissions"]["files"] = json!([]);
        bad["permissions"]["knowledge"][0]["reason"]["zh"] = json!(" ");
        let problems = check(&bad.to_string()).expect_err("it is not valid").join("\n");
        for expected in ["/id", "\"zh\" is a required", "surprise", "files", "/permissions/knowledge/0/reason/zh"] {
            assert!(problems.contains(expected), "`{expected}` is missing in:\n{problems}");
        }
    }

    #[test]
    fn what_a_schema_cannot_say_is_found_too() {
        let mut bad = manifest();
        let mut twin = bad["tools"][0].clone();
        twin["input"] = json!({"type": "object", "properties": {"n": {"type": "integer", "pattern": "("}}});
        twin["output"] = json!({"type": "nothing"});
        bad["tools"].as_array_mut().unwrap().push(twin);
        bad["tools"][0]["examples"][0]["input"] = json!({"n": "one"});
        bad["icon"] = json!("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>1</script></svg>");
        let problems = check(&bad.to_string()).expect_err("it is not valid").join("\n");
        for expected in ["twice", "input schema", "output schema", "example 1, input", "icon", "script"] {
            assert!(problems.contains(expected), "`{expected}` is missing in:\n{problems}");
        }
        bad["version"] = json!("one");
        let problems = check(&bad.to_string()).expect_err("it is not valid").join("\n");
        assert!(problems.contains("version") || problems.contains("major"), "{problems}");
    }
}
