//! Work that minijinja does not charge fuel for (as of 3.1): comparing long texts, taking characters out of them, using them
//! as keys, sorting them. A loop of a hundred thousand such steps over a text of some megabytes would take minutes.
//!
//! So the source that is evaluated has filters in the places where such work is done: `a == b` becomes `a|toll == b`. A
//! filter's text is charged by its length, and comparing two texts never takes longer than looking at the shorter one.
//! Error messages and the search for variables use the source as it was written.

use std::borrow::Cow;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::tokens::{Kind, Token, tokens};
use super::values::{MAX_DEPTH, Stopped};

const TOLL: &str = "|__toll";
const SORT_TOLL: &str = "|__sort_toll";
const SEARCH_TOLL: &str = "|__search_toll";
const REPEAT_TOLL: &str = "|__repeat_toll";
const KEEP: &str = "|__keep";

/// Filters that compare items with one another, some dozen times each.
const SORTING: [&str; 6] = ["sort", "unique", "min", "max", "groupby", "dictsort"];
/// Filters that charge for the items that they look at, and look no deeper. All others make texts of what they are given,
/// and a list that holds another one a thousand times is short in memory and long as a text.
const SHALLOW: [&str; 22] = [
    "length",
    "count",
    "first",
    "last",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "list",
    "sum",
    "items",
    "reverse",
    "batch",
    "slice",
    "chain",
    "zip",
    "default",
    "d",
    "attr",
    "bool",
    "abs",
];
/// Tests that compare.
const COMPARING: [&str; 15] = [
    "eq",
    "equalto",
    "ne",
    "lt",
    "lessthan",
    "le",
    "gt",
    "greaterthan",
    "ge",
    "in",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
];
const SORT_FACTOR: u64 = 16;
/// A text is sought among many items, each of which may be as long and nearly the same.
const SEARCH_FACTOR: u64 = 64;
/// Shorter texts are compared faster than a filter is called.
const FREE_BYTES: u64 = 256;
/// Bytes that one unit of fuel pays for; minijinja's own rate.
const BYTES_PER_FUEL: u64 = 64;

pub(super) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("__toll", |state: &State<'_, '_>, value: Value| charged(state, value, 1));
    environment.add_filter("__sort_toll", |state: &State<'_, '_>, value: Value| charged(state, value, SORT_FACTOR));
    environment.add_filter("__search_toll", |state: &State<'_, '_>, value: Value| charged(state, value, SEARCH_FACTOR));
    environment.add_filter("__repeat_toll", |state: &State<'_, '_>, value: Value| repeatable(state, value));
    environment.add_filter("__keep", |state: &State<'_, '_>, value: Value| kept(state, value));
}

fn charged(state: &State<'_, '_>, value: Value, factor: u64) -> Result<Value, Error> {
    charge(state, &value, factor, 0)?;
    Ok(value)
}

/// A list as a factor. Lists are repeated lazily and for nothing, tuples at once and for fuel.
fn repeatable(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(value);
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        items.push(item);
    }
    Ok(Value::from(Tuple::from(items)))
}

/// Charges for all texts in a value, and a little for every item on the way.
fn charge(state: &State<'_, '_>, value: &Value, factor: u64, depth: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String => {
            let bytes = value.as_str().map_or(0, |it| u64::try_from(it.len()).unwrap_or(u64::MAX));
            if bytes > FREE_BYTES { state.consume_fuel(bytes.saturating_mul(factor) / BYTES_PER_FUEL) } else { Ok(()) }
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth < MAX_DEPTH => {
            let is_map = value.kind() == ValueKind::Map;
            for item in value.try_iter()? {
                state.consume_fuel(1)?;
                let inner = if is_map { value.get_item(&item)? } else { item };
                charge(state, &inner, factor, depth + 1)?;
            }
            Ok(())
        }
        ValueKind::Undefined
        | ValueKind::None
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::Bytes
        | ValueKind::Plain
        | ValueKind::Invalid
        | _ => Ok(()),
    }
}

