//! The storage from outside. `conformance` holds what every kind of database must do; the other modules are about this
//! one: its file, its processes, its crashes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod conformance;
mod crash;
mod file;
mod group_commit;
mod postgres;
mod processes;
mod readers;
mod support;
