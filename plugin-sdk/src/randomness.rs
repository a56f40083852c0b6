//! `getrandom`'s custom backend: with the feature `getrandom` on and `--cfg getrandom_backend="custom"`, crates such as
//! `uuid` and `rand` work inside a plugin.

// The one symbol that `getrandom` calls; it is `unsafe` by that crate's contract.
#[allow(unsafe_code, reason = "the signature is fixed by getrandom")]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(destination: *mut u8, length: usize) -> Result<(), getrandom::Error> {
    // SAFETY: getrandom promises `length` writable bytes at `destination`.
    let destination = unsafe { std::slice::from_raw_parts_mut(destination, length) };
    // The host gives at most 4096 bytes a call.
    for part in destination.chunks_mut(4096) {
        let bytes = crate::system::random(u32::try_from(part.len()).unwrap_or(0));
        if bytes.len() != part.len() {
            return Err(getrandom::Error::UNEXPECTED);
        }
        part.copy_from_slice(&bytes);
    }
    Ok(())
}
