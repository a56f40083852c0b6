//! The module is in a file of its own, which a macro cannot read.

#[plugin(id = "menu")]
mod menu;
