//! What goes wrong, in words: loading a plugin ([`PluginError`]), calling it ([`CallError`]), and what a capability
//! answers to a guest ([`HostError`]).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Why a plugin does not load, or the host does not start. The message says what is wrong, [`PluginError::hint`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("this is not a WebAssembly file: it starts with {found}")]
    NotWasm { found: String },
    #[error("the WebAssembly file is damaged or cut short: {reason}")]
    Malformed { reason: String },
    #[error("the WebAssembly file is not a Parlour plugin: {reason}")]
    NotAComponent { reason: String },
    #[error("the plugin imports `{import}`, which the sandbox does not offer")]
    UnsupportedImport { import: String },
    #[error("the plugin was built for another version of the plugin contract: {reason}")]
    WrongContract { reason: String },
    #[error("the plugin's manifest has {} problem(s): {}", problems.len(), problems.join("; "))]
    InvalidManifest { problems: Vec<String> },
    #[error("the plugin could not say what it offers (`describe` failed): {reason}")]
    DescribeFailed { reason: String, hint: Option<String> },
    #[error("the file has {size} bytes, and a plugin may have at most {limit}")]
    TooLarge { size: u64, limit: u64 },
    #[error("the plugin could not be compiled: {reason}")]
    Compile { reason: String },
    #[error("the folder for compiled plugins `{}` cannot be used: {reason}", path.display())]
    Cache { path: PathBuf, reason: String },
    #[error("the plugin engine did not start: {reason}")]
    Engine { reason: String },
}

impl PluginError {
    /// Stable name of the failure; never changes its meaning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm { .. } => "plugin_not_wasm",
            Self::Malformed { .. } => "plugin_malformed",
            Self::NotAComponent { .. } => "plugin_not_a_component",
            Self::UnsupportedImport { .. } => "plugin_unsupported_import",
            Self::WrongContract { .. } => "plugin_wrong_contract",
            Self::InvalidManifest { .. } => "plugin_invalid_manifest",
            Self::DescribeFailed { .. } => "plugin_describe_failed",
            Self::TooLarge { .. } => "plugin_too_large",
            Self::Compile { .. } => "plugin_compile_failed",
            Self::Cache { .. } => "plugin_cache_unusable",
            Self::Engine { .. } => "plugin_engine_failed",
        }
    }

    /// Whether the uploaded file is at fault (a 4xx) or the server (a 5xx).
    #[must_use]
    pub fn is_fault_of_file(&self) -> bool {
        match self {
            Self::NotWasm { .. }
            | Self::Malformed { .. }
            | Self::NotAComponent { .. }
            | Self::UnsupportedImport { .. }
            | Self::WrongContract { .. }
            | Self::InvalidManifest { .. }
            | Self::DescribeFailed { .. }
            | Self::TooLarge { .. }
            | Self::Compile { .. } => true,
            Self::Cache { .. } | Self::Engine { .. } => false,
        }
    }

    /// What to do about it, in words.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotWasm { .. } => {
                "Upload the `.wasm` file that `cargo build --release --target wasm32-unknown-unknown` leaves in \
                 `target/wasm32-unknown-unknown/release/`, not the source, an archive or a native library."
            }
            Self::Malformed { .. } => "Build the plugin again, and check that the upload was complete.",
            Self::NotAComponent { .. } => {
                "Write the plugin with the SDK (`#[plugin]` on a module, `#[tool]` on its functions), build it as a \
                 `cdylib` with `cargo build --release --target wasm32-unknown-unknown`, and keep its custom sections: \
                 `strip = true` and tools such as `wasm-strip` remove them."
            }
            Self::UnsupportedImport { import } => return Some(import_hint(import)),
            Self::WrongContract { .. } => {
                "This server speaks `parlour:plugin@1`. Build the plugin with a plugin SDK of major version 1, or update \
                 the server."
            }
            Self::InvalidManifest { .. } => {
                "Every problem is listed; `plugin-sdk/manifest.schema.json` describes the manifest. Correct them and \
                 build again."
            }
            Self::DescribeFailed { hint, .. } => return hint.clone(),
            Self::TooLarge { .. } => {
                "Build with `--release`, `opt-level = \"s\"` and `strip = \"debuginfo\"`; leave large data out of the \
                 plugin and read it from a knowledge base."
            }
            Self::Compile { .. } => {
                "The file uses WebAssembly features or sizes that the sandbox does not allow. Build it for \
                 `wasm32-unknown-unknown` without extra target features."
            }
            Self::Cache { .. } => {
                "The folder must belong to the user the server runs as and must not be writable for others. Compiled \
                 plugins can be deleted at any time; they are made again."
            }
            Self::Engine { .. } => "Lower the number of plugin slots, or run on a supported 64-bit processor.",
        };
        Some(text.to_owned())
    }
}

