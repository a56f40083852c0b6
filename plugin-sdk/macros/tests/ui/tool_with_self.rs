//! A method is no tool.

#[plugin(id = "menu")]
mod menu {
    /// Counts.
    #[tool]
    fn count(&self) -> Result<u32> {
        Ok(1)
    }
}
