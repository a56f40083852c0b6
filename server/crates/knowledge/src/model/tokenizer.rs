//! Text into the pieces that the model knows: a unigram vocabulary as SentencePiece trains it, and the most probable way to
//! write the text with it (Viterbi). One table of 2 MB over the vocabulary's own letters, instead of a tree of 277 MB.

use unicode_normalization::UnicodeNormalization as _;

use super::LocalModelConfig;
use super::charsmap::Charsmap;
use crate::embedder::EmbedError;
use crate::parse::TokenCounter;

/// SentencePiece writes a space as this.
const SPACE: char = '\u{2581}';
/// What an unknown character costs beyond the rarest piece, as SentencePiece has it.
const UNKNOWN_PENALTY: f32 = 10.0;

/// Counts tokens as a local model does. It holds the vocabulary alone, about 10 MB, and none of the weights.
pub struct LocalTokens {
    tokenizer: Tokenizer,
}

impl LocalTokens {
    /// Reads the vocabulary of the model.
    ///
    /// # Errors
    /// `Missing` where its files are not there yet, `Failed` where they are damaged.
    pub fn open(model: &LocalModelConfig) -> Result<LocalTokens, EmbedError> {
        if !model.is_there() {
            return Err(EmbedError::Missing);
        }
        let tokenizer = model.tokenizer().map_err(|reason| EmbedError::Failed { reason })?;
        Ok(LocalTokens { tokenizer })
    }
}

impl TokenCounter for LocalTokens {
    fn count(&self, text: &str) -> usize {
        self.tokenizer.pieces(text).len()
    }
}

pub(super) struct Vocabulary {
    pub(super) begin: u32,
    pub(super) end: u32,
    pub(super) unknown: u32,
    /// Piece `i` has the letters `offsets[i]..offsets[i + 1]`.
    pub(super) offsets: Vec<u32>,
    /// Logarithms of probabilities.
    pub(super) scores: Vec<f32>,
    pub(super) letters: Vec<u8>,
    pub(super) replacements: Replacements,
}

/// What the model was trained to see in place of what is written.
pub(super) enum Replacements {
    /// Unicode's NFKC.
    Nfkc,
    /// In ascending order.
    Characters(Vec<(char, String)>),
    Map(Charsmap),
}

impl Replacements {
    pub(super) fn of_characters(mut replacements: Vec<(char, String)>) -> Replacements {
        replacements.sort_by_key(|(from, _)| *from);
        Replacements::Characters(replacements)
    }
}

pub(crate) struct Tokenizer {
    vocabulary: Vocabulary,
    /// Open addressing; a piece's number plus one, 0 where there is none.
    table: Vec<u32>,
    longest: usize,
    unknown_score: f32,
}

impl Tokenizer {
    pub(super) fn new(vocabulary: Vocabulary) -> Result<Tokenizer, String> {
        let damaged = || "the vocabulary of the model file is damaged".to_owned();
        let pieces = vocabulary.scores.len();
        if vocabulary.offsets.len() != pieces + 1
            || !vocabulary.offsets.is_sorted()
            || vocabulary.offsets.last().is_none_or(|it| *it as usize > vocabulary.letters.len())
        {
            return Err(damaged());
        }
        let mut tokenizer = Tokenizer {
            table: vec![0; (pieces * 2).next_power_of_two()],
            longest: 0,
            unknown_score: vocabulary.scores.iter().copied().fold(f32::MAX, f32::min) - UNKNOWN_PENALTY,
            vocabulary,
        };
        for piece in 0..u32::try_from(pieces).map_err(|_| damaged())? {
            let letters = tokenizer.letters(piece).ok_or_else(damaged)?;
            if letters.is_empty() {
                continue;
            }
            let length = letters.len();
            let mut slot = tokenizer.slot(letters);
            tokenizer.longest = tokenizer.longest.max(length);
            while tokenizer.table.get(slot).is_some_and(|it| *it != 0) {
                slot = (slot + 1) & (tokenizer.table.len() - 1);
            }
            *tokenizer.table.get_mut(slot).ok_or_else(damaged)? = piece + 1;
        }
        Ok(tokenizer)
    }

    /// How many pieces there are.
    pub(super) fn size(&self) -> usize {
        self.vocabulary.scores.len()
    }

    pub(crate) fn begin(&self) -> u32 {
        self.vocabulary.begin
    }

    pub(crate) fn end(&self) -> u32 {
        self.vocabulary.end
    }

    fn letters(&self, piece: u32) -> Option<&[u8]> {
        let at = piece as usize;
        let from = *self.vocabulary.offsets.get(at)? as usize;
        let to = *self.vocabulary.offsets.get(at + 1)? as usize;
        self.vocabulary.letters.get(from..to)
    }

