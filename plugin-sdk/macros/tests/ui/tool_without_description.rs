//! A tool that does not say what it does.

#[plugin(id = "menu")]
mod menu {
    #[tool]
    fn count() -> Result<u32> {
        Ok(1)
    }
}
