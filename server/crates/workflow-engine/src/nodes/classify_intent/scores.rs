//! Deciding by embeddings. Cosines of models such as E5 all lie between 0.75 and 0.95, whatever the texts, so a fixed
//! threshold means nothing; what counts is how far the best intent is ahead of the second best, and ahead of a
//! background of sentences that belong to no intent.
//!
//! Every number that decides stands in this file, above the code.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Intent, words};

/// An intent's score is its two most similar texts, weighted like this: one close example is convincing, a second one
/// confirms it, and an average over all of them would punish intents that people phrase in many ways.
const BEST_WEIGHT: f64 = 0.7;
const SECOND_WEIGHT: f64 = 0.3;

/// How far the best intent must be ahead of the second to be taken without asking a model.
const CLEAR_MARGIN: f64 = 0.015;
/// How far the best intent must be ahead of the background to be taken without asking a model.
const CLEAR_LEAD: f64 = 0.012;
/// How far the background must be ahead of every intent to take `other` without asking a model.
const CLEAR_OTHER: f64 = 0.012;
/// From this similarity on a text says the same as an example, however close other examples are.
const SAME_MEANING: f64 = 0.965;

/// Without a model a smaller margin and lead must do; below them the way is `other`.
const LEAN_MARGIN: f64 = 0.004;
const LEAN_LEAD: f64 = 0.002;

/// With `multi`, intents within this distance of the best one count as well.
const MULTI_BAND: f64 = 0.01;
/// The margin or lead (the smaller one) at which the confidence is 1; at 0 it is 0.5.
const FULL_CONFIDENCE: f64 = 0.06;

/// A background sentence that is this similar to an example of an intent says nothing about texts outside of them.
const BACKGROUND_OVERLAP: f64 = 0.93;

/// Sentences that belong to no particular intent: greetings, thanks, small talk, questions about the world. In both
/// languages, because a text is always most similar to texts of its own language.
const BACKGROUND: [&str; 32] = [
    "你好",
    "谢谢",
    "再见",
    "好的，知道了",
    "你是谁",
    "你会做什么",
    "我不太明白",
    "随便聊聊吧",
    "哈哈，真有意思",
    "今天天气怎么样",
    "给我讲个笑话",
    "现在几点了",
    "世界上最高的山是哪座",
    "帮我写一首诗",
    "怎样才能学好英语",
    "一加一等于几",
    "Hello",
    "Thank you",
    "Goodbye",
    "Okay, got it",
    "Who are you?",
    "What can you do?",
    "I don't understand",
    "Let's just chat",
    "Haha, that's funny",
    "What is the weather like today?",
    "Tell me a joke",
    "What time is it?",
    "What is the highest mountain in the world?",
    "Write a poem for me",
    "How can I learn a language?",
    "What is one plus one?",
];

/// What was decided, by whatever way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Decision {
    /// Empty means `other`; more than one only with `multi`, best first.
    pub(super) intents: Vec<String>,
    pub(super) confidence: f64,
    /// Every intent that was scored, best first.
    pub(super) scores: Vec<(String, f64)>,
}

impl Decision {
    pub(super) fn sure(name: &str) -> Decision {
        Decision { intents: vec![name.to_owned()], confidence: 1.0, scores: vec![(name.to_owned(), 1.0)] }
    }
}

/// What embeddings say about a text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Judgement {
    scores: Vec<(String, f64)>,
    /// Best minus second best.
    margin: f64,
    /// Best minus background; negative when the text is more like the background.
    lead: f64,
    /// Whether that is enough to decide without asking anybody else.
    pub(super) clear: bool,
    pub(super) reason: String,
}

impl Judgement {
    /// What a clear judgement decides.
    pub(super) fn decision(&self, multi: bool) -> Decision {
        self.decide(self.lead > 0.0, multi)
    }

    /// What an unclear judgement leans to when nobody else can be asked.
    pub(super) fn lean(&self, multi: bool) -> Decision {
        self.decide((multi || self.margin >= LEAN_MARGIN) && self.lead >= LEAN_LEAD, multi)
    }

