//! An OpenAPI document becomes a plugin without code: each operation is a tool, the server's host is what it asks for, and
//! its ways to sign in are secret settings. From then on it is granted, tried, used and removed like any other.
//!
//! OpenAPI 3.0 and 3.1, <https://spec.openapis.org/oas/latest.html>.

mod call;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};

use plugin_host::Declared;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::app::{AppError, Problem, Result};
use crate::error_codes::ErrorCode;

pub(super) use call::{Caller, perform};
use schemas::{Resolver, plain};

/// As many tools as a plugin may have.
const MAX_TOOLS: usize = 64;
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
/// What the stored form begins with, so that it is told from code.
const STORED: &str = "openapi_import";
const JSON: &str = "application/json";

/// What is imported, as it is stored: enough to do it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The version of this form.
    pub openapi_import: u32,
    pub id: String,
    pub document: Value,
    /// Instead of the document's own server.
    #[serde(default)]
    pub server: Option<String>,
    /// Only these, by operation id or `GET /path`; all when there are none.
    #[serde(default)]
    pub operations: Vec<String>,
}

/// How the tools of an imported plugin are performed; stored beside its manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::app) struct Api {
    server: String,
    /// By the tools' names.
    operations: BTreeMap<String, Operation>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Operation {
    method: String,
    path: String,
    parameters: Vec<Parameter>,
    /// The input's member that is sent as JSON.
    body: Option<String>,
    sign_in: Vec<SignIn>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parameter {
    /// In the input.
    member: String,
    /// In the request.
    name: String,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Path,
    Query,
    Header,
}

/// A way to sign in, with the settings that hold its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum SignIn {
    Header { name: String, setting: String },
    Query { name: String, setting: String },
    Bearer { setting: String },
    Basic { user: String, password: String },
}

impl Import {
    /// A file that somebody uploaded: a stored import, or a document whose title gives the plugin its id. None when it is
    /// neither JSON nor YAML of an OpenAPI document.
    pub(super) fn read(bytes: &[u8]) -> Option<Result<Import>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let value: Value = serde_json::from_str(text).ok().or_else(|| serde_saphyr::from_str(text).ok())?;
        if value.get(STORED).is_some() {
            return Some(serde_json::from_value(value).map_err(|error| AppError::invalid(error.to_string())));
        }
        if value.get("openapi").is_none() && value.get("swagger").is_none() {
            return None;
        }
        let title = value.pointer("/info/title").and_then(Value::as_str).unwrap_or("api");
        Some(Ok(Import {
            openapi_import: 1,
            id: name_of(title),
            document: value,
            server: None,
            operations: Vec::new(),
        }))
    }

    /// # Errors
    /// The text is no OpenAPI document, or the id cannot be one.
    pub fn of(id: Option<String>, document: &str, server: Option<String>, operations: Vec<String>) -> Result<Import> {
        let read = Import::read(document.as_bytes()).ok_or_else(|| {
            refuse(
                "the text is no OpenAPI document",
                "give the whole document as JSON or YAML; it begins with `openapi: 3.…`",
            )
        })??;
        Ok(Import { id: id.unwrap_or(read.id), server: server.or(read.server), operations, ..read })
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(AppError::internal)
    }

    /// The manifest, and how its tools are performed.
    ///
    /// # Errors
    /// The document cannot be used; every problem is told.
    pub(super) fn plugin(&self) -> Result<(Declared, Api)> {
        let mut reading = Reading::of(self)?;
        reading.operations();
        reading.finish()
    }
}

/// An import as far as it has been read.
struct Reading<'a> {
    import: &'a Import,
    resolver: Resolver<'a>,
    server: Url,
    tools: Vec<Value>,
    operations: BTreeMap<String, Operation>,
    methods: BTreeSet<String>,
    settings: Map<String, Value>,
    problems: Vec<String>,
}

fn refuse(detail: impl Into<String>, hint: &str) -> AppError {
    AppError::new(ErrorCode::InvalidPlugin, detail).hint(hint)
}

