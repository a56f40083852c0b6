//! Two allowances.

#[plugin(
    id = "news",
    model(roles("default"), max_tokens = 10, en = "To summarise."),
    model(roles("fast"), max_tokens = 20, en = "To sort.")
)]
mod news {}
