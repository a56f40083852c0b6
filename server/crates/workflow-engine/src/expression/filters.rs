//! Names of filters and tests: minijinja looks them up when it runs, and a misspelt one should be found when it is written.

use std::collections::BTreeSet;

use minijinja::ErrorKind;

use super::{ENVIRONMENT, ExpressionError};

/// Refuses the first filter or test that does not exist.
pub(super) fn check_filters(source: &str) -> Result<(), ExpressionError> {
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
fn filter_names(source: &str) -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
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
            if !name.is_empty() {
                found.insert((name, "filter"));
            }
        }
        if let Some(tested) = after.strip_prefix("is ").filter(|_| in_tag && character.is_whitespace()) {
            let tested = tested.trim_start();
            let tested = tested.strip_prefix("not ").unwrap_or(tested).trim_start();
            let name: String = tested.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            if !name.is_empty() {
                found.insert((name, "test"));
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
