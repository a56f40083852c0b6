//! Single records of a document, as a person sees and mends them. The database first, then the index: it is what the index
//! is made from.

use domain::{Chunk, Document, DocumentId, KnowledgeBase, TenantId};
use knowledge::BaseSpec;
use serde_json::{Map, Value, json};
use storage::{ChunkChange, NewRecord};

use super::{App, AppError, Problem, Result};
use crate::error_codes::ErrorCode;
use crate::jobs::record_of;

/// A longer text is a document of its own.
const MAX_CHARS: usize = 20_000;

/// What a person writes of a record; what is not there stays.
#[derive(Clone, Debug, Default)]
pub struct ChunkEdit {
    pub text: Option<String>,
    /// `Some(None)` takes the standard answer away.
    pub answer: Option<Option<String>>,
    pub fields: Option<Map<String, Value>>,
    pub enabled: Option<bool>,
}

impl App {
    /// # Errors
    /// `NotFound`.
    pub async fn chunk(&self, tenant: TenantId, document: DocumentId, ordinal: i64) -> Result<Chunk> {
        let found = self.storage().chunk(tenant, document, ordinal).await?;
        found.ok_or_else(|| AppError::not_found("record", ordinal))
    }

    /// Adds a record behind the last one.
    ///
    /// # Errors
    /// The text is empty or too long, a field has a wrong value, or the document has no version yet.
    pub async fn add_chunk(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        document: &Document,
        edit: ChunkEdit,
    ) -> Result<Chunk> {
        if !document.is_answering() {
            return Err(AppError::new(ErrorCode::Conflict, format!("`{}` has not been read yet", document.name))
                .hint("wait until it is ready"));
        }
        let spec = self.checked(base, &edit)?;
        let fields = self.fields_of(&spec, edit.fields.clone().unwrap_or_default())?;
        let text = match edit.text {
            Some(text) if !text.trim().is_empty() => text,
            _ if !spec.fields.is_empty() => knowledge::record_text(&spec, &fields),
            _ => String::new(),
        };
        if text.trim().is_empty() {
            return Err(AppError::invalid("a record needs a text"));
        }
        let new = NewRecord {
            ordinal: 0,
            tokens: self.tokens_of(&text),
            text,
            answer: edit.answer.flatten().filter(|it| !it.trim().is_empty()),
            fields: Value::Object(fields),
            position: json!({}),
        };
        let ordinal = self.storage().add_chunk(tenant, document.id, new, self.clock().now_ms()).await?;
        let chunk = self.chunk(tenant, document.id, ordinal).await?;
        self.index_chunk(tenant, base, &chunk).await?;
        Ok(chunk)
    }

    /// # Errors
    /// As [`App::add_chunk`]; `NotFound`.
    pub async fn change_chunk(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        (document, ordinal): (DocumentId, i64),
        edit: ChunkEdit,
    ) -> Result<Chunk> {
        let spec = self.checked(base, &edit)?;
        let before = self.chunk(tenant, document, ordinal).await?;
        let fields = edit.fields.map(|it| self.fields_of(&spec, it)).transpose()?;
        let text = match (edit.text, &fields) {
            (Some(text), _) if text.trim().is_empty() => return Err(AppError::invalid("a record needs a text")),
            (Some(text), _) => Some(text),
            // The text of a row is made of its fields: with other values it would say what is no longer so.
            (None, Some(fields)) if !spec.fields.is_empty() => {
                Some(knowledge::record_text(&spec, fields)).filter(|it| !it.is_empty())
            }
            (None, _) => None,
        };
        let change = ChunkChange {
            tokens: text.as_ref().map(|it| self.tokens_of(it)),
            text: text.filter(|it| *it != before.text),
            answer: edit.answer.map(|it| it.filter(|it| !it.trim().is_empty())),
            fields: fields.map(Value::Object),
            enabled: edit.enabled,
        };
        self.storage().change_chunk(tenant, (document, ordinal), change, self.clock().now_ms()).await?;
        let chunk = self.chunk(tenant, document, ordinal).await?;
        self.index_chunk(tenant, base, &chunk).await?;
        Ok(chunk)
    }

    /// # Errors
    /// `NotFound`.
    pub async fn delete_chunk(
        &self,
        tenant: TenantId,
        base: &KnowledgeBase,
        (document, ordinal): (DocumentId, i64),
    ) -> Result<()> {
        self.storage().delete_chunk(tenant, (document, ordinal), self.clock().now_ms()).await?;
        let place = u32::try_from(ordinal).unwrap_or(u32::MAX);
        let (tenant, base, document) = (tenant.to_string(), base.id.to_string(), document.to_string());
        self.knowledge_index().remove_record(&tenant, &base, &document, place).await?;
        Ok(())
    }

    /// A record that is switched off is not in the index at all, so no search has to leave it out.
    async fn index_chunk(&self, tenant: TenantId, base: &KnowledgeBase, chunk: &Chunk) -> Result<()> {
        let (tenant_id, document) = (tenant.to_string(), chunk.document.to_string());
        if chunk.enabled {
            let reference = self.base_ref(base)?;
            let record = record_of(chunk.clone());
            let report = self.knowledge_index().put_record(&tenant_id, &reference, &document, record).await?;
            if let Some(reason) = report.reason {
                self.storage().set_document_reason(tenant, chunk.document, Some(reason)).await?;
                self.vectors_are_missing();
            }
        } else {
            let place = u32::try_from(chunk.ordinal).unwrap_or(u32::MAX);
            self.knowledge_index().remove_record(&tenant_id, &base.id.to_string(), &document, place).await?;
        }
        Ok(())
    }

    fn checked(&self, base: &KnowledgeBase, edit: &ChunkEdit) -> Result<BaseSpec> {
        for text in [edit.text.as_ref(), edit.answer.as_ref().and_then(Option::as_ref)].into_iter().flatten() {
            if text.chars().count() > MAX_CHARS {
                return Err(AppError::new(ErrorCode::TooLarge, format!("a record has at most {MAX_CHARS} characters"))
                    .hint("add it as a document; it is split then"));
            }
        }
        serde_json::from_value(base.spec.clone()).map_err(AppError::internal)
    }

    /// Values as the base's fields want them, with every problem told.
    fn fields_of(&self, spec: &BaseSpec, given: Map<String, Value>) -> Result<Map<String, Value>> {
        knowledge::typed_fields(spec, given).map_err(|problems| {
            let problems = problems.into_iter().map(Problem::from).collect();
            AppError::invalid("the fields do not fit the knowledge base").errors(problems)
        })
    }

    fn tokens_of(&self, text: &str) -> i64 {
        i64::try_from(self.token_counter().count(text)).unwrap_or(i64::MAX)
    }
}
