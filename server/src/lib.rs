//! Parlour's server. `router` is the whole HTTP surface over an [`App`]; tests call it without a socket.

pub mod app;
pub mod cli;
pub mod config;
mod egress;
pub mod error_codes;
pub mod http;
mod jobs;
pub mod run;

pub use app::App;
pub use http::router;
