//! Chinese: every 辣 is judged by what stands before and after it within its clause.

use super::{Mention, Strength};
use crate::level;

/// What a phrase that ends in 辣 means.
#[derive(Clone, Copy)]
enum Meaning {
    /// So much.
    Level(u8),
    /// Spicy, without saying how much.
    Spicy,
    /// 辣 is not about the dish's taste here.
    Nothing,
}

use Meaning::{Level, Nothing, Spicy};

/// Phrases ending in 辣; the longest that fits decides. Sorted by meaning, not by length.
const PHRASES: &[(&str, Meaning)] = &[
    // None at all.
    ("不辣", Level(0)),
    ("不麻辣", Level(0)),
    ("不香辣", Level(0)),
    ("不是辣", Level(0)),
    ("不带辣", Level(0)),
    ("不会辣", Level(0)),
    ("不要辣", Level(0)),
    ("不加辣", Level(0)),
    ("不放辣", Level(0)),
    ("不含辣", Level(0)),
    ("不沾辣", Level(0)),
    ("不吃辣", Level(0)),
    ("不能吃辣", Level(0)),
    ("不太能吃辣", Level(0)),
    ("不爱吃辣", Level(0)),
    ("不喜辣", Level(0)),
    ("不喜欢辣", Level(0)),
    ("怕辣", Level(0)),
    ("免辣", Level(0)),
    ("去辣", Level(0)),
    ("走辣", Level(0)),
    ("无辣", Level(0)),
    ("没有辣", Level(0)),
    ("没辣", Level(0)),
    ("毫无辣", Level(0)),
    ("非辣", Level(0)),
    ("勿辣", Level(0)),
    ("勿加辣", Level(0)),
    ("别放辣", Level(0)),
    ("忌辣", Level(0)),
    ("戒辣", Level(0)),
    ("零辣", Level(0)),
    ("0辣", Level(0)),
    // A little.
    ("微辣", Level(1)),
    ("微麻辣", Level(1)),
    ("微微辣", Level(1)),
    ("微香辣", Level(1)),
    ("小辣", Level(1)),
    ("少辣", Level(1)),
    ("轻辣", Level(1)),
    ("轻微辣", Level(1)),
    ("略辣", Level(1)),
    ("略带辣", Level(1)),
    ("略微辣", Level(1)),
    ("稍辣", Level(1)),
    ("稍微辣", Level(1)),
    ("稍带辣", Level(1)),
    ("微带辣", Level(1)),
    ("有点辣", Level(1)),
    ("有一点辣", Level(1)),
    ("一点辣", Level(1)),
    ("一点点辣", Level(1)),
    ("有些辣", Level(1)),
    ("一丝辣", Level(1)),
    ("淡淡的辣", Level(1)),
    ("不太辣", Level(1)),
    ("不大辣", Level(1)),
    ("不很辣", Level(1)),
    ("不是很辣", Level(1)),
    ("不是太辣", Level(1)),
    ("不是特别辣", Level(1)),
    ("不特别辣", Level(1)),
    ("不怎么辣", Level(1)),
    ("不算辣", Level(1)),
    ("不算太辣", Level(1)),
    ("不会太辣", Level(1)),
    ("不会很辣", Level(1)),
    ("不那么辣", Level(1)),
    ("没那么辣", Level(1)),
    ("不过分辣", Level(1)),
    ("不要太辣", Level(1)),
    ("别太辣", Level(1)),
    // The everyday level.
    ("中辣", Level(2)),
    ("中等辣", Level(2)),
    ("中度辣", Level(2)),
    ("适中辣", Level(2)),
    ("正常辣", Level(2)),
    ("偏辣", Level(2)),
    // A lot.
    ("特辣", Level(3)),
    ("特别辣", Level(3)),
    ("很辣", Level(3)),
    ("超辣", Level(3)),
    ("超级辣", Level(3)),
    ("非常辣", Level(3)),
    ("十分辣", Level(3)),
    ("相当辣", Level(3)),
    ("大辣", Level(3)),
    ("重辣", Level(3)),
    ("加辣", Level(3)),
    ("多辣", Level(3)),
    ("好辣", Level(3)),
    ("真辣", Level(3)),
    ("太辣", Level(3)),
    ("劲辣", Level(3)),
    ("高辣", Level(3)),
    ("爆辣", Level(4)),
    ("极辣", Level(4)),
    ("巨辣", Level(4)),
    ("暴辣", Level(4)),
    ("极其辣", Level(4)),
    ("极度辣", Level(4)),
    ("超级无敌辣", Level(4)),
    ("变态辣", Level(5)),
    ("魔鬼辣", Level(5)),
    ("地狱辣", Level(5)),
    ("死神辣", Level(5)),
    // A 不 that does not deny the spice.
    ("怕不辣", Spicy),
    ("不怕辣", Spicy),
    ("不仅辣", Spicy),
    ("不仅香辣", Spicy),
    ("不只辣", Spicy),
    ("不只是辣", Spicy),
    ("不光辣", Spicy),
    ("不但辣", Spicy),
    ("不止辣", Spicy),
    ("无不辣", Spicy),
    ("能不辣", Spicy),
    // The question whether, and words that only contain the character.
    ("辣不辣", Nothing),
    ("解辣", Nothing),
    ("配辣", Nothing),
    ("泼辣", Nothing),
    ("毒辣", Nothing),
    ("老辣", Nothing),
    ("狠辣", Nothing),
];

