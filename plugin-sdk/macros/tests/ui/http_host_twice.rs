//! One host in two places.

#[plugin(
    id = "news",
    http(host = "api.example.com", en = "To read."),
    http(host = "api.example.com", methods("POST"), en = "To write.")
)]
mod news {}
