//! The host as a server uses it. `refused` and `limits` bring their own guests as WebAssembly text and need no build;
//! `guests` runs what `cargo xtask plugins` has built.

mod cache;
mod guests;
mod limits;
mod refused;
mod support;