/// What a namespace may hold: nothing deep, for dropping and writing a value needs stack for every level, and no namespace,
/// which could end up inside of itself. Lists that were added up become one, which is walked over faster the next time.
fn kept(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    check_kept(state, &value, 0)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => Ok(Value::from(value.try_iter()?.collect::<Vec<Value>>())),
        ValueKind::Undefined
        | ValueKind::None
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::String
        | ValueKind::Bytes
        | ValueKind::Map
        | ValueKind::Plain
        | ValueKind::Invalid
        | _ => Ok(value),
    }
}

fn check_kept(state: &State<'_, '_>, value: &Value, depth: usize) -> Result<(), Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return Ok(());
    }
    if depth > MAX_DEPTH / 2 {
        return Err(
            Stopped::limit("a namespace holds lists in lists too deeply", "keep texts and numbers in it").into()
        );
    }
    if value.as_object().is_some_and(|it| it.type_name().ends_with("Namespace")) {
        return Err(Stopped::limit("a namespace cannot hold a namespace", "use two variables instead").into());
    }
    let is_map = value.kind() == ValueKind::Map;
    for (index, item) in value.try_iter()?.enumerate() {
        state.consume_fuel(u64::from(index % 2 == 0))?;
        let inner = if is_map { value.get_item(&item)? } else { item };
        check_kept(state, &inner, depth + 1)?;
    }
    Ok(())
}

/// An expression as it is evaluated.
pub(super) fn tolled(source: &str) -> Cow<'_, str> {
    let mut toll = Tolls::default();
    let mut before: Option<Token<'_>> = None;
    for token in tokens(source) {
        toll.at(token, before);
        before = Some(token);
    }
    toll.finish(source.trim_end().len());
    toll.applied(source)
}

