//! Effects that do not exist.

#[plugin(id = "menu")]
mod menu {
    /// Counts.
    #[tool(effects = "maybe")]
    fn count() -> Result<u32> {
        Ok(1)
    }
}
