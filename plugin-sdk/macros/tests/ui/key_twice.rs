//! The same key twice.

#[plugin(id = "menu", zh = "菜单", zh = "菜谱")]
mod menu {}
