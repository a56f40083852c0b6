//! Answers of the database that are asked for with every request, kept for a moment.
//!
//! Whoever changes what was answered in this process says so, and it is forgotten at once. A change by another process
//! (the command line, a second server) is seen after [`KEPT`].

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a change by another process may go unseen.
const KEPT: Duration = Duration::from_secs(1);
/// Entries before all are dropped; a few hundred bytes each.
const MOST: usize = 10_000;

#[derive(Debug)]
pub(super) struct Recent<K, V>(Mutex<Entries<K, V>>);

#[derive(Debug)]
struct Entries<K, V> {
    by_key: HashMap<K, (Instant, V)>,
    /// Counts how often everything was forgotten.
    age: u64,
}

/// Taken before the database is asked: what was read before a change must not be kept after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent(Mutex::new(Entries { by_key: HashMap::new(), age: 0 }))
    }
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, or a ticket to bring it with.
    pub(super) fn get(&self, key: &K) -> Result<V, Ticket> {
        let entries = self.entries();
        match entries.by_key.get(key) {
            Some((at, value)) if at.elapsed() < KEPT => Ok(value.clone()),
            Some(_) | None => Err(Ticket(entries.age)),
        }
    }

    pub(super) fn keep(&self, key: K, value: V, Ticket(age): Ticket) {
        let mut entries = self.entries();
        if entries.age != age {
            return;
        }
        if entries.by_key.len() >= MOST {
            entries.by_key.clear();
        }
        entries.by_key.insert(key, (Instant::now(), value));
    }

    pub(super) fn forget_all(&self) {
        let mut entries = self.entries();
        entries.by_key.clear();
        entries.age += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Recent};

    #[test]
    fn a_value_is_kept_for_a_moment_and_never_across_a_change() {
        let recent = Recent::default();
        let ticket = recent.get(&"a").unwrap_err();
        recent.keep("a", 1, ticket);
        assert_eq!(recent.get(&"a").unwrap(), 1);
        let before = recent.get(&"b").unwrap_err();
        recent.forget_all();
        assert!(recent.get(&"a").is_err());
        recent.keep("b", 2, before);
        assert!(recent.get(&"b").is_err(), "it was read before the change");
        let ticket = recent.get(&"b").unwrap_err();
        recent.keep("b", 3, ticket);
        std::thread::sleep(KEPT);
        assert!(recent.get(&"b").is_err(), "another process may have changed it");
    }
}
