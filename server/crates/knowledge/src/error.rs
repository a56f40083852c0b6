//! What can go wrong with knowledge, in the words of the person who can mend it. The cause for the log is the `#[source]`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::notice::{Notice, notice};

/// One thing that is wrong in a specification or a file. Rows count as a spreadsheet shows them: the header is row 1.
/// For a JSON array the row is the element's number, for JSON Lines the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub row: Option<u32>,
    pub column: Option<String>,
    pub notice: Notice,
}

impl Problem {
    pub(crate) fn of(notice: Notice) -> Problem {
        Problem { row: None, column: None, notice }
    }

    pub(crate) fn at(row: u32, column: &str, notice: Notice) -> Problem {
        Problem { row: Some(row), column: Some(column.to_owned()), notice }
    }

    pub(crate) fn in_row(row: u32, notice: Notice) -> Problem {
        Problem { row: Some(row), column: None, notice }
    }

    pub(crate) fn in_column(column: &str, notice: Notice) -> Problem {
        Problem { row: None, column: Some(column.to_owned()), notice }
    }
}

impl Problem {
    /// With its place.
    fn placed(&self) -> Notice {
        let what = self.notice.clone();
        match (self.row, self.column.as_deref()) {
            (Some(row), Some(column)) => notice!("in_cell", "row {row}, column `{column}`: {what}", row, column, what),
            (Some(row), None) => notice!("in_row", "row {row}: {what}", row, what),
            (None, Some(column)) => notice!("in_column", "column `{column}`: {what}", column, what),
            (None, None) => what,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.placed().message)
    }
}

/// Every failure of this crate. Codes never change meaning.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    #[error("the knowledge base is not valid: {}", first_of(.problems))]
    InvalidSpec { problems: Vec<Problem> },
    #[error("`{file}` cannot be read: {message}")]
    UnreadableFile { file: String, message: String, hint: String },
    #[error("`{file}` cannot be read: it is protected by a password")]
    Protected { file: String },
    /// Its pages are pictures, or letters of which nobody says which they are.
    #[error("`{file}` cannot be read: {message}")]
    WithoutText { file: String, message: String, hint: String },
    #[error("`{file}` has a character set that cannot be recognised: {message}")]
    UnknownEncoding { file: String, message: String },
    #[error("`{file}` is too large: {message}")]
    TooLarge { file: String, message: String, hint: String },
    /// `count` is the number of all problems; `problems` holds the first ones.
    #[error("`{file}` has {count} {}: {}", if *.count == 1 { "problem" } else { "problems" }, first_of(.problems))]
    InvalidDocument { file: String, problems: Vec<Problem>, count: usize },
    #[error("`{file}` is {kind}, which is not read")]
    UnsupportedDocument { file: String, kind: String, hint: String },
    /// Whoever receives the records has had enough: the work was cancelled, or they cannot be stored.
    #[error("`{file}` was not read to its end, because reading was stopped")]
    Stopped { file: String },
    #[error("the filter is not valid: {message}")]
    InvalidFilter { message: String, hint: String },
    #[error("{message}")]
    InvalidRequest { message: String, hint: String },
    /// Whoever goes on with it stops: there is no place for it any more.
    #[error("`{document}` is not there any more")]
    DocumentGone { document: String },
    #[error("search by meaning is not available: {reason}")]
    EmbeddingUnavailable { reason: String, hint: String },
    #[error("the search index is not available: {reason}")]
    IndexUnavailable { reason: String, hint: String },
    #[error("the index of tenant `{tenant}` failed to {operation}")]
    Index {
        tenant: String,
        operation: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("the index of tenant `{tenant}` is damaged: {message}")]
    Damaged { tenant: String, message: String },
    #[error("the knowledge folder `{path}` cannot be used")]
    Io {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{operation} stopped before it was done")]
    Worker {
        operation: &'static str,
        #[source]
        source: tokio::task::JoinError,
    },
}

/// Whether SQLite has no room on the disk: its `SQLITE_FULL`.
fn is_full(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|it| it.code()).is_some_and(|it| it == "13")
}

fn first_of(problems: &[Problem]) -> String {
    /// A reader fixes a few things at a time; all of them are in `problems()`.
    const SHOWN: usize = 3;
    let mut text: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        text.push("…".to_owned());
    }
    text.join("; ")
}