impl<'a> Reading<'a> {
    fn of(import: &'a Import) -> Result<Reading<'a>> {
        let document = &import.document;
        let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
        if !version.starts_with("3.") {
            return Err(refuse(
                "the document is not OpenAPI 3",
                "convert a Swagger 2.0 document first, for example with https://converter.swagger.io",
            ));
        }
        let given = import.server.clone().or_else(|| server_of(document));
        let server = given.as_deref().map(|it| it.trim_end_matches('/')).and_then(|it| Url::parse(it).ok());
        let server = server.filter(|it| matches!(it.scheme(), "http" | "https") && it.query().is_none());
        let server = server.ok_or_else(|| {
            refuse(
                format!("the document names no server that can be asked (`{}`)", given.unwrap_or_default()),
                "give its address as `server`, for example `https://api.example.com/v1`",
            )
        })?;
        Ok(Reading {
            import,
            resolver: Resolver::new(document),
            server,
            tools: Vec::new(),
            operations: BTreeMap::new(),
            methods: BTreeSet::new(),
            settings: Map::new(),
            problems: Vec::new(),
        })
    }

    fn operations(&mut self) {
        let import = self.import;
        let mut known = Vec::new();
        let mut left: BTreeSet<&String> = import.operations.iter().collect();
        for (path, item) in import.document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let item = self.resolver.follow(item);
            for method in METHODS {
                let Some(operation) = item.get(method) else { continue };
                let place = format!("{} {path}", method.to_uppercase());
                let id = operation.get("operationId").and_then(Value::as_str).unwrap_or(&place);
                let named = |it: &String| *it == place || id == it;
                known.push(id.to_owned());
                if import.operations.is_empty() || import.operations.iter().any(named) {
                    left.retain(|it| !named(it));
                    self.operation((path, method), (item, operation), id);
                }
            }
        }
        for it in left {
            self.problems.push(format!("there is no operation `{it}`; there are {}", known.join(", ")));
        }
        if self.tools.len() > MAX_TOOLS {
            self.problems = vec![format!(
                "{} operations are too many for one plugin, which has at most {MAX_TOOLS} tools: name those that you want in \
                 `operations`",
                self.tools.len()
            )];
        } else if known.is_empty() {
            self.problems.push("the document has no operations".to_owned());
        }
    }

