//! Text into the words that are indexed and searched. The index stores what this module says and splits nothing itself, so
//! that Chinese, English and product codes follow one rule on both sides.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use jieba_rs::Jieba;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization as _;

/// The dictionary takes about 32 MB and 0.2 s to read, so it is read when the first text comes.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);
static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// The traditional characters that have a simplified one: those of the two blocks that texts are written in.
static SIMPLIFIED: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let han = ('\u{3400}'..='\u{4DBF}').chain('\u{4E00}'..='\u{9FFF}');
    han.filter_map(|it| {
        let simple = hanconv::t2s(it.to_string());
        let mut characters = simple.chars();
        match (characters.next(), characters.next()) {
            (Some(simple), None) if simple != it => Some((it, simple)),
            _ => None,
        }
    })
    .collect()
});

/// More distinct words in a question only cost time.
const MAX_QUERY_WORDS: usize = 48;
/// A longer run without a space is data, not a word.
const MAX_WORD_CHARS: usize = 64;

/// Words that say nothing about what is looked for. Only queries drop them: a text keeps all of its words.
const STOP_WORDS: &[&str] = &[
    "的",
    "了",
    "吗",
    "呢",
    "吧",
    "啊",
    "呀",
    "么",
    "是",
    "在",
    "和",
    "与",
    "及",
    "或",
    "有",
    "我",
    "你",
    "您",
    "他",
    "她",
    "它",
    "我们",
    "你们",
    "他们",
    "这",
    "那",
    "这个",
    "那个",
    "哪",
    "哪些",
    "哪个",
    "什么",
    "怎么",
    "怎样",
    "如何",
    "请",
    "请问",
    "一个",
    "一下",
    "有没有",
    "可以",
    "能",
    "想",
    "要",
    "给",
    "把",
    "被",
    "也",
    "都",
    "就",
    "还",
    "很",
    "吃",
    "推荐",
    "喜欢",
    "一些",
    "菜品",
    "东西",
    "a",
    "an",
    "and",
    "any",
    "are",
    "be",
    "can",
    "could",
    "do",
    "does",
    "for",
    "from",
    "have",
    "how",
    "i",
    "in",
    "is",
    "it",
    "me",
    "my",
    "of",
    "on",
    "or",
    "please",
    "some",
    "that",
    "the",
    "there",
    "this",
    "to",
    "we",
    "what",
    "which",
    "who",
    "with",
    "you",
    "your",
];

/// The words of a text: `words` carry the weight, `characters` (single Chinese ones) find what was cut differently.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) words: Vec<String>,
    pub(crate) characters: Vec<String>,
}

/// A base's own words, each of which counts as one however the dictionary would cut it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<HashMap<char, Vec<String>>>);

impl Names {
    pub(crate) fn new(words: &[String]) -> Names {
        let mut by_first: HashMap<char, Vec<String>> = HashMap::new();
        for word in words.iter().map(|it| normalised(it.trim())) {
            // A single character is found as such already.
            let mut characters = word.chars();
            if let (Some(first), Some(_)) = (characters.next(), characters.next())
                && word.chars().count() <= MAX_WORD_CHARS
            {
                by_first.entry(first).or_default().push(word);
            }
        }
        Names(Arc::new(by_first))
    }

    /// Those that stand in a normalised text, as often as they do.
    fn within<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let found = move |(at, first): (usize, char)| {
            let rest = text.get(at..).unwrap_or_default();
            let before = text.get(..at).unwrap_or_default().chars().next_back();
            self.0.get(&first).into_iter().flatten().filter(move |it| {
                let behind = rest.strip_prefix(it.as_str());
                behind.is_some_and(|behind| {
                    !one_word(before, Some(first)) && !one_word(it.chars().next_back(), behind.chars().next())
                })
            })
        };
        let any = !self.0.is_empty();
        text.char_indices().filter(move |_| any).flat_map(found).map(String::as_str)
    }
}

/// Whether two characters side by side belong to one Latin word or number.
fn one_word(before: Option<char>, behind: Option<char>) -> bool {
    let letter = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() && !is_chinese(it));
    letter(before) && letter(behind)
}

/// For the index: repetitions stay, because how often a word is said counts.
pub(crate) fn terms_of_text(text: &str, names: &Names) -> Terms {
    let mut terms = Terms::default();
    let text = normalised(text);
    for run in runs(&text) {
        match run {
            Run::Chinese(run) => {
                for token in JIEBA.cut_for_search(&run, true) {
                    terms.words.push(token.word.to_owned());
                }
                terms.characters.extend(run.chars().map(String::from));
            }
            Run::Code(run) => code(&run, &mut terms.words),
        }
    }
    for name in names.within(&text) {
        // The dictionary may know it too, and it was said only once.
        if !terms.words.iter().any(|it| it == name) {
            terms.words.push(name.to_owned());
        }
    }
    terms
}

