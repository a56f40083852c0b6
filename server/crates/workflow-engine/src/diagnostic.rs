//! What is wrong with a document, where, and what to do about it. Compiling never stops at the first problem: everything
//! goes into a [`Diagnostics`] and comes out sorted by place.

use std::fmt;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use crate::yaml::Span;

/// A compiled document, or the reasons why there is none.
#[derive(Clone, Debug)]
pub struct Compiled<T> {
    /// None exactly when a diagnostic is an error.
    pub value: Option<T>,
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One problem. Lines and columns count from 1; columns count characters, not bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable, snake_case, for example `unknown_output`.
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    /// One past the last character.
    pub end_column: u32,
    /// The node that it is about, when there is one.
    pub node: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, code, message, hint, line, column, end_line: _, end_column: _, node: _ } = self;
        write!(f, "{line}:{column}: {}[{code}]: {message}", severity.as_str())?;
        match hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Diagnostic {
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// As a compiler prints it: the message, the place, the line with carets under it, the hint.
    #[must_use]
    pub fn render(&self, file: &str, text: &str) -> String {
        let Diagnostic { severity, code, message, hint, line, column, end_line, end_column, node: _ } = self;
        let mut out = format!("{}[{code}]: {message}\n", severity.as_str());
        let gutter = " ".repeat(line.to_string().len());
        out.push_str(&format!("{gutter}--> {file}:{line}:{column}\n"));
        let source = usize::try_from(*line).ok().and_then(|it| text.lines().nth(it.saturating_sub(1)));
        if let Some(source) = source {
            let source = source.trim_end_matches('\r');
            let from = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
            let until =
                if end_line > line { usize::MAX } else { usize::try_from(end_column.saturating_sub(1)).unwrap_or(0) };
            let mut shown = String::new();
            let (mut indent, mut carets) = (0, 0);
            for (index, character) in source.trim_end().chars().enumerate() {
                // A tab is shown as one space, so that the carets stand where they should.
                let character = if character == '\t' { ' ' } else { character };
                let width = character.width().unwrap_or(0);
                shown.push(character);
                if index < from {
                    indent += width;
                } else if index < until {
                    carets += width;
                }
            }
            out.push_str(&format!("{gutter} |\n{line} | {shown}\n"));
            out.push_str(&format!("{gutter} | {}{}\n", " ".repeat(indent), "^".repeat(carets.max(1))));
        }
        if let Some(hint) = hint {
            out.push_str(&format!("{gutter} = hint: {hint}\n"));
        }
        out
    }
}

/// Codes of which one report per place is enough: what an assistant's own reader has said of a value need not be said
/// again by the node that the value was lowered into.
const ONE_PER_PLACE: [&str; 3] = ["wrong_type", "invalid_id", "unknown_knowledge_base"];

/// Collects problems while a document is compiled.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    list: Vec<Diagnostic>,
    /// The node that is being compiled.
    pub(crate) node: Option<String>,
    errors: usize,
}

impl Diagnostics {
    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Self {
        self.push(Severity::Error, code, span, message.into())
    }

    pub(crate) fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Self {
        self.push(Severity::Warning, code, span, message.into())
    }

    /// Adds advice to the problem that was reported last.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        if let Some(last) = self.list.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    /// Adds "did you mean", or the whole choice where it is short, to the problem that was reported last.
    pub(crate) fn suggest<'a>(&mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>, what: &str) {
        if let Some(hint) = crate::names::suggestion(wrong, known, what) {
            self.hint(hint);
        }
    }

    fn push(&mut self, severity: Severity, code: &'static str, span: Span, message: String) -> &mut Self {
        if severity == Severity::Error {
            self.errors += 1;
        }
        self.list.push(Diagnostic {
            severity,
            code,
            message,
            hint: None,
            line: span.line,
            column: span.column,
            end_line: span.end_line,
            end_column: span.end_column,
            node: self.node.clone(),
        });
        self
    }

    /// Whether something with this code was reported for a line.
    pub(crate) fn has(&self, code: &str, line: u32) -> bool {
        self.list.iter().any(|it| it.code == code && it.line == line)
    }

    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Closes the collection. The value is dropped when there was an error.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Compiled<T> {
        // Stable, so that of two reports at one place the one that was made first stays first.
        self.list.sort_by_key(|it| (it.line, it.column));
        self.list.dedup_by(|later, earlier| {
            let same_place = (later.line, later.column, later.code) == (earlier.line, earlier.column, earlier.code);
            same_place && (later.message == earlier.message || ONE_PER_PLACE.contains(&later.code))
        });
        let value = if self.errors == 0 { value } else { None };
        Compiled { value, diagnostics: self.list }
    }
}
