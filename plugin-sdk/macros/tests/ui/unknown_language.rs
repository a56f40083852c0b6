//! A language that the manifest does not have.

#[plugin(id = "menu", title(en = "Menu", fr = "Carte"))]
mod menu {}
