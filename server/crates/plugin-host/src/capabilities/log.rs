//! The guest's log: lines for the person who looks at the run, bounded in number and length. Needs no permission.

use serde::{Deserialize, Serialize};

use crate::bindings::parlour::plugin::log;
use crate::call::Guest;
use crate::limits::Limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// One line that the guest wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
}

/// What one call has logged so far.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    lines: Vec<LogLine>,
    dropped: u32,
    /// The last error line, kept even when the budget is used up: a guest's panic hook writes it just before the trap.
    last_error: Option<String>,
}

impl CallLog {
    fn write(&mut self, level: LogLevel, mut message: String, limits: &Limits) {
        let longest = usize::try_from(limits.log_line_bytes).unwrap_or(usize::MAX);
        if message.len() > longest {
            message.truncate(message.floor_char_boundary(longest));
            message.push('…');
        }
        if level == LogLevel::Error {
            self.last_error = Some(message.clone());
        }
        if self.lines.len() >= usize::try_from(limits.log_lines).unwrap_or(usize::MAX) {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.lines.push(LogLine { level, message });
        }
    }

    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    pub(crate) fn take(&mut self) -> (Vec<LogLine>, u32) {
        (std::mem::take(&mut self.lines), self.dropped)
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.write(level, message, &self.limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_are_counted_and_the_last_error_survives() {
        let limits = Limits { log_lines: 2, log_line_bytes: 4, ..Limits::default() };
        let mut log = CallLog::default();
        log.write(LogLevel::Info, "辣辣辣".to_owned(), &limits);
        log.write(LogLevel::Debug, "b".to_owned(), &limits);
        log.write(LogLevel::Error, "boom".to_owned(), &limits);
        assert_eq!(log.last_error(), Some("boom"));
        let (lines, dropped) = log.take();
        assert_eq!(dropped, 1);
        assert_eq!(lines.first().map(|line| line.message.as_str()), Some("辣…"));
        assert_eq!(lines.len(), 2);
    }
}
