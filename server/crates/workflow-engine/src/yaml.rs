//! YAML as a small tree in which every key and every value knows its place in the text.
//!
//! The events come from granit-parser, the parser under serde-saphyr. Building the tree here gives what serde cannot:
//! the place of every key, duplicate keys as diagnostics instead of the end of parsing, and a bound on aliases that
//! counts what they unfold to.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};

use crate::diagnostic::Diagnostics;

/// Longest document in bytes. A workflow of 10,000 nodes has about one million.
const MAX_BYTES: usize = 8 << 20;
/// Values in one document after aliases are unfolded; an alias bomb exceeds it at once.
const MAX_VALUES: usize = 1_000_000;
/// How often alias expansion may multiply a document's own values; small documents may always reach `FREE_ALIAS_VALUES`.
const FREE_ALIAS_VALUES: usize = 100_000;
/// Deepest nesting; keeps recursion over the tree well within the stack.
const MAX_DEPTH: usize = 64;

/// A place in the text: lines and columns count from 1, columns count characters, the end is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) end_line: u32,
    pub(crate) end_column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Yaml,
}

#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|it| &it.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|it| it.key == key)
    }

    /// The entries of a map; none for everything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Yaml::Map(entries) => entries,
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) | Yaml::List(_) => &[],
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.value, Yaml::Map(_))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    /// What a person would call this value.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Number(_) => "a number",
            Yaml::Text(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(it) => Value::Bool(*it),
            Yaml::Number(it) => Value::Number(it.clone()),
            Yaml::Text(it) => Value::String(it.clone()),
            Yaml::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Yaml::Map(entries) => {
                Value::Object(entries.iter().map(|it| (it.key.clone(), it.value.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// A text that stands where another value stands; used where documents are lowered into simpler ones.
    pub(crate) fn text(text: impl Into<String>, span: Span) -> Node {
        Node { span, value: Yaml::Text(text.into()) }
    }

    pub(crate) fn map(span: Span, entries: Vec<(&str, Node)>) -> Node {
        let entries = entries
            .into_iter()
            .map(|(key, value)| Entry { key: key.to_owned(), key_span: value.span, value })
            .collect();
        Node { span, value: Yaml::Map(entries) }
    }

    pub(crate) fn list(span: Span, items: Vec<Node>) -> Node {
        Node { span, value: Yaml::List(items) }
    }
}

/// Reads one document. None when nothing useful could be read; then there is at least one error.
pub(crate) fn parse(text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let start = Span { line: 1, column: 1, end_line: 1, end_column: 2 };
    if text.len() > MAX_BYTES {
        diagnostics
            .error("too_large", start, format!("the document has {} bytes; at most {MAX_BYTES} are read", text.len()))
            .hint("split it into several workflows that use one another");
        return None;
    }
    let mut reader = Reader {
        text,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
        own_values: 0,
        diagnostics,
    };
    match reader.document() {
        Ok(Some(node)) => Some(node),
        Ok(None) => {
            reader
                .diagnostics
                .error("syntax", start, "the document is empty")
                .hint("a workflow starts with `workflow: its_name`, an assistant with `assistant: its_name`");
            None
        }
        Err(Stop::Scan(error)) => {
            report_scan_error(&error, text, reader.diagnostics);
            None
        }
        Err(Stop::Reported) => None,
    }
}

enum Stop {
    Scan(ScanError),
    Reported,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Stop::Scan(error)
    }
}

struct Reader<'a, 'd> {
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    /// Finished anchored values with the number of values in them.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
    own_values: usize,
    diagnostics: &'d mut Diagnostics,
}

type Read<T> = Result<T, Stop>;

impl<'a> Reader<'a, '_> {
    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        loop {
            let (event, span) = match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Err(error)) => return Err(Stop::Scan(error)),
                Some(Ok(next)) => next,
            };
            let structure = matches!(
                event,
                Event::StreamStart
                    | Event::StreamEnd
                    | Event::DocumentStart(..)
                    | Event::DocumentEnd
                    | Event::SequenceEnd
                    | Event::MappingEnd
            );
            // Whatever else there is (comments) says how the text looks, not what it means.
            if structure || event.is_node() {
                return Ok((event, place(&span)));
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is a value, or refused as one")]
    fn document(&mut self) -> Read<Option<Node>> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) => {
                    if root.is_some() {
                        self.diagnostics
                            .error("syntax", span, "a file holds one document, and here a second one starts")
                            .hint("put it into a file of its own");
                        return Err(Stop::Reported);
                    }
                }
                other => root = Some(self.value(other, span, 0)?),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node> {
        self.count(span, depth)?;
        let before = self.values;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let forced_text = tag.is_some_and(|it| it.core_suffix() == Some("str"));
                (anchor, Node { span, value: scalar(text, style, forced_text) })
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                let mut whole = span;
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                        whole = until(whole, span);
                        break;
                    }
                    items.push(self.value(event, span, depth + 1)?);
                }
                (anchor, Node { span: whole, value: Yaml::List(items) })
            }
            Event::MappingStart(_, anchor, _) => {
                let node = self.map(span, depth)?;
                (anchor, node)
            }
            Event::Alias(id) => return self.alias(id, span),
            // None of these can stand where the parser announces a value.
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | Event::SequenceEnd
            | Event::MappingEnd
            | _ => (0, Node { span, value: Yaml::Null }),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before + 1));
        }
        Ok(node)
    }

    fn map(&mut self, start: Span, depth: usize) -> Read<Node> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut is_expression = false;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                // Taken for the text that was meant, so that nothing else is said about it.
                let value = if is_expression { Yaml::Text(String::new()) } else { Yaml::Map(entries) };
                return Ok(Node { span: until(start, span), value });
            }
            let key = self.value(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            let Some(name) = key_text(&key) else {
                is_expression |= self.braces_or_bad_key(&key);
                continue;
            };
            if let Some(first) = seen.get(&name) {
                let message = format!("`{name}` is already given in line {}", first.line);
                self.diagnostics.error("duplicate_key", key.span, message).hint("keep one of the two");
                continue;
            }
            seen.insert(name.clone(), key.span);
            entries.push(Entry { key: name, key_span: key.span, value });
        }
    }

    /// `x: {{ y }}` without quotes is, to YAML, a map whose key is a map. It is the commonest slip of all. True if it is.
    fn braces_or_bad_key(&mut self, key: &Node) -> bool {
        if !key.is_map() {
            self.diagnostics.error("syntax", key.span, format!("a key must be text, this is {}", key.kind()));
            return false;
        }
        let span = Span { column: key.span.column.saturating_sub(1).max(1), ..key.span };
        let found = unquoted_expression(self.text, span.line).filter(|it| it.0.line == span.line);
        report_unquoted(found.unwrap_or((span, "\"{{ … }}\"".to_owned())), self.diagnostics);
        true
    }

    fn alias(&mut self, id: usize, span: Span) -> Read<Node> {
        let Some((node, size)) = self.anchors.get(&id) else {
            self.diagnostics
                .error("syntax", span, "this alias stands inside the value it refers to")
                .hint("write the value out");
            return Err(Stop::Reported);
        };
        self.values = self.values.saturating_add(*size);
        let value = node.value.clone();
        self.check_size(span)?;
        Ok(Node { span, value })
    }

    fn count(&mut self, span: Span, depth: usize) -> Read<()> {
        self.values += 1;
        self.own_values += 1;
        if depth > MAX_DEPTH {
            self.diagnostics
                .error("too_large", span, format!("values are nested more than {MAX_DEPTH} levels deep"))
                .hint("flatten the document");
            return Err(Stop::Reported);
        }
        self.check_size(span)
    }

    fn check_size(&mut self, span: Span) -> Read<()> {
        let unfolded = self.values - self.own_values.min(self.values);
        if self.values > MAX_VALUES || unfolded > FREE_ALIAS_VALUES {
            self.diagnostics
                .error(
                    "too_large",
                    span,
                    format!("with its aliases unfolded the document has over {FREE_ALIAS_VALUES} values"),
                )
                .hint("aliases that refer to aliases multiply; write the values out");
            return Err(Stop::Reported);
        }
        Ok(())
    }
}