fn import_hint(import: &str) -> String {
    if import.starts_with("wasi") {
        return "Of WASI there are only the clocks, randomness and standard output of version 0.2, as a component has them. \
                Build for `wasm32-unknown-unknown`, or `wasm32-wasip2`; send requests with the SDK's `http`, and keep \
                values in its `storage`."
            .to_owned();
    }
    if import.starts_with("parlour:plugin") {
        return "This server offers `knowledge`, `http`, `model`, `storage`, `log`, `config` and `system` of \
                `parlour:plugin@1.0.0`. Build the plugin with the SDK of this server's version, or update the server."
            .to_owned();
    }
    if import.contains("wbindgen") {
        return "The file was made for browsers by wasm-bindgen. Remove the dependency that needs it (often the `js` or \
                `wasmbind` feature of `getrandom` or `chrono`) and build with the plugin SDK."
            .to_owned();
    }
    "A plugin can only import the interfaces of `parlour:plugin@1`. Remove the dependency that needs this import, or \
     replace it with what the SDK offers."
        .to_owned()
}

/// What ended a call. The workflow engine decides by it whether another attempt can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// The input does not fit the tool's schema, or the tool says so.
    InvalidInput,
    NotFound,
    /// Something was not asked for in the manifest or not granted.
    Denied,
    RateLimited,
    /// Something outside is down, or all slots for plugin calls stayed busy.
    Unavailable,
    /// The tool reported a failure of its own.
    Failed,
    /// The guest broke: a panic, an out-of-bounds access, a stack overflow.
    Trap,
    CpuLimit,
    TimeLimit,
    MemoryLimit,
    OutputLimit,
    /// More calls of the host's data than one call may make.
    HostCallLimit,
    /// The tool's output is not JSON or does not fit its schema.
    BadOutput,
}

impl CallErrorKind {
    /// The same word as its serialized form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Trap => "trap",
            Self::CpuLimit => "cpu_limit",
            Self::TimeLimit => "time_limit",
            Self::MemoryLimit => "memory_limit",
            Self::OutputLimit => "output_limit",
            Self::HostCallLimit => "host_call_limit",
            Self::BadOutput => "bad_output",
        }
    }
}

/// Why a call gave no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    pub kind: CallErrorKind,
    /// What happened, with the plugin's name, version and tool.
    pub message: String,
    /// What would help.
    pub hint: Option<String>,
    pub retry_after_ms: Option<u64>,
    /// The trap and the guest's own panic text. For the plugin's developer: logs and `plugin test`, never a visitor.
    pub detail: Option<String>,
}

/// What a capability answers to a guest when it cannot do what was asked; the same cases as `types.error` in the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", content = "message", rename_all = "snake_case")]
pub enum HostError {
    #[error("{0}")]
    InvalidInput(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Denied(String),
    /// Seconds to wait, where known.
    #[error("too many calls{}", .0.map(|seconds| format!("; try again in {seconds} s")).unwrap_or_default())]
    RateLimited(Option<u32>),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Failed(String),
}
