//! A host from a setting of a plugin that has none.

#[plugin(id = "news", http(host = "config:base_url", en = "To read the news."))]
mod news {}
