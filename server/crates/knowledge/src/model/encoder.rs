//! A BERT, as which multilingual-e5 and XLM-RoBERTa are built as well, in plain Rust on the matrix kernels of `rten-gemm`. Weights
//! are bytes with a scale for each output, activations become bytes with a scale for each token, and products are summed in
//! integers; everything between is in floats. The texts of a batch lie behind each other without padding.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::{SimdOp as _, SimdUnaryOp as _};
use rten_tensor::NdTensorView;
use rten_vecmath::{ExtendInit as _, Gelu, MinMax, Normalize, NormalizeOptions, Quantize, Softmax, Sum, SumSquareSub};

use super::quantised_file::{BLOCK, BLOCK_BYTES, expand};
use super::weights::{Pooling, Sizes, Weights, Words, as_bytes};

type Result<T> = std::result::Result<T, String>;

/// Matrix products of activations (unsigned) with weights (signed).
type Bytes = GemmExecutor<u8, i8, i32>;

/// What a model is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A vector for each text.
    Embed,
    /// A number for each pair of texts.
    Score,
}

pub(super) struct Encoder {
    sizes: Sizes,
    words: Words,
    positions: Vec<f32>,
    first_norm: Norm,
    layers: Vec<Layer>,
    head: Head,
}

/// What is made of a text's tokens in the end.
enum Head {
    Vector(Pooling),
    /// One number, out of the first token's vector: `out(tanh(dense(vector)))`.
    Score {
        dense: Vec<f32>,
        dense_bias: Vec<f32>,
        out: Vec<f32>,
        out_bias: f32,
    },
}

struct Layer {
    /// Query, key and value side by side.
    attention_in: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    inner_in: Linear,
    inner_out: Linear,
    inner_norm: Norm,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Linear {
    outputs: usize,
    weights: PackedBMatrix<i8>,
    /// Of each output's weights as bytes: what a token's zero adds to the integer sum.
    sums: Vec<i32>,
    scales: Vec<f32>,
    bias: Vec<f32>,
}

/// Activations as bytes: `value = (byte - zero) * scale`, for each token.
struct Quantised {
    bytes: Vec<u8>,
    zeros: Vec<u8>,
    scales: Vec<f32>,
    width: usize,
}

impl Quantised {
    fn of(values: &[f32], width: usize) -> Quantised {
        let tokens = values.len() / width;
        let mut made = Quantised {
            bytes: Vec::with_capacity(values.len()),
            zeros: Vec::with_capacity(tokens),
            scales: Vec::with_capacity(tokens),
            width,
        };
        for row in values.chunks_exact(width) {
            let (least, most) = MinMax::new(row).dispatch();
            let (least, most) = (least.min(0.0), most.max(0.0));
            let scale = ((most - least) / 255.0).max(f32::MIN_POSITIVE);
            let zero = (-least / scale).round().clamp(0.0, 255.0) as u8;
            made.bytes.extend_init(|rest| {
                let (row_bytes, _) = rest.split_at_mut(width);
                Quantize::new(row, row_bytes, 1.0 / scale, zero).dispatch()
            });
            made.zeros.push(zero);
            made.scales.push(scale);
        }
        made
    }
}

impl Linear {
    /// `weight` has one row for each output.
    fn new(gemm: &Bytes, weight: &[f32], bias: Vec<f32>) -> Linear {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        // Where the processor adds pairs of products in 16 bits, weights of 8 bits could overflow them.
        let most = if gemm.may_saturate() { 63.0 } else { 127.0 };
        let mut scales = Vec::with_capacity(outputs);
        let mut bytes: Vec<i8> = Vec::with_capacity(weight.len());
        let mut sums = Vec::with_capacity(outputs);
        for row in weight.chunks_exact(inputs) {
            let begin = bytes.len();
            scales.push(as_bytes(row, most, &mut bytes));
            sums.push(bytes.iter().skip(begin).map(|it| i32::from(*it)).sum());
        }
        let by_output: NdTensorView<'_, i8, 2> = NdTensorView::from_data([outputs, inputs], bytes.as_slice());
        let weights = gemm.prepack_b(by_output.transposed());
        Linear { outputs, weights, sums, scales, bias }
    }

