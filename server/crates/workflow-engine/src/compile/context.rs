//! What the parts of the compiler share while one document is compiled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::diagnostic::Diagnostics;
use crate::expression::{Expression, ExpressionError, Path};
use crate::program::Spot;
use crate::schema::Codes;
use crate::template::{SecretTemplate, Template, Text, has_expression, single_expression};
use crate::yaml::{Node, Span, Yaml};

/// Something that an expression reads, to be checked when all nodes are known.
pub(crate) struct Use {
    pub(crate) path: Path,
    pub(crate) span: Span,
    pub(crate) reader: Reader,
}

/// Where in a run an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Node(Spot),
    /// Before the nodes of a body: `while`.
    Begin(usize),
    /// After the nodes of a body: `collect`, `next`, and the workflow's outputs.
    End(usize),
}

impl Reader {
    pub(crate) fn body(self) -> usize {
        match self {
            Reader::Node(spot) => spot.body,
            Reader::Begin(body) | Reader::End(body) => body,
        }
    }
}

/// The names of one body.
pub(crate) struct Scope {
    pub(crate) ids: HashMap<Arc<str>, usize>,
    pub(crate) owner: Option<Spot>,
    pub(crate) kind: ScopeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeKind {
    Outermost,
    Each,
    Loop,
}

/// A value of `with` that is one reference, and the schema that it has to fit.
pub(crate) struct Expectation {
    pub(crate) path: Path,
    pub(crate) span: Span,
    pub(crate) reader: Reader,
    /// The key that the value stands under.
    pub(crate) key: String,
    pub(crate) schema: Value,
}

/// A schema with its validator.
type CompiledSchema = (Arc<Validator>, Arc<Value>);

pub(crate) struct Context<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) uses: Vec<Use>,
    /// References whose type can be checked when all nodes are known.
    pub(crate) expectations: Vec<Expectation>,
    /// By the number of the body.
    pub(crate) scopes: Vec<Scope>,
    /// Where the expressions stand that are being compiled.
    pub(crate) reader: Reader,
    /// JSON Schema of the inputs; null where nothing is known of them.
    pub(crate) input_schema: Value,
    /// Names of the workflow's inputs; none where there are no inputs to speak of (assistants).
    pub(crate) inputs: Option<Vec<String>>,
    lines: Vec<&'a str>,
    /// Compiled schemas by the name that `use` takes: many nodes of one kind share one.
    validators: BTreeMap<String, Option<CompiledSchema>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(text: &'a str, catalog: &'a Catalog) -> Context<'a> {
        Context {
            catalog,
            diagnostics: Diagnostics::default(),
            uses: Vec::new(),
            expectations: Vec::new(),
            scopes: Vec::new(),
            reader: Reader::End(0),
            input_schema: Value::Null,
            inputs: None,
            lines: text.lines().collect(),
            validators: BTreeMap::new(),
        }
    }

    /// The node that a name means in a body: one of the body's own, else one around it.
    pub(crate) fn resolve(&self, body: usize, name: &str) -> Option<Spot> {
        let mut body = body;
        loop {
            let scope = self.scopes.get(body)?;
            if let Some(node) = scope.ids.get(name) {
                return Some(Spot { body, node: *node });
            }
            body = scope.owner?.body;
        }
    }

    /// Whether a body stands, at any depth, in a container of one of these kinds.
    pub(crate) fn is_inside(&self, body: usize, kinds: &[ScopeKind]) -> bool {
        let mut next = Some(body);
        while let Some(scope) = next.and_then(|it| self.scopes.get(it)) {
            if kinds.contains(&scope.kind) {
                return true;
            }
            next = scope.owner.map(|it| it.body);
        }
        false
    }

    /// The ids that can be seen from a body, its own first, in the document's order.
    pub(crate) fn ids_in_sight(&self, body: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some(body);
        while let Some(scope) = next.and_then(|it| self.scopes.get(it)) {
            let sorted: BTreeMap<usize, String> =
                scope.ids.iter().map(|(id, number)| (*number, id.to_string())).collect();
            found.extend(sorted.into_values());
            next = scope.owner.map(|it| it.body);
        }
        found
    }

    pub(crate) fn check_keys(&mut self, node: &Node, known: &[&str], owner: &str) {
        for entry in node.entries() {
            if !known.contains(&entry.key.as_str()) {
                self.diagnostics.error("unknown_key", entry.key_span, format!("{owner} has no key `{}`", entry.key));
                self.diagnostics.suggest(&entry.key, known.iter().copied(), "known keys");
            }
        }
    }

    pub(crate) fn optional_text(&mut self, node: &Node, key: &str) -> Option<String> {
        let value = node.get(key)?;
        match &value.value {
            Yaml::Text(text) => Some(text.clone()),
            Yaml::Number(number) => Some(number.to_string()),
            Yaml::Null => None,
            Yaml::Bool(_) | Yaml::List(_) | Yaml::Map(_) => {
                self.wrong_type(value, key, "text");
                None
            }
        }
    }

    pub(crate) fn wrong_type(&mut self, value: &Node, key: &str, wanted: &str) {
        let message = format!("`{key}` must be {wanted}, this is {}", value.kind());
        self.diagnostics.error("wrong_type", value.span, message);
    }

    pub(crate) fn invalid_id(&mut self, id: &str, span: Span) {
        self.diagnostics
            .error("invalid_id", span, format!("`{id}` cannot be a name"))
            .hint("names start with a small letter and have small letters, digits and `_`, at most 63 of them");
    }

    /// Compiles a value of the document that may contain expressions, and notes what they read.
    pub(crate) fn template(&mut self, node: &Node) -> Template {
        match &node.value {
            Yaml::Text(text) if has_expression(text) => match single_expression(text) {
                Some(inside) => self
                    .expression(&inside, node.span)
                    .map_or(Template::Literal(Value::Null), |it| Template::Expression(Box::new(it))),
                None => Template::Text(self.text(text, node.span)),
            },
            Yaml::List(items) => {
                let items: Vec<Template> = items.iter().map(|it| self.template(it)).collect();
                let literal: Option<Vec<Value>> = items.iter().map(literal_leaf).collect();
                literal.map_or(Template::List(items), |it| Template::Literal(Value::Array(it)))
            }
            Yaml::Map(entries) => {
                Template::Map(entries.iter().map(|it| (it.key.clone(), self.template(&it.value))).collect())
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Text(_) => Template::Literal(node.to_json()),
        }
    }

    pub(crate) fn text(&mut self, source: &str, span: Span) -> Text {
        match Text::compile(source) {
            Ok(text) => {
                let reads: Vec<Path> = text.reads().cloned().collect();
                self.note_reads(reads, span);
                text
            }
            Err(error) => {
                self.report(error, span);
                Text::default()
            }
        }
    }

    /// A bare expression, or one in `{{ }}` by habit.
    pub(crate) fn condition(&mut self, node: &Node, key: &str) -> Option<Expression> {
        match &node.value {
            Yaml::Bool(it) => self.expression(if *it { "true" } else { "false" }, node.span),
            Yaml::Number(it) => self.expression(&it.to_string(), node.span),
            Yaml::Text(text) => {
                let source = single_expression(text).unwrap_or_else(|| text.trim().to_owned());
                self.expression(&source, node.span)
            }
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => {
                self.wrong_type(node, key, "an expression");
                None
            }
        }
    }

    pub(crate) fn expression(&mut self, source: &str, span: Span) -> Option<Expression> {
        match Expression::compile(source) {
            Ok(expression) => {
                self.note_reads(expression.reads().to_vec(), span);
                Some(expression)
            }
            Err(error) => {
                self.report(error, span);
                None
            }
        }
    }

    fn note_reads(&mut self, reads: Vec<Path>, span: Span) {
        for path in reads {
            let place = self.locate(span, &path.to_string());
            self.uses.push(Use { path, span: place, reader: self.reader });
        }
    }

    fn report(&mut self, error: ExpressionError, span: Span) {
        let ExpressionError { code, message, hint, near } = error;
        let place = near.map_or(span, |it| self.locate(span, &it));
        self.diagnostics.error(code, place, message);
        if let Some(hint) = hint {
            self.diagnostics.hint(hint);
        }
    }

    /// The place of a word within a value. Looking for it in the source lines works for every style of writing a value;
    /// where it is not found (escapes), the whole value is the place.
    pub(crate) fn locate(&self, span: Span, word: &str) -> Span {
        if word.contains('\n') {
            return span;
        }
        for line in span.line..=span.end_line {
            let Some(source) = usize::try_from(line).ok().and_then(|it| self.lines.get(it - 1)) else { break };
            let skip = if line == span.line { usize::try_from(span.column - 1).unwrap_or(0) } else { 0 };
            let Some(start) = source.char_indices().map(|(at, _)| at).nth(skip) else { continue };
            let Some(tail) = source.get(start..) else { continue };
            for (at, _) in tail.match_indices(word) {
                let before = tail.get(..at).and_then(|it| it.chars().next_back());
                let after = tail.get(at + word.len()..).and_then(|it| it.chars().next());
                let part = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
                if part(before) && part(word.chars().next())
                    || part(after) && part(word.chars().next_back())
                    || before == Some('.')
                {
                    continue;
                }
                let column = skip + tail.get(..at).map_or(0, |it| it.chars().count()) + 1;
                let column = u32::try_from(column).unwrap_or(u32::MAX);
                let length = u32::try_from(word.chars().count()).unwrap_or(1);
                return Span { line, column, end_line: line, end_column: column.saturating_add(length) };
            }
        }
        span
    }

    /// The compiled schema of a kind, tool or workflow; compiled once per document.
    pub(crate) fn validator(&mut self, name: &str, schema: impl FnOnce() -> Value) -> Option<CompiledSchema> {
        if let Some(known) = self.validators.get(name) {
            return known.clone();
        }
        let schema = schema();
        // A tool whose schema cannot be compiled is not checked here; the plugin host refuses such plugins.
        let compiled = crate::schema::validator(&schema).ok().map(|it| (it, Arc::new(schema)));
        self.validators.insert(name.to_owned(), compiled.clone());
        compiled
    }

    /// Compiles a text into which secrets may go. Naming a secret reads nothing; everything else is noted as anywhere.
    pub(crate) fn secret_text(&mut self, source: &str, span: Span) -> SecretTemplate {
        match Text::compile(source) {
            Ok(text) => {
                let template = SecretTemplate::new(text);
                let reads: Vec<Path> = template.reads().cloned().collect();
                self.note_reads(reads, span);
                template
            }
            Err(error) => {
                self.report(error, span);
                SecretTemplate::default()
            }
        }
    }
}

