//! A parameter that is borrowed, and one without a name.

#[plugin(id = "menu")]
mod menu {
    /// Adds.
    #[tool]
    fn add(name: &str, (x, y): (i32, i32)) -> Result<i32> {
        Ok(x + y)
    }
}
