//! A model as Hugging Face keeps it: a folder with `config.json`, `tokenizer.json` and `model.safetensors`, of a `bert` or an
//! `xlm-roberta` whose vocabulary is SentencePiece's unigram. Its weights are made into bytes as they are read.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::encoder::{Encoder, Use};
use super::tokenizer::Tokenizer;
use super::tokenizer_file;
use super::weights::{Pooling, Sizes, Weights, Words, as_bytes, half};

type Result<T> = std::result::Result<T, String>;

const CONFIG_FILE: &str = "config.json";
pub(super) const TOKENIZER_FILE: &str = "tokenizer.json";
pub(super) const WEIGHTS_FILE: &str = "model.safetensors";
/// How sentence-transformers keeps the pooling.
const POOLING_FILE: &str = "1_Pooling/config.json";
pub(super) const FILES: &[&str] = &[CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE];
pub(super) const OPTIONAL_FILES: &[&str] = &[POOLING_FILE];

/// A vocabulary of 250,000 pieces is 17 MB.
const MAX_JSON_BYTES: u64 = 256 << 20;
/// The names of all tensors of a large model are some ten KB.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The table of words is read in pieces of so many numbers.
const NUMBERS_AT_ONCE: usize = 1 << 20;
const MAX_WIDTH: usize = 4096;
const MAX_INNER: usize = 16_384;
const MAX_LAYERS: usize = 96;
const MAX_VOCABULARY: usize = 1 << 20;

type Number = fn(&[u8]) -> f32;

/// The kinds of numbers that are read: their bytes, and how these become one.
const NUMBERS: [(Dtype, usize, Number); 3] = [
    (Dtype::F32, 4, |it| it.try_into().map_or(0.0, f32::from_le_bytes)),
    (Dtype::F16, 2, |it| it.try_into().map_or(0.0, |it| half(u16::from_le_bytes(it)))),
    (Dtype::BF16, 2, |it| it.try_into().map_or(0.0, |it| f32::from_bits(u32::from(u16::from_le_bytes(it)) << 16))),
];

/// What is missing of a model's files.
pub(super) fn missing(dir: &Path) -> Option<String> {
    let missing: Vec<String> = FILES.iter().filter(|it| !dir.join(it).is_file()).map(|it| format!("`{it}`")).collect();
    if missing.is_empty() { None } else { Some(format!("`{}` has no {}", dir.display(), missing.join(", no "))) }
}

pub(super) fn open(dir: &Path, wanted: Use) -> Result<(Encoder, Tokenizer)> {
    let tokenizer = tokenizer_file::read(&dir.join(TOKENIZER_FILE))?;
    let mut weights = Folder::open(dir)?;
    Ok((Encoder::read(&mut weights, wanted)?, tokenizer))
}

/// `config.json`, as far as it changes what is computed.
#[derive(Deserialize)]
struct ModelConfig {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f32,
    hidden_act: String,
    position_embedding_type: Option<String>,
    pad_token_id: Option<usize>,
}

#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

struct Folder {
    file: File,
    tensors: Metadata,
    /// Where the first tensor begins.
    data: u64,
    /// What stands before the encoder's names: nothing, or the encoder's own name where it is part of a larger model.
    prefix: &'static str,
    sizes: Sizes,
    /// Rows of positions that no text's token has.
    first_position: usize,
    pooling: Pooling,
}

impl Folder {
    fn open(dir: &Path) -> Result<Folder> {
        let config: ModelConfig = read_json(&dir.join(CONFIG_FILE))?;
        let (sizes, first_position) = sizes(&config)?;
        let pooling = dir.join(POOLING_FILE);
        let pooling = if pooling.is_file() { read_pooling(&pooling)? } else { Pooling::Mean };
        let path = dir.join(WEIGHTS_FILE);
        let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", path.display());
        let damaged = |why: &str| format!("`{}` is not a whole safetensors file: {why}", path.display());
        let mut file = File::open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut header = [0; 8];
        file.read_exact(&mut header).map_err(|_| damaged("it has no header"))?;
        let bytes = u64::from_le_bytes(header);
        if bytes > MAX_HEADER_BYTES || bytes.saturating_add(8) > length {
            return Err(damaged("its header is too long"));
        }
        let mut header = vec![0; usize::try_from(bytes).unwrap_or(0)];
        file.read_exact(&mut header).map_err(failed)?;
        let tensors: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
        let data = 8 + bytes;
        if data.saturating_add(tensors.data_len() as u64) > length {
            return Err(damaged("it ends too early"));
        }
        let words = "embeddings.word_embeddings.weight";
        let prefixes = ["", "roberta.", "bert.", "xlm_roberta."];
        let prefix = prefixes.into_iter().find(|it| tensors.info(&format!("{it}{words}")).is_some());
        let prefix = prefix.ok_or_else(|| format!("`{}` has no `{words}`", path.display()))?;
        Ok(Folder { file, tensors, data, prefix, sizes, first_position, pooling })
    }

