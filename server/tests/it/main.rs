//! The server's integration tests: one binary, one module per feature.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test that panics has failed, as it should"
)]

mod accounts;
mod again;
mod bad_input;
mod binary;
mod chat;
mod clients;
mod code;
mod code_python;
mod crash;
mod fetch;
mod isolation;
mod knowledge;
mod models_inside;
mod openapi;
mod passages;
mod plugin_cli;
mod plugin_cli_python;
mod plugin_powers;
mod plugins;
mod projects;
mod reindex;
mod rewriting;
mod secrets;
mod servers;
mod shipped;
mod support;
mod tables;
mod triggers;
mod typescript;
mod waits;
