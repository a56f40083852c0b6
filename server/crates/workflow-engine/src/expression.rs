//! Expressions and templates: compiled once with the program, evaluated against a [`Scope`] of named values.
//!
//! The language is minijinja's. Undefined values may be looked into (`spicy.dishes` is undefined when `spicy` was
//! skipped), so `spicy.dishes or mild.dishes` picks the way that was taken. Evaluation has a fuel limit and a size limit.

mod filters;
pub(crate) mod nesting;
mod tokens;
mod tolls;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::Object;
use minijinja::{Environment, ErrorKind, State, UndefinedBehavior, Value};

use crate::effect::EffectError;
use crate::slices::{as_indexes, as_indexes_in_template};
use filters::check_filters;
use values::Stopped;
pub(crate) use values::{bounded, from_json, to_json, to_text};

/// What one evaluation may do: an instruction costs one, and so do 64 bytes of text. A loop over 60 dishes with a dozen fields
/// each takes about ten thousand; all of it takes some tens of milliseconds.
pub(crate) const FUEL: u64 = 250_000;
/// Bytes that one template may write; more is not an answer that anybody reads.
pub(crate) const MAX_TEXT_BYTES: usize = 8 << 20;
/// Calls of macros and loops inside of one another, as minijinja counts them; leaves most of a thread's stack to others.
const MAX_RECURSION: usize = 300;
/// A unit of fuel pays for so many bytes of JSON.
const WRITTEN_BYTES_PER_FUEL: u64 = 4;

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
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_formatter(|out, state, value| print(out, state, value));
    tolls::add_filters(&mut environment);
    // A skipped node is undefined, and `spicy is none` should say so too.
    environment.add_test("none", |value: &Value| value.is_none() || value.is_undefined());
    environment
});

fn print(out: &mut minijinja::Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    if let Some(text) = value.as_str() {
        return out.write_str(text).map_err(minijinja::Error::from);
    }
    let text = to_text(value).map_err(Stopped)?;
    // Writing a list takes longer than copying a text of the same length, which is all that minijinja charges for.
    state.consume_fuel(u64::try_from(text.len()).unwrap_or(u64::MAX) / WRITTEN_BYTES_PER_FUEL)?;
    out.write_str(&text).map_err(minijinja::Error::from)
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
        nesting::check_expression(source)?;
        let compile = |text: &str| {
            let environment: &'static Environment<'static> = &ENVIRONMENT;
            environment.compile_expression_owned(text.to_owned()).map_err(|it| syntax_error(&it, source))
        };
        let written = compile(source)?;
        check_filters(source)?;
        let reads = match as_indexes(source) {
            Cow::Borrowed(_) => paths(written.undeclared_variables(true)),
            Cow::Owned(searched) => paths(compile(&searched)?.undeclared_variables(true)),
        };
        let compiled = match tolls::tolled(source) {
            Cow::Borrowed(_) => written,
            Cow::Owned(tolled) => compile(&tolled)?,
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
        nesting::check_template(source)?;
        stands_alone(source)?;
        let compile = |text: &str| {
            let mut environment = ENVIRONMENT.clone();
            let added = environment.add_template_owned(BLOCK, text.to_owned());
            added.map(|()| environment).map_err(|it| syntax_error(&it, source))
        };
        let variables = |environment: &Environment<'static>| {
            environment.get_template(BLOCK).map(|it| paths(it.undeclared_variables(true))).unwrap_or_default()
        };
        let written = compile(source)?;
        check_filters(source)?;
        let mut reads = match as_indexes_in_template(source) {
            Cow::Borrowed(_) => variables(&written),
            Cow::Owned(searched) => variables(&compile(&searched)?),
        };
        let environment = match tolls::tolled_template(source) {
            Cow::Borrowed(_) => written,
            Cow::Owned(tolled) => compile(&tolled)?,
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

/// What minijinja says where a limit of its own is reached.
const LIMITS: [&str; 4] = [
    "recursion limit exceeded",
    "range has too many elements",
    "repeated string is too large",
    "repeated sequence is too large",
];

fn failure(error: &minijinja::Error, source: &str) -> EffectError {
    let place = if source.is_empty() { String::new() } else { format!(" in `{{{{ {} }}}}`", shortened(source.trim())) };
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |it| it.source());
    if let Some(Stopped(stopped)) = causes.find_map(|it| it.downcast_ref::<Stopped>()) {
        return EffectError { message: format!("{}{place}", stopped.message), ..stopped.clone() };
    }
    if error.kind() == ErrorKind::OutOfFuel {
        return EffectError {
            code: "budget_exceeded".to_owned(),
            message: format!("an expression took more than {FUEL} steps{place}"),
            hint: Some("work on fewer items, or let a plugin do it".to_owned()),
            retry_after_ms: None,
        };
    }
    let detail = error.detail().map_or_else(|| error.kind().to_string(), |it| format!("{}: {it}", error.kind()));
    let detail = shortened(&detail);
    let is_limit = LIMITS.iter().any(|it| detail.contains(it));
    EffectError {
        code: if is_limit { "expression_limit" } else { "expression_failed" }.to_owned(),
        message: format!("{detail}{place}"),
        hint: is_limit.then(|| "repeat less often, and loop over the data itself".to_owned()),
        retry_after_ms: None,
    }
}

/// Messages quote values, and values may be long.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(300) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}
