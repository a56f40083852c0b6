//! The knowledge crate's integration tests: one binary, one module per subject, beside what several of them use.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics has failed, as it should"
)]

mod backend;
mod documents;
mod fetch;
mod files;
mod groups;
mod hostile;
mod local_models;
mod model;
mod office;
mod providers;
mod qdrant;
mod qdrant_server;
mod query;
mod ranking;
mod reading;
mod rebuild;
mod retrieval;
mod search;
mod server;
mod splitting;
mod staging;
mod support;
