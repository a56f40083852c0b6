//! Splits a template into the pieces that an answer can say one after the other: literal text, `{{ expressions }}`, and
//! blocks such as `{% for … %}…{% endfor %}`.
//!
//! The concatenation of the pieces is what minijinja would render for the whole; a property test holds the two against
//! each other. Where that cannot be guaranteed piece by piece (macros, variables that leak out of an `{% if %}`), the rest
//! of the template is one piece.

/// One piece of a template, as source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Written as it stands.
    Literal(String),
    /// The inside of `{{ … }}`.
    Value(String),
    /// Template source with statements in it.
    Block(String),
}

/// A tag of the template: where it starts and ends, what is in it, which sides it trims.
struct Tag<'a> {
    start: usize,
    end: usize,
    kind: TagKind,
    inside: &'a str,
    trims_left: bool,
    trims_right: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TagKind {
    Value,
    Statement,
    Comment,
}

/// Bytes of statements that are written again in front of pieces. Beyond that the rest of the template is one piece, for
/// many variables and many pieces multiply.
const MAX_REPEATED: usize = 64 << 10;

/// Splits the source; None when a tag is not closed, which compiling the whole will explain.
pub(crate) fn split(source: &str) -> Option<Vec<Segment>> {
    // As in Jinja, one newline at the end of a template is not part of it.
    let source = source.strip_suffix('\n').map_or(source, |it| it.strip_suffix('\r').unwrap_or(it));
    let mut segments = Vec::new();
    let mut preamble = String::new();
    let mut assigned: Vec<String> = Vec::new();
    let mut position = 0;
    let mut trim_next = false;
    let mut repeated = 0;
    while let Some(tag) = next_tag(source, position)? {
        push_literal(&mut segments, source.get(position..tag.start)?, trim_next, tag.trims_left);
        repeated += preamble.len();
        if repeated > MAX_REPEATED {
            segments.push(Segment::Block(format!("{preamble}{}", source.get(tag.start..)?)));
            return Some(segments);
        }
        trim_next = tag.trims_right;
        position = tag.end;
        match tag.kind {
            TagKind::Comment => {}
            TagKind::Value if is_untouched(tag.inside, &preamble, &assigned) => {
                segments.push(Segment::Value(tag.inside.to_owned()));
            }
            TagKind::Value => segments.push(Segment::Block(format!("{preamble}{{{{{}}}}}", tag.inside))),
            TagKind::Statement => {
                let name = first_word(tag.inside);
                if name == "set" && tag.inside.contains('=') && !tag.inside.contains("namespace") {
                    // Everything after it may read the variable, so it goes in front of every later piece.
                    preamble.push_str(&format!("{{%{}%}}", tag.inside));
                    assigned.extend(words(tag.inside.split('=').next().unwrap_or_default()));
                    continue;
                }
                let rest = source.get(tag.start..)?;
                let closed = closing(source, &tag, name)?;
                let Some((end, trims_right)) = closed.filter(|(end, _)| stays_inside(source, tag.start, *end)) else {
                    segments.push(Segment::Block(format!("{preamble}{rest}")));
                    return Some(segments);
                };
                segments.push(Segment::Block(format!("{preamble}{}", source.get(tag.start..end)?)));
                position = end;
                trim_next = trims_right;
            }
        }
    }
    push_literal(&mut segments, source.get(position..)?, trim_next, false);
    Some(segments)
}

/// Whether an expression means the same without the variables that were set before it: a plain path of another name.
fn is_untouched(inside: &str, preamble: &str, assigned: &[String]) -> bool {
    let path = inside.trim();
    let plain = path.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '.');
    let root = path.split('.').next().unwrap_or_default();
    preamble.is_empty() || (plain && !assigned.iter().any(|it| it == root))
}

/// The insides of all `{% … %}` of a template, each with its first word.
pub(crate) fn statements(source: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(Some(tag)) = next_tag(source, position) {
        position = tag.end;
        if tag.kind == TagKind::Statement {
            found.push((first_word(tag.inside), tag.inside.trim()));
        }
    }
    found
}

/// The insides of all `{{ … }}` and `{% … %}` of a template, as slices of it. A tag that is not closed reaches to the end.
pub(crate) fn tags(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut position = 0;
    loop {
        match next_tag(source, position) {
            Some(Some(tag)) => {
                position = tag.end;
                if tag.kind != TagKind::Comment {
                    found.push(tag.inside);
                }
            }
            Some(None) => break,
            None => {
                found.extend(source.get(position..));
                break;
            }
        }
    }
    found
}

/// A name that a statement gives a value, and whether that value is made of something of the same name, as in
/// `{% set menu = menu.hits %}`.
pub(crate) struct Assigned {
    pub(crate) name: String,
    pub(crate) from_itself: bool,
}

/// Names that `{% set … %}` and `{% with … %}` give a value anywhere in a template.
pub(crate) fn assigned_names(source: &str) -> Vec<Assigned> {
    let mut names = Vec::new();
    for (word, inside) in statements(source) {
        if word != "set" && word != "with" {
            continue;
        }
        let inside = inside.strip_prefix(word).unwrap_or(inside);
        let (targets, value) = inside.split_once('=').unwrap_or((inside, ""));
        let value = words(value);
        for name in words(targets) {
            let from_itself = value.contains(&name);
            names.push(Assigned { name, from_itself });
        }
    }
    names
}

