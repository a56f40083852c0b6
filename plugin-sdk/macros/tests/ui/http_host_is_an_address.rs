//! An address where a host belongs.

#[plugin(id = "news", http(host = "https://api.example.com/v1", en = "To read the news."))]
mod news {}
