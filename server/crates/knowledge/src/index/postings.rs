//! Words as they are kept and looked up: beside each record its words with how often they stand there, and in memory, for
//! each document, which of its records have a word. Scores are BM25 over what the asker may see, so that nobody learns
//! anything from how often others use a word.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::lexical::Terms;

/// Words are known by 40 bits of a hash: among a million different ones, about one shares its number with another.
const KEY_BITS: u32 = 40;
/// Numbers below are single characters, by their code; hashes are above.
const CHARACTERS: u64 = 1 << 21;

/// A single character says less than the word it stands in.
const CHARACTER_WEIGHT: f32 = 0.25;
/// How slowly a word that is said again adds to the score, and how much a long text has to say it more often: the usual
/// constants of BM25 (Robertson and Zaragoza 2009).
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// A word's number. It is written into files, so it never changes.
fn word_key(word: &str) -> u64 {
    // FNV-1a, and the last step of MurmurHash3, which spreads what FNV leaves close together.
    let mut hash = word
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    (hash >> (u64::BITS - KEY_BITS)).max(CHARACTERS)
}

fn character_key(character: &str) -> u64 {
    character.chars().next().map_or(0, |it| u64::from(u32::from(it)))
}

/// A text's words and characters as `records.terms` has them: their numbers in order, each as its distance from the one
/// before, followed by how often it is there, all in [LEB128](https://en.wikipedia.org/wiki/LEB128).
pub(super) fn encode(terms: &Terms) -> Vec<u8> {
    let words = terms.words.iter().map(|it| word_key(it));
    let mut keys: Vec<u64> = words.chain(terms.characters.iter().map(|it| character_key(it))).collect();
    keys.sort_unstable();
    let mut bytes = Vec::with_capacity(keys.len().saturating_mul(4));
    let mut before = 0;
    for same in keys.chunk_by(|one, other| one == other) {
        let key = same.first().copied().unwrap_or_default();
        put(&mut bytes, key - before);
        put(&mut bytes, same.len() as u64);
        before = key;
    }
    bytes
}

/// The words' numbers with how often each is there; `None` in place of what cannot be read.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = Option<(u64, u32)>> {
    let mut rest = bytes;
    let mut key = 0_u64;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = take(&mut rest).zip(take(&mut rest)).and_then(|(distance, times)| {
            key = key.checked_add(distance)?;
            Some((key, u32::try_from(times).ok()?))
        });
        if read.is_none() {
            rest = &[];
        }
        Some(read)
    })
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[inline]
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The numbers of a query's words, then of its characters.
pub(super) fn query_keys(terms: &Terms) -> Vec<u64> {
    let words = terms.words.iter().map(|it| word_key(it));
    words.chain(terms.characters.iter().map(|it| character_key(it))).collect()
}

/// What each of a record's words counts, before how rare it is, where records have this many words on average; none where
/// they cannot be read.
pub(super) fn term_weights(terms: &[u8], average: f32) -> Option<Vec<(u64, f32)>> {
    let read: Vec<(u64, u32)> = decode(terms).collect::<Option<_>>()?;
    let length: f32 = read.iter().map(|(_, times)| *times as f32).sum();
    let by_length = K1 * (1.0 - B) + K1 * B * length / average;
    let weighted = |(key, times): (u64, u32)| {
        let times = times as f32 * if key < CHARACTERS { CHARACTER_WEIGHT } else { 1.0 };
        (key, (K1 + 1.0) * times / (times + by_length))
    };
    Some(read.into_iter().map(weighted).collect())
}

/// Which records of one document have a word. They are named by their places in it.
pub(super) struct Postings {
    /// In order.
    keys: Vec<u64>,
    /// Where the list of each begins in `lists`, and where the last one ends.
    starts: Vec<u32>,
    /// For each word how many records have it; then for each of those its distance from the one before and whether the
    /// word is there once, and how often otherwise.
    lists: Vec<u8>,
    /// Of each record, in words and characters.
    lengths: Vec<u32>,
    /// Of all records together.
    length: u64,
}

impl Postings {
    /// How many records have a word.
    fn count(&self, key: u64) -> u32 {
        self.list(key).and_then(|mut list| take(&mut list)).and_then(|it| u32::try_from(it).ok()).unwrap_or(0)
    }

    fn list(&self, key: u64) -> Option<&[u8]> {
        let at = self.keys.binary_search(&key).ok()?;
        let start = usize::try_from(*self.starts.get(at)?).ok()?;
        let end = usize::try_from(*self.starts.get(at + 1)?).ok()?;
        self.lists.get(start..end)
    }

    /// Calls back with each record that has a word, and how often it has it.
    #[inline]
    fn each(&self, key: u64, mut found: impl FnMut(usize, f32)) {
        let Some(mut list) = self.list(key) else { return };
        take(&mut list);
        let mut place = 0_u64;
        while let Some(next) = take(&mut list) {
            place += next >> 1;
            let times = if next & 1 == 1 { Some(1) } else { take(&mut list) };
            if let (Ok(place), Some(times)) = (usize::try_from(place), times) {
                found(place, times as f32);
            }
        }
    }
}