    fn slot(&self, letters: &[u8]) -> usize {
        // FNV-1a: short, and good enough for a table that is half empty.
        let hash = letters
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, it| (hash ^ u64::from(*it)).wrapping_mul(0x0100_0000_01b3));
        hash as usize & (self.table.len() - 1)
    }

    fn find(&self, letters: &[u8]) -> Option<u32> {
        let mut slot = self.slot(letters);
        loop {
            let piece = self.table.get(slot)?.checked_sub(1)?;
            if self.letters(piece) == Some(letters) {
                return Some(piece);
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
    }

    /// The pieces of a text, without begin and end.
    pub(crate) fn pieces(&self, text: &str) -> Vec<u32> {
        let text = self.normalised(text);
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        #[derive(Clone, Copy)]
        struct Best {
            score: f32,
            piece: u32,
            from: usize,
        }
        let unreached = Best { score: f32::NEG_INFINITY, piece: self.vocabulary.unknown, from: 0 };
        let mut best = vec![unreached; bounds.len()];
        if let Some(first) = best.first_mut() {
            first.score = 0.0;
        }
        for (from, start) in bounds.iter().enumerate() {
            let Some(so_far) = best.get(from).map(|it| it.score) else { break };
            let mut reach = |to: usize, score: f32, piece: u32| {
                if let Some(place) = best.get_mut(to)
                    && score > place.score
                {
                    *place = Best { score, piece, from };
                }
            };
            for (to, end) in bounds.iter().enumerate().skip(from + 1) {
                if end - start > self.longest {
                    break;
                }
                let letters = text.as_bytes().get(*start..*end).unwrap_or_default();
                if let Some(piece) = self.find(letters)
                    && piece != self.vocabulary.unknown
                {
                    let score = self.vocabulary.scores.get(piece as usize).copied().unwrap_or(f32::NEG_INFINITY);
                    reach(to, so_far + score, piece);
                }
            }
            reach(from + 1, so_far + self.unknown_score, self.vocabulary.unknown);
        }
        let mut pieces = Vec::new();
        let mut at = bounds.len() - 1;
        while at > 0 {
            let Some(place) = best.get(at) else { break };
            pieces.push(place.piece);
            at = place.from;
        }
        pieces.reverse();
        // What is unknown is one piece, however long it is.
        pieces.dedup_by(|next, before| next == before && *next == self.vocabulary.unknown);
        pieces
    }

    /// As the model saw text in training: characters replaced, runs of spaces as one, one before the first word and none
    /// behind the last.
    fn normalised(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + SPACE.len_utf8());
        let mut last = None;
        let mut push = |it: char| {
            if last.is_none() && it != ' ' {
                out.push(SPACE);
            }
            if !(it == ' ' && last == Some(' ')) {
                out.push(if it == ' ' { SPACE } else { it });
            }
            last = Some(it);
        };
        match &self.vocabulary.replacements {
            Replacements::Nfkc => text.nfkc().filter(|it| *it == ' ' || !it.is_control()).for_each(push),
            Replacements::Characters(replacements) => {
                for character in text.chars() {
                    match replacements.binary_search_by_key(&character, |(from, _)| *from) {
                        Ok(at) => replacements.get(at).into_iter().flat_map(|(_, to)| to.chars()).for_each(&mut push),
                        Err(_) => push(character),
                    }
                }
            }
            Replacements::Map(map) => {
                let mut rest = text;
                while let Some(character) = rest.chars().next() {
                    let length = match map.longest(rest) {
                        Some((length, to)) => {
                            to.chars().for_each(&mut push);
                            length
                        }
                        None => {
                            push(character);
                            character.len_utf8()
                        }
                    };
                    rest = rest.get(length..).unwrap_or_default();
                }
            }
        }
        out.truncate(out.trim_end_matches(SPACE).len());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(pieces: &[(&str, f32)]) -> Tokenizer {
        let mut offsets = vec![0u32];
        let mut letters = Vec::new();
        for (piece, _) in pieces {
            letters.extend_from_slice(piece.as_bytes());
            offsets.push(letters.len() as u32);
        }
        Tokenizer::new(Vocabulary {
            begin: 0,
            end: 1,
            unknown: 2,
            offsets,
            scores: pieces.iter().map(|(_, score)| *score).collect(),
            letters,
            replacements: Replacements::Nfkc,
        })
        .unwrap()
    }

    #[test]
    fn the_most_probable_pieces_win() {
        let it = tokenizer(&[
            ("<s>", 0.0),
            ("</s>", 0.0),
            ("<unk>", 0.0),
            ("▁", -3.0),
            ("辣", -4.0),
            ("▁辣", -5.0),
            ("辣味", -4.5),
            ("味", -6.0),
            ("▁a", -2.0),
            ("b", -2.0),
        ]);
        assert_eq!(it.pieces("辣味"), [3, 6]);
        assert_eq!(it.pieces("辣"), [5]);
        assert_eq!(it.pieces("ab  ab"), [8, 9, 8, 9]);
        assert_eq!(it.pieces("ａ"), [8], "full width is narrow");
        assert_eq!(it.pieces("a龍b"), [8, 2, 9]);
        assert_eq!(it.pieces("a龍龍 龍 "), [8, 2, 3, 2], "what is unknown is one piece within a word");
        assert!(it.pieces("").is_empty() && it.pieces("  ").is_empty());
    }
}