    fn apply(&self, gemm: &Bytes, input: &Quantised) -> Result<Vec<f32>> {
        let tokens = input.scales.len();
        let values: NdTensorView<'_, u8, 2> = NdTensorView::from_data([tokens, input.width], input.bytes.as_slice());
        let count = tokens * self.outputs;
        // The zeros are taken out below: given to the kernel, they came out wrong in rten-gemm 0.27.0 as soon as there
        // were more rows than one of its tiles has.
        let mut sums = vec![0i32; count];
        gemm.gemm(&mut sums, GemmInputA::Unpacked(values), GemmInputB::Packed(&self.weights), GemmOptions::default())
            .map_err(|error| format!("a matrix product failed: {error}"))?;
        let mut out = Vec::with_capacity(count);
        let tokens = input.scales.iter().zip(&input.zeros);
        for (row, (token_scale, zero)) in sums.chunks_exact(self.outputs).zip(tokens) {
            let zero = i32::from(*zero);
            let weights = self.sums.iter().zip(&self.scales).zip(&self.bias);
            out.extend(
                row.iter()
                    .zip(weights)
                    .map(|(sum, ((all, scale), bias))| (sum - zero * all) as f32 * (scale * token_scale) + bias),
            );
        }
        Ok(out)
    }
}

impl Norm {
    fn read(weights: &mut dyn Weights, name: &str, width: usize) -> Result<Norm> {
        Ok(Norm {
            weight: weights.numbers(&format!("{name}.weight"), width)?,
            bias: weights.numbers(&format!("{name}.bias"), width)?,
        })
    }

    fn apply(&self, values: &mut [f32], epsilon: f32) {
        let width = self.weight.len();
        for row in values.chunks_exact_mut(width) {
            let mean = Sum::new(row).dispatch() / width as f32;
            let variance = SumSquareSub::new(row, mean).dispatch() / width as f32;
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: 1.0 / (variance + epsilon).sqrt(),
                element_scale: Some(&self.weight),
                element_bias: Some(&self.bias),
                ..NormalizeOptions::default()
            };
            Normalize::new_mut(row, options).dispatch();
        }
    }
}

impl Encoder {
    pub(super) fn read(weights: &mut dyn Weights, wanted: Use) -> Result<Encoder> {
        let sizes = weights.sizes();
        let bytes = Bytes::new();
        let hidden = sizes.hidden;
        let words = weights.words()?;
        let mut positions = weights.numbers("embeddings.position_embeddings.weight", sizes.positions * hidden)?;
        // All tokens are of the first type, so its vector is part of every position.
        let kind = weights.numbers("embeddings.token_type_embeddings.weight", hidden)?;
        positions.chunks_exact_mut(hidden).for_each(|row| add(row, &kind));
        let first_norm = Norm::read(weights, "embeddings.LayerNorm", hidden)?;
        let layers = (0..sizes.layers).map(|it| read_layer(weights, &bytes, it)).collect::<Result<Vec<_>>>()?;
        let head = match wanted {
            Use::Embed => Head::Vector(weights.pooling()),
            Use::Score => Head::read(weights, hidden)?,
        };
        Ok(Encoder { sizes, words, positions, first_norm, layers, head })
    }

    pub(super) fn width(&self) -> usize {
        self.sizes.hidden
    }

    /// Rows of the table of words.
    pub(super) fn vocabulary(&self) -> usize {
        self.sizes.vocabulary
    }

    /// Pieces that a text can have, begin and end included.
    pub(super) fn longest(&self) -> usize {
        self.sizes.positions
    }

    /// What the head makes of each text; a vector is not yet normalised.
    pub(super) fn run(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let hidden = self.sizes.hidden;
        // The kernels are chosen for this processor; they hold nothing and stay on the thread that made them.
        let (bytes, floats) = (Bytes::new(), GemmExecutor::new());
        let mut state = self.embed(texts)?;
        self.first_norm.apply(&mut state, self.sizes.epsilon);
        for layer in &self.layers {
            let projected = layer.attention_in.apply(&bytes, &Quantised::of(&state, hidden))?;
            let attended = self.attend(&floats, &projected, texts)?;
            add(&mut state, &layer.attention_out.apply(&bytes, &Quantised::of(&attended, hidden))?);
            layer.attention_norm.apply(&mut state, self.sizes.epsilon);
            let mut inner = layer.inner_in.apply(&bytes, &Quantised::of(&state, hidden))?;
            Gelu {}.map_mut(&mut inner);
            add(&mut state, &layer.inner_out.apply(&bytes, &Quantised::of(&inner, self.sizes.inner))?);
            layer.inner_norm.apply(&mut state, self.sizes.epsilon);
        }
        let mut rest = state.as_slice();
        let mut made = Vec::with_capacity(texts.len());
        for text in texts {
            let (own, after) = rest.split_at(text.len() * hidden);
            rest = after;
            made.push(self.head.apply(own, hidden));
        }
        Ok(made)
    }

