//! Performs what the engine asks for: the engine itself does nothing but think.

pub(crate) mod driver;
pub(crate) mod effects;
pub(crate) mod frames;
pub(crate) mod journal;
pub mod live;
pub(crate) mod recorder;
pub(crate) mod waiting;