/// Words that begin with 辣 and are not about the dish's taste: moringa, and the name of the scale itself.
const NOT_TASTE: &[&str] = &["辣木", "辣度", "辣级"];
/// Before a phrase, these make it an offer and not a fact: 可选微辣, 可做不辣.
const OFFERS: &[&str] = &[
    "可",
    "可选",
    "可以",
    "可做",
    "可做成",
    "可以做",
    "可以做成",
    "可以选",
    "可调",
    "可要求",
    "能做",
    "能做成",
    "可加",
    "或",
    "备注",
];
/// After a phrase for people who avoid spice, these turn it into a warning that the dish is spicy.
const WARNINGS: &[&str] = &["慎", "勿", "别点", "不要点", "不建议", "不宜", "请避", "注意"];
/// Phrases about people who avoid spice.
const AVOIDERS: &[&str] = &["不吃辣", "不能吃辣", "不太能吃辣", "不爱吃辣", "不喜辣", "不喜欢辣", "怕辣"];
/// Dishes and ingredients that are spicy though no word says so.
const KNOWN: &[(&str, u8)] = &[
    ("麻婆", 2),
    ("水煮鱼", 2),
    ("水煮肉", 2),
    ("水煮牛", 2),
    ("水煮活鱼", 2),
    ("毛血旺", 2),
    ("口水鸡", 2),
    ("夫妻肺片", 2),
    ("红油", 2),
    ("剁椒", 2),
    ("泡椒", 2),
    ("小米椒", 3),
    ("朝天椒", 3),
    ("宫保", 1),
    ("宫爆", 1),
    ("鱼香", 1),
    ("回锅肉", 1),
];
const DENIALS: &[&str] = &["不放", "不加", "不含", "没有", "无", "去", "免", "不要", "不用", "非"];

pub(super) fn mentions(text: &[char]) -> Vec<Mention> {
    let mut found = Vec::new();
    for (at, character) in text.iter().enumerate() {
        if *character == '辣' {
            found.extend(judge(text, at));
        }
    }
    found.extend(scales(text));
    found.extend(known(text));
    found
}

/// What the 辣 at this place says.
fn judge(text: &[char], at: usize) -> Option<Mention> {
    let before: Vec<char> = clause_before(text, at);
    let after: String = clause_after(text, at + 1);
    let from_here: String = std::iter::once('辣').chain(after.chars()).collect();
    if NOT_TASTE.iter().any(|word| from_here.starts_with(word)) && !from_here.starts_with("辣度适中") {
        return None;
    }
    let before: String = before.iter().collect();
    let up_to_here = format!("{before}辣");
    let phrase =
        PHRASES.iter().filter(|(phrase, _)| up_to_here.ends_with(phrase)).max_by_key(|(phrase, _)| phrase.len());
    let (phrase, meaning) = phrase.map_or(("辣", Spicy), |(phrase, meaning)| (*phrase, *meaning));
    // 吃辣配它最好: what goes well with something spicy is not spicy itself.
    if before.ends_with('吃') && ["配", "时", "的时候", "后", "必点"].iter().any(|company| after.starts_with(company))
    {
        return None;
    }
    // 辣不辣 asks; it does not say. The second 辣 is judged by the phrase itself.
    if phrase == "辣" && after.starts_with("不辣") {
        return None;
    }
    let lead = up_to_here.strip_suffix(phrase).unwrap_or_default();
    if matches!(meaning, Level(_)) && OFFERS.iter().any(|offer| lead.ends_with(offer)) {
        return None;
    }
    let characters = phrase.chars().count();
    let mention = |strength, level, word: String| {
        Some(Mention { strength, at: (at + 1).saturating_sub(characters), level, word })
    };
    match meaning {
        // 不辣不欢: no joy without it.
        Level(0) if after.starts_with("不欢") || after.starts_with("不爽") => {
            mention(Strength::General, 2, format!("{phrase}不欢"))
        }
        // 不能吃辣者慎点 warns of a spicy dish.
        Level(0) if AVOIDERS.contains(&phrase) && WARNINGS.iter().any(|warning| after.contains(warning)) => {
            mention(Strength::General, 2, format!("{phrase}{after}"))
        }
        Level(level) => mention(Strength::Degree, level, phrase.to_owned()),
        Nothing => None,
        Spicy => general(text, at, &before, &after).and_then(|(strength, level, word)| mention(strength, level, word)),
    }
}

