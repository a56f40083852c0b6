//! An example that shows nothing.

#[plugin(id = "menu")]
mod menu {
    /// Counts.
    #[tool]
    #[example(title(en = "One", zh = "一"))]
    fn count() -> Result<u32> {
        Ok(1)
    }
}
