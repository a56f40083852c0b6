//! Expressions and templates: compiled once with the program, evaluated against a [`Scope`] of named values.
//!
//! The language is minijinja's. Undefined values may be looked into (`spicy.dishes` is undefined when `spicy` was
//! skipped), so `spicy.dishes or mild.dishes` picks the way that was taken. Evaluation has a fuel limit and a size limit.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Object, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use crate::effect::EffectError;
use crate::slices::{as_indexes, as_indexes_in_template};

/// Instructions that one evaluation may execute. A million take some tens of milliseconds, and a loop over 60 dishes with
/// a dozen fields each needs about ten thousand.
pub(crate) const FUEL: u64 = 1_000_000;
/// Bytes that one template may write; more is not an answer that anybody reads.
pub(crate) const MAX_TEXT_BYTES: usize = 8 << 20;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Splitting templates into segments decides about trailing newlines, not the renderer.
    if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment.set_debug(false);
    environment.set_formatter(|out, _, value| print(out, value));
    // A skipped node is undefined, and `spicy is none` should say so too.
    environment.add_test("none", |value: &Value| value.is_none() || value.is_undefined());
    environment
});

/// Nothing prints as nothing; lists and maps print as JSON.
fn print(out: &mut minijinja::Output<'_>, value: &Value) -> Result<(), minijinja::Error> {
    if let Some(text) = value.as_str() {
        return out.write_str(text).map_err(minijinja::Error::from);
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(()),
        // As JSON and YAML write it, not as Python does.
        ValueKind::Bool => {
            out.write_str(if value.is_true() { "true" } else { "false" }).map_err(minijinja::Error::from)
        }
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            let json = serde_json::to_string(value)
                .map_err(|it| minijinja::Error::new(ErrorKind::BadSerialization, it.to_string()))?;
            out.write_str(&json).map_err(minijinja::Error::from)
        }
        ValueKind::Number | ValueKind::String | ValueKind::Bytes | ValueKind::Plain | ValueKind::Invalid | _ => {
            write!(out, "{value}").map_err(minijinja::Error::from)
        }
    }
}

/// A dotted path that an expression reads: `menu.hits` is root `menu`, rest `[hits]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) root: String,
    pub(crate) rest: Vec<String>,
    /// The template sets a variable of this name somewhere, so it need not be anything else.
    pub(crate) may_be_local: bool,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.rest.iter().try_for_each(|it| write!(f, ".{it}"))
    }
}

/// Why an expression cannot be compiled.
#[derive(Clone, Debug)]
pub(crate) struct ExpressionError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The piece of the source that it is about, when it is known.
    pub(crate) near: Option<String>,
}

/// A compiled expression.
pub(crate) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    source: String,
    reads: Vec<Path>,
    roots: Vec<Arc<str>>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.source)
    }
}

impl Expression {
    pub(crate) fn compile(source: &str) -> Result<Expression, ExpressionError> {
        let environment: &'static Environment<'static> = &ENVIRONMENT;
        let compiled =
            environment.compile_expression_owned(source.to_owned()).map_err(|it| syntax_error(&it, source))?;
        check_filters(source)?;
        let reads = match as_indexes(source) {
            Cow::Borrowed(_) => paths(compiled.undeclared_variables(true)),
            Cow::Owned(searched) => {
                let searched =
                    environment.compile_expression_owned(searched).map_err(|it| syntax_error(&it, source))?;
                paths(searched.undeclared_variables(true))
            }
        };
        let roots = roots(&reads);
        Ok(Expression { compiled, source: source.to_owned(), reads, roots })
    }

