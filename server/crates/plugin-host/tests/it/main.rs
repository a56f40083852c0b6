//! The host as a server uses it. `refused` and `limits` bring their own guests as WebAssembly text and need no build;
//! `guests` runs what `cargo xtask plugins` has built.
#![expect(clippy::expect_used, reason = "a test's helpers fail the test by panicking")]

mod cache;
mod guests;
mod limits;
mod refused;
mod support;
mod wasi;
