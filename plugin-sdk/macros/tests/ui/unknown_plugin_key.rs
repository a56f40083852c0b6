//! A key that does not exist.

#[plugin(id = "menu", permissions = "all")]
mod menu {}
