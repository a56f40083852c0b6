//! The one seam between a plugin and whatever runs it: the Parlour server inside WebAssembly, the fake host in a native
//! test. Everything public goes through here, so a tool cannot tell the two apart.

#[cfg(target_arch = "wasm32")]
mod server;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::http::{Outgoing, Response};
use crate::knowledge::{Entry, Found, Page, Rows, Search};
use crate::log::Level;
use crate::model::{Completion, Embeddings, Purpose, Request};
use crate::storage::{self, Keep};

pub(crate) trait Host {
    fn search(&self, search: &Search) -> Result<Found>;
    fn get(&self, knowledge_base: &str, id: &str) -> Result<Entry>;
    fn list(&self, knowledge_base: &str, filter: Option<&Value>, cursor: Option<&str>, limit: u32) -> Result<Page>;
    fn query(&self, knowledge_base: &str, query: &Map<String, Value>) -> Result<Rows>;
    fn send(&self, request: &Outgoing) -> Result<Response>;
    fn complete(&self, request: &Request) -> Result<Completion>;
    fn embed(&self, texts: &[String], purpose: Purpose) -> Result<Embeddings>;
    fn stored(&self, key: &str) -> Result<Option<storage::Entry>>;
    fn store(&self, key: &str, value: &str, keep: Keep) -> Result<u64>;
    fn delete_stored(&self, key: &str) -> Result<bool>;
    fn stored_keys(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<storage::Page>;
    fn log(&self, level: Level, message: &str);
    /// JSON text.
    fn config(&self, key: &str) -> Option<String>;
    fn now_ms(&self) -> u64;
    fn random(&self, length: u32) -> Vec<u8>;
    fn idempotency_key(&self) -> Option<String>;
}

#[cfg(target_arch = "wasm32")]
pub(crate) fn current<T>(call: impl FnOnce(&dyn Host) -> T) -> T {
    call(&server::Server)
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn current<T>(call: impl FnOnce(&dyn Host) -> T) -> T {
    crate::testing::with_current(call)
}