    fn embed(&self, texts: &[&[u32]]) -> Result<Vec<f32>> {
        let hidden = self.sizes.hidden;
        let tokens: usize = texts.iter().map(|it| it.len()).sum();
        let mut state = vec![0.0; tokens * hidden];
        let pieces = texts.iter().flat_map(|it| it.iter().zip(self.positions.chunks_exact(hidden)));
        let mut filled = 0;
        for ((piece, position), row) in pieces.zip(state.chunks_exact_mut(hidden)) {
            self.words.row(*piece as usize, row).ok_or("a piece has no embedding")?;
            add(row, position);
            filled += 1;
        }
        if filled != tokens {
            return Err("a text is longer than the model's positions".to_owned());
        }
        Ok(state)
    }

    /// Every token looks at all tokens of its own text, in each head for itself.
    fn attend(&self, gemm: &GemmExecutor, projected: &[f32], texts: &[&[u32]]) -> Result<Vec<f32>> {
        let hidden = self.sizes.hidden;
        let width = hidden / self.sizes.heads;
        let scale = 1.0 / (width as f32).sqrt();
        let mut attended = vec![0.0; projected.len() / 3];
        let mut rest = projected;
        let mut out_rest = attended.as_mut_slice();
        for text in texts {
            let length = text.len();
            let (own, after) = rest.split_at(length * hidden * 3);
            rest = after;
            let (out, out_after) = std::mem::take(&mut out_rest).split_at_mut(length * hidden);
            out_rest = out_after;
            let all: NdTensorView<'_, f32, 2> = NdTensorView::from_data([length, hidden * 3], own);
            let mut scores = vec![0.0; length * length];
            let mut context = vec![0.0; length * width];
            for head in 0..self.sizes.heads {
                let part =
                    |which: usize| all.slice((.., which * hidden + head * width..which * hidden + (head + 1) * width));
                let options = || GemmOptions { alpha: scale, ..GemmOptions::default() };
                product(gemm, &mut scores, part(0), part(1).transposed(), options())?;
                for row in scores.chunks_exact_mut(length) {
                    Softmax::new_mut(row).dispatch();
                }
                let weights: NdTensorView<'_, f32, 2> = NdTensorView::from_data([length, length], scores.as_slice());
                product(gemm, &mut context, weights, part(2), GemmOptions::default())?;
                for (row, to) in context.chunks_exact(width).zip(out.chunks_exact_mut(hidden)) {
                    if let Some(to) = to.get_mut(head * width..(head + 1) * width) {
                        to.copy_from_slice(row);
                    }
                }
            }
        }
        Ok(attended)
    }
}

fn product(
    gemm: &GemmExecutor,
    out: &mut [f32],
    a: NdTensorView<'_, f32, 2>,
    b: NdTensorView<'_, f32, 2>,
    options: GemmOptions<'_, f32, f32, f32>,
) -> Result<()> {
    gemm.gemm(out, GemmInputA::Unpacked(a), GemmInputB::Unpacked(b), options)
        .map_err(|error| format!("a matrix product failed: {error}"))
}

impl Words {
    /// Writes a piece's vector; none where there is no such piece.
    fn row(&self, piece: usize, row: &mut [f32]) -> Option<()> {
        let width = row.len();
        match self {
            Words::FourBits(blocks) => {
                let row_bytes = width / BLOCK * BLOCK_BYTES;
                expand(blocks.get(piece * row_bytes..(piece + 1) * row_bytes)?, row);
            }
            Words::EightBits { bytes, scales } => {
                let (bytes, scale) = (bytes.get(piece * width..(piece + 1) * width)?, scales.get(piece)?);
                row.iter_mut().zip(bytes).for_each(|(to, byte)| *to = f32::from(*byte) * scale);
            }
        }
        Some(())
    }
}

impl Head {
    /// That of `XLMRobertaForSequenceClassification` or, where there is a pooler, of `BertForSequenceClassification`.
    fn read(weights: &mut dyn Weights, hidden: usize) -> Result<Head> {
        let names = [("classifier.dense", "classifier.out_proj"), ("pooler.dense", "classifier")];
        let found = names.into_iter().find(|(dense, out)| {
            [dense, out]
                .into_iter()
                .all(|it| weights.has(&format!("{it}.weight")) && weights.has(&format!("{it}.bias")))
        });
        let (dense, out) = found.ok_or("the model has no head that scores pairs: it is no reranker")?;
        let out_bias = format!("{out}.bias");
        if weights.numbers(&out_bias, 2).is_ok() {
            return Err("the model gives several labels a score each, where a reranker has one".to_owned());
        }
        let bias = weights.numbers(&out_bias, 1)?;
        Ok(Head::Score {
            dense_bias: weights.numbers(&format!("{dense}.bias"), hidden)?,
            dense: weights.numbers(&format!("{dense}.weight"), hidden * hidden)?,
            out: weights.numbers(&format!("{out}.weight"), hidden)?,
            out_bias: bias.first().copied().unwrap_or(0.0),
        })
    }

