//! A plugin without an id.

#[plugin]
mod menu {
    /// Counts.
    #[tool]
    fn count() -> Result<u32> {
        Ok(1)
    }
}
