//! How good a ranking is, as `trec_eval` and `pytrec_eval` compute it (`ndcg_cut_10`, `recall_10`, `recall_100`, `recip_rank`
//! of the first ten), and whether one is better than another by more than chance.

use std::collections::BTreeMap;

/// Passages by id, each with its grade: 0 is not relevant, and more is better.
pub(crate) type Judgements = BTreeMap<String, u32>;

/// Resamples behind an interval.
const RESAMPLES: usize = 10_000;

/// Of one question, or the means of many. From 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scores {
    pub(crate) ndcg_10: f64,
    pub(crate) recall_10: f64,
    pub(crate) recall_100: f64,
    pub(crate) mrr_10: f64,
}

impl Scores {
    /// `first` is what a search for ten gave and `many` what a search for a hundred gave, best first.
    pub(crate) fn of(first: &[String], many: &[String], relevant: &Judgements) -> Scores {
        Scores {
            ndcg_10: ndcg(first, relevant, 10),
            recall_10: recall(first, relevant, 10),
            recall_100: recall(many, relevant, 100),
            mrr_10: reciprocal_rank(first, relevant, 10),
        }
    }

    /// Every question counts the same, also one for which nothing was found.
    pub(crate) fn mean(all: &[Scores]) -> Scores {
        let mean_of = |value: fn(&Scores) -> f64| mean(&all.iter().map(value).collect::<Vec<f64>>());
        Scores {
            ndcg_10: mean_of(|it| it.ndcg_10),
            recall_10: mean_of(|it| it.recall_10),
            recall_100: mean_of(|it| it.recall_100),
            mrr_10: mean_of(|it| it.mrr_10),
        }
    }
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len().max(1) as f64
}

fn grade(passage: &str, relevant: &Judgements) -> u32 {
    relevant.get(passage).copied().unwrap_or(0)
}

/// The gain is the grade itself, as in `trec_eval`, and not a power of two.
fn ndcg(ranked: &[String], relevant: &Judgements, depth: usize) -> f64 {
    let gain = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
        grades.take(depth).zip(2u32..).map(|(grade, place)| f64::from(grade) / f64::from(place).log2()).sum()
    };
    let mut best: Vec<u32> = relevant.values().copied().collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = gain(&mut best.into_iter());
    if ideal == 0.0 { 0.0 } else { gain(&mut ranked.iter().map(|it| grade(it, relevant))) / ideal }
}

fn recall(ranked: &[String], relevant: &Judgements, depth: usize) -> f64 {
    let all = relevant.values().filter(|it| **it > 0).count();
    let found = ranked.iter().take(depth).filter(|it| grade(it, relevant) > 0).count();
    if all == 0 { 0.0 } else { found as f64 / all as f64 }
}

fn reciprocal_rank(ranked: &[String], relevant: &Judgements, depth: usize) -> f64 {
    let first = ranked.iter().take(depth).position(|it| grade(it, relevant) > 0);
    first.map_or(0.0, |it| 1.0 / (it + 1) as f64)
}

/// How much better the first of each pair is than the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) mean: f64,
    /// 95 of 100 sets of questions like this one would have their mean between these.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Difference {
    /// The bootstrap over paired questions: their differences are drawn with replacement. The same input gives the same
    /// interval.
    pub(crate) fn between(pairs: &[(f64, f64)]) -> Difference {
        let differences: Vec<f64> = pairs.iter().map(|(one, other)| one - other).collect();
        let mut draw = Draw(1);
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| differences.iter().map(|_| differences[draw.below(differences.len())]).sum::<f64>())
            .map(|sum| sum / differences.len().max(1) as f64)
            .collect();
        means.sort_by(f64::total_cmp);
        Difference { mean: mean(&differences), low: means[RESAMPLES / 40], high: means[RESAMPLES - RESAMPLES / 40 - 1] }
    }
}

/// Numbers by chance (SplitMix64), the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^= it >> 31;
        // The high half times the count has no bias that could be seen with some thousand questions.
        (((it >> 32) * count as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn judged(all: &[(&str, u32)]) -> Judgements {
        all.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect()
    }

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-6, "{one} is not {other}");
    }

    #[test]
    fn one_relevant_passage_in_the_third_place() {
        let scores = Scores::of(&ranked("a b c d"), &ranked("a b c d"), &judged(&[("c", 1)]));
        // 1 / log2(4) of an ideal of 1.
        assert_eq!(scores, Scores { ndcg_10: 0.5, recall_10: 1.0, recall_100: 1.0, mrr_10: 1.0 / 3.0 });
    }

    /// Figures of `pytrec_eval` for the same input.
    #[test]
    fn grades_misses_and_depths_are_those_of_trec_eval() {
        let graded = judged(&[("a", 3), ("b", 2), ("c", 3), ("d", 0), ("e", 1), ("f", 2), ("g", 3), ("h", 2)]);
        let list = ranked("a b c d e f");
        let scores = Scores::of(&list, &list, &graded);
        near(scores.ndcg_10, 0.756_164_029_816_833_7);
        near(scores.recall_10, 0.714_285_714_285_714_3);
        near(scores.mrr_10, 1.0);

        let three = judged(&[("x", 1), ("y", 1), ("z", 1)]);
        let list = ranked("w0 w1 w2 w3 w4 w5 w6 w7 y w8 x");
        let scores = Scores::of(&list, &list, &three);
        near(scores.ndcg_10, 0.141_266_972_859_829_8);
        near(scores.recall_10, 1.0 / 3.0);
        near(scores.recall_100, 2.0 / 3.0);
        near(scores.mrr_10, 1.0 / 9.0);

        let list = ranked("p o r");
        let scores = Scores::of(&list, &list, &judged(&[("p", 0), ("r", 2)]));
        assert_eq!(scores, Scores { ndcg_10: 0.5, recall_10: 1.0, recall_100: 1.0, mrr_10: 1.0 / 3.0 });
        assert_eq!(Scores::of(&ranked("m"), &ranked("m"), &judged(&[("n", 1)])), Scores::default());
    }

    #[test]
    fn an_interval_is_as_wide_as_questions_differ() {
        let same = Difference::between(&[(0.75, 0.5); 50]);
        assert_eq!(same, Difference { mean: 0.25, low: 0.25, high: 0.25 });
        // A hundred differences of ±1: the mean has a standard error of 0.1.
        let even: Vec<(f64, f64)> = (0..100).map(|it| if it % 2 == 0 { (1.0, 0.0) } else { (0.0, 1.0) }).collect();
        let Difference { mean, low, high } = Difference::between(&even);
        near(mean, 0.0);
        assert!((low + 0.196).abs() < 0.025 && (high - 0.196).abs() < 0.025, "{low} to {high}");
    }
}