impl KnowledgeError {
    pub fn code(&self) -> &'static str {
        match self {
            KnowledgeError::InvalidSpec { .. } => "invalid_knowledge_base",
            KnowledgeError::UnreadableFile { .. } | KnowledgeError::InvalidDocument { .. } => "invalid_document",
            KnowledgeError::Protected { .. } => "protected_document",
            KnowledgeError::WithoutText { .. } => "document_without_text",
            KnowledgeError::UnknownEncoding { .. } => "unknown_encoding",
            KnowledgeError::TooLarge { .. } => "too_large",
            KnowledgeError::UnsupportedDocument { .. } => "unsupported_document",
            KnowledgeError::Stopped { .. } => "stopped",
            KnowledgeError::InvalidFilter { .. } => "invalid_filter",
            KnowledgeError::InvalidRequest { .. } => "invalid_request",
            KnowledgeError::DocumentGone { .. } => "document_gone",
            KnowledgeError::EmbeddingUnavailable { .. } => "embedding_unavailable",
            KnowledgeError::IndexUnavailable { .. } => "index_unavailable",
            KnowledgeError::Index { source, .. } if is_full(source) => "storage_full",
            KnowledgeError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => "storage_full",
            KnowledgeError::Index { .. } => "index",
            KnowledgeError::Damaged { .. } => "index_damaged",
            KnowledgeError::Io { .. } => "io",
            KnowledgeError::Worker { .. } => "internal",
        }
    }

    /// What to do about it, where somebody can do something.
    pub fn hint(&self) -> Option<String> {
        match self {
            KnowledgeError::InvalidSpec { .. } => Some("mend every point, then save `knowledge.yaml` again".to_owned()),
            KnowledgeError::UnreadableFile { hint, .. }
            | KnowledgeError::WithoutText { hint, .. }
            | KnowledgeError::TooLarge { hint, .. }
            | KnowledgeError::UnsupportedDocument { hint, .. }
            | KnowledgeError::InvalidFilter { hint, .. }
            | KnowledgeError::InvalidRequest { hint, .. }
            | KnowledgeError::EmbeddingUnavailable { hint, .. }
            | KnowledgeError::IndexUnavailable { hint, .. } => Some(hint.clone()),
            KnowledgeError::Protected { .. } => {
                Some("open it with the password, save a copy without one, and upload that".to_owned())
            }
            KnowledgeError::UnknownEncoding { .. } => {
                Some("save the file as UTF-8 (in Excel: “CSV UTF-8”) and upload it again".to_owned())
            }
            KnowledgeError::InvalidDocument { .. } => {
                Some("nothing was stored: mend the rows that are named and upload the file again".to_owned())
            }
            KnowledgeError::Damaged { .. } => {
                Some("stop the server and run `parlour knowledge reindex`; the database has all documents".to_owned())
            }
            KnowledgeError::DocumentGone { .. } => {
                Some("it was deleted, or nothing of it was stored; upload it again if it is wanted".to_owned())
            }
            KnowledgeError::Stopped { .. }
            | KnowledgeError::Index { .. }
            | KnowledgeError::Io { .. }
            | KnowledgeError::Worker { .. } => None,
        }
    }

    /// The error as what is told of one file among several.
    pub(crate) fn notice(&self) -> Notice {
        let (code, values) = match self.problems().first() {
            Some(first) => ("problems_in_file", [("what", first.placed().into())].into()),
            None => (self.code(), BTreeMap::new()),
        };
        Notice { code, message: self.to_string(), values }
    }

    /// Every collected problem, for lists; empty where the message says it all.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            KnowledgeError::InvalidSpec { problems } | KnowledgeError::InvalidDocument { problems, .. } => {
                problems.clone()
            }
            KnowledgeError::UnreadableFile { .. }
            | KnowledgeError::Protected { .. }
            | KnowledgeError::WithoutText { .. }
            | KnowledgeError::UnknownEncoding { .. }
            | KnowledgeError::TooLarge { .. }
            | KnowledgeError::UnsupportedDocument { .. }
            | KnowledgeError::Stopped { .. }
            | KnowledgeError::InvalidFilter { .. }
            | KnowledgeError::InvalidRequest { .. }
            | KnowledgeError::EmbeddingUnavailable { .. }
            | KnowledgeError::IndexUnavailable { .. }
            | KnowledgeError::DocumentGone { .. }
            | KnowledgeError::Index { .. }
            | KnowledgeError::Damaged { .. }
            | KnowledgeError::Io { .. }
            | KnowledgeError::Worker { .. } => Vec::new(),
        }
    }
}