/// A template as it is evaluated.
pub(super) fn tolled_template(source: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for inside in crate::segments::tags(source) {
        let changed = match inside.trim_start().strip_prefix("set ").filter(|it| is_attribute(it)) {
            Some(_) => Cow::Owned(keeping(&tolled(inside))),
            None => tolled(inside),
        };
        if let Cow::Owned(changed) = changed {
            // Tags are slices of the source, in its order.
            let at = inside.as_ptr() as usize - source.as_ptr() as usize;
            out.push_str(source.get(copied..at).unwrap_or_default());
            out.push_str(&changed);
            copied = at + inside.len();
        }
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    out.push_str(source.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// `name.attribute = …`
fn is_attribute(assignment: &str) -> bool {
    assignment.split('=').next().is_some_and(|it| it.contains('.'))
}

fn keeping(assignment: &str) -> String {
    let Some((target, value)) = assignment.split_once('=') else { return assignment.to_owned() };
    format!("{target}= ({}){KEEP} ", value.trim())
}

/// An open bracket.
struct Frame {
    /// Where the value starts that is called or indexed, or that the bracket itself is.
    chain: usize,
    /// Each value inside is worked on as a whole: a key, an argument of a filter.
    tolls_inside: bool,
    is_map: bool,
    /// Where the bar of `|map(` stands: the filter that it is given the name of may be any.
    mapped: Option<usize>,
}

#[derive(Default)]
struct Tolls {
    /// What is put in, before which byte.
    insertions: Vec<(usize, &'static str)>,
    open: Vec<Frame>,
    /// Where the value starts that has just been written, if one has.
    chain: Option<usize>,
    /// The first `in` of a `for` is no comparison.
    in_for: bool,
    /// The name of a filter or test that has just been written, and where its bar or `is` stands.
    called: Option<(usize, bool)>,
    /// What the right side of an operator owes when it is complete, at which depth of brackets.
    owed: Vec<(usize, &'static str)>,
}

impl Tolls {
    fn at(&mut self, token: Token<'_>, before: Option<Token<'_>>) {
        self.settle(token, before);
        match token.kind {
            Kind::Name => self.name(token, before),
            Kind::Literal => {
                if let Some(bar) = self
                    .open
                    .last_mut()
                    .filter(|_| before.is_some_and(|it| it.text == "("))
                    .and_then(|it| it.mapped.take())
                {
                    self.insertions.push((bar, TOLL));
                }
                self.chain = Some(token.from);
            }
            Kind::Dot => {}
            Kind::Open => self.open(token, before),
            Kind::Close => self.close(token, before),
            Kind::Comparison => self.operator(token.from, TOLL),
            Kind::Word => self.word(token, before),
            Kind::Colon => {
                if self.open.last().is_some_and(|it| it.is_map) {
                    self.key(token.from, before);
                }
                self.chain = None;
            }
            Kind::Comma => {
                if self.open.last().is_some_and(|it| it.tolls_inside) {
                    self.key(token.from, before);
                }
                self.chain = None;
            }
            Kind::Pipe => self.chain = None,
            // A `*` in front of an argument unpacks it.
            Kind::Operator if token.text == "*" && self.chain.is_some() => {
                self.operator(token.from, REPEAT_TOLL);
                self.owed.push((self.open.len(), REPEAT_TOLL));
            }
            Kind::Operator if token.text == "~" => {
                self.operator(token.from, TOLL);
                self.owed.push((self.open.len(), TOLL));
            }
            Kind::Operator => self.chain = None,
        }
        if !matches!(token.kind, Kind::Name | Kind::Open) {
            self.called = None;
        }
    }

    /// Pays what the right side of an operator owes, once it is complete.
    fn settle(&mut self, token: Token<'_>, before: Option<Token<'_>>) {
        let ends = match token.kind {
            Kind::Close | Kind::Comma | Kind::Colon | Kind::Comparison | Kind::Word | Kind::Pipe => true,
            // A sign in front of the value is no end of it.
            Kind::Operator => !before.is_some_and(|it| it.kind == Kind::Operator),
            Kind::Open | Kind::Name | Kind::Literal | Kind::Dot => false,
        };
        while ends && let Some((depth, toll)) = self.owed.pop() {
            if depth != self.open.len() {
                self.owed.push((depth, toll));
                break;
            }
            self.insertions.push((token.from, toll));
        }
    }

    fn name(&mut self, token: Token<'_>, before: Option<Token<'_>>) {
        self.in_for |= before.is_none() && token.text == "for";
        let place = before.map_or(token.from, |it| it.from);
        let after = |kind: Kind| before.is_some_and(|it| it.kind == kind);
        if after(Kind::Pipe) {
            if SORTING.contains(&token.text) {
                self.insertions.push((place, SORT_TOLL));
            } else if !SHALLOW.contains(&token.text) {
                self.insertions.push((place, TOLL));
            }
            (self.chain, self.called) = (None, Some((place, token.text == "map")));
        } else if before.is_some_and(|it| it.text == "is") {
            if COMPARING.contains(&token.text) {
                self.insertions.push((place, TOLL));
            }
            (self.chain, self.called) = (None, Some((place, false)));
        } else if !after(Kind::Dot) {
            self.chain = Some(token.from);
        }
    }

    fn open(&mut self, token: Token<'_>, before: Option<Token<'_>>) {
        let is_index = token.text == "[" && self.chain.is_some();
        if let Some(start) = self.chain.filter(|_| is_index) {
            self.insertions.push((start, "("));
            self.insertions.push((token.from, "|__toll)"));
        }
        let called = self.called.take().filter(|_| token.text == "(");
        // `loop.changed(text)` compares with the text before.
        let compares = before.is_some_and(|it| it.text == "changed") && token.text == "(";
        self.open.push(Frame {
            chain: self.chain.unwrap_or(token.from),
            tolls_inside: is_index || compares || called.is_some(),
            is_map: token.text == "{",
            mapped: called.filter(|it| it.1).map(|it| it.0),
        });
        self.chain = None;
    }

    fn close(&mut self, token: Token<'_>, before: Option<Token<'_>>) {
        if let Some(frame) = self.open.pop() {
            if frame.tolls_inside {
                self.key(token.from, before);
            }
            self.chain = Some(frame.chain);
        }
    }

    fn word(&mut self, token: Token<'_>, before: Option<Token<'_>>) {
        if token.text == "in" {
            if std::mem::take(&mut self.in_for) {
                self.chain = None;
                return;
            }
            // `a not in b`: the value ends before the `not`, which is remembered as an operator of its own.
            let from = before.filter(|it| it.text == "not").map_or(token.from, |it| it.from);
            self.insertions.push((from, SEARCH_TOLL));
        }
        self.chain = None;
    }

    fn operator(&mut self, from: usize, toll: &'static str) {
        self.insertions.push((from, toll));
        self.chain = None;
    }

    /// The end of a key or an argument, unless it was written as a number or a text.
    fn key(&mut self, at: usize, before: Option<Token<'_>>) {
        if before.is_some_and(|it| matches!(it.kind, Kind::Name | Kind::Close)) {
            self.insertions.push((at, TOLL));
        }
    }

    /// What is owed at the end of the source.
    fn finish(&mut self, end: usize) {
        while let Some((_, toll)) = self.owed.pop() {
            self.insertions.push((end, toll));
        }
    }

    fn applied(mut self, source: &str) -> Cow<'_, str> {
        if self.insertions.is_empty() {
            return Cow::Borrowed(source);
        }
        // Stable: what was found first at a place stands first.
        self.insertions.sort_by_key(|it| it.0);
        let mut out = String::with_capacity(source.len() + self.insertions.len() * TOLL.len());
        let mut copied = 0;
        for (at, text) in self.insertions {
            out.push_str(source.get(copied..at).unwrap_or_default());
            // A word before the toll must not grow into it, nor one after it.
            out.push_str(text);
            if text.starts_with('|') && !text.ends_with(')') {
                out.push(' ');
            }
            copied = at;
        }
        out.push_str(source.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolls_stand_where_texts_are_compared_and_taken_apart() {
        for (source, wanted) in [
            ("a.b + 1", "a.b + 1"),
            ("a.b == 'x|y'", "a.b |__toll == 'x|y'"),
            ("a[0].b[c]", "((a|__toll)[0].b|__toll)[c|__toll ]"),
            ("f(a)[1:]", "(f(a)|__toll)[1:]"),
            ("[1, 2][0]", "([1, 2]|__toll)[0]"),
            ("{a: 1}", "{a|__toll : 1}"),
            ("a not in b", "a |__search_toll not in b"),
            ("x | sort | length", "x |__sort_toll | sort | length"),
            ("a is defined and b", "a is defined and b"),
            ("a is eq(b)", "a |__toll is eq(b|__toll )"),
            (
                "2 * x[1] + -y * -z.w",
                "2 |__repeat_toll * (x|__toll)[1] |__repeat_toll + -y |__repeat_toll * -z.w|__repeat_toll ",
            ),
            ("(a ~ b) | upper", "(a |__toll ~ b|__toll ) |__toll | upper"),
            ("f(*a)", "f(*a)"),
            ("x | map('upper') | map(attribute='b')", "x |__toll | map('upper') | map(attribute='b')"),
            ("x | replace(a, b[0])", "x |__toll | replace(a|__toll , (b|__toll)[0]|__toll )"),
        ] {
            assert_eq!(tolled(source), wanted);
        }
        assert_eq!(
            tolled_template("{% for a in b if a in c %}[0]{{ a }}{% set n.x = a + 'b' %}"),
            "{% for a in b if a |__search_toll in c %}[0]{{ a }}{% set n.x = (a + 'b')|__keep %}"
        );
    }
}
