//! Time, ids and random bytes. Everything that needs them asks here, so that tests can hold them still.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::tz::TimeZone;
use uuid::Uuid;

pub struct Clock {
    zone: TimeZone,
    /// Milliseconds since the epoch; 0 means the system's time. Only tests write it.
    fixed: AtomicI64,
}

impl Clock {
    /// # Errors
    /// The time zone's name is not in the IANA database.
    pub fn new(zone: Option<&str>) -> anyhow::Result<Clock> {
        let zone = match zone {
            Some(name) => TimeZone::get(name)?,
            None => TimeZone::system(),
        };
        Ok(Clock { zone, fixed: AtomicI64::new(0) })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_ms(&self) -> i64 {
        match self.fixed.load(Ordering::Relaxed) {
            0 => jiff::Timestamp::now().as_millisecond(),
            fixed => fixed,
        }
    }

    /// The server's own time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub fn hold_at(&self, ms: i64) {
        self.fixed.store(ms, Ordering::Relaxed);
    }

    /// The moment that a text names: RFC 3339, or a date, or a date and time, of the server's zone. None for anything else.
    pub(crate) fn moment(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Some(moment.as_millisecond());
        }
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(self.zone.to_timestamp(local).ok()?.as_millisecond())
    }

    /// RFC 3339 with the server's offset, for example `2026-11-24T10:15:00+08:00`.
    pub fn local_rfc3339(&self, ms: i64) -> String {
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// A new id that sorts by the time it was made.
pub(crate) fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// 256 random bits as 64 hexadecimal digits: session tokens, API keys, set-up links.
///
/// # Errors
/// The operating system gives no random bytes.
pub(crate) fn new_secret() -> super::error::Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| super::AppError::internal(error.to_string()))?;
    Ok(hex(&bytes))
}

/// What is stored of a secret: enough to recognise it, nothing to use it with.
pub(crate) fn fingerprint(secret: &str) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(secret.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn moments_are_read_in_the_zone_of_the_server_unless_they_name_another() {
        let clock = Clock::new(Some("Asia/Shanghai")).unwrap();
        let noon = clock.moment("2026-11-27T12:00:00+08:00").unwrap();
        for same in ["2026-11-27T04:00:00Z", "2026-11-27T12:00:00", "2026-11-27 12:00", " 2026-11-27T12:00 "] {
            assert_eq!(clock.moment(same), Some(noon), "{same}");
        }
        assert_eq!(clock.moment("2026-11-27"), Some(noon - 12 * 3_600_000));
        for nonsense in ["", "tomorrow", "2026-13-01", "12:00", "2026-11-27T25:00"] {
            assert_eq!(clock.moment(nonsense), None, "{nonsense}");
        }
    }
}