    fn operation(&mut self, (path, method): (&str, &str), (item, operation): (&'a Value, &'a Value), id: &str) {
        let mut name = name_of(id);
        while self.operations.contains_key(&name) {
            name.push_str("_2");
        }
        let (mut properties, mut required, mut parameters) = (Map::new(), Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        // An operation's own parameter stands instead of its path's.
        for it in [operation, item].into_iter().flat_map(parameters_of) {
            let it = self.resolver.follow(it);
            let text = |key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default();
            let place = match text("in") {
                "path" => Place::Path,
                "query" => Place::Query,
                "header" => Place::Header,
                // A cookie is a session, which tools do not have.
                _ => continue,
            };
            if !seen.insert((text("name"), text("in"))) {
                continue;
            }
            let name = text("name").to_owned();
            let member = if properties.contains_key(&name) { format!("{}_{name}", text("in")) } else { name.clone() };
            let mut schema = self.schema(it.get("schema").unwrap_or(&Value::Null));
            describe(&mut schema, text("description"));
            properties.insert(member.clone(), schema);
            if place == Place::Path || it.get("required") == Some(&json!(true)) {
                required.push(json!(member));
            }
            parameters.push(Parameter { member, name, place });
        }
        let body = operation.get("requestBody").map(|it| self.resolver.follow(it));
        let body = body.and_then(|it| self.body(it, (&mut properties, &mut required), &format!("{method} {path}")));
        let sign_in = self.sign_in(operation);
        let reads = matches!(method, "get" | "head");
        let text = |key: &str| operation.get(key).and_then(Value::as_str).map(str::trim).filter(|it| !it.is_empty());
        let title = clipped(text("summary").unwrap_or(id), 120);
        let description = clipped(text("description").or(text("summary")).unwrap_or(id), 4_000);
        self.methods.insert(method.to_uppercase());
        self.tools.push(json!({
            "name": name,
            "title": { "en": title, "zh": title },
            "description": { "en": description, "zh": description },
            "input": { "type": "object", "properties": properties, "required": required, "additionalProperties": false },
            "output": { "type": "object", "properties": { "status": { "type": "integer" }, "body": {} }, "required": ["status", "body"] },
            "idempotent": reads || matches!(method, "put" | "delete"),
            "effects": if reads { "reads" } else { "writes" },
        }));
        let (method, path) = (method.to_uppercase(), path.to_owned());
        self.operations.insert(name, Operation { method, path, parameters, body, sign_in });
    }

    /// Adds the member that is sent as the body; answers its name.
    fn body(
        &mut self,
        body: &Value,
        (properties, required): (&mut Map<String, Value>, &mut Vec<Value>),
        place: &str,
    ) -> Option<String> {
        let content = body.get("content").and_then(Value::as_object)?;
        let json = content.iter().find(|(kind, _)| kind.starts_with(JSON) || kind.ends_with("+json"));
        let Some((_, json)) = json else {
            let kinds: Vec<&str> = content.keys().map(String::as_str).collect();
            self.problems.push(format!("{place} takes {}; only JSON can be sent", kinds.join(", ")));
            return None;
        };
        let member = if properties.contains_key("body") { "request_body" } else { "body" };
        let mut schema = self.schema(json.get("schema").unwrap_or(&Value::Null));
        describe(&mut schema, body.get("description").and_then(Value::as_str).unwrap_or_default());
        properties.insert(member.to_owned(), schema);
        if body.get("required") == Some(&json!(true)) {
            required.push(json!(member));
        }
        Some(member.to_owned())
    }

    fn schema(&self, schema: &Value) -> Value {
        plain(&self.resolver.expanded(schema))
    }

    /// The first of the operation's ways to sign in that can be done here; no way when it needs none.
    fn sign_in(&mut self, operation: &Value) -> Vec<SignIn> {
        let asked = operation.get("security").or_else(|| self.import.document.get("security"));
        let ways: Vec<Value> = asked.and_then(Value::as_array).cloned().unwrap_or_default();
        for way in ways {
            let schemes: Vec<String> = way.as_object().into_iter().flat_map(Map::keys).cloned().collect();
            let found: Option<Vec<SignIn>> = schemes.iter().map(|it| self.scheme(it)).collect();
            if let Some(found) = found {
                return found;
            }
        }
        Vec::new()
    }

    fn scheme(&mut self, name: &str) -> Option<SignIn> {
        let import = self.import;
        let scheme = import.document.pointer("/components/securitySchemes")?.get(name)?;
        let scheme = self.resolver.follow(scheme);
        let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let setting = name_of(name);
        let mut secret = |setting: &str, what: &str| {
            let described = json!({ "type": "string", "secret": true, "title": setting, "description": what });
            self.settings.insert(setting.to_owned(), described);
        };
        match (text("type").as_str(), text("in").as_str(), text("scheme").to_lowercase().as_str()) {
            ("apiKey", "header", _) => {
                secret(&setting, &text("description"));
                Some(SignIn::Header { name: text("name"), setting })
            }
            ("apiKey", "query", _) => {
                secret(&setting, &text("description"));
                Some(SignIn::Query { name: text("name"), setting })
            }
            ("http", _, "basic") => {
                let (user, password) = (format!("{setting}_user"), format!("{setting}_password"));
                secret(&user, "");
                secret(&password, "");
                Some(SignIn::Basic { user, password })
            }
            // Whoever has such a token can enter it; it is not fetched or renewed here.
            ("http", _, "bearer") | ("oauth2" | "openIdConnect", _, _) => {
                secret(&setting, "Token");
                Some(SignIn::Bearer { setting })
            }
            _ => None,
        }
    }

    fn finish(self) -> Result<(Declared, Api)> {
        let host = match (self.server.host_str(), self.server.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let info = |key: &str| self.import.document.pointer(&format!("/info/{key}")).and_then(Value::as_str);
        let title = clipped(info("title").filter(|it| !it.trim().is_empty()).unwrap_or(&self.import.id), 120);
        let description = clipped(info("description").filter(|it| !it.trim().is_empty()).unwrap_or(&title), 4_000);
        let manifest = json!({
            "id": self.import.id,
            "version": info("version").and_then(version_of).unwrap_or_else(|| "1.0.0".to_owned()),
            "title": { "en": title, "zh": title },
            "description": { "en": description, "zh": description },
            "tools": self.tools,
            "config": (!self.settings.is_empty())
                .then(|| json!({ "type": "object", "properties": self.settings, "additionalProperties": false })),
            "permissions": { "http": [{
                "host": host,
                "methods": self.methods,
                "reason": { "en": format!("To ask {title}."), "zh": format!("调用 {title}。") },
            }] },
        });
        let mut problems = self.problems;
        let declared = if problems.is_empty() { Declared::check(&manifest) } else { Err(Vec::new()) };
        match declared {
            Ok(declared) => Ok((declared, Api { server: self.server.to_string(), operations: self.operations })),
            Err(found) => {
                problems.extend(found);
                Err(refuse(
                    format!("the OpenAPI document has {} problem(s)", problems.len()),
                    "every problem is listed; correct the document, or import only some of its operations",
                )
                .errors(problems.into_iter().map(|it| Problem::new("invalid_openapi", it)).collect()))
            }
        }
    }
}

fn parameters_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.get("parameters").and_then(Value::as_array).into_iter().flatten()
}

/// The document's first server, with the defaults of its variables.
fn server_of(document: &Value) -> Option<String> {
    let server = document.get("servers")?.get(0)?;
    let mut url = server.get("url")?.as_str()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        let value = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), value);
    }
    Some(url)
}

fn describe(schema: &mut Value, description: &str) {
    if let Value::Object(members) = schema
        && !description.trim().is_empty()
    {
        members.insert("description".to_owned(), json!(clipped(description, 1_000)));
    }
}

/// `listPets` → `list_pets`, `GET /pets/{id}` → `get_pets_id`: as workflows write names.
fn name_of(text: &str) -> String {
    let mut name = String::new();
    let mut before = ' ';
    for letter in text.chars() {
        match letter {
            'A'..='Z' => {
                if before.is_ascii_lowercase() || before.is_ascii_digit() {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' => name.push(letter),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
        before = letter;
    }
    let name = name.trim_end_matches('_');
    let name =
        if name.starts_with(|it: char| it.is_ascii_lowercase()) { name.to_owned() } else { format!("api_{name}") };
    name.chars().take(60).collect::<String>().trim_end_matches('_').to_owned()
}

/// `2` → `2.0.0`, `v1.3` → `1.3.0`; none when it is nothing like a version.
fn version_of(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('v');
    let mut parts = text.split('.').map(|it| it.parse::<u64>().ok());
    let (first, second, third) = (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    parts.next().is_none().then(|| format!("{first}.{second}.{third}"))
}

fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests;
