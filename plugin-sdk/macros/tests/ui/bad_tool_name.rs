//! A name that a workflow could not write.

#[plugin(id = "menu")]
mod menu {
    /// Counts.
    #[tool]
    fn countDishes() -> Result<u32> {
        Ok(1)
    }
}
