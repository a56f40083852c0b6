//! A key that does not exist.

#[plugin(id = "menu")]
mod menu {
    /// Counts.
    #[tool(name = "zaehle")]
    fn count() -> Result<u32> {
        Ok(1)
    }
}
