//! The options of an `ask`, and which of them an answer means: by id, title or number, else by what it contains.

use serde_json::Value;

use crate::compile::NodeContext;
use crate::diagnostic::Diagnostics;
use crate::effect::QuestionOption;
use crate::names::is_id;
use crate::node::{DONE, text_of};
use crate::nodes::classify_intent::words::{narrow, normalise};
use crate::nodes::fields::{Language, whole_number};
use crate::template::has_expression;
use crate::yaml::{Span, Yaml};

/// Ways out that every `ask` has.
const TAKEN: [&str; 3] = [DONE, super::TIMEOUT, "error"];
/// What may stand around a number: 选第二个, option 2.
const BEFORE_NUMBER: [&str; 9] = ["我选择", "我选", "选择", "选项", "选", "第", "option", "number", "no"];
const AFTER_NUMBER: [&str; 5] = ["个", "项", "号", "种", "吧"];
/// Beside an option they turn it into its opposite: 不要外带 is not 外带.
const NEGATIONS: [char; 5] = ['不', '别', '没', '非', '勿'];
const NEGATION_WORDS: [&str; 6] = ["not", "no", "don", "never", "without", "neither"];
/// Letters that an answer needs before a title that contains it counts; "a" stands in most titles.
const LEAST_LETTERS: usize = 3;

/// How sure it is that an answer means an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The answer is the option and nothing else.
    Whole,
    /// The answer contains it, or is a part of it.
    Part,
}

/// Reads the ids of the options.
pub(super) fn read(context: &mut NodeContext<'_, '_>) -> Vec<String> {
    let Some(node) = context.get("options") else { return Vec::new() };
    let mut found: Vec<(String, String, Span)> = Vec::new();
    match &node.value {
        Yaml::Map(entries) => {
            for entry in entries {
                let title = match entry.value.to_json() {
                    Value::String(title) => title,
                    Value::Number(number) => number.to_string(),
                    Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => entry.key.clone(),
                };
                found.push((entry.key.clone(), title, entry.key_span));
            }
        }
        Yaml::List(items) => {
            for item in items {
                // Whatever is no text has been reported already.
                if let Some(id) = item.as_str() {
                    found.push((id.to_owned(), id.to_owned(), item.span));
                }
            }
        }
        Yaml::Text(_) => {
            let span = node.span;
            context
                .diagnostics()
                .error("wrong_type", span, "`options` must be written out: every option is a way out of the node")
                .hint("for example `options: { eat_in: 堂食, take_away: 外带 }`");
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) => {}
    }
    for (number, (id, title, span)) in found.iter().enumerate() {
        let before = found.iter().take(number);
        check(context.diagnostics(), (id, title, *span), before);
    }
    found.into_iter().map(|it| it.0).collect()
}

fn check<'f>(
    diagnostics: &mut Diagnostics,
    (id, title, span): (&str, &str, Span),
    mut before: impl Iterator<Item = &'f (String, String, Span)>,
) {
    if TAKEN.contains(&id) {
        let message = format!("`{id}` is a way out already");
        diagnostics.error("reserved_id", span, message).hint("call the option something else");
    } else if !is_id(id) {
        diagnostics
            .error("invalid_id", span, format!("`{id}` cannot be the id of an option"))
            .hint("write an id and what the visitor reads: `options: { eat_in: 堂食, take_away: Take away }`");
    }
    let same = |other: &str| !has_expression(title) && plain(other) == plain(title);
    if before.any(|(other, its_title, _)| other == id || same(its_title)) {
        diagnostics
            .error("duplicate_option", span, format!("another option is called `{title}` as well"))
            .hint("an answer could not say which one is meant; give every option a title of its own");
    }
}

/// The options with their titles as they were evaluated; an option without a title is shown as its id.
pub(super) fn shown(ids: &[String], input: &Value) -> Vec<QuestionOption> {
    let titles = input.get("options").filter(|it| it.is_object());
    let title = |id: &str| titles.map(|it| text_of(it, id)).filter(|it| !it.trim().is_empty());
    ids.iter().map(|id| QuestionOption { name: id.clone(), title: title(id).unwrap_or_else(|| id.clone()) }).collect()
}

