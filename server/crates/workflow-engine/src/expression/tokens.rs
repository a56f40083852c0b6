//! Cuts expressions into tokens, as far as limits need to know them: brackets, names, operators. minijinja keeps its own
//! tokens to itself.

/// One token and where it stands in the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    pub(super) from: usize,
    pub(super) text: &'s str,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Close,
    /// A name that is no word of the language.
    Name,
    /// `and`, `if` and the like.
    Word,
    /// A number or a text.
    Literal,
    Comma,
    Colon,
    Dot,
    Pipe,
    Comparison,
    Operator,
}

const WORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
/// Written with two signs, and no comparison.
const LONG_OPERATORS: [&str; 2] = ["**", "//"];

/// The tokens of an expression, or of the inside of a tag.
pub(super) fn tokens(source: &str) -> impl Iterator<Item = Token<'_>> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = source.get(position..)?;
        let trimmed = rest.trim_start();
        let from = position + (rest.len() - trimmed.len());
        let (length, kind) = next(trimmed)?;
        position = from + length;
        Some(Token { from, text: trimmed.get(..length)?, kind })
    })
}

fn next(rest: &str) -> Option<(usize, Kind)> {
    let first = rest.chars().next()?;
    let run = |belongs: fn(char) -> bool| rest.find(|it| !belongs(it)).unwrap_or(rest.len());
    let starts = |signs: &[&str]| signs.iter().find(|it| rest.starts_with(**it)).map(|it| it.len());
    Some(match first {
        '(' | '[' | '{' => (1, Kind::Open),
        ')' | ']' | '}' => (1, Kind::Close),
        ',' => (1, Kind::Comma),
        ':' => (1, Kind::Colon),
        '.' => (1, Kind::Dot),
        '|' => (1, Kind::Pipe),
        '"' | '\'' => (text(rest, first), Kind::Literal),
        _ if first.is_ascii_digit() => (number(rest), Kind::Literal),
        _ if first.is_alphanumeric() || first == '_' => {
            let length = run(|it| it.is_alphanumeric() || it == '_');
            let is_word = rest.get(..length).is_some_and(|it| WORDS.contains(&it));
            (length, if is_word { Kind::Word } else { Kind::Name })
        }
        _ => match (starts(&COMPARISONS), starts(&LONG_OPERATORS)) {
            (Some(length), _) => (length, Kind::Comparison),
            (None, Some(length)) => (length, Kind::Operator),
            (None, None) => (first.len_utf8(), Kind::Operator),
        },
    })
}

/// A dot belongs to a number only where a digit follows it.
fn number(rest: &str) -> usize {
    let part = |it: &str| it.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(it.len());
    let whole = part(rest);
    let fraction = rest
        .get(whole..)
        .and_then(|it| it.strip_prefix('.'))
        .filter(|it| it.starts_with(|it: char| it.is_ascii_digit()));
    fraction.map_or(whole, |it| whole + 1 + part(it))
}

fn text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, it) in rest.char_indices().skip(1) {
        if !escaped && it == quote {
            return at + 1;
        }
        escaped = it == '\\' && !escaped;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_token_is_known() {
        let texts = |source| tokens(source).map(|it| it.text).collect::<Vec<_>>();
        assert_eq!(
            texts(r#"a.b[1.5:2] >= 'it\'s' ~ x|join(",") and not 1.x ** 2"#),
            [
                "a", ".", "b", "[", "1.5", ":", "2", "]", ">=", "'it\\'s'", "~", "x", "|", "join", "(", "\",\"", ")",
                "and", "not", "1", ".", "x", "**", "2"
            ]
        );
        let kinds: Vec<Kind> = tokens("菜 in 'x").map(|it| it.kind).collect();
        assert_eq!(kinds, [Kind::Name, Kind::Word, Kind::Literal]);
    }
}
