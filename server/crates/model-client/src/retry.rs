//! How long to wait before a request is sent again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Nobody who watches an answer come waits longer than this for a retry. A provider that asks for more gets its way by
/// the error going to the caller, with the time it asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The wait before retry number `retry` (0 is the first), or `None` when the provider wants more patience than there is.
pub(crate) fn wait(retry: u32, first: Duration, asked_for: Option<Duration>) -> Option<Duration> {
    match asked_for {
        Some(asked_for) => (asked_for <= LONGEST_WAIT).then_some(asked_for),
        None => {
            let doubled = first.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
            // Between half and the whole of it, so that clients who were refused together do not come back together.
            let random = RandomState::new().hash_one(retry) % 1000;
            Some(doubled.mul_f64(0.5 + random_fraction(random) / 2.0))
        }
    }
}

fn random_fraction(thousandths: u64) -> f64 {
    f64::from(u32::try_from(thousandths).unwrap_or(0)) / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::wait;

    #[test]
    fn waits_double_with_some_chance_in_them_and_end_somewhere() {
        let first = Duration::from_millis(500);
        for (retry, shortest, longest) in [(0, 250, 500), (1, 500, 1000), (3, 2000, 4000), (40, 10_000, 20_000)] {
            for _ in 0..50 {
                let waited = wait(retry, first, None).expect("a wait").as_millis();
                assert!((shortest..=longest).contains(&waited), "{retry}: {waited}");
            }
        }
    }

    #[test]
    fn the_provider_is_obeyed_or_not_asked_again() {
        let first = Duration::from_millis(500);
        assert_eq!(wait(0, first, Some(Duration::from_secs(3))), Some(Duration::from_secs(3)));
        assert_eq!(wait(0, first, Some(Duration::from_secs(3600))), None);
    }
}