    pub(crate) fn reads(&self) -> &[Path] {
        &self.reads
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn evaluate(&self, names: &dyn Names) -> Result<Value, EffectError> {
        self.compiled.eval(scope(&self.roots, names)).map_err(|it| failure(&it, &self.source))
    }

    /// For `if`, branch cases and the like.
    pub(crate) fn is_true(&self, names: &dyn Names) -> Result<bool, EffectError> {
        self.evaluate(names).map(|it| it.is_true())
    }
}

/// A template that only minijinja's own renderer can execute, because it has statements in it.
pub(crate) struct Block {
    environment: Environment<'static>,
    reads: Vec<Path>,
    roots: Vec<Arc<str>>,
}

const BLOCK: &str = "template";

/// A node's template is all there is: nothing can be included or extended.
fn stands_alone(source: &str) -> Result<(), ExpressionError> {
    let statements = crate::segments::statements(source);
    let foreign = statements.iter().find(|(word, _)| matches!(*word, "include" | "import" | "from" | "extends"));
    foreign.map_or(Ok(()), |(word, inside)| {
        Err(ExpressionError {
            code: "expression_syntax",
            message: format!("`{word}` is not possible: a template stands alone"),
            hint: Some("put the common part into a node of its own and refer to its `text`".to_owned()),
            near: Some((*inside).to_owned()),
        })
    })
}

/// What minijinja's search for variables does not see: a variable that is set inside an `{% if %}` and lives on after it;
/// the right side of `{% set menu = menu.hits %}`; the arguments of `{% filter … %}`.
fn complete_reads(source: &str, reads: &mut Vec<Path>) {
    let assigned = crate::segments::assigned_names(source);
    for path in reads.iter_mut() {
        path.may_be_local = assigned.iter().any(|it| it.name == path.root);
    }
    for it in assigned.iter().filter(|it| it.from_itself) {
        more(reads, [Path { root: it.name.clone(), rest: Vec::new(), may_be_local: true }]);
    }
    for (word, inside) in crate::segments::statements(source) {
        let filter = inside.strip_prefix("filter").filter(|_| word == "filter");
        if let Some(Ok(expression)) = filter.map(|it| Expression::compile(&format!("''|{it}"))) {
            more(reads, expression.reads);
        }
    }
}

fn more(reads: &mut Vec<Path>, found: impl IntoIterator<Item = Path>) {
    for path in found {
        if !reads.contains(&path) {
            reads.push(path);
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("reads", &self.reads).finish_non_exhaustive()
    }
}

impl Block {
    pub(crate) fn compile(source: &str) -> Result<Block, ExpressionError> {
        stands_alone(source)?;
        let mut environment = ENVIRONMENT.clone();
        environment.add_template_owned(BLOCK, source.to_owned()).map_err(|it| syntax_error(&it, source))?;
        check_filters(source)?;
        let variables = |environment: &Environment<'static>| {
            environment.get_template(BLOCK).map(|it| paths(it.undeclared_variables(true))).unwrap_or_default()
        };
        let mut reads = match as_indexes_in_template(source) {
            Cow::Borrowed(_) => variables(&environment),
            Cow::Owned(searched) => {
                let mut search = ENVIRONMENT.clone();
                search.add_template_owned(BLOCK, searched).map_err(|it| syntax_error(&it, source))?;
                variables(&search)
            }
        };
        complete_reads(source, &mut reads);
        let roots = roots(&reads);
        Ok(Block { environment, reads, roots })
    }

    pub(crate) fn reads(&self) -> &[Path] {
        &self.reads
    }

    pub(crate) fn render(&self, names: &dyn Names) -> Result<String, EffectError> {
        self.environment
            .get_template(BLOCK)
            .and_then(|it| it.render(scope(&self.roots, names)))
            .map_err(|it| failure(&it, ""))
    }
}

/// Where an evaluation finds the values of names.
pub(crate) trait Names {
    /// None for a name without a value, such as a node that was skipped.
    fn value(&self, name: &str) -> Option<Value>;
}

/// The values that one evaluation sees. Built from the names that the expression reads, so its cost does not depend on
/// the size of the run; every value is shared, not copied.
#[derive(Debug)]
struct Scope {
    values: Vec<(Arc<str>, Value)>,
}

fn scope(roots: &[Arc<str>], names: &dyn Names) -> Value {
    let values = roots.iter().filter_map(|it| names.value(it).map(|value| (it.clone(), value))).collect();
    Value::from_object(Scope { values })
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.values.iter().find(|(name, _)| &**name == key).map(|(_, value)| value.clone())
    }
}

fn roots(reads: &[Path]) -> Vec<Arc<str>> {
    let names: BTreeSet<&str> = reads.iter().map(|it| it.root.as_str()).collect();
    names.into_iter().map(Arc::from).collect()
}

/// A value as the text of an answer or a prompt.
pub(crate) fn to_text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => serde_json::to_string(value).unwrap_or_default(),
        ValueKind::Number | ValueKind::String | ValueKind::Bytes | ValueKind::Plain | ValueKind::Invalid | _ => {
            value.to_string()
        }
    }
}

/// JSON, or anything that becomes it, as a value that expressions can look into.
pub(crate) fn from_json<T: serde::Serialize>(value: T) -> Value {
    Value::from(minijinja::value::Serde(value))
}