/// Whether the characters of longer words are looked for too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Where nothing else finds what these words miss.
    Also,
    /// Where the search by meaning does.
    Never,
}

/// For a query: each word once, without those that say nothing, unless there are no others.
pub(crate) fn terms_of_query(query: &str, pieces: Pieces, names: &Names) -> Terms {
    let Terms { words, characters } = terms_of_text(query, names);
    let distinct = |all: Vec<String>| {
        let mut seen = BTreeSet::new();
        all.into_iter().filter(|it| seen.insert(it.clone())).collect::<Vec<_>>()
    };
    let stop = |it: &String| STOP_WORDS.contains(&it.as_str());
    let words = distinct(words);
    let telling: Vec<String> = words.iter().filter(|it| !stop(it)).cloned().collect();
    let mut words = if telling.is_empty() { words } else { telling };
    words.truncate(MAX_QUERY_WORDS);
    // Characters of words that were dropped would bring them back in pieces. Pieces of words find what was cut differently,
    // and much that only shares a character; a word of one character is a word.
    let mut characters: Vec<String> = distinct(characters)
        .into_iter()
        .filter(|it| match pieces {
            Pieces::Also => words.iter().any(|word| word.contains(it.as_str())),
            Pieces::Never => words.contains(it),
        })
        .collect();
    characters.truncate(MAX_QUERY_WORDS);
    Terms { words, characters }
}

fn normalised(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).map(simplified).collect()
}

/// Character by character, so that places stay: 麵 and 面 are one word, whoever wrote it. What a phrase would decide
/// otherwise (乾 in 乾隆) is folded in texts and queries alike, so they meet all the same.
fn simplified(it: char) -> char {
    if is_chinese(it) { SIMPLIFIED.get(&it).copied().unwrap_or(it) } else { it }
}

/// A text as it is searched, and for each of its characters the place of the one that it came of. Characters are
/// composed one by one here, which differs from [`normalised`] only where a letter and its accent are written apart.
pub(crate) fn normalised_with_places(text: &str) -> Vec<(char, u32)> {
    let places = text.chars().zip(0u32..);
    places
        .flat_map(|(it, place)| it.nfkc().flat_map(char::to_lowercase).map(move |it| (simplified(it), place)))
        .collect()
}

enum Run {
    /// Only Han characters and kana.
    Chinese(String),
    /// Letters and digits of other scripts, with what joins them in product names: `x5-pro`, `c++`, `wi-fi`, `3.5`.
    Code(String),
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open = true;
    for character in text.chars() {
        let chinese = is_chinese(character);
        let joins = matches!(character, '-' | '_' | '.' | '/' | '+' | '#' | '&' | '\'' | '’' | '%');
        let within = joins && !open;
        if !chinese && !character.is_alphanumeric() && !within {
            open = true;
            continue;
        }
        match (runs.last_mut(), chinese) {
            (Some(Run::Chinese(run)), true) if !open => run.push(character),
            (Some(Run::Code(run)), false) if !open => run.push(character),
            (_, true) => runs.push(Run::Chinese(character.into())),
            (_, false) if joins => {
                // A joint behind Chinese text belongs to nothing.
                open = true;
                continue;
            }
            (_, false) => runs.push(Run::Code(character.into())),
        }
        open = false;
    }
    runs
}

pub(crate) fn is_chinese(it: char) -> bool {
    matches!(u32::from(it), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF | 0x3040..=0x30FF | 0x3005 | 0x3007)
}

/// A word as its stem; a code whole, without its joints, and in its parts, so that `x5-pro`, `x5pro`, `X5 Pro` all meet.
pub(crate) fn code(run: &str, words: &mut Vec<String>) {
    let run = run.trim_end_matches(['-', '_', '.', '/', '&', '\'', '’']);
    let run = run.strip_suffix("'s").or_else(|| run.strip_suffix("’s")).unwrap_or(run);
    if run.is_empty() || run.chars().count() > MAX_WORD_CHARS {
        return;
    }
    if run.chars().all(char::is_alphabetic) {
        words.push(stem(run));
        return;
    }
    words.push(run.to_owned());
    let joined: String = run.chars().filter(|it| it.is_alphanumeric()).collect();
    let parts: Vec<&str> = run.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
    if joined != run && parts.len() > 1 {
        words.push(joined);
    }
    for part in &parts {
        if parts.len() > 1 || *part != run {
            words.push(if part.chars().all(char::is_alphabetic) { stem(part) } else { (*part).to_owned() });
        }
        let pieces = letters_and_digits(part);
        if pieces.len() > 1 {
            words.extend(
                pieces
                    .into_iter()
                    .filter(|it| it.chars().count() > 1 || it.chars().all(char::is_numeric))
                    .map(|it| if it.chars().all(char::is_alphabetic) { stem(it) } else { it.to_owned() }),
            );
        }
    }
}