/// A friendly line with all of them, numbered, because a number is the shortest answer.
pub(super) fn choose_one(options: &[QuestionOption], language: Language) -> String {
    let list: Vec<String> =
        options.iter().enumerate().map(|(at, it)| format!("{}. {}", at + 1, it.title.trim())).collect();
    match language {
        Language::English => format!("Please choose one of: {}.", list.join(", ")),
        Language::Chinese => format!("请从下面选一项：{}。", list.join("；")),
    }
}

/// The option that an answer means; none when it means none of them, or could mean several.
pub(super) fn find<'o>(options: &'o [QuestionOption], said: &str) -> Option<(&'o QuestionOption, Match)> {
    // As it is written first: marks can be all that tells C from C++, and all that there is of 👍.
    for written in [plain, normalise] {
        let said = written(said);
        let mut same = options.iter().filter(|it| written(&it.name) == said || written(&it.title) == said);
        if let Some(first) = same.next().filter(|_| !said.is_empty()) {
            return same.next().is_none().then_some((first, Match::Whole));
        }
    }
    let said = normalise(said);
    let numbered = number(&said).and_then(|it| options.get(it.checked_sub(1)?));
    if let Some(option) = begins_with_number(options, &said).or(numbered) {
        return Some((option, Match::Whole));
    }
    part(options, &said).map(|it| (it, Match::Part))
}

/// Without spaces at the ends, whatever the case and width.
fn plain(text: &str) -> String {
    text.trim().chars().map(narrow).flat_map(char::to_lowercase).collect()
}

/// The option whose title begins with the number that was said: of 三分糖 and 五分糖, 三 means the first and not the third.
fn begins_with_number<'o>(options: &'o [QuestionOption], said: &str) -> Option<&'o QuestionOption> {
    whole_number(said)?;
    let mut begins = options.iter().filter(|it| {
        let title = normalise(&it.title);
        let next = title.strip_prefix(said).and_then(|it| it.chars().next());
        next.is_some_and(|it| whole_number(&it.to_string()).is_none())
    });
    let first = begins.next()?;
    begins.next().is_none().then_some(first)
}

/// `2`, `②`, `第二个`, `选2`, `option 2`
fn number(said: &str) -> Option<usize> {
    let mut rest = said;
    while let Some(shorter) = BEFORE_NUMBER.iter().find_map(|it| rest.strip_prefix(it)) {
        rest = shorter.trim_start();
    }
    while let Some(shorter) = AFTER_NUMBER.iter().find_map(|it| rest.strip_suffix(it)) {
        rest = shorter.trim_end();
    }
    let mut characters = rest.chars();
    if let (Some(only @ '\u{2460}'..='\u{2473}'), None) = (characters.next(), characters.next()) {
        // ① to ⑳
        return usize::try_from(u32::from(only) - 0x245F).ok();
    }
    usize::try_from(whole_number(rest)?).ok()
}

fn part<'o>(options: &'o [QuestionOption], said: &str) -> Option<&'o QuestionOption> {
    // What was found of each option; the longer find wins over one that lies within it: 不辣 over 辣.
    let mut found: Vec<(String, &QuestionOption)> = Vec::new();
    for option in options {
        let names = [normalise(&option.title), normalise(&option.name)];
        found.extend(names.into_iter().filter(|it| contains(said, it)).map(|it| (it, option)));
    }
    let best = found.iter().max_by_key(|it| it.0.chars().count()).cloned();
    if let Some((words, option)) = best {
        let others = found.iter().any(|it| it.1.name != option.name && !contains(&words, &it.0));
        return (!others && !negated(said, &words)).then_some(option);
    }
    let mut within = options.iter().filter(|it| is_enough(said) && contains(&normalise(&it.title), said));
    let first = within.next()?;
    within.next().is_none().then_some(first)
}

/// Whether a part of an option's title is enough to mean it.
fn is_enough(said: &str) -> bool {
    !said.is_ascii() || said.len() >= LEAST_LETTERS
}

