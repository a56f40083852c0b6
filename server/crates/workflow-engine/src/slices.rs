//! Makes what is sliced visible to minijinja's search for variables, which looks into `a` and `b` of `x[a:b]` but not into
//! `x` (as of 3.1). The rewritten text is only ever searched, never evaluated: `x[a:b]` becomes `x[0 or a or b]`.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// An expression in which every slice is written as an index. Everything else stays to the letter.
pub(crate) fn as_indexes(expression: &str) -> Cow<'_, str> {
    if !expression.contains(':') || !expression.contains('[') {
        return Cow::Borrowed(expression);
    }
    let marks = marks(expression);
    let sliced: BTreeSet<usize> = marks.iter().filter(|it| it.kind == Kind::Colon).map(|it| it.bracket).collect();
    let mut out = String::with_capacity(expression.len() + 16);
    let mut copied = 0;
    for mark in marks.iter().filter(|it| sliced.contains(&it.bracket)) {
        out.push_str(expression.get(copied..mark.at).unwrap_or_default());
        copied = mark.at + 1;
        // A side that is left out, as in `[:n]`, is read as the number that stands in for it.
        out.push_str(match mark.kind {
            Kind::Open => "[0 or 0",
            Kind::Colon => " or 0",
            Kind::Close => "]",
        });
        let side = expression.get(copied..).unwrap_or_default().trim_start();
        if mark.kind != Kind::Close && !side.starts_with([':', ']']) {
            out.push_str(" or ");
        }
    }
    out.push_str(expression.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// Square brackets and the colons directly inside them, in order.
struct Mark {
    at: usize,
    kind: Kind,
    /// Where the bracket opens that it belongs to.
    bracket: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Colon,
    Close,
}

fn marks(expression: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for (at, it) in expression.char_indices() {
        if let Some(mark) = quote {
            if !escaped && it == mark {
                quote = None;
            }
            escaped = it == '\\' && !escaped;
            continue;
        }
        let inside = open.last().filter(|it| it.0 == '[').map(|it| it.1);
        match (it, inside) {
            ('"' | '\'', _) => {
                quote = Some(it);
                escaped = false;
            }
            ('[', _) => {
                marks.push(Mark { at, kind: Kind::Open, bracket: at });
                open.push((it, at));
            }
            ('(' | '{', _) => open.push((it, at)),
            (']', Some(bracket)) => {
                marks.push(Mark { at, kind: Kind::Close, bracket });
                open.pop();
            }
            (')' | '}' | ']', _) => {
                open.pop();
            }
            (':', Some(bracket)) => marks.push(Mark { at, kind: Kind::Colon, bracket }),
            _ => {}
        }
    }
    marks
}

/// The same for a template: only what stands between `{{ … }}` and `{% … %}` is an expression.
pub(crate) fn as_indexes_in_template(template: &str) -> Cow<'_, str> {
    if !template.contains(':') || !template.contains('[') {
        return Cow::Borrowed(template);
    }
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((start, close)) = next_tag(rest) {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let end = end_of(tag, close);
        let (tag, after) = tag.split_at(end);
        out.push_str(&as_indexes(tag));
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn next_tag(text: &str) -> Option<(usize, &'static str)> {
    let value = text.find("{{").map(|at| (at, "}}"));
    let statement = text.find("{%").map(|at| (at, "%}"));
    match (value, statement) {
        (Some(value), Some(statement)) => Some(value.min(statement)),
        (value, statement) => value.or(statement),
    }
}

/// Where the tag ends; a closing mark inside a string is none.
fn end_of(tag: &str, close: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, it) in tag.char_indices() {
        match quote {
            Some(open) => {
                if !escaped && it == open {
                    quote = None;
                }
                escaped = it == '\\' && !escaped;
            }
            None if it == '"' || it == '\'' => {
                quote = Some(it);
                escaped = false;
            }
            None if tag.get(at..).is_some_and(|it| it.starts_with(close)) => return at + close.len(),
            None => {}
        }
    }
    tag.len()
}

#[cfg(test)]
mod tests {
    use super::{as_indexes, as_indexes_in_template};

    #[test]
    fn a_slice_becomes_an_index_that_reads_the_same_variables() {
        assert_eq!(as_indexes("menu.hits[:n]"), "menu.hits[0 or 0 or 0 or n]");
        assert_eq!(as_indexes("a[1:b.c][2:]"), "a[0 or 0 or 1 or 0 or b.c][0 or 0 or 2 or 0]");
        assert_eq!(as_indexes("a[b[0:1]:]"), "a[0 or 0 or b[0 or 0 or 0 or 0 or 1] or 0]");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in
            [r#"x["a:b"]"#, r#"[{"a": x}]"#, r#"x["name"][0] ~ {"k": [1]}["k"]"#, "a['it\\'s: fine']", "a[", "]:["]
        {
            assert_eq!(as_indexes(text), text);
        }
    }

    #[test]
    fn text_outside_of_tags_is_no_expression() {
        let template = "it's [10:30] {{ a[:2] }} {% for x in b[c:] %}[a:b]{% endfor %}";
        let read = "it's [10:30] {{ a[0 or 0 or 0 or 2 ] }} {% for x in b[0 or 0 or c or 0] %}[a:b]{% endfor %}";
        assert_eq!(as_indexes_in_template(template).replace(' ', ""), read.replace(' ', ""));
    }
}
