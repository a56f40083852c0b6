//! `#[zh]` without a text.

#[plugin(id = "menu")]
mod menu {
    #[derive(Deserialize, JsonSchema)]
    struct Input {
        #[zh]
        name: String,
    }

    /// Says hello.
    #[tool]
    fn hello(input: Input) -> Result<String> {
        Ok(input.name)
    }
}