/// Whether words stand in a text; ASCII words only whole, so that "eat" does not stand in "great".
fn contains(text: &str, words: &str) -> bool {
    if words.is_empty() {
        return false;
    }
    let edge = |it: Option<char>| it.is_none_or(|it| !it.is_ascii_alphanumeric());
    let (first, last) = (words.chars().next(), words.chars().next_back());
    text.match_indices(words).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let after = text.get(at + words.len()..).and_then(|it| it.chars().next());
        (edge(first) || edge(before)) && (edge(last) || edge(after))
    })
}

/// Whether what stands around an option says that it is not wanted.
fn negated(said: &str, words: &str) -> bool {
    let around = said.replacen(words, " ", 1);
    around.contains(NEGATIONS) || around.split(' ').any(|it| NEGATION_WORDS.contains(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(titles: &[(&str, &str)]) -> Vec<QuestionOption> {
        titles.iter().map(|(name, title)| QuestionOption { name: (*name).into(), title: (*title).into() }).collect()
    }

    fn found(titles: &[(&str, &str)], said: &str) -> Option<(String, Match)> {
        find(&options(titles), said).map(|(it, how)| (it.name.clone(), how))
    }

    const PLACES: [(&str, &str); 3] = [("eat_in", "堂食"), ("take_away", "Take away"), ("deliver", "送到家里")];

    #[test]
    fn ids_titles_and_numbers_mean_an_option_whatever_their_case_and_width() {
        for (said, name) in [
            ("堂食", "eat_in"),
            (" 堂食！", "eat_in"),
            ("eat_in", "eat_in"),
            ("TAKE AWAY.", "take_away"),
            ("ｔａｋｅ　ａｗａｙ", "take_away"),
            ("1", "eat_in"),
            ("２", "take_away"),
            ("三", "deliver"),
            ("第二个", "take_away"),
            ("选第三个吧", "deliver"),
            ("2.", "take_away"),
            ("②", "take_away"),
            ("option 3", "deliver"),
        ] {
            assert_eq!(found(&PLACES, said), Some((name.to_owned(), Match::Whole)), "{said}");
        }
    }

    #[test]
    fn what_an_answer_contains_decides_when_only_one_option_can_be_meant() {
        for (said, name) in
            [("我要堂食", "eat_in"), ("take away please", "take_away"), ("家里", "deliver"), ("away", "take_away")]
        {
            assert_eq!(found(&PLACES, said), Some((name.to_owned(), Match::Part)), "{said}");
        }
        let taste = [("spicy", "辣"), ("mild", "不辣")];
        assert_eq!(found(&taste, "要不辣的"), Some(("mild".to_owned(), Match::Part)));
        assert_eq!(found(&taste, "要辣的"), Some(("spicy".to_owned(), Match::Part)));
    }

    #[test]
    fn a_title_that_begins_with_a_number_and_marks_are_told_apart() {
        let whole = |name: &str| Some((name.to_owned(), Match::Whole));
        let sugar = [("half", "五分糖"), ("third", "三分糖"), ("full", "全糖")];
        assert_eq!(found(&sugar, "三"), whole("third"));
        assert_eq!(found(&sugar, "1"), whole("half"));
        assert_eq!(found(&[("twenty", "20 pieces"), ("ten", "10 pieces")], "1"), whole("twenty"));
        let marks = [("plus", "C++"), ("plain", "C"), ("good", "👍"), ("bad", "👎")];
        assert_eq!(found(&marks, "c++"), whole("plus"));
        assert_eq!(found(&marks, "c"), whole("plain"));
        assert_eq!(found(&marks, "👎"), whole("bad"));
    }

    #[test]
    fn what_is_unclear_means_none() {
        for said in
            ["", "  。", "4", "0", "随便", "堂食还是送到家里", "不要堂食", "not take away", "a", "ta", "1.5", "great"]
        {
            assert_eq!(found(&PLACES, said), None, "{said}");
        }
        assert_eq!(found(&[("a", "同"), ("b", "同")], "同"), None);
        assert_eq!(found(&[("ten", "10 个"), ("twenty", "20 个")], "1 个或 2 个"), None);
        assert_eq!(found(&[("spicy", "辣"), ("mild", "清淡")], "我不要辣的"), None);
        assert_eq!(found(&[], "x"), None);
    }
}
