//! An id that a workflow could not write.

#[plugin(id = "My Menu")]
mod menu {
    /// Counts.
    #[tool]
    fn count() -> Result<u32> {
        Ok(1)
    }
}