/// The postings of a document, as its records come.
#[derive(Default)]
pub(super) struct PostingsBuilder {
    lists: HashMap<u64, Building, BuildHasherDefault<KeyHasher>>,
    lengths: Vec<u32>,
}

#[derive(Default)]
struct Building {
    records: u32,
    last: u64,
    list: Vec<u8>,
}

impl PostingsBuilder {
    pub(super) fn new(records: usize) -> PostingsBuilder {
        PostingsBuilder { lists: HashMap::default(), lengths: Vec::with_capacity(records) }
    }

    /// The next record's words; false when they cannot be read.
    pub(super) fn push(&mut self, terms: &[u8]) -> bool {
        let place = self.lengths.len() as u64;
        let mut length = 0_u32;
        for read in decode(terms) {
            let Some((key, times)) = read else { return false };
            length = length.saturating_add(times);
            let building = self.lists.entry(key).or_default();
            building.records += 1;
            let distance = (place - building.last) << 1;
            building.last = place;
            put(&mut building.list, distance | u64::from(times == 1));
            if times != 1 {
                put(&mut building.list, u64::from(times));
            }
        }
        self.lengths.push(length);
        true
    }

    /// None where there is more than one document's lists can have.
    pub(super) fn finish(self) -> Option<Postings> {
        let mut building: Vec<(u64, Building)> = self.lists.into_iter().collect();
        building.sort_unstable_by_key(|(key, _)| *key);
        let bytes: usize = building.iter().map(|(_, it)| it.list.len() + 5).sum();
        let mut keys = Vec::with_capacity(building.len());
        let mut starts = Vec::with_capacity(building.len() + 1);
        let mut lists = Vec::with_capacity(bytes);
        for (key, it) in building {
            keys.push(key);
            starts.push(u32::try_from(lists.len()).ok()?);
            put(&mut lists, u64::from(it.records));
            lists.extend(it.list);
        }
        starts.push(u32::try_from(lists.len()).ok()?);
        lists.shrink_to_fit();
        let length = self.lengths.iter().map(|it| u64::from(*it)).sum();
        Some(Postings { keys, starts, lists, lengths: self.lengths, length })
    }
}

/// The numbers of words are hashes already.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |it, byte| it.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        // Tables take their place from the lowest bits and a mark from the highest ones, where characters have none.
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A query's words with what each counts in one base.
pub(super) struct WordQuery {
    words: Vec<Weighted>,
    /// Words and characters of a record, on average.
    average: f32,
    scores: Vec<f32>,
}

struct Weighted {
    key: u64,
    weight: f32,
    /// How rare it is (Lucene's form, which is above 0 for every word).
    idf: f32,
}