fn literal_leaf(template: &Template) -> Option<Value> {
    match template {
        Template::Literal(value) => Some(value.clone()),
        Template::Expression(_) | Template::Text(_) | Template::List(_) | Template::Map(_) => None,
    }
}

/// One node while its kind compiles it.
pub(crate) struct NodeContext<'c, 'a> {
    pub(crate) context: &'c mut Context<'a>,
    /// The node's id, and its title if it has one.
    pub(crate) id: &'c str,
    pub(crate) title: Option<&'c str>,
    pub(crate) use_name: &'c str,
    pub(crate) use_span: Span,
    pub(crate) with: Option<&'c Node>,
    pub(crate) with_span: Span,
}

impl<'c> NodeContext<'c, '_> {
    pub(crate) fn get(&self, key: &str) -> Option<&'c Node> {
        self.with.and_then(|it| it.get(key))
    }

    pub(crate) fn diagnostics(&mut self) -> &mut Diagnostics {
        &mut self.context.diagnostics
    }

    /// Holds `with` against a schema. False when it is not even a map.
    pub(crate) fn check(&mut self, schema: impl FnOnce() -> Value, codes: Codes) -> bool {
        let empty = Node { span: self.with_span, value: Yaml::Map(Vec::new()) };
        let with = match self.with {
            Some(with) if matches!(with.value, Yaml::Null) => &empty,
            Some(with) => with,
            None => &empty,
        };
        if !with.is_map() {
            self.context.wrong_type(with, "with", "a map");
            return false;
        }
        let name = self.use_name.to_owned();
        if let Some((validator, schema)) = self.context.validator(&name, schema) {
            let whole = self.with_span;
            crate::schema::check(&mut self.context.diagnostics, (&validator, &schema), (with, whole), codes);
            self.expect(with, &schema, codes);
        }
        true
    }

    /// Notes which references in `with` have to fit which part of the schema.
    fn expect(&mut self, with: &Node, schema: &Value, codes: Codes) {
        for (key, node, schema) in crate::schema::references(with, schema) {
            // The built-in kinds write anything as text where they want text.
            let wants_text = crate::schema::types(schema).is_some_and(|it| it.contains("string"));
            if codes.writes_as_text && wants_text {
                continue;
            }
            let inside = node.as_str().and_then(single_expression);
            let Some(Ok(expression)) = inside.map(|it| Expression::compile(&it)) else { continue };
            let [path] = expression.reads() else { continue };
            if expression.source().trim() == path.to_string() {
                self.context.expectations.push(Expectation {
                    path: path.clone(),
                    span: node.span,
                    reader: self.context.reader,
                    key,
                    schema: schema.clone(),
                });
            }
        }
    }

    /// All of `with`, compiled, except for some keys that the kind reads by itself.
    pub(crate) fn input(&mut self, except: &[&str]) -> Template {
        let entries = self.with.map(Node::entries).unwrap_or_default();
        let compiled = entries
            .iter()
            .filter(|it| !except.contains(&it.key.as_str()))
            .map(|it| (it.key.clone(), self.context.template(&it.value)))
            .collect();
        Template::Map(compiled)
    }
}
