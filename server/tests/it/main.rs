//! The server's integration tests: one binary, one module per feature.

mod accounts;
mod bad_input;
mod binary;
mod chat;
mod clients;
mod isolation;
mod openapi;
mod plugins;
mod projects;
mod support;
