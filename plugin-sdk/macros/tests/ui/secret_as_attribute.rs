//! A secret that is marked where the type would say it.

#[plugin(id = "news", config = Settings)]
mod news {
    #[derive(Deserialize, JsonSchema)]
    struct Settings {
        #[secret]
        api_key: String,
    }

    /// Reads.
    #[tool]
    fn read() -> Result<String> {
        Ok(String::new())
    }
}
