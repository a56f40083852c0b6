//! Time and chance, from the host: a plugin has neither of its own.

use crate::host;

/// Milliseconds since 1970-01-01T00:00:00Z. `SystemTime::now()` panics inside a plugin; use this.
pub fn now_ms() -> u64 {
    host::current(|host| host.now_ms())
}

/// Bytes from the host's generator; at most 4096 a call.
pub fn random(length: u32) -> Vec<u8> {
    host::current(|host| host.random(length))
}

/// The same for every attempt of one node in one run, and for nothing else: send it along to a service that must not do a
/// thing twice. None when a tool is tried by hand.
pub fn idempotency_key() -> Option<String> {
    host::current(|host| host.idempotency_key())
}