    /// So many of a tensor's numbers, after the first `skip`.
    fn part(&mut self, name: &str, skip: usize, count: usize) -> Result<Vec<f32>> {
        // A head stands beside the encoder, a pooler inside of it.
        let inside = format!("{}{name}", self.prefix);
        let found = self.tensors.info(&inside).or_else(|| self.tensors.info(name));
        let tensor = found.ok_or_else(|| format!("the weights have no `{inside}`"))?;
        let there: usize = tensor.shape.iter().product();
        let (_, width, number) = NUMBERS.into_iter().find(|(dtype, ..)| *dtype == tensor.dtype).ok_or_else(|| {
            format!("`{inside}` has numbers of the kind {:?}; floats of 32 or 16 bits are read", tensor.dtype)
        })?;
        if skip.saturating_add(count) > there {
            return Err(format!("`{inside}` has {there} numbers, which are too few for the sizes in `{CONFIG_FILE}`"));
        }
        let from = self.data + (tensor.data_offsets.0 + skip * width) as u64;
        let mut bytes = vec![0; count * width];
        self.file
            .seek(SeekFrom::Start(from))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| format!("`{inside}` cannot be read: {error}"))?;
        Ok(bytes.chunks_exact(width).map(number).collect())
    }
}

impl Weights for Folder {
    fn sizes(&self) -> Sizes {
        self.sizes
    }

    fn pooling(&self) -> Pooling {
        self.pooling
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.info(&format!("{}{name}", self.prefix)).or_else(|| self.tensors.info(name)).is_some()
    }

    fn numbers(&mut self, name: &str, count: usize) -> Result<Vec<f32>> {
        let positions = name == "embeddings.position_embeddings.weight";
        let skip = if positions { self.first_position * self.sizes.hidden } else { 0 };
        self.part(name, skip, count)
    }

    fn words(&mut self) -> Result<Words> {
        let Sizes { hidden, vocabulary, .. } = self.sizes;
        // Refuses a table that is too small before room is made for a large one.
        self.part("embeddings.word_embeddings.weight", vocabulary * hidden, 0)?;
        let (mut bytes, mut scales) = (Vec::with_capacity(vocabulary * hidden), Vec::with_capacity(vocabulary));
        let at_once = (NUMBERS_AT_ONCE / hidden).max(1);
        for first in (0..vocabulary).step_by(at_once) {
            let rows = at_once.min(vocabulary - first);
            let numbers = self.part("embeddings.word_embeddings.weight", first * hidden, rows * hidden)?;
            scales.extend(numbers.chunks_exact(hidden).map(|row| as_bytes(row, 127.0, &mut bytes)));
        }
        Ok(Words::EightBits { bytes, scales })
    }
}

/// The sizes, and how many rows of positions stand before the first token's.
fn sizes(config: &ModelConfig) -> Result<(Sizes, usize)> {
    let refuse = |why: String| Err(format!("`{CONFIG_FILE}` has {why}, which does not run inside the server"));
    let first_position = match config.model_type.as_str() {
        "bert" => 0,
        "xlm-roberta" | "roberta" => config.pad_token_id.unwrap_or(1) + 1,
        other => return refuse(format!("the model type `{other}`")),
    };
    if config.hidden_act != "gelu" {
        return refuse(format!("the activation `{}`", config.hidden_act));
    }
    if let Some(kind) = config.position_embedding_type.as_deref().filter(|it| *it != "absolute") {
        return refuse(format!("positions of the kind `{kind}`"));
    }
    let within = |value: usize, most: usize| (1..=most).contains(&value);
    let fits = within(config.hidden_size, MAX_WIDTH)
        && within(config.intermediate_size, MAX_INNER)
        && within(config.num_hidden_layers, MAX_LAYERS)
        && within(config.vocab_size, MAX_VOCABULARY)
        && within(config.num_attention_heads, config.hidden_size)
        && config.hidden_size.is_multiple_of(config.num_attention_heads)
        && within(config.max_position_embeddings, 1 << 16)
        && config.max_position_embeddings > first_position.saturating_add(8);
    if !fits {
        return refuse("sizes that do not fit each other".to_owned());
    }
    let sizes = Sizes {
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        inner: config.intermediate_size,
        vocabulary: config.vocab_size,
        positions: config.max_position_embeddings - first_position,
        epsilon: config.layer_norm_eps,
    };
    Ok((sizes, first_position))
}

fn read_pooling(path: &Path) -> Result<Pooling> {
    let config: PoolingConfig = read_json(path)?;
    match (config.pooling_mode_cls_token, config.pooling_mode_mean_tokens) {
        (true, false) => Ok(Pooling::First),
        (false, true) => Ok(Pooling::Mean),
        (true, true) | (false, false) => {
            Err(format!("`{}` wants neither the first token's vector nor the mean of all alone", path.display()))
        }
    }
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let failed = |error: String| format!("`{}` cannot be read: {error}", path.display());
    let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > MAX_JSON_BYTES {
        return Err(failed(format!("it has {} MB", length >> 20)));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
}