    fn decide(&self, stands_out: bool, multi: bool) -> Decision {
        let distance = if multi { self.lead } else { self.margin.min(self.lead) };
        let confidence = 0.5 + 0.5 * (distance.abs() / FULL_CONFIDENCE).clamp(0.0, 1.0);
        let best = self.scores.first().map_or(0.0, |it| it.1);
        let band = if multi { MULTI_BAND } else { 0.0 };
        let chosen = self.scores.iter().take_while(|it| best - it.1 <= band).map(|it| it.0.clone());
        let intents = if !stands_out {
            Vec::new()
        } else if multi {
            chosen.collect()
        } else {
            chosen.take(1).collect()
        };
        Decision { intents, confidence, scores: self.scores.clone() }
    }
}

/// The texts to embed, in the order in which `judge` expects their vectors.
pub(super) fn texts(intents: &[Intent], text: &str, before: Option<&str>) -> Vec<String> {
    let mut texts = vec![text.to_owned()];
    // A follow-up such as 那不辣的呢 only makes sense together with what was said before.
    texts.extend(before.map(|it| format!("{it}\n{text}")));
    for intent in intents {
        texts.extend(references(intent).map(str::to_owned));
    }
    texts.extend(background(intents).map(str::to_owned));
    texts
}

/// Description and examples of an intent.
fn references(intent: &Intent) -> impl Iterator<Item = &str> {
    let description = Some(intent.description.trim()).filter(|it| !it.is_empty());
    let title = Some(intent.title.trim()).filter(|it| !it.is_empty() && description.is_none());
    let nothing = description.is_none() && title.is_none() && intent.examples.is_empty();
    let name = Some(intent.name.as_str()).filter(|_| nothing);
    description.into_iter().chain(title).chain(name).chain(intent.examples.iter().map(String::as_str))
}

/// Background sentences that are not themselves examples.
fn background(intents: &[Intent]) -> impl Iterator<Item = &'static str> {
    let examples: Vec<String> =
        intents.iter().flat_map(|it| it.examples.iter()).map(|it| words::normalise(it)).collect();
    BACKGROUND.into_iter().filter(move |it| !examples.contains(&words::normalise(it)))
}

/// The vectors of an outcome; none when they are not what was asked for.
pub(super) fn vectors(value: &Value) -> Option<Vec<Vec<f64>>> {
    let vectors: Vec<Vec<f64>> = value
        .get("vectors")?
        .as_array()?
        .iter()
        .map(|it| it.as_array().map(|it| it.iter().filter_map(Value::as_f64).collect::<Vec<f64>>()).map(unit))
        .collect::<Option<_>>()?;
    let length = vectors.first().map(Vec::len).filter(|it| *it > 0)?;
    vectors.iter().all(|it| it.len() == length).then_some(vectors)
}

