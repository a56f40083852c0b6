//! The normalisation that SentencePiece compiles into a model, as `tokenizer.json` carries it (`precompiled_charsmap`): the
//! length of a trie, the trie as a double array (the layout of Darts-clone), and the replacements, each with a zero behind.
//! <https://github.com/google/sentencepiece/blob/master/src/normalizer.cc>

pub(super) struct Charsmap {
    trie: Vec<u32>,
    replacements: Vec<u8>,
}

impl Charsmap {
    pub(super) fn read(bytes: &[u8]) -> Option<Charsmap> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (trie, replacements) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if !trie.len().is_multiple_of(4) || std::str::from_utf8(replacements).is_err() {
            return None;
        }
        let trie = trie.chunks_exact(4).filter_map(|it| it.try_into().ok()).map(u32::from_le_bytes).collect();
        Some(Charsmap { trie, replacements: replacements.to_vec() })
    }

    /// The longest beginning of the text that is replaced: its length in bytes, and what stands in its place.
    pub(super) fn longest(&self, text: &str) -> Option<(usize, &str)> {
        let unit = |at: usize| self.trie.get(at).copied();
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut at = offset(unit(0)?);
        let mut found = None;
        for (place, byte) in text.bytes().enumerate() {
            at ^= usize::from(byte);
            let Some(node) = unit(at).filter(|it| it & (1 << 31 | 0xFF) == u32::from(byte)) else { break };
            at ^= offset(node);
            if node >> 8 & 1 == 1 {
                found = unit(at).map(|leaf| (place + 1, (leaf & 0x7FFF_FFFF) as usize));
            }
        }
        let (length, from) = found?;
        let replacement = self.replacements.get(from..)?.split(|it| *it == 0).next()?;
        Some((length, std::str::from_utf8(replacement).ok()?))
    }
}
