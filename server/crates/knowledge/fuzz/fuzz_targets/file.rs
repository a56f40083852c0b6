//! Any bytes as a file with any ending: an error in words or records, never a panic, and nothing that takes long.

#![no_main]

use knowledge_fuzz::{ENDINGS, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [ending, base, bytes @ ..] = input else { return };
    let ending = ENDINGS[usize::from(*ending) % ENDINGS.len()];
    read(bytes, &format!("a.{ending}"), *base);
});