fn words(text: &str) -> Vec<String> {
    text.split(|it: char| !it.is_alphanumeric() && it != '_').map(str::to_owned).collect()
}

fn push_literal(segments: &mut Vec<Segment>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        segments.push(Segment::Literal(text.to_owned()));
    }
}

/// Where the block that a tag opens ends. None inside: the tag opens no block that can be taken out.
#[expect(clippy::option_option, reason = "outer: a tag is not closed at all; inner: not a block that can stand alone")]
fn closing(source: &str, tag: &Tag<'_>, name: &str) -> Option<Option<(usize, bool)>> {
    if !matches!(name, "for" | "if" | "with" | "filter") {
        return Some(None);
    }
    let mut depth = 1usize;
    let mut position = tag.end;
    while let Some(next) = next_tag(source, position)? {
        position = next.end;
        if next.kind != TagKind::Statement {
            continue;
        }
        match first_word(next.inside) {
            "raw" => return Some(None),
            "for" | "if" | "with" | "filter" => depth += 1,
            "endfor" | "endif" | "endwith" | "endfilter" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(Some((next.end, next.trims_right)));
        }
    }
    Some(None)
}

/// Whether nothing in the block can be seen after it. `{% set %}` inside an `{% if %}` leaks, and so do macros.
fn stays_inside(source: &str, start: usize, end: usize) -> bool {
    let mut position = start;
    while let Some(Some(tag)) = next_tag(source, position) {
        if tag.start >= end {
            break;
        }
        position = tag.end;
        let name = first_word(tag.inside);
        if tag.kind == TagKind::Statement
            && matches!(name, "set" | "macro" | "import" | "from" | "call" | "block" | "extends" | "include" | "do")
        {
            return false;
        }
    }
    true
}

fn first_word(inside: &str) -> &str {
    let inside = inside.trim_start();
    inside.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap_or_default()
}

/// The next tag at or after a position. None outside: it is not closed.
#[expect(clippy::option_option, reason = "outer: a tag is not closed; inner: there is no further tag")]
fn next_tag(source: &str, from: usize) -> Option<Option<Tag<'_>>> {
    let rest = source.get(from..)?;
    // One search for all three, so that a long text with many tags of one kind is not searched to its end for the others.
    let found = rest.match_indices('{').find_map(|(at, _)| match rest.as_bytes().get(at + 1) {
        Some(b'{') => Some((at, TagKind::Value)),
        Some(b'%') => Some((at, TagKind::Statement)),
        Some(b'#') => Some((at, TagKind::Comment)),
        Some(_) | None => None,
    });
    let Some((at, kind)) = found else { return Some(None) };
    let start = from + at;
    let body = source.get(start + 2..)?;
    let (length, closing) = match kind {
        TagKind::Comment => (body.find("#}")?, 2),
        TagKind::Value => (tag_length(body, "}}")?, 2),
        TagKind::Statement => (tag_length(body, "%}")?, 2),
    };
    let inside = body.get(..length)?;
    let trims_left = inside.starts_with('-');
    let trims_right = inside.ends_with('-') && inside.len() > 1;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    let inside = inside.strip_suffix(['-', '+']).unwrap_or(inside);
    Some(Some(Tag { start, end: start + 2 + length + closing, kind, inside, trims_left, trims_right }))
}

/// Bytes until the closing delimiter that stands outside of strings and brackets.
fn tag_length(body: &str, closing: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (index, character) in body.char_indices() {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == open {
                quote = None;
            }
            continue;
        }
        if depth == 0 && body.get(index..).is_some_and(|it| it.starts_with(closing)) {
            return Some(index);
        }
        match character {
            '"' | '\'' => quote = Some(character),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }

    #[test]
    fn text_and_values_alternate() {
        assert_eq!(
            split("Hello {{ name }}!\n"),
            Some(vec![literal("Hello "), Segment::Value(" name ".into()), literal("!")])
        );
    }

    #[test]
    fn trimming_reaches_into_the_neighbours() {
        assert_eq!(
            split("a  {{- b -}}  c {#- gone -#} d"),
            Some(vec![literal("a"), Segment::Value(" b ".into()), literal("c"), literal("d")])
        );
    }

    #[test]
    fn a_block_is_one_piece_and_a_leaking_one_takes_the_rest() {
        assert_eq!(
            split("{% for x in y %}{{ x }}{% endfor %} end"),
            Some(vec![Segment::Block("{% for x in y %}{{ x }}{% endfor %}".into()), literal(" end")])
        );
        assert_eq!(
            split("{% if a %}{% set b = 1 %}{% endif %}{{ b }}"),
            Some(vec![Segment::Block("{% if a %}{% set b = 1 %}{% endif %}{{ b }}".into())])
        );
    }

    #[test]
    fn a_variable_goes_in_front_of_what_may_read_it() {
        assert_eq!(
            split("{% set a = 1 %}x{{ a }}"),
            Some(vec![literal("x"), Segment::Block("{% set a = 1 %}{{ a }}".into())])
        );
    }

    #[test]
    fn braces_in_strings_and_maps_do_not_close_a_tag() {
        assert_eq!(split("{{ {'a': {'b': '}}'}} }}"), Some(vec![Segment::Value(" {'a': {'b': '}}'}} ".into())]));
        assert_eq!(split("{{ open"), None);
    }
}
