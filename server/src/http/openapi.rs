//! The OpenAPI document, made from the route table.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use axum::{Json, http::header};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::ProblemBody;
use super::{Access, Operation, operations};

/// What a request carries or a response holds.
pub struct Payload {
    json: Option<Named>,
    events: bool,
    file: bool,
    any: bool,
    accepted: bool,
}

struct Named {
    name: String,
    schema: RefOr<Schema>,
    others: Vec<(String, RefOr<Schema>)>,
}

impl Payload {
    pub(super) fn none() -> Payload {
        Payload { json: None, events: false, file: false, any: false, accepted: false }
    }

    pub(super) fn json<T: ToSchema + PartialSchema>() -> Payload {
        let mut others = Vec::new();
        T::schemas(&mut others);
        let json = Some(Named { name: T::name().into_owned(), schema: T::schema(), others });
        Payload { json, ..Payload::none() }
    }

    /// JSON that tells of something which has begun and is not waited for.
    pub(super) fn accepted<T: ToSchema + PartialSchema>() -> Payload {
        Payload { accepted: true, ..Payload::json::<T>() }
    }

    pub(super) fn events() -> Payload {
        Payload { events: true, ..Payload::none() }
    }

    pub(super) fn json_or_events<T: ToSchema + PartialSchema>() -> Payload {
        Payload { events: true, ..Payload::json::<T>() }
    }

    pub(super) fn file() -> Payload {
        Payload { file: true, ..Payload::none() }
    }

    pub(super) fn json_or_file<T: ToSchema + PartialSchema>() -> Payload {
        Payload { file: true, ..Payload::json::<T>() }
    }

    /// JSON whose shape another specification describes.
    pub(super) fn any() -> Payload {
        Payload { any: true, ..Payload::none() }
    }

    fn is_none(&self) -> bool {
        self.json.is_none() && !self.events && !self.file && !self.any
    }

    fn content(&self) -> Value {
        let mut content = Map::new();
        if let Some(named) = &self.json {
            let reference = format!("#/components/schemas/{}", named.name);
            content.insert("application/json".into(), json!({ "schema": { "$ref": reference } }));
        }
        if self.any {
            content.insert("application/json".into(), json!({ "schema": {} }));
        }
        if self.events {
            content.insert("text/event-stream".into(), json!({ "schema": { "type": "string" } }));
        }
        if self.file {
            let file = json!({
                "type": "object",
                "required": ["file"],
                "properties": { "file": { "type": "string", "format": "binary" } },
            });
            content.insert("multipart/form-data".into(), json!({ "schema": file }));
        }
        Value::Object(content)
    }
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&operations()));

/// The document that `GET /api/v1/openapi.json` serves and `parlour openapi` prints.
pub fn current() -> &'static Value {
    &DOCUMENT
}

pub(super) async fn serve() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-cache")], Json(current()))
}

fn document(operations: &[Operation]) -> Value {
    let mut schemas = Map::new();
    add_schema::<ProblemBody>(&mut schemas);
    let mut paths = Map::new();
    for operation in operations {
        for payload in [&operation.request, &operation.response] {
            if let Some(named) = &payload.json {
                schemas.insert(named.name.clone(), json!(named.schema));
                schemas.extend(named.others.iter().map(|(name, schema)| (name.clone(), json!(schema))));
            }
        }
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(operation.method.as_str().to_lowercase(), describe(operation));
        }
    }
    schemas.sort_keys();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parlour",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Assistants, workflows, knowledge and plugins of one tenant. Errors are \
                `application/problem+json` with a stable `code` and a `hint`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key: `pk_…`" },
                "session": { "type": "apiKey", "in": "cookie", "name": super::caller::SESSION_COOKIE },
            },
        },
    })
}

fn add_schema<T: ToSchema + PartialSchema>(schemas: &mut Map<String, Value>) {
    let mut others = Vec::new();
    T::schemas(&mut others);
    schemas.insert(T::name().into_owned(), json!(T::schema()));
    schemas.extend(others.into_iter().map(|(name, schema)| (name, json!(schema))));
}

fn describe(operation: &Operation) -> Value {
    let mut it = Map::new();
    it.insert("operationId".into(), operation.id.into());
    it.insert("summary".into(), operation.summary.into());
    let parameters: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if !parameters.is_empty() {
        it.insert("parameters".into(), parameters.into());
    }
    if !operation.request.is_none() {
        it.insert("requestBody".into(), json!({ "required": true, "content": operation.request.content() }));
    }
    let answer = if operation.response.is_none() {
        ("204", json!({ "description": "Done" }))
    } else {
        let status = if operation.response.accepted { "202" } else { "200" };
        (status, json!({ "description": operation.summary, "content": operation.response.content() }))
    };
    let problem = json!({ "schema": { "$ref": "#/components/schemas/ProblemBody" } });
    let refused =
        json!({ "description": "Refused, with the reason", "content": { "application/problem+json": problem } });
    it.insert("responses".into(), json!({ answer.0: answer.1, "default": refused }));
    match operation.access {
        Access::Open | Access::Address => {
            it.insert("security".into(), json!([]));
        }
        Access::SignedIn => {
            it.insert("security".into(), json!([{ "key": [] }, { "session": [] }]));
        }
        Access::Needs(scope) => {
            it.insert("security".into(), json!([{ "key": [] }, { "session": [] }]));
            it.insert("x-scope".into(), scope.as_str().into());
        }
    }
    Value::Object(it)
}
