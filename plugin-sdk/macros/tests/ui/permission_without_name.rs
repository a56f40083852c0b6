//! A permission for nothing in particular.

#[plugin(id = "menu", knowledge(en = "To search."))]
mod menu {}
