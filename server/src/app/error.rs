//! What a use case answers when it cannot do what was asked. It knows the code, not the HTTP status.
//!
//! Two audiences, two texts: `detail` and `hint` are for the caller; `internal` is for the log and has no way to a client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error_codes::ErrorCode;

pub type Result<T, E = AppError> = std::result::Result<T, E>;

#[derive(Debug)]
pub struct AppError {
    pub code: ErrorCode,
    pub detail: String,
    pub hint: Option<String>,
    pub errors: Vec<Problem>,
    pub retry_after_s: Option<u64>,
    pub internal: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// One of several things that are wrong with what was sent.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
pub struct Problem {
    pub code: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// 1-based line in the document that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// 1-based column in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Where in the value, for example `/inputs/top_k`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What stands in the message, by name: text, a number, or again `{code, message, values}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
}

impl Problem {
    pub fn new(code: &str, message: impl Into<String>) -> Problem {
        let (code, message) = (code.to_owned(), message.into());
        Problem { code, message, hint: None, line: None, column: None, path: None, values: Map::new() }
    }
}

impl From<knowledge::Problem> for Problem {
    fn from(it: knowledge::Problem) -> Problem {
        let knowledge::Problem { row, column, notice } = it;
        let values = notice.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Problem { line: row, path: column, values, ..Problem::new(notice.code, notice.message) }
    }
}

impl AppError {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> AppError {
        AppError { code, detail: detail.into(), hint: None, errors: Vec::new(), retry_after_s: None, internal: None }
    }

    /// Missing and foreign things answer alike: the caller learns nothing about other tenants.
    pub fn not_found(what: &str, name: impl std::fmt::Display) -> AppError {
        AppError::new(ErrorCode::NotFound, format!("there is no {what} `{name}`"))
    }

    pub fn invalid(detail: impl Into<String>) -> AppError {
        AppError::new(ErrorCode::InvalidInput, detail)
    }

    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AppError {
        let mut it = AppError::new(ErrorCode::Internal, "the server's log has the reason under this request's id");
        it.internal = Some(error.into());
        it
    }

    pub(super) fn disk_full(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AppError {
        let it = AppError::new(ErrorCode::StorageFull, "nothing was stored: the disk is full");
        AppError {
            internal: Some(error.into()),
            ..it.hint("free space on the disk of the data folder, then try again")
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> AppError {
        self.hint = Some(hint.into());
        self
    }

    pub fn maybe_hint(mut self, hint: Option<String>) -> AppError {
        self.hint = hint.or(self.hint);
        self
    }

    pub fn errors(mut self, errors: Vec<Problem>) -> AppError {
        self.errors = errors;
        self
    }
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.code(), self.detail)
    }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.internal.as_ref().map(|it| it.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<storage::StorageError> for AppError {
    fn from(error: storage::StorageError) -> AppError {
        match error {
            storage::StorageError::Conflict { ref what } => {
                AppError::new(ErrorCode::Conflict, format!("there is already {what}"))
            }
            storage::StorageError::NotFound { what } => {
                AppError::new(ErrorCode::NotFound, format!("there is no such {what}"))
            }
            storage::StorageError::InvalidCursor { ref cursor } => {
                AppError::invalid(format!("`{cursor}` is not a cursor")).hint("take `next_cursor` of the page before")
            }
            storage::StorageError::StorageFull { .. } => AppError::disk_full(error),
            other @ (storage::StorageError::Open { .. }
            | storage::StorageError::NewerDatabase { .. }
            | storage::StorageError::Migrate { .. }
            | storage::StorageError::InvalidAddress
            | storage::StorageError::Encoding { .. }
            | storage::StorageError::QuotaExceeded { .. }
            | storage::StorageError::Busy { .. }
            | storage::StorageError::Read { .. }
            | storage::StorageError::Write { .. }
            | storage::StorageError::Closed { .. }) => AppError::internal(other),
        }
    }
}

impl From<knowledge::KnowledgeError> for AppError {
    fn from(error: knowledge::KnowledgeError) -> AppError {
        let code = match error.code() {
            "embedding_unavailable" => ErrorCode::EmbeddingUnavailable,
            "index_unavailable" => ErrorCode::IndexUnavailable,
            "document_gone" => ErrorCode::NotFound,
            "too_large" => ErrorCode::TooLarge,
            "invalid_knowledge_base" | "invalid_filter" | "invalid_request" => ErrorCode::InvalidInput,
            "invalid_document"
            | "protected_document"
            | "document_without_text"
            | "unknown_encoding"
            | "unsupported_document" => ErrorCode::InvalidDocument,
            "storage_full" => return AppError::disk_full(error),
            "index_damaged" => {
                let mut it = AppError::new(ErrorCode::IndexDamaged, "the search index on the server's disk is damaged")
                    .maybe_hint(error.hint());
                it.internal = Some(Box::new(error));
                return it;
            }
            _ => return AppError::internal(error),
        };
        AppError::new(code, error.to_string()).maybe_hint(error.hint())
    }
}

impl From<plugin_host::PluginError> for AppError {
    fn from(error: plugin_host::PluginError) -> AppError {
        let (code, hint) = (error.code(), error.hint());
        if let plugin_host::PluginError::InvalidManifest { problems } = error {
            let detail = format!("the plugin's manifest has {} problem(s)", problems.len());
            let problems = problems.into_iter().map(|it| Problem::new(code, it)).collect();
            return AppError::new(ErrorCode::InvalidPlugin, detail).maybe_hint(hint).errors(problems);
        }
        let problem = Problem::new(code, error.to_string());
        AppError::new(ErrorCode::InvalidPlugin, error.to_string()).maybe_hint(hint).errors(vec![problem])
    }
}

/// Diagnostics of a workflow or assistant as the API's problems.
pub(crate) fn problems(diagnostics: &[workflow_engine::Diagnostic]) -> Vec<Problem> {
    diagnostics
        .iter()
        .map(|it| Problem {
            code: it.code.to_string(),
            message: it.message.clone(),
            hint: it.hint.clone(),
            line: Some(it.line),
            column: Some(it.column),
            path: it.node.clone(),
            values: Map::new(),
        })
        .collect()
}