/// A 辣 without a degree before it: 香辣, 辣子鸡, 辣椒, 辣味不重.
fn general(text: &[char], at: usize, before: &str, after: &str) -> Option<(Strength, u8, String)> {
    let tail = |count: usize| -> String { after.chars().take(count).collect() };
    if ["味不重", "味很淡", "味轻", "味不浓", "味较轻", "味淡"].iter().any(|weak| after.starts_with(weak))
    {
        return Some((Strength::Degree, 1, format!("辣{}", tail(3))));
    }
    if ["味十足", "味浓", "味重", "得过瘾", "到冒汗", "爆"].iter().any(|strong| after.starts_with(strong))
    {
        return Some((Strength::Degree, 3, format!("辣{}", tail(3))));
    }
    // 不放任何辣椒, 无需辣椒: the ingredient is denied a word earlier.
    if after.starts_with(['椒', '味', '油', '酱'])
        && DENIALS.iter().any(|denial| before.ends_with(denial) || before.ends_with(&format!("{denial}任何")))
    {
        // 可不放辣椒 is an offer.
        if OFFERS.iter().any(|offer| DENIALS.iter().any(|denial| before.ends_with(&format!("{offer}{denial}")))) {
            return None;
        }
        let word: String = text.get(at..at + 2).unwrap_or_default().iter().collect();
        return Some((
            Strength::Degree,
            0,
            format!("{}{word}", before.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect::<String>()),
        ));
    }
    let flavour = before.chars().last().filter(|last| "香麻酸鲜甜辛火热糊酥干油劲爽".contains(*last));
    let word = match flavour {
        Some(flavour) => format!("{flavour}辣"),
        None => format!(
            "辣{}",
            after.chars().next().filter(|next| "子椒味油酱条炒".contains(*next)).map(String::from).unwrap_or_default()
        ),
    };
    Some((Strength::General, 2, word))
}

/// `辣度：3`, `辣度适中`, `辣度 2/5`.
fn scales(text: &[char]) -> Vec<Mention> {
    let whole: String = text.iter().collect();
    let mut found = Vec::new();
    for label in ["辣度", "辣级"] {
        for (byte, _) in whole.match_indices(label) {
            let at = whole.get(..byte).unwrap_or_default().chars().count();
            let rest = whole.get(byte + label.len()..).unwrap_or_default();
            let rest = rest.trim_start_matches([' ', ':', '=', '为', '是', '指', '数', '级', '等', '(']);
            let level = match level::leading_number(rest) {
                Some(level) => Some((
                    level,
                    rest.chars().take_while(|next| next.is_ascii_digit() || "/.".contains(*next)).collect(),
                )),
                None => [
                    ("适中", 2),
                    ("中等", 2),
                    ("极高", 4),
                    ("很高", 3),
                    ("较高", 3),
                    ("高", 3),
                    ("很低", 1),
                    ("较低", 1),
                    ("低", 1),
                    ("零", 0),
                    ("无", 0),
                ]
                .iter()
                .find(|(word, _)| rest.starts_with(word))
                .map(|(word, level)| (*level, (*word).to_owned())),
            };
            if let Some((level, shown)) = level {
                let shown: String = shown;
                found.push(Mention { strength: Strength::Degree, at, level, word: format!("{label} {shown}") });
            }
        }
    }
    found
}

fn known(text: &[char]) -> Vec<Mention> {
    let whole: String = text.iter().collect();
    let mentions = KNOWN.iter().filter_map(|(word, level)| {
        let byte = whole.find(word)?;
        let lead = whole.get(..byte)?;
        if DENIALS.iter().any(|denial| lead.ends_with(denial)) {
            return None;
        }
        Some(Mention { strength: Strength::Known, at: lead.chars().count(), level: *level, word: (*word).to_owned() })
    });
    mentions.collect()
}

fn ends_clause(character: char) -> bool {
    matches!(
        character,
        '，' | '。'
            | '；'
            | '、'
            | '！'
            | '？'
            | '\n'
            | ','
            | ';'
            | '!'
            | '?'
            | '('
            | ')'
            | '（'
            | '）'
            | '|'
            | '/'
            | '：'
            | ':'
            | '·'
    )
}

fn clause_before(text: &[char], at: usize) -> Vec<char> {
    let start = text.iter().take(at).rposition(|character| ends_clause(*character)).map_or(0, |place| place + 1);
    text.get(start..at).unwrap_or_default().iter().copied().filter(|character| *character != ' ').collect()
}

fn clause_after(text: &[char], from: usize) -> String {
    text.iter()
        .skip(from)
        .copied()
        .take_while(|character| !ends_clause(*character))
        .filter(|character| *character != ' ')
        .collect()
}
