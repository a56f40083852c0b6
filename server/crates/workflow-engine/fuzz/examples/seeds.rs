//! Writes what fuzzing begins with to where cargo-fuzz looks for it: every document of the golden cases and the shipped
//! projects into `corpus/compile`, and some bytes for every program into `corpus/resume`.

use std::path::{Path, PathBuf};

use workflow_engine_fuzz::cases::{cases, documents};

/// Seeds of each program, and how many bytes longer each is than the one before.
const SEEDS: u64 = 6;
const LONGER: u64 = 150;

fn main() -> std::io::Result<()> {
    let compile = folder("compile")?;
    for (name, text) in documents() {
        std::fs::write(compile.join(name), text)?;
    }
    let resume = folder("resume")?;
    for number in 0..cases().len() {
        for seed in 0..SEEDS {
            std::fs::write(resume.join(format!("{number}-{seed}")), bytes(number, seed))?;
        }
    }
    Ok(())
}

fn folder(target: &str) -> std::io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The first byte says which program it is; the others are noise, by xorshift (Marsaglia 2003).
fn bytes(program: usize, seed: u64) -> Vec<u8> {
    let mut state = (program as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (seed + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::once(program.to_le_bytes()[0]).chain((0..(seed + 1) * LONGER).map(|_| next())).collect()
}
