//! What the fuzz targets share: the golden cases as programs and seeds, outcomes made of bytes, and a player that holds a
//! run to what must be true of every run.

pub mod cases;
pub mod outcomes;
pub mod player;
