//! Reads `tokenizer.json`, as the library `tokenizers` writes it, where the vocabulary is SentencePiece's unigram.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::charsmap::Charsmap;
use super::folder::read_json;
use super::tokenizer::{Replacements, Tokenizer, Vocabulary};

type Result<T> = std::result::Result<T, String>;

#[derive(Deserialize)]
struct TokenizerFile {
    model: TokenizerModel,
    normalizer: Option<Value>,
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct TokenizerModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    unk_id: Option<u32>,
    vocab: Pieces,
}

/// A unigram's vocabulary, `[["piece", score], …]`, in the form in which it is kept: a quarter of a million texts of their own
/// would take ten times the memory. None where it is of another kind, which has an object.
struct Pieces(Option<Lists>);

#[derive(Default)]
struct Lists {
    offsets: Vec<u32>,
    letters: Vec<u8>,
    scores: Vec<f32>,
}

impl<'de> Deserialize<'de> for Pieces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Pieces, D::Error> {
        struct Reads;

        impl<'de> Visitor<'de> for Reads {
            type Value = Pieces;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pieces with their scores")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Pieces, A::Error> {
                let mut lists = Lists { offsets: vec![0], ..Lists::default() };
                while let Some((piece, score)) = list.next_element::<(Cow<'de, str>, f32)>()? {
                    lists.letters.extend_from_slice(piece.as_bytes());
                    lists.offsets.push(u32::try_from(lists.letters.len()).map_err(A::Error::custom)?);
                    lists.scores.push(score);
                }
                Ok(Pieces(Some(lists)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Pieces, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Pieces(None))
            }
        }

        deserializer.deserialize_any(Reads)
    }
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

pub(super) fn read(path: &Path) -> Result<Tokenizer> {
    let file: TokenizerFile = read_json(path)?;
    let refuse = |why: String| format!("`{}` {why}", path.display());
    let TokenizerModel { kind, unk_id, vocab } = file.model;
    // Older files do not name the kind.
    let Lists { offsets, letters, scores } = match (kind.as_deref(), vocab) {
        (Some("Unigram") | None, Pieces(Some(lists))) => lists,
        (kind, _) => {
            let kind = kind.unwrap_or("another kind");
            return Err(refuse(format!("has a vocabulary of {kind}; SentencePiece's unigram runs inside the server")));
        }
    };
    let there = |id: &u32| (*id as usize) < scores.len();
    let special = |name: &str| {
        let added = file.added_tokens.iter().find(|it| it.content == name).map(|it| it.id);
        added.filter(there).ok_or_else(|| refuse(format!("has no piece `{name}`")))
    };
    let (begin, end) = (special("<s>")?, special("</s>")?);
    let unknown = unk_id.filter(there).ok_or_else(|| refuse("has no piece for what is unknown".to_owned()))?;
    let replacements = match file.normalizer.as_ref().and_then(charsmap_in) {
        Some(written) => {
            let damaged = || refuse("has a damaged normalisation map".to_owned());
            let bytes = base64::prelude::BASE64_STANDARD.decode(written).map_err(|_| damaged())?;
            Replacements::Map(Charsmap::read(&bytes).ok_or_else(damaged)?)
        }
        None => Replacements::Nfkc,
    };
    Tokenizer::new(Vocabulary { begin, end, unknown, offsets, scores, letters, replacements })
}

/// The normaliser's map, which may stand in a sequence of normalisers.
fn charsmap_in(normalizer: &Value) -> Option<&str> {
    let own = normalizer.get("precompiled_charsmap").and_then(Value::as_str);
    own.or_else(|| normalizer.get("normalizers")?.as_array()?.iter().find_map(charsmap_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Expected {
        tokens: Vec<Tokens>,
    }

    #[derive(Deserialize)]
    struct Tokens {
        text: String,
        ids: Vec<u32>,
    }

    /// `tests/fixtures/xlm_roberta/make.py` made them with the library `transformers`.
    #[test]
    fn texts_become_the_pieces_that_transformers_makes_of_them() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xlm_roberta");
        let expected: Expected = read_json(&fixtures.join("expected.json")).unwrap();
        let tokenizer = read(&fixtures.join("embedder/tokenizer.json")).unwrap();
        for Tokens { text, ids } in expected.tokens {
            // Its fast tokenizer loses an accent here, which SentencePiece itself keeps.
            if text.contains('ｅ') {
                continue;
            }
            let own = [&[tokenizer.begin()], tokenizer.pieces(&text).as_slice(), &[tokenizer.end()]].concat();
            assert_eq!(own, ids, "{text:?}");
        }
    }

    #[test]
    fn accents_of_their_own_join_their_letter() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xlm_roberta");
        let tokenizer = read(&fixtures.join("embedder/tokenizer.json")).unwrap();
        assert_eq!(tokenizer.pieces("Cafe\u{301} latte"), tokenizer.pieces("Café latte"));
    }
}
