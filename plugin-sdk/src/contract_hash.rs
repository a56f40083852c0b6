//! The hash that ties `bindings.rs` to the contract it was generated from.
//!
//! FNV-1a of 64 bits: it guards against forgetting to regenerate, not against anybody, and needs no dependency.

use std::path::Path;

/// The hash of every `.wit` file in the folder, names and contents, in name order.
pub(crate) fn of_folder(folder: &Path) -> std::io::Result<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wit"))
        .collect();
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A checkout on Windows may have changed the line ends; the contract is the same.
        let text = std::fs::read_to_string(&file)?.replace("\r\n", "\n");
        for byte in name.bytes().chain([0]).chain(text.bytes()).chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    Ok(format!("{hash:016x}"))
}
