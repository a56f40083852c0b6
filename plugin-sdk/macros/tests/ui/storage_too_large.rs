//! More than any plugin may keep.

#[plugin(id = "news", storage(max_bytes = 1_000_000_000, en = "To remember."))]
mod news {}
