//! How lists become one: reciprocal rank fusion, which needs no scores that can be compared.

use std::collections::BTreeMap;

use super::{SearchMode, Stage, Stages, Weights};

/// The usual constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): how slowly a rank's weight falls.
const FUSION_K: f64 = 60.0;

/// A record by its base's place in the request and its row.
pub(super) type Key = (usize, i64);

/// A list in its order, best first.
#[derive(Default)]
pub(super) struct Ranking {
    pub(super) records: Vec<(Key, f64)>,
    /// Whether its scores can be compared with each other: they are of one model, or of one base's statistics.
    pub(super) comparable: bool,
}

impl Ranking {
    /// One list of several: by the places in each, since their scores say nothing about each other.
    pub(super) fn of(lists: Vec<Vec<(Key, f64)>>) -> Ranking {
        let comparable = lists.len() <= 1;
        let mut all: Vec<(usize, Key, f64)> = lists
            .into_iter()
            .flat_map(|list| list.into_iter().enumerate().map(|(rank, (key, score))| (rank, key, score)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.2.total_cmp(&a.2)).then_with(|| a.1.cmp(&b.1)));
        Ranking { records: all.into_iter().map(|(_, key, score)| (key, score)).collect(), comparable }
    }
}

pub(super) struct Fused {
    pub(super) key: Key,
    pub(super) score: f64,
    pub(super) stages: Stages,
}

pub(super) fn fuse(
    mode: SearchMode,
    weights: Weights,
    by_meaning: Option<Ranking>,
    by_words: Option<Ranking>,
) -> Vec<Fused> {
    let most_of = |list: &Option<Ranking>, weight: f64| list.as_ref().map_or(0.0, |_| weight);
    // What a record has that leads every list.
    let most = (most_of(&by_meaning, weights.dense) + most_of(&by_words, weights.lexical)) / (FUSION_K + 1.0);
    let comparable = |list: &Option<Ranking>| list.as_ref().is_none_or(|it| it.comparable);
    let (dense_comparable, lexical_comparable) = (comparable(&by_meaning), comparable(&by_words));
    let mut all: BTreeMap<Key, Stages> = BTreeMap::new();
    let ranked = |list: Option<Ranking>| {
        let records = list.map_or_else(Vec::new, |it| it.records);
        records.into_iter().zip(1u32..).map(|((key, score), rank)| (key, Stage { score, rank }))
    };
    for (key, stage) in ranked(by_meaning) {
        all.entry(key).or_default().dense = Some(stage);
    }
    for (key, stage) in ranked(by_words) {
        all.entry(key).or_default().lexical = Some(stage);
    }
    let share = |it: Option<Stage>| it.map_or(0.0, |it| 1.0 / (FUSION_K + f64::from(it.rank)));
    // As a share of the first place's.
    let place = |it: Option<Stage>| share(it) * (FUSION_K + 1.0);
    let own = |it: Option<Stage>, comparable| if comparable { it.map_or(0.0, |it| it.score) } else { place(it) };
    let mut fused: Vec<Fused> = all
        .into_iter()
        .map(|(key, mut stages)| {
            let score = match mode {
                SearchMode::Hybrid => {
                    let sum = weights.dense * share(stages.dense) + weights.lexical * share(stages.lexical);
                    stages.fused = Some(sum);
                    sum / most
                }
                SearchMode::Dense => own(stages.dense, dense_comparable),
                SearchMode::Lexical => own(stages.lexical, lexical_comparable),
            };
            Fused { key, score, stages }
        })
        .collect();
    let rank = |it: Option<Stage>| it.map_or(u32::MAX, |it| it.rank);
    fused.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| rank(a.stages.dense).cmp(&rank(b.stages.dense)))
            .then_with(|| rank(a.stages.lexical).cmp(&rank(b.stages.lexical)))
            .then_with(|| a.key.cmp(&b.key))
    });
    fused
}
