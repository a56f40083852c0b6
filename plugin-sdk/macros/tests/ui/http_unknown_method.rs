//! A method that does not exist.

#[plugin(id = "news", http(host = "api.example.com", methods("GET", "get"), en = "To read the news."))]
mod news {}
