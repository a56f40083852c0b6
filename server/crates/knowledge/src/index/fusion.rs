//! How two lists become one: by their scores, each list's stretched over 0 to 1, and where a list's scores say nothing about
//! each other, by the places in both.

use std::collections::BTreeMap;

use super::{SearchMode, Stage, Stages, Weights};

/// The usual constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): how slowly a place's worth falls.
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

/// What a record's part in a list is worth, from 0 to 1 for the list's best.
///
/// Scores keep what ranks throw away: how far ahead the best is. That is better on every set that was tried
/// (`bench/RESULTS.md`), as Bruch, Gai and Ingber (2023, "An Analysis of Fusion Functions for Hybrid Retrieval") found.
#[derive(Clone, Copy)]
enum Scale {
    Scores { nothing: f64, best: f64 },
    Places,
}

impl Scale {
    /// Cosines of one model lie close together and far from 0, so the least of the list is worth nothing.
    fn of_cosines(list: &Ranking) -> Scale {
        let scores = || list.records.iter().map(|it| it.1);
        Scale::Scores {
            nothing: scores().fold(f64::INFINITY, f64::min),
            best: scores().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// A text without any of the words has a BM25 score of 0.
    fn of_words(list: &Ranking) -> Scale {
        Scale::Scores { nothing: 0.0, best: list.records.iter().map(|it| it.1).fold(0.0, f64::max) }
    }

    fn worth(self, stage: Option<Stage>) -> f64 {
        let Some(stage) = stage else { return 0.0 };
        match self {
            Scale::Scores { nothing, best } if best > nothing => (stage.score - nothing) / (best - nothing),
            Scale::Scores { .. } => 1.0,
            Scale::Places => (FUSION_K + 1.0) / (FUSION_K + f64::from(stage.rank)),
        }
    }
}

pub(super) fn fuse(
    mode: SearchMode,
    weights: Weights,
    by_meaning: Option<Ranking>,
    by_words: Option<Ranking>,
) -> Vec<Fused> {
    let comparable = |list: &Option<Ranking>| list.as_ref().is_none_or(|it| it.comparable);
    let (dense_comparable, lexical_comparable) = (comparable(&by_meaning), comparable(&by_words));
    let scale = |list: &Option<Ranking>, of: fn(&Ranking) -> Scale| match list {
        Some(list) if dense_comparable && lexical_comparable => of(list),
        _ => Scale::Places,
    };
    let (dense_scale, lexical_scale) = (scale(&by_meaning, Scale::of_cosines), scale(&by_words, Scale::of_words));
    let weight_of = |list: &Option<Ranking>, weight: f64| list.as_ref().map_or(0.0, |_| weight);
    // What a record has that is the best of every list.
    let most = weight_of(&by_meaning, weights.dense) + weight_of(&by_words, weights.lexical);
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
    let own = |it: Option<Stage>, comparable| match it {
        Some(stage) if comparable => stage.score,
        it => Scale::Places.worth(it),
    };
    let mut fused: Vec<Fused> = all
        .into_iter()
        .map(|(key, mut stages)| {
            let score = match mode {
                SearchMode::Hybrid => {
                    let (dense, lexical) = (dense_scale.worth(stages.dense), lexical_scale.worth(stages.lexical));
                    let mean = (weights.dense * dense + weights.lexical * lexical) / most;
                    stages.fused = Some(mean);
                    mean
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(scores: &[(i64, f64)]) -> Ranking {
        Ranking::of(vec![scores.iter().map(|(row, score)| ((0, *row), *score)).collect()])
    }

    fn rows(fused: &[Fused]) -> Vec<i64> {
        fused.iter().map(|it| it.key.1).collect()
    }

    fn hybrid(dense: Ranking, lexical: Ranking) -> Vec<Fused> {
        fuse(SearchMode::Hybrid, Weights::default(), Some(dense), Some(lexical))
    }

    #[test]
    fn what_is_far_ahead_by_words_stays_ahead_of_what_is_hardly_nearer_by_meaning() {
        let dense = [(1, 0.86), (2, 0.855), (3, 0.80)];
        let lexical = [(2, 20.0), (1, 4.0)];
        assert_eq!(rows(&hybrid(list(&dense), list(&lexical))), [2, 1, 3]);
        let fused = hybrid(list(&dense), list(&lexical));
        let wanted = (0.055 / 0.06 + 1.0) / 2.0;
        assert!((fused[0].score - wanted).abs() < 1e-9, "{}", fused[0].score);
        assert_eq!(fused[0].stages.fused, Some(fused[0].score));
        assert_eq!(fused[2].score, 0.0, "last by meaning and without a word");
    }

    #[test]
    fn lists_whose_scores_cannot_be_compared_are_fused_by_their_places() {
        let two_bases = Ranking::of(vec![vec![((0, 1), 9.0)], vec![((1, 2), 0.1)]]);
        let fused = hybrid(list(&[(1, 0.9), (2, 0.1)]), two_bases);
        let places: Vec<((usize, i64), f64)> = fused.iter().map(|it| (it.key, it.score)).collect();
        // Second in one list and not in the other.
        let half = 61.0 / 62.0 / 2.0;
        assert_eq!(places, [((0, 1), 1.0), ((0, 2), half), ((1, 2), half)]);
    }

    #[test]
    fn a_list_of_one_and_a_list_of_equals_are_worth_all() {
        let fused = hybrid(list(&[(1, 0.4)]), list(&[(1, 2.0)]));
        assert_eq!(fused[0].score, 1.0);
        let fused = hybrid(list(&[(1, 0.4), (2, 0.4)]), list(&[]));
        assert!(fused.iter().all(|it| it.score == 0.5), "no record has a word: that list is worth nothing to any");
    }
}
