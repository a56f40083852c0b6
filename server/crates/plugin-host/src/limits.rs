//! What one call may use. Every number is a ceiling that a hostile plugin can reach without harming anyone else.

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// Table entries over all tables of a call: a QuickJS component needs about 4,000, and 8 bytes each stay small.
pub(crate) const MAX_TABLE_ENTRIES: usize = 64 << 10;
/// A component made from JavaScript has three memories, from Rust one.
pub(crate) const MAX_MEMORIES: usize = 8;
/// A component made from Python has more than 32 core instances.
pub(crate) const MAX_INSTANCES: usize = 128;
pub(crate) const MAX_TABLES: usize = 64;

/// Ceilings of one call. [`HostConfig::limits`](crate::HostConfig) holds the operator's values; a call can only lower them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Processor time of the guest in milliseconds; waiting for the host does not count.
    pub cpu_ms: u64,
    /// Time from the start of the guest to its answer in milliseconds, waiting included.
    pub wall_ms: u64,
    /// Linear memory, summed over all memories of the component.
    pub memory_bytes: u64,
    /// The JSON text a tool returns.
    pub output_bytes: u64,
    /// The JSON text a tool is given.
    pub input_bytes: u64,
    /// Log lines kept per call; further ones are dropped and counted.
    pub log_lines: u32,
    /// A longer line is cut.
    pub log_line_bytes: u32,
    /// Calls of the tenant's data through the host (knowledge search, get, list). Clock, randomness and settings, which
    /// cost next to nothing, have a hundred times as many.
    pub host_calls: u32,
    /// Requests to other services.
    pub http_requests: u32,
    /// Bodies of requests and answers together, and of one answer by itself.
    pub http_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_ms: 1_000,
            wall_ms: 30_000,
            memory_bytes: 64 << 20,
            output_bytes: 4 << 20,
            input_bytes: 4 << 20,
            log_lines: 256,
            log_line_bytes: 8_192,
            host_calls: 1_000,
            http_requests: 50,
            http_bytes: 16 << 20,
        }
    }
}

impl Limits {
    /// The smaller value of each limit.
    #[must_use]
    pub fn lowered_by(&self, other: &Limits) -> Limits {
        Limits {
            cpu_ms: self.cpu_ms.min(other.cpu_ms),
            wall_ms: self.wall_ms.min(other.wall_ms),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
            output_bytes: self.output_bytes.min(other.output_bytes),
            input_bytes: self.input_bytes.min(other.input_bytes),
            log_lines: self.log_lines.min(other.log_lines),
            log_line_bytes: self.log_line_bytes.min(other.log_line_bytes),
            host_calls: self.host_calls.min(other.host_calls),
            http_requests: self.http_requests.min(other.http_requests),
            http_bytes: self.http_bytes.min(other.http_bytes),
        }
    }
}

/// The same names in three places, so that none of them forgets a limit.
macro_rules! lower_limits {
    ($($name:ident),* $(,)?) => {
        /// Lower ceilings that a tenant gives one of its plugins, by the names and units of [`Limits`]; what is not said is the
        /// operator's.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LowerLimits {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<u64>,)*
        }

        impl LowerLimits {
            #[must_use]
            pub fn is_empty(&self) -> bool {
                *self == Self::default()
            }

            /// The smaller value of each limit.
            pub(crate) fn under(&self, limits: &Limits) -> Limits {
                Limits {
                    $($name: match self.$name {
                        Some(lower) => limits.$name.min(lower.try_into().unwrap_or(limits.$name)),
                        None => limits.$name,
                    },)*
                }
            }

            /// What is no lower ceiling than the operator's, in words.
            #[must_use]
            pub fn problems(&self, most: &Limits) -> Vec<String> {
                let mut problems = Vec::new();
                $(if let Some(lower) = self.$name && (lower == 0 || lower > u64::from(most.$name)) {
                    problems.push(format!("`{}` is {lower}; here it goes from 1 to {}", stringify!($name), most.$name));
                })*
                problems
            }
        }
    };
}

lower_limits!(
    cpu_ms,
    wall_ms,
    memory_bytes,
    output_bytes,
    input_bytes,
    log_lines,
    log_line_bytes,
    host_calls,
    http_requests,
    http_bytes,
);

/// Watches a store grow. A refused `memory.grow` only gives the guest -1, and what a guest makes of that is a bare
/// `unreachable`; so the refusal is remembered here and becomes the error that people read.
#[derive(Debug)]
pub(crate) struct Growth {
    limit: usize,
    used: usize,
    table_entries: usize,
    refused: Option<usize>,
    tables_refused: bool,
}

impl Growth {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        let limit = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        Self { limit, used: 0, table_entries: 0, refused: None, tables_refused: false }
    }

    /// Linear memory in use; wasm memory never shrinks, so at the end of a call this is its peak.
    pub(crate) fn used(&self) -> u64 {
        self.used as u64
    }

    /// The total that was asked for when the limit said no.
    pub(crate) fn refused(&self) -> Option<u64> {
        self.refused.map(|bytes| bytes as u64)
    }

    pub(crate) fn tables_refused(&self) -> bool {
        self.tables_refused
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.saturating_add(desired.saturating_sub(current));
        if total > self.limit {
            self.refused = Some(total);
            return Ok(false);
        }
        // Beyond the memory's own declared maximum wasmtime fails the growth afterwards: nothing is used then.
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.used = total;
        }
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_entries.saturating_add(desired.saturating_sub(current));
        if total > MAX_TABLE_ENTRIES {
            self.tables_refused = true;
            return Ok(false);
        }
        self.table_entries = total;
        Ok(true)
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plugin_can_only_be_given_less() {
        let most = Limits::default();
        let lower = |value| serde_json::from_value::<LowerLimits>(value).expect("limits");
        let fine = lower(json!({ "cpu_ms": 200, "log_lines": 3 }));
        assert_eq!(fine.problems(&most), Vec::<String>::new());
        assert_eq!(fine.under(&most), Limits { cpu_ms: 200, log_lines: 3, ..most });
        assert_eq!(serde_json::to_value(&fine).ok(), Some(json!({ "cpu_ms": 200, "log_lines": 3 })));
        let more = lower(json!({ "cpu_ms": 5_000, "log_lines": u64::MAX, "wall_ms": 0 }));
        assert_eq!(more.problems(&most).len(), 3, "{:?}", more.problems(&most));
        assert_eq!(more.under(&most), Limits { wall_ms: 0, ..most }, "never more than the operator's");
        assert!(serde_json::from_value::<LowerLimits>(json!({ "cpu": 1 })).is_err());
    }
}
