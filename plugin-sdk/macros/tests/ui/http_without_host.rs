//! A request to nobody in particular.

#[plugin(id = "news", http(methods("GET"), en = "To read the news."))]
mod news {}
