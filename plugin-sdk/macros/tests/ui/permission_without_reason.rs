//! A permission without the words that an admin reads.

#[plugin(id = "menu", knowledge(name = "menu"))]
mod menu {}
