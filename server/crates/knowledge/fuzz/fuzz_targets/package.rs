//! Office files, books and archives whose members are any text.

#![no_main]

use knowledge_fuzz::{PACKAGES, package, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [ending, base, text @ ..] = input else { return };
    let ending = PACKAGES[usize::from(*ending) % PACKAGES.len()];
    if let Some(bytes) = package(text) {
        read(&bytes, &format!("a.{ending}"), *base);
    }
});
