//! What a guest can reach, one file per capability: what the manifest asks, what the tenant grants, and the check of both.

pub(crate) mod config;
pub(crate) mod http;
pub(crate) mod knowledge;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod storage;
pub(crate) mod system;