    fn apply(&self, tokens: &[f32], hidden: usize) -> Vec<f32> {
        let first = tokens.get(..hidden).unwrap_or(tokens);
        match self {
            Head::Vector(Pooling::First) => first.to_vec(),
            Head::Vector(Pooling::Mean) => {
                let mut mean = vec![0.0; hidden];
                tokens.chunks_exact(hidden).for_each(|row| add(&mut mean, row));
                let count = (tokens.len() / hidden).max(1) as f32;
                mean.iter_mut().for_each(|it| *it /= count);
                mean
            }
            Head::Score { dense, dense_bias, out, out_bias } => {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let rows = dense.chunks_exact(hidden).zip(dense_bias);
                let inner: Vec<f32> = rows.map(|(row, bias)| (dot(row, first) + bias).tanh()).collect();
                vec![dot(out, &inner) + out_bias]
            }
        }
    }
}

fn read_layer(weights: &mut dyn Weights, gemm: &Bytes, at: usize) -> Result<Layer> {
    let Sizes { hidden, inner, .. } = weights.sizes();
    let layer = format!("encoder.layer.{at}");
    let linear =
        |weights: &mut dyn Weights, name: &str, inputs: usize, outputs: usize| -> Result<(Vec<f32>, Vec<f32>)> {
            let weight = weights.numbers(&format!("{layer}.{name}.weight"), inputs * outputs)?;
            Ok((weight, weights.numbers(&format!("{layer}.{name}.bias"), outputs)?))
        };
    let (mut weight, mut bias) = linear(weights, "attention.self.query", hidden, hidden)?;
    for name in ["attention.self.key", "attention.self.value"] {
        let (more, more_bias) = linear(weights, name, hidden, hidden)?;
        weight.extend(more);
        bias.extend(more_bias);
    }
    let attention_in = Linear::new(gemm, &weight, bias);
    let (weight, bias) = linear(weights, "attention.output.dense", hidden, hidden)?;
    let attention_out = Linear::new(gemm, &weight, bias);
    let (weight, bias) = linear(weights, "intermediate.dense", hidden, inner)?;
    let inner_in = Linear::new(gemm, &weight, bias);
    let (weight, bias) = linear(weights, "output.dense", inner, hidden)?;
    let inner_out = Linear::new(gemm, &weight, bias);
    Ok(Layer {
        attention_in,
        attention_out,
        attention_norm: Norm::read(weights, &format!("{layer}.attention.output.LayerNorm"), hidden)?,
        inner_in,
        inner_out,
        inner_norm: Norm::read(weights, &format!("{layer}.output.LayerNorm"), hidden)?,
    })
}

fn add(to: &mut [f32], more: &[f32]) {
    to.iter_mut().zip(more).for_each(|(a, b)| *a += b);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn a_product_of_bytes_is_close_to_that_of_floats_for_any_number_of_tokens() {
        let (inputs, outputs) = (96, 160);
        let weight = numbers(inputs * outputs, 1);
        let bias = numbers(outputs, 2);
        let gemm = Bytes::new();
        let linear = Linear::new(&gemm, &weight, bias.clone());
        for tokens in [1, 2, 5, 14, 33, 200] {
            let values = numbers(tokens * inputs, 3);
            let made = linear.apply(&gemm, &Quantised::of(&values, inputs)).unwrap();
            for (at, found) in made.iter().enumerate() {
                let (token, output) = (at / outputs, at % outputs);
                let exact: f32 = values[token * inputs..(token + 1) * inputs]
                    .iter()
                    .zip(&weight[output * inputs..(output + 1) * inputs])
                    .map(|(a, b)| a * b)
                    .sum::<f32>()
                    + bias[output];
                assert!(
                    (exact - found).abs() < 0.15,
                    "{tokens} tokens, token {token}, output {output}: {exact} and {found}"
                );
            }
        }
    }

    #[test]
    fn a_norm_has_mean_zero_and_variance_one() {
        let norm = Norm { weight: vec![2.0; 64], bias: vec![1.0; 64] };
        let mut values = numbers(192, 4);
        norm.apply(&mut values, 1e-12);
        for row in values.chunks_exact(64) {
            let mean = row.iter().sum::<f32>() / 64.0;
            let variance = row.iter().map(|it| (it - mean).powi(2)).sum::<f32>() / 64.0;
            assert!((mean - 1.0).abs() < 1e-4 && (variance - 4.0).abs() < 1e-3, "{mean} {variance}");
        }
    }
}
