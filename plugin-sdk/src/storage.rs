//! Values that outlive the call: one store per tenant and plugin. Needs the permission `storage(max_bytes = …)` in
//! `#[plugin]` and the tenant's grant.
//!
//! ```ignore
//! let visits = storage::update("visits", |seen: Option<u64>| Ok(seen.unwrap_or(0) + 1))?;
//! storage::set_with("session", &token, Keep { ttl_s: Some(3600), ..Keep::default() })?;
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host;

/// Most keys on one page of [`list`].
pub const MAX_PAGE: u32 = 1000;
/// Each lost race means that another call has won one, so a few tries are plenty.
const TRIES: usize = 8;

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T = String> {
    pub value: T,
    /// 1, 2, 3, …: counts the values that this key has had.
    pub version: u64,
    /// Milliseconds since 1970; none for a value that stays.
    pub expires_at: Option<u64>,
}

/// How a value is stored. Start from `Keep::default()`: for ever, and whatever was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Seconds until it is gone.
    pub ttl_s: Option<u32>,
    /// Only if the present version is this one; 0: only if there is none. Fails with `InvalidInput` otherwise.
    pub expected: Option<u64>,
}

/// Keys of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub keys: Vec<String>,
    /// Pass it to the next [`list`]; none on the last page.
    pub next_cursor: Option<String>,
}

/// The value of a key; none when there is none, or no longer.
pub fn get(key: &str) -> Result<Option<Entry>> {
    host::current(|host| host.stored(key))
}

/// Stores a text for ever. Answers its version. Keys have 1 to 200 bytes.
pub fn set(key: &str, value: &str) -> Result<u64> {
    set_with(key, value, Keep::default())
}

pub fn set_with(key: &str, value: &str, keep: Keep) -> Result<u64> {
    host::current(|host| host.store(key, value, keep))
}

/// The value of a key as a type of yours; the error names the field that does not fit.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<Entry<T>>> {
    let Some(Entry { value, version, expires_at }) = get(key)? else { return Ok(None) };
    let mut deserializer = serde_json::Deserializer::from_str(&value);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Error::Failed(format!("the stored value `{key}` does not fit: {error}")))?;
    Ok(Some(Entry { value, version, expires_at }))
}

pub fn set_json(key: &str, value: &(impl Serialize + ?Sized), keep: Keep) -> Result<u64> {
    set_with(key, &serde_json::to_string(value)?, keep)
}

/// Changes a value so that no other call's change is lost: reads it, makes the new one, and stores that only if nobody was
/// faster; else it begins again. Answers the new value, which stays for ever.
///
/// # Errors
/// What `change` says; `Unavailable` when others were faster every time.
pub fn update<T: Serialize + DeserializeOwned>(key: &str, mut change: impl FnMut(Option<T>) -> Result<T>) -> Result<T> {
    for _ in 0..TRIES {
        let (present, version) = match get_json(key)? {
            Some(Entry { value, version, .. }) => (Some(value), version),
            None => (None, 0),
        };
        let value = change(present)?;
        match set_json(key, &value, Keep { expected: Some(version), ..Keep::default() }) {
            Ok(_) => return Ok(value),
            // The kind says that the version was another one; a key that cannot be has failed in `get` already.
            Err(Error::InvalidInput(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Unavailable(format!("`{key}` was changed by others {TRIES} times meanwhile")))
}

/// False when there was none.
pub fn delete(key: &str) -> Result<bool> {
    host::current(|host| host.delete_stored(key))
}

/// Keys that begin so, sorted, one page of at most [`MAX_PAGE`].
pub fn list(prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page> {
    host::current(|host| host.stored_keys(prefix, cursor, limit))
}