fn unit(vector: Vec<f64>) -> Vec<f64> {
    let length = vector.iter().map(|it| it * it).sum::<f64>().sqrt();
    if length > 0.0 { vector.into_iter().map(|it| it / length).collect() } else { vector }
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Scores a text against intents and background. None when the vectors do not match the texts.
pub(super) fn judge(intents: &[Intent], vectors: &[Vec<f64>], has_before: bool) -> Option<Judgement> {
    let (queries, mut rest) = vectors.split_at_checked(if has_before { 2 } else { 1 })?;
    let mut groups: Vec<(&str, &[Vec<f64>])> = Vec::new();
    for intent in intents {
        let (own, others) = rest.split_at_checked(references(intent).count())?;
        groups.push((&intent.name, own));
        rest = others;
    }
    if rest.len() != background(intents).count() {
        return None;
    }
    let background: Vec<&Vec<f64>> = rest
        .iter()
        .filter(|it| !groups.iter().any(|(_, own)| own.iter().any(|own| cosine(it, own) >= BACKGROUND_OVERLAP)))
        .collect();
    let alone = judge_one(queries.first()?, &groups, &background);
    let Some(together) = queries.get(1) else { return Some(alone) };
    if alone.clear {
        return Some(alone);
    }
    let together = judge_one(together, &groups, &background);
    if together.clear && together.lead > 0.0 {
        return Some(Judgement { reason: format!("with the message before: {}", together.reason), ..together });
    }
    Some(alone)
}

fn judge_one(query: &[f64], groups: &[(&str, &[Vec<f64>])], background: &[&Vec<f64>]) -> Judgement {
    let mut nearest: Vec<(String, f64)> = Vec::new();
    let mut scores: Vec<(String, f64)> = Vec::new();
    for (name, own) in groups {
        let similar = sorted(own.iter().map(|it| cosine(query, it)));
        nearest.push(((*name).to_owned(), similar.first().copied().unwrap_or(0.0)));
        scores.push(((*name).to_owned(), weigh(&similar)));
    }
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    let behind = weigh(&sorted(background.iter().map(|it| cosine(query, it))));
    let best = scores.first().cloned().unwrap_or_default();
    let second = scores.get(1).cloned();
    let margin = second.as_ref().map_or(1.0, |it| best.1 - it.1);
    let lead = if background.is_empty() { 1.0 } else { best.1 - behind };
    let same = nearest.iter().any(|it| it.0 == best.0 && it.1 >= SAME_MEANING) && margin > 0.0;
    let clear = (margin >= CLEAR_MARGIN && lead >= CLEAR_LEAD) || lead <= -CLEAR_OTHER || (same && lead > 0.0);
    let second = second.map_or_else(String::new, |it| format!(", {margin:.3} ahead of `{}`", it.0));
    let reason =
        format!("`{}` is the most similar with {:.3}{second}, {lead:+.3} against the background", best.0, best.1);
    Judgement { scores, margin, lead, clear, reason }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

/// The score of a group from its similarities, most similar first.
fn weigh(similar: &[f64]) -> f64 {
    match similar {
        [] => 0.0,
        [only] => *only,
        [best, second, ..] => BEST_WEIGHT * best + SECOND_WEIGHT * second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intents() -> Vec<Intent> {
        ["spicy", "mild"]
            .into_iter()
            .map(|it| Intent { name: it.into(), title: String::new(), description: it.into(), examples: Vec::new() })
            .collect()
    }

    /// Vectors in a plane: the angle says everything.
    fn at(degrees: f64) -> Vec<f64> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    fn judged(query: f64, spicy: f64, mild: f64, background: f64) -> Judgement {
        let mut vectors = vec![at(query), at(spicy), at(mild)];
        vectors.extend((0..BACKGROUND.len()).map(|_| at(background)));
        judge(&intents(), &vectors, false).unwrap()
    }

    #[test]
    fn a_close_intent_far_from_the_other_and_the_background_is_clear() {
        let it = judged(0.0, 5.0, 30.0, 60.0);
        assert!(it.clear);
        assert_eq!(it.decision(false).intents, ["spicy"]);
    }

    #[test]
    fn two_intents_at_the_same_distance_are_not_clear_and_lean_to_other() {
        let it = judged(0.0, 20.0, -20.0, 60.0);
        assert!(!it.clear);
        assert!(it.lean(false).intents.is_empty());
        assert_eq!(it.lean(true).intents.len(), 2);
    }

    #[test]
    fn a_text_like_the_background_is_other_without_asking_anybody() {
        let it = judged(60.0, 5.0, 30.0, 61.0);
        assert!(it.clear);
        assert!(it.decision(false).intents.is_empty());
    }

    #[test]
    fn vectors_of_the_wrong_number_are_no_judgement() {
        assert!(judge(&intents(), &[at(0.0)], false).is_none());
        assert!(vectors(&serde_json::json!({ "vectors": [[1.0], [1.0, 2.0]] })).is_none());
    }
}
