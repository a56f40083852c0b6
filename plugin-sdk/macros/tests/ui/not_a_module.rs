//! `#[plugin]` on something that is no module.

#[plugin(id = "menu")]
struct Menu;
