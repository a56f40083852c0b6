//! Office files, books and archives whose members are any text.

#![no_main]

use knowledge_fuzz::{ENDINGS, package, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [ending, base, text @ ..] = input else { return };
    // Those that are archives stand last.
    let archives = &ENDINGS[8..];
    let ending = archives[usize::from(*ending) % archives.len()];
    if let Some(bytes) = package(text) {
        read(&bytes, &format!("a.{ending}"), *base);
    }
});
