//! A key that does not exist.

#[plugin(id = "news", storage(bytes = 1000, en = "To remember."))]
mod news {}
