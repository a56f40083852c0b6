//! Where an encoder's numbers come from: tensors by the names that Hugging Face's `BertModel` and `XLMRobertaModel` give them.

type Result<T> = std::result::Result<T, String>;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    pub(super) vocabulary: usize,
    /// Of texts, begin and end included.
    pub(super) positions: usize,
    pub(super) epsilon: f32,
}

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    Mean,
    /// That of the first token.
    First,
}

pub(super) trait Weights {
    fn sizes(&self) -> Sizes;
    fn pooling(&self) -> Pooling;
    fn has(&self, name: &str) -> bool;
    /// The tensor's first `count` numbers, row by row.
    fn numbers(&mut self, name: &str, count: usize) -> Result<Vec<f32>>;
    /// The vectors of the vocabulary's pieces, by far the largest tensor.
    fn words(&mut self) -> Result<Words>;
}

/// A row of numbers for each piece, expanded when the piece occurs.
pub(super) enum Words {
    /// As in [`super::quantised_file`].
    FourBits(Vec<u8>),
    /// `value = byte * scale`, with one scale for each row.
    EightBits { bytes: Vec<i8>, scales: Vec<f32> },
}

/// Bytes in place of numbers, and their scale: the largest becomes `most`.
pub(super) fn as_bytes(row: &[f32], most: f32, bytes: &mut Vec<i8>) -> f32 {
    let largest = row.iter().fold(0f32, |largest, it| largest.max(it.abs()));
    let scale = (largest / most).max(f32::MIN_POSITIVE);
    bytes.extend(row.iter().map(|it| (it / scale).round() as i8));
    scale
}

/// IEEE 754 half precision.
pub(super) fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1F);
    let fraction = f32::from(bits & 0x3FF) / 1024.0;
    match exponent {
        0 => sign * fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_as_written() {
        for (bits, value) in [(0x3C00, 1.0), (0xC000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0, 0.0)]
        {
            assert_eq!(half(bits), value);
        }
    }

    #[test]
    fn bytes_keep_a_row_of_zeros_and_the_largest_number() {
        let mut bytes = Vec::new();
        assert!(as_bytes(&[0.0, 0.0], 127.0, &mut bytes) > 0.0);
        let scale = as_bytes(&[0.5, -2.0], 127.0, &mut bytes);
        assert_eq!(bytes, [0, 0, 32, -127]);
        assert!((f32::from(bytes[3]) * scale + 2.0).abs() < 1e-6);
    }
}
