//! The one seam between a plugin and whatever runs it: the Parlour server inside WebAssembly, the fake host in a native
//! test. Everything public goes through here, so a tool cannot tell the two apart.

use serde_json::Value;

use crate::error::Result;
use crate::knowledge::{Entry, Found, Page, Search};
use crate::log::Level;

pub(crate) trait Host {
    fn search(&self, search: &Search) -> Result<Found>;
    fn get(&self, knowledge_base: &str, id: &str) -> Result<Entry>;
    fn list(&self, knowledge_base: &str, filter: Option<&Value>, cursor: Option<&str>, limit: u32) -> Result<Page>;
    fn log(&self, level: Level, message: &str);
    /// JSON text.
    fn config(&self, key: &str) -> Option<String>;
    fn now_ms(&self) -> u64;
    fn random(&self, length: u32) -> Vec<u8>;
}

#[cfg(target_arch = "wasm32")]
pub(crate) fn current<T>(call: impl FnOnce(&dyn Host) -> T) -> T {
    call(&server::Server)
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn current<T>(call: impl FnOnce(&dyn Host) -> T) -> T {
    crate::testing::with_current(call)
}

#[cfg(target_arch = "wasm32")]
mod server {
    //! The server, through the generated bindings.

    use serde_json::Value;

    use super::Host;
    use crate::bindings::parlour::plugin::{config, knowledge as wit, log as wit_log, system, types};
    use crate::error::{Error, Result};
    use crate::knowledge::{Entry, Found, Hit, Page, Search, Status};
    use crate::log::Level;

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
}