fn key_text(key: &Node) -> Option<String> {
    match &key.value {
        Yaml::Text(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(it) => Some(it.to_string()),
        Yaml::Null => Some("null".to_owned()),
        Yaml::List(_) | Yaml::Map(_) => None,
    }
}

fn place(span: &granit_parser::Span) -> Span {
    let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    Span {
        line: number(span.start.line().max(1)),
        column: number(span.start.col() + 1),
        end_line: number(span.end.line().max(1)),
        end_column: number(span.end.col() + 1),
    }
}

fn until(start: Span, end: Span) -> Span {
    Span { end_line: end.end_line.max(start.line), end_column: end.end_column.max(1), ..start }
}

/// A scalar by YAML's core schema; what is not plain is always text.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, forced_text: bool) -> Yaml {
    if style == ScalarStyle::Plain && !forced_text {
        match text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
            "true" | "True" | "TRUE" => return Yaml::Bool(true),
            "false" | "False" | "FALSE" => return Yaml::Bool(false),
            other => {
                if let Some(number) = number(other) {
                    return Yaml::Number(number);
                }
            }
        }
    }
    Yaml::Text(text.into_owned())
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Without this check Rust's parsers would also take `inf`, `nan` and `infinity`.
    if !digits.starts_with(|it: char| it.is_ascii_digit() || it == '.')
        || !digits.contains(|it: char| it.is_ascii_digit())
    {
        return None;
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(Number::from);
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if let Ok(it) = unsigned.parse::<i64>() {
        return Some(Number::from(it));
    }
    if let Ok(it) = unsigned.parse::<u64>() {
        return Some(Number::from(it));
    }
    unsigned.parse::<f64>().ok().and_then(Number::from_f64)
}

