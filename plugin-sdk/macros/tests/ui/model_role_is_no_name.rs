//! A role that no tenant could have.

#[plugin(id = "news", model(roles("GPT-5"), max_tokens = 10, en = "To summarise."))]
mod news {}
