//! The plugin's store in memory, with versions, expiry by the fake clock, and the manifest's quota.

use super::State;
use crate::error::{Error, Result};
use crate::storage::{Entry, Keep, MAX_PAGE, Page};

const MAX_KEY_BYTES: usize = 200;

fn check_key(key: &str) -> Result<()> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) && !key.contains('\0') {
        return Ok(());
    }
    Err(Error::InvalidInput(format!("a key has 1 to {MAX_KEY_BYTES} bytes; this one has {}", key.len())))
}

impl State {
    /// How many bytes the plugin may keep.
    fn quota(&self) -> Result<usize> {
        if self.refused.borrow().contains("storage") {
            return Err(Error::Denied("storage is not granted to this plugin".to_owned()));
        }
        let asked = self.asked.borrow();
        let Some(manifest) = asked.as_ref() else { return Ok(usize::MAX) };
        let storage = manifest.permissions.storage.as_ref();
        let storage = storage.ok_or_else(|| Error::Denied("the manifest does not ask for storage".to_owned()))?;
        Ok(usize::try_from(storage.max_bytes).unwrap_or(usize::MAX))
    }

    fn drop_expired(&self) {
        let now = self.now_ms.get();
        self.stored.borrow_mut().retain(|_, entry| entry.expires_at.is_none_or(|expires_at| expires_at > now));
    }

    pub(super) fn read(&self, key: &str) -> Result<Option<Entry>> {
        self.quota()?;
        check_key(key)?;
        self.drop_expired();
        Ok(self.stored.borrow().get(key).cloned())
    }

    pub(super) fn write(&self, key: &str, value: &str, keep: Keep) -> Result<u64> {
        let quota = self.quota()?;
        check_key(key)?;
        self.drop_expired();
        let mut stored = self.stored.borrow_mut();
        let present = stored.get(key).map_or(0, |entry| entry.version);
        if keep.expected.is_some_and(|expected| expected != present) {
            return Err(Error::InvalidInput(format!(
                "the present version of `{key}` is {present}, not {}; read it again",
                keep.expected.unwrap_or_default()
            )));
        }
        let others = stored.iter().filter(|(other, _)| *other != key);
        let used: usize = others.map(|(key, entry)| key.len() + entry.value.len()).sum();
        if used + key.len() + value.len() > quota {
            return Err(Error::Failed(format!("the plugin may keep {quota} bytes; with this value it would be more")));
        }
        let expires_at = keep.ttl_s.map(|seconds| self.now_ms.get() + u64::from(seconds) * 1000);
        stored.insert(key.to_owned(), Entry { value: value.to_owned(), version: present + 1, expires_at });
        Ok(present + 1)
    }

    pub(super) fn remove(&self, key: &str) -> Result<bool> {
        self.quota()?;
        check_key(key)?;
        self.drop_expired();
        Ok(self.stored.borrow_mut().remove(key).is_some())
    }

    pub(super) fn keys(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page> {
        self.quota()?;
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Error::InvalidInput(format!("`limit` is {limit}; it goes from 1 to {MAX_PAGE}")));
        }
        self.drop_expired();
        let stored = self.stored.borrow();
        let fits = |key: &&String| key.starts_with(prefix) && cursor.is_none_or(|cursor| key.as_str() > cursor);
        let mut keys: Vec<String> = stored.keys().filter(fits).cloned().collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = keys.len() > limit;
        keys.truncate(limit);
        Ok(Page { next_cursor: keys.last().filter(|_| more).cloned(), keys })
    }
}