/// A scan error at its place, with the two slips that people make most explained.
fn report_scan_error(error: &ScanError, text: &str, diagnostics: &mut Diagnostics) {
    let marker = error.marker();
    let line = u32::try_from(marker.line().max(1)).unwrap_or(u32::MAX);
    let column = u32::try_from(marker.col() + 1).unwrap_or(u32::MAX);
    let span = Span { line, column, end_line: line, end_column: column.saturating_add(1) };
    if let Some(found) = unquoted_expression(text, line) {
        report_unquoted(found, diagnostics);
        return;
    }
    let reported = diagnostics.error("syntax", span, error.info());
    let source = text.lines().nth(marker.line().saturating_sub(1)).unwrap_or_default();
    let indent: String = source.chars().take_while(|it| it.is_whitespace()).collect();
    if indent.contains('\t') {
        reported.hint("YAML is indented with spaces; this line starts with a tab");
    } else if error.info().contains("mapping values") && source.matches(": ").count() > 1 {
        reported.hint("a value that contains `: ` must be in quotes");
    }
}

fn report_unquoted((span, quoted): (Span, String), diagnostics: &mut Diagnostics) {
    if !diagnostics.has("unquoted_braces", span.line) {
        diagnostics
            .error("unquoted_braces", span, "`{{` without quotes is a map to YAML, not an expression")
            .hint(format!("put the whole value in quotes: {quoted}"));
    }
}

/// Looks for a plain value that starts with `{{` or `{%` in the line of an error and a few lines above it.
fn unquoted_expression(text: &str, line: u32) -> Option<(Span, String)> {
    let error_line = usize::try_from(line).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let from = error_line.saturating_sub(3);
    for index in (from..error_line.min(lines.len())).rev() {
        let source = lines.get(index)?;
        let value = source.split_once(": ").map_or_else(|| source.trim_start().trim_start_matches("- "), |it| it.1);
        let value = value.trim();
        if value.starts_with("{{") || value.starts_with("{%") {
            let before = source.len() - source.trim_end().len();
            let offset = source.len() - before - value.len();
            let column = source.get(..offset)?.chars().count();
            let number = u32::try_from(index + 1).ok()?;
            let start = u32::try_from(column + 1).ok()?;
            let end = u32::try_from(column + 1 + value.chars().count()).ok()?;
            let quoted = if value.contains('"') { format!("'{value}'") } else { format!("\"{value}\"") };
            return Some((Span { line: number, column: start, end_line: number, end_column: end }, quoted));
        }
    }
    None
}
