//! One clock for the load generator and the mock model: both live in this process, so a token's time of sending and its
//! time of arrival can be compared to the microsecond.

use std::sync::LazyLock;
use std::time::Instant;

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since this process first asked.
pub(crate) fn now_us() -> u64 {
    u64::try_from(BEGUN.elapsed().as_micros()).unwrap_or(u64::MAX)
}
