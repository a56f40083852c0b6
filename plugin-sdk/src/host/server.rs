//! The server, through the generated bindings.

use serde_json::{Map, Value};

use super::Host;
use crate::bindings::parlour::plugin::{
    config, http as wit_http, knowledge as wit, log as wit_log, model as wit_model, storage as wit_storage, system,
    types,
};
use crate::error::{Error, Result};
use crate::http::{Outgoing, Response};
use crate::knowledge::{Entry, Found, Hit, Page, Rows, Search, Status};
use crate::log::Level;
use crate::model::{Author, Completion, Embeddings, Purpose, Request};
use crate::storage::{self, Keep};

pub(super) struct Server;

impl Host for Server {
    fn search(&self, search: &Search) -> Result<Found> {
        let request = wit::SearchRequest {
            knowledge_base: search.knowledge_base.clone(),
            query: search.query.clone(),
            top_k: search.top_k,
            options_json: search.options_json(),
        };
        let result = wit::search(&request).map_err(error)?;
        let status = match result.status {
            wit::Status::Ok => Status::Ok,
            wit::Status::Empty => Status::Empty,
            wit::Status::BelowThreshold => Status::BelowThreshold,
            wit::Status::Degraded => Status::Degraded,
        };
        let hits = result
            .hits
            .into_iter()
            .map(|hit| Ok(Hit { entry: entry(hit.entry)?, score: hit.score }))
            .collect::<Result<_>>()?;
        Ok(Found { status, reason: result.reason, hits })
    }

    fn get(&self, knowledge_base: &str, id: &str) -> Result<Entry> {
        entry(wit::get(knowledge_base, id).map_err(error)?)
    }

    fn list(&self, knowledge_base: &str, filter: Option<&Value>, cursor: Option<&str>, limit: u32) -> Result<Page> {
        let request = wit::ListRequest {
            knowledge_base: knowledge_base.to_owned(),
            filter_json: filter.map(Value::to_string).unwrap_or_default(),
            cursor: cursor.map(str::to_owned),
            limit,
        };
        let page = wit::list(&request).map_err(error)?;
        let entries = page.entries.into_iter().map(entry).collect::<Result<_>>()?;
        Ok(Page { entries, next_cursor: page.next_cursor })
    }

    fn query(&self, knowledge_base: &str, query: &Map<String, Value>) -> Result<Rows> {
        let query = serde_json::to_string(query)?;
        let wit::QueryResult { rows_json, total } = wit::query(knowledge_base, &query).map_err(error)?;
        Ok(Rows { rows: serde_json::from_str(&rows_json)?, total })
    }

    fn send(&self, request: &Outgoing) -> Result<Response> {
        let Outgoing { method, url, headers, body, timeout_ms } = request;
        let headers = headers.iter();
        let request = wit_http::Request {
            method: method.clone(),
            url: url.clone(),
            headers: headers
                .map(|(name, value)| wit_http::Header { name: name.clone(), value: value.clone() })
                .collect(),
            body: body.clone(),
            timeout_ms: *timeout_ms,
        };
        let wit_http::Response { status, url, headers, body } = wit_http::send(&request).map_err(error)?;
        let headers = headers.into_iter().map(|wit_http::Header { name, value }| (name, value)).collect();
        Ok(Response { status, url, headers, body })
    }

    fn complete(&self, request: &Request) -> Result<Completion> {
        let Request { role, messages, max_tokens, temperature, schema } = request;
        let messages = messages.iter().map(|message| wit_model::Message {
            author: match message.author {
                Author::System => wit_model::Author::System,
                Author::User => wit_model::Author::User,
                Author::Assistant => wit_model::Author::Assistant,
            },
            content: message.content.clone(),
        });
        let request = wit_model::Request {
            role: role.clone(),
            messages: messages.collect(),
            max_tokens: *max_tokens,
            temperature: *temperature,
            schema_json: schema.as_ref().map(Value::to_string).unwrap_or_default(),
        };
        let wit_model::Completion { text, model, input_tokens, output_tokens } =
            wit_model::complete(&request).map_err(error)?;
        Ok(Completion { text, model, input_tokens, output_tokens })
    }

    fn embed(&self, texts: &[String], purpose: Purpose) -> Result<Embeddings> {
        let purpose = match purpose {
            Purpose::Query => wit_model::Purpose::Query,
            Purpose::Passage => wit_model::Purpose::Passage,
        };
        let wit_model::Embeddings { vectors, model, input_tokens } = wit_model::embed(texts, purpose).map_err(error)?;
        Ok(Embeddings { vectors, model, input_tokens })
    }

    fn stored(&self, key: &str) -> Result<Option<storage::Entry>> {
        let found = wit_storage::get(key).map_err(error)?;
        Ok(found.map(|wit_storage::Entry { value, version, expires_at }| storage::Entry { value, version, expires_at }))
    }

    fn store(&self, key: &str, value: &str, keep: Keep) -> Result<u64> {
        wit_storage::set(key, value, keep.ttl_s, keep.expected).map_err(error)
    }

    fn delete_stored(&self, key: &str) -> Result<bool> {
        wit_storage::delete(key).map_err(error)
    }

    fn stored_keys(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<storage::Page> {
        let wit_storage::Page { keys, next_cursor } = wit_storage::list(prefix, cursor, limit).map_err(error)?;
        Ok(storage::Page { keys, next_cursor })
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => wit_log::Level::Debug,
            Level::Info => wit_log::Level::Info,
            Level::Warn => wit_log::Level::Warn,
            Level::Error => wit_log::Level::Error,
        };
        wit_log::write(level, message);
    }

    fn config(&self, key: &str) -> Option<String> {
        config::get(key)
    }

    fn now_ms(&self) -> u64 {
        system::now_ms()
    }

    fn random(&self, length: u32) -> Vec<u8> {
        system::random(length)
    }

    fn idempotency_key(&self) -> Option<String> {
        system::idempotency_key()
    }
}

fn entry(entry: wit::Entry) -> Result<Entry> {
    let wit::Entry { id, document, text, fields_json } = entry;
    let fields = if fields_json.is_empty() { serde_json::Map::new() } else { serde_json::from_str(&fields_json)? };
    Ok(Entry { id, document, text, fields })
}

fn error(error: types::Error) -> Error {
    match error {
        types::Error::InvalidInput(message) => Error::InvalidInput(message),
        types::Error::NotFound(message) => Error::NotFound(message),
        types::Error::Denied(message) => Error::Denied(message),
        types::Error::RateLimited(seconds) => Error::RateLimited(seconds),
        types::Error::Unavailable(message) => Error::Unavailable(message),
        types::Error::Failed(message) => Error::Failed(message),
    }
}