/// A value as JSON. Undefined is null.
pub(crate) fn to_json(value: &Value) -> Result<serde_json::Value, EffectError> {
    serde_json::to_value(value).map_err(|it| EffectError {
        code: "expression_failed".to_owned(),
        message: format!("the value cannot be written as JSON: {it}"),
        ..EffectError::default()
    })
}

/// Whether a name is a function of the expression language, such as `range`.
pub(crate) fn is_function(name: &str) -> bool {
    ENVIRONMENT.globals().any(|(it, _)| it == name)
}

fn paths(names: impl IntoIterator<Item = String>) -> Vec<Path> {
    let sorted: BTreeSet<Path> = names
        .into_iter()
        .filter_map(|it| {
            let mut parts = it.split('.').map(str::to_owned);
            let root = parts.next()?;
            Some(Path { root, rest: parts.collect(), may_be_local: false })
        })
        .filter(|it| !is_function(&it.root))
        .collect();
    sorted.into_iter().collect()
}

fn syntax_error(error: &minijinja::Error, source: &str) -> ExpressionError {
    let near = error.range().and_then(|it| source.get(it)).filter(|it| !it.is_empty()).map(str::to_owned);
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let hint = source.contains("{{").then(|| "every `{{` needs its `}}`, every block its end".to_owned());
    ExpressionError {
        code: "expression_syntax",
        message: format!("this is not a valid expression: {detail}"),
        hint,
        near,
    }
}

fn failure(error: &minijinja::Error, source: &str) -> EffectError {
    let place = if source.is_empty() { String::new() } else { format!(" in `{{{{ {} }}}}`", source.trim()) };
    if error.kind() == ErrorKind::OutOfFuel {
        return EffectError {
            code: "budget_exceeded".to_owned(),
            message: format!("an expression took more than {FUEL} steps{place}"),
            hint: Some("work on fewer items, or let a plugin do it".to_owned()),
            retry_after_ms: None,
        };
    }
    let detail = error.detail().map_or_else(|| error.kind().to_string(), |it| format!("{}: {it}", error.kind()));
    EffectError {
        code: "expression_failed".to_owned(),
        message: format!("{detail}{place}"),
        hint: None,
        retry_after_ms: None,
    }
}

/// minijinja looks filters up when it runs; a misspelt one should be found when it is written.
fn check_filters(source: &str) -> Result<(), ExpressionError> {
    for (name, what) in filter_names(source) {
        let probe = if what == "filter" { format!("x|{name}") } else { format!("x is {name}") };
        let Ok(probe) = ENVIRONMENT.compile_expression_owned(probe) else { continue };
        let Err(error) = probe.eval(()) else { continue };
        if matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest) {
            let known = if what == "filter" { &FILTERS[..] } else { &TESTS[..] };
            let hint = crate::names::nearest(&name, known.iter().copied()).map(|it| format!("did you mean `{it}`?"));
            return Err(ExpressionError {
                code: "unknown_filter",
                message: format!("there is no {what} `{name}`"),
                hint,
                near: Some(name),
            });
        }
    }
    Ok(())
}

/// Names that misspelt filters are compared with.
const FILTERS: [&str; 42] = [
    "safe",
    "string",
    "title",
    "unique",
    "upper",
    "zip",
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "sum",
    "tojson",
    "trim",
];

/// Names that misspelt tests are compared with.
const TESTS: [&str; 16] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "false",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "undefined",
];

/// `| name` and `is name` outside of strings.
fn filter_names(source: &str) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut in_tag = !source.contains("{{") && !source.contains("{%");
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        if rest.starts_with("{{") || rest.starts_with("{%") {
            in_tag = true;
        } else if rest.starts_with("}}") || rest.starts_with("%}") {
            in_tag = false;
        }
        if in_tag && (character == '"' || character == '\'') {
            rest = skip_string(after, character);
            continue;
        }
        if in_tag && character == '|' {
            let name: String = after.trim_start().chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            if !name.is_empty() && !found.contains(&(name.clone(), "filter")) {
                found.push((name, "filter"));
            }
        }
        if let Some(tested) = after.strip_prefix("is ").filter(|_| in_tag && character.is_whitespace()) {
            let tested = tested.trim_start();
            let tested = tested.strip_prefix("not ").unwrap_or(tested).trim_start();
            let name: String = tested.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            if !name.is_empty() && !found.contains(&(name.clone(), "test")) {
                found.push((name, "test"));
            }
        }
        rest = after;
    }
    found
}

fn skip_string(rest: &str, quote: char) -> &str {
    let mut characters = rest.char_indices();
    while let Some((index, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return rest.get(index + 1..).unwrap_or_default();
        }
    }
    ""
}
