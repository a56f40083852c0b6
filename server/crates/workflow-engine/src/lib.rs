//! workflow-engine
