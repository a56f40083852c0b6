//! A model without a limit.

#[plugin(id = "news", model(roles("default"), en = "To summarise."))]
mod news {}