impl WordQuery {
    /// Over everything that is searched in one base.
    pub(super) fn new<'p>(terms: &Terms, all: impl Iterator<Item = &'p Postings> + Clone) -> WordQuery {
        let records: usize = all.clone().map(|it| it.lengths.len()).sum();
        let length: u64 = all.clone().map(|it| it.length).sum();
        let words = terms.words.iter().map(|it| (word_key(it), 1.0));
        let characters = terms.characters.iter().map(|it| (character_key(it), CHARACTER_WEIGHT));
        let words = words
            .chain(characters)
            .map(|(key, weight)| {
                let having: u64 = all.clone().map(|it| u64::from(it.count(key))).sum();
                let idf = (1.0 + (records as f32 - having as f32 + 0.5) / (having as f32 + 0.5)).ln();
                Weighted { key, weight, idf: if having == 0 { 0.0 } else { idf } }
            })
            .filter(|it| it.idf > 0.0)
            .collect();
        WordQuery { words, average: (length as f32 / records.max(1) as f32).max(1.0), scores: Vec::new() }
    }

    /// Calls back with the place and the score of every record of a document that has a word of the query.
    pub(super) fn score(&mut self, postings: &Postings, mut found: impl FnMut(usize, f32)) {
        self.scores.clear();
        self.scores.resize(postings.lengths.len(), 0.0);
        let mut any = false;
        let (fixed, by_length) = (K1 * (1.0 - B), K1 * B / self.average);
        for word in &self.words {
            let most = word.idf * (K1 + 1.0);
            let scores = &mut self.scores;
            postings.each(word.key, |place, times| {
                if let (Some(score), Some(length)) = (scores.get_mut(place), postings.lengths.get(place)) {
                    any = true;
                    let times = times * word.weight;
                    *score += most * times / (times + fixed + by_length * *length as f32);
                }
            });
        }
        if !any {
            return;
        }
        for (place, score) in self.scores.iter().enumerate() {
            if *score > 0.0 {
                found(place, *score);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexical::{Names, terms_of_text};

    fn terms(words: &[&str]) -> Terms {
        Terms { words: words.iter().map(|it| (*it).to_owned()).collect(), characters: Vec::new() }
    }

    fn postings(texts: &[Vec<u8>]) -> Postings {
        let mut builder = PostingsBuilder::new(texts.len());
        for it in texts {
            assert!(builder.push(it));
        }
        builder.finish().unwrap()
    }

    fn scores(query: &Terms, documents: &[&Postings]) -> Vec<Vec<(usize, f32)>> {
        let mut query = WordQuery::new(query, documents.iter().copied());
        let of = |it: &&Postings| {
            let mut found = Vec::new();
            query.score(it, |place, score| found.push((place, score)));
            found
        };
        documents.iter().map(of).collect()
    }

    #[test]
    fn words_are_kept_with_how_often_they_are_there() {
        let text = terms_of_text("麻婆豆腐，豆腐要嫩 tofu x5-pro", &Names::default());
        let bytes = encode(&text);
        let read: Vec<(u64, u32)> = decode(&bytes).map(Option::unwrap).collect();
        assert!(read.is_sorted_by(|one, other| one.0 < other.0), "each word once: {read:?}");
        let times = |key: u64| read.iter().find(|it| it.0 == key).map(|it| it.1);
        assert_eq!(times(word_key("豆腐")), Some(2));
        assert_eq!(times(word_key("tofu")), Some(1));
        assert_eq!(times(word_key("x5pro")), Some(1));
        assert_eq!(times(character_key("豆")), Some(2));
        assert_eq!(times(word_key("豆")), None, "a word of one character is not that character");
        let all: usize = read.iter().map(|it| it.1 as usize).sum();
        assert_eq!(all, text.words.len() + text.characters.len());
        assert_eq!(encode(&Terms::default()), Vec::<u8>::new());
    }

    #[test]
    fn a_words_number_never_changes() {
        // What files were written with.
        assert_eq!(word_key("豆腐"), 0x7b_e701_cc4d);
        assert_eq!(word_key("tofu"), 0x30_0171_e822);
        assert_eq!(character_key("豆"), 0x8c46);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let whole = encode(&terms(&["one", "two", "two"]));
        for cut in 1..whole.len() {
            let mut builder = PostingsBuilder::new(1);
            let complete = decode(&whole[..cut]).all(|it| it.is_some());
            assert_eq!(builder.push(&whole[..cut]), complete);
        }
        assert!(!PostingsBuilder::new(1).push(&[0x80; 12]), "a number without an end");
        assert!(!PostingsBuilder::new(1).push(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1]));
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        let all = [terms(&["a", "a", "b"]), terms(&["b"]), terms(&["c", "c", "c", "c"])];
        let document = postings(&all.iter().map(encode).collect::<Vec<_>>());
        let found = scores(&terms(&["a", "b", "nowhere"]), &[&document]);
        // Three records of 8 words, 2.667 on average. `a` is in one of them and `b` in two.
        let idf = |having: f32| (1.0 + (3.0 - having + 0.5) / (having + 0.5)).ln();
        let part = |having, times: f32, length: f32| {
            idf(having) * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / (8.0 / 3.0)))
        };
        let expected = [(0, part(1.0, 2.0, 3.0) + part(2.0, 1.0, 3.0)), (1, part(2.0, 1.0, 1.0))];
        let [found] = found.as_slice() else { panic!() };
        assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), [0, 1]);
        for ((_, score), (_, expected)) in found.iter().zip(expected) {
            assert!((score - expected).abs() < 1e-5, "{score} and {expected}");
        }
    }

    #[test]
    fn one_document_or_several_score_the_same() {
        let texts: Vec<Vec<u8>> = (0..300_usize)
            .map(|it| {
                encode(&terms(&["every", ["x", "y", "z"][it % 3], ["p", "q"][usize::from(it % 7 == 0)], "every"]))
            })
            .collect();
        let whole = postings(&texts);
        let parts: Vec<Postings> = texts.chunks(7).map(postings).collect();
        let query = terms(&["every", "y", "q"]);
        let of_whole = scores(&query, &[&whole]).concat();
        let of_parts = scores(&query, &parts.iter().collect::<Vec<_>>());
        let of_parts: Vec<(usize, f32)> = of_parts
            .into_iter()
            .enumerate()
            .flat_map(|(at, found)| found.into_iter().map(move |(place, score)| (at * 7 + place, score)))
            .collect();
        assert_eq!(of_whole.len(), 300);
        assert_eq!(of_whole, of_parts);
    }

    #[test]
    fn a_character_counts_less_than_a_word() {
        let text = terms_of_text("豆", &Names::default());
        let document = postings(&[encode(&text), encode(&terms(&["other"]))]);
        let word = Terms { words: vec!["豆".to_owned()], characters: Vec::new() };
        let character = Terms { words: Vec::new(), characters: vec!["豆".to_owned()] };
        let [word, character] = [word, character].map(|it| scores(&it, &[&document]).concat());
        assert!(word.first().unwrap().1 > character.first().unwrap().1 && character.first().unwrap().1 > 0.0);
    }
}
