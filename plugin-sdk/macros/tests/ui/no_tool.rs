//! A plugin without a tool.

#[plugin(id = "menu")]
mod menu {
    fn count() -> Result<u32> {
        Ok(1)
    }
}
