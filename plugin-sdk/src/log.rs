//! Lines in the node's log, which the author of a workflow sees in the trace of a run. Never write secrets.
//!
//! The host keeps 8 KiB a line and 256 lines a call; it drops the rest and counts it.

use std::fmt::Display;

use crate::host;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

pub fn write(level: Level, message: impl Display) {
    let message = message.to_string();
    host::current(|host| host.log(level, &message));
}

pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

pub fn info(message: impl Display) {
    write(Level::Info, message);
}

pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

pub fn error(message: impl Display) {
    write(Level::Error, message);
}
