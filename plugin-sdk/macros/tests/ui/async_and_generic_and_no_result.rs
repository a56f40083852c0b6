//! Three mistakes in one signature, and one in another: all are told.

#[plugin(id = "menu")]
mod menu {
    /// Counts.
    #[tool]
    async fn count<T>(items: Vec<T>) -> usize {
        items.len()
    }

    /// Says hello.
    #[tool]
    fn hello() {}
}
