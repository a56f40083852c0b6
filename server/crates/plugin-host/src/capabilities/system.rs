//! Clock and randomness for a guest. Needs no permission; the source is handed in, so a test can hold time still.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::bindings::parlour::plugin::system;
use crate::call::Guest;

/// Bytes one call of `random` may ask for, as the contract says.
const MAX_RANDOM_BYTES: u32 = 4_096;

/// Where a guest's time and random bytes come from.
pub trait SystemSource: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
    /// Fills the buffer, or says why it cannot.
    fn fill_random(&self, buffer: &mut [u8]) -> Result<(), String>;
}

/// The machine's own clock and generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatingSystem;

impl SystemSource for OperatingSystem {
    fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn fill_random(&self, buffer: &mut [u8]) -> Result<(), String> {
        getrandom::fill(buffer).map_err(|error| error.to_string())
    }
}

impl system::Host for Guest {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.count_cheap_call()?;
        Ok(u64::try_from(self.system.now_ms()).unwrap_or_default())
    }

    fn idempotency_key(&mut self) -> wasmtime::Result<Option<String>> {
        self.count_cheap_call()?;
        Ok(self.idempotency_key.clone())
    }

    fn random(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.count_cheap_call()?;
        if length > MAX_RANDOM_BYTES {
            wasmtime::bail!("`system.random` was asked for {length} bytes; one call gives at most {MAX_RANDOM_BYTES}");
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.fill_random(&mut bytes)?;
        Ok(bytes)
    }
}

impl Guest {
    pub(crate) fn fill_random(&self, buffer: &mut [u8]) -> wasmtime::Result<()> {
        match self.system.fill_random(buffer) {
            Ok(()) => Ok(()),
            Err(reason) => wasmtime::bail!("the host has no randomness: {reason}"),
        }
    }
}
