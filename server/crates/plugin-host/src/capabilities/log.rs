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

/// Where a language's own runtime prints to, in a component that has WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// What one call has logged so far.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    lines: Vec<LogLine>,
    dropped: u32,
    /// Printed without the end of its line yet: standard output and standard error.
    printed: [Vec<u8>; 2],
    /// The last error line, kept even when the budget is used up: a guest's panic hook writes it just before the trap.
    last_error: Option<String>,
}

impl CallLog {
    fn write(&mut self, level: LogLevel, message: String, limits: &Limits) {
        let message = clipped(&message, limits);
        if level == LogLevel::Error {
            self.last_error = Some(message.clone());
        }
        if self.lines.len() >= usize::try_from(limits.log_lines).unwrap_or(usize::MAX) {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.lines.push(LogLine { level, message });
        }
    }

    /// Text for one of the two streams, in whatever pieces it comes; a line is a line of the log when it ends.
    pub(crate) fn print(&mut self, stream: Stream, mut bytes: &[u8], limits: &Limits) {
        let longest = usize::try_from(limits.log_line_bytes).unwrap_or(usize::MAX);
        while let Some(end) = bytes.iter().position(|it| *it == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.open_line(stream).extend_from_slice(line);
            self.end_line(stream, limits);
            bytes = rest.get(1..).unwrap_or_default();
        }
        let open = self.open_line(stream);
        // One more byte than is kept shows that the line was cut.
        let room = longest.saturating_add(1).saturating_sub(open.len());
        open.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }

    fn open_line(&mut self, stream: Stream) -> &mut Vec<u8> {
        let [output, error] = &mut self.printed;
        match stream {
            Stream::Output => output,
            Stream::Error => error,
        }
    }

    fn end_line(&mut self, stream: Stream, limits: &Limits) {
        let line = String::from_utf8_lossy(&std::mem::take(self.open_line(stream))).trim_end().to_owned();
        match stream {
            Stream::Output => self.write(LogLevel::Info, line, limits),
            Stream::Error => {
                // A runtime's last words before it gives up, such as a panic, go here.
                if !line.is_empty() {
                    self.last_error = Some(clipped(&line, limits));
                }
                self.write(LogLevel::Warn, line, limits);
            }
        }
    }

    /// Lines that nobody ended are lines all the same.
    pub(crate) fn end_lines(&mut self, limits: &Limits) {
        for stream in [Stream::Output, Stream::Error] {
            if !self.open_line(stream).is_empty() {
                self.end_line(stream, limits);
            }
        }
    }

    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    pub(crate) fn take(&mut self) -> (Vec<LogLine>, u32) {
        (std::mem::take(&mut self.lines), self.dropped)
    }
}

fn clipped(message: &str, limits: &Limits) -> String {
    let longest = usize::try_from(limits.log_line_bytes).unwrap_or(usize::MAX);
    match message.get(..message.floor_char_boundary(longest)) {
        Some(start) if start.len() < message.len() => format!("{start}…"),
        Some(_) | None => message.to_owned(),
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

    #[test]
    fn what_is_printed_becomes_lines() {
        let limits = Limits { log_line_bytes: 6, ..Limits::default() };
        let mut log = CallLog::default();
        for piece in ["fi", "rst\nse", "cond\n\n"] {
            log.print(Stream::Output, piece.as_bytes(), &limits);
        }
        log.print(Stream::Error, "辣".as_bytes().get(..1).unwrap_or_default(), &limits);
        log.print(Stream::Error, "辣".as_bytes().get(1..).unwrap_or_default(), &limits);
        log.print(Stream::Output, &[b'x'; 1_000_000], &limits);
        assert!(log.printed.iter().all(|it| it.len() <= 7), "no more is kept of a line than is shown");
        log.end_lines(&limits);
        assert_eq!(log.last_error(), Some("辣"));
        let (lines, _) = log.take();
        let told: Vec<(LogLevel, &str)> = lines.iter().map(|it| (it.level, it.message.as_str())).collect();
        let info = LogLevel::Info;
        assert_eq!(told, [(info, "first"), (info, "second"), (info, ""), (info, "xxxxxx…"), (LogLevel::Warn, "辣")]);
    }
}
