//! A request without the words that an admin reads.

#[plugin(id = "news", http(host = "api.example.com"))]
mod news {}
