//! Writes every document of the golden cases and the shipped projects into `corpus/compile`, where cargo-fuzz looks for seeds.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/compile");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in workflow_engine_fuzz::cases::documents() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
