//! Writes `plugin-sdk/src/bindings.rs` from `plugin-sdk/wit`.
//!
//! The bindings are checked in because generating them inside every plugin build (wit-bindgen's macro) costs 77
//! CPU-seconds cold; compiled from the file they cost one and a half. Two guards keep the file honest: a test in the SDK
//! compares the hash of the contract with the one recorded here, on every test run; and `--check` generates again and
//! compares every byte (`cargo xtask test` does that when `RUN_SLOW_TESTS=1`).
//!
//! ```sh
//! cargo run --manifest-path plugin-sdk/bindgen/Cargo.toml            # write
//! cargo run --manifest-path plugin-sdk/bindgen/Cargo.toml -- --check # compare only
//! ```

use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

// The very function that the SDK's test uses, so that the two cannot disagree about what "the same contract" means.
#[path = "../../src/contract_hash.rs"]
mod contract_hash;

fn main() -> Result<()> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let generated = generate(&sdk.join("wit"))?;
    let target = sdk.join("src/bindings.rs");
    if std::env::args().any(|argument| argument == "--check") {
        let present = std::fs::read_to_string(&target).with_context(|| format!("read {}", target.display()))?;
        if present != generated {
            bail!("plugin-sdk/src/bindings.rs is not what plugin-sdk/wit generates; run it without `--check`");
        }
        println!("plugin-sdk/src/bindings.rs is what plugin-sdk/wit generates.");
        return Ok(());
    }
    std::fs::write(&target, generated).with_context(|| format!("write {}", target.display()))?;
    println!("Wrote {}.", target.display());
    Ok(())
}

fn generate(wit: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).with_context(|| format!("read the contract in {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    let options = wit_bindgen_rust::Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("__export_plugin".to_owned()),
        generate_all: true,
        ..wit_bindgen_rust::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, source) = files.iter().next().context("the generator gave no file")?;
    let source = std::str::from_utf8(source)?;
    let hash = contract_hash::of_folder(wit)?;
    Ok(format!(
        "// Generated from plugin-sdk/wit by plugin-sdk/bindgen; do not edit.\n// Contract hash: {hash}\n{source}"
    ))
}