fn letters_and_digits(part: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut numeric: Option<bool> = None;
    for (at, character) in part.char_indices() {
        let is = character.is_numeric();
        if numeric.is_some_and(|it| it != is) {
            pieces.extend(part.get(start..at));
            start = at;
        }
        numeric = Some(is);
    }
    pieces.extend(part.get(start..));
    pieces
}

pub(crate) fn stem(word: &str) -> String {
    if word.is_ascii() { ENGLISH.stem(word).into_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        terms_of_text(text, &Names::default()).words
    }

    fn asked(query: &str, pieces: Pieces) -> Terms {
        terms_of_query(query, pieces, &Names::default())
    }

    fn meet(query: &str, text: &str) -> bool {
        let (query, text) = (asked(query, Pieces::Also), terms_of_text(text, &Names::default()));
        query.words.iter().any(|it| text.words.contains(it))
            || query.characters.iter().any(|it| text.characters.contains(it))
    }

    #[test]
    fn codes_stay_whole_and_come_apart() {
        assert_eq!(words("X5-Pro"), ["x5-pro", "x5pro", "x5", "5", "pro"]);
        assert_eq!(words("E102"), ["e102", "102"]);
        for (query, text) in [
            ("x5 pro", "新款 X5-Pro 发布"),
            ("x5pro", "新款X5-Pro发布"),
            ("X5－PRO", "x5-pro"),
            ("wifi 6", "支持 Wi-Fi 6 标准"),
            ("wifi6", "Wi-Fi 6"),
            ("E102", "报错e102怎么办"),
            ("404", "错误 404"),
            ("ＷＩＦＩ", "wifi"),
            ("dishes", "a dish"),
            ("braised chickens", "Old Street braised chicken"),
        ] {
            assert!(
                meet(query, text),
                "{query} should find {text}: {:?} {:?}",
                asked(query, Pieces::Also),
                words(text)
            );
        }
        assert!(!meet("E103", "E102"));
    }

    #[test]
    fn chinese_is_cut_and_single_characters_find_dishes() {
        assert!(words("售后服务电话").contains(&"服务".to_owned()));
        assert!(meet("鱼", "水煮鱼片"));
        assert!(meet("鸡", "老街黄焖鸡"));
        assert!(meet("面", "牛肉面"));
        assert!(!meet("鱼", "麻婆豆腐"));
    }

    #[test]
    fn traditional_and_simplified_characters_are_one() {
        assert_eq!(words("售後服務電話"), words("售后服务电话"));
        for (query, text) in [("牛肉麵", "招牌牛肉面"), ("发票", "開立發票"), ("乾隆", "乾隆皇帝"), ("頭髮", "头发")]
        {
            assert!(meet(query, text), "{query} should find {text}");
        }
        assert_eq!(SIMPLIFIED.get(&'面'), None);
    }

    #[test]
    fn a_query_drops_words_that_say_nothing_unless_it_has_no_others() {
        assert_eq!(asked("你们有什么推荐的汤吗", Pieces::Also).words, ["汤"]);
        assert!(!asked("有什么", Pieces::Also).words.is_empty());
        assert_eq!(asked("what is the soup", Pieces::Also).words, ["soup"]);
        assert_eq!(asked("！？…", Pieces::Also), Terms::default());
        assert_eq!(asked("面", Pieces::Never).characters, ["面"]);
        assert!(asked("豆腐", Pieces::Never).characters.is_empty());
    }

    #[test]
    fn a_base_has_words_of_its_own() {
        let names = Names::new(&["老街黄焖鸡".to_owned(), "Sky Pro".to_owned(), " 鱼 ".to_owned()]);
        let found = |text: &str| terms_of_text(text, &names).words;
        assert!(found("来一份老街黄焖鸡吧").contains(&"老街黄焖鸡".to_owned()));
        assert!(found("ＳＫＹ ＰＲＯ手机").contains(&"sky pro".to_owned()));
        assert!(!found("bluesky pro").contains(&"sky pro".to_owned()), "a name is not a part of another word");
        assert!(!found("sky problem").contains(&"sky pro".to_owned()));
        assert!(terms_of_query("老街黄焖鸡", Pieces::Never, &names).words.contains(&"老街黄焖鸡".to_owned()));
        assert!(!words("来一份老街黄焖鸡吧").contains(&"老街黄焖鸡".to_owned()));
    }
}
