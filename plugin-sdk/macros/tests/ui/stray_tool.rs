//! A tool outside of a plugin.

#[tool]
fn count() -> Result<u32> {
    Ok(1)
}
