//! The Parlour plugin SDK: tools as plain Rust functions, compiled to one WebAssembly file.
//!
//! ```ignore
//! use parlour_plugin_sdk::plugin;
//!
//! /// Tools for a restaurant's menu.
//! #[plugin(id = "menu_tools", title(en = "Menu tools", zh = "菜单工具"), zh = "餐厅菜单的工具。")]
//! mod menu {
//!     use parlour_plugin_sdk::prelude::*;
//!
//!     /// Adds up the prices of some dishes.
//!     #[tool(zh = "把几道菜的价格加起来。")]
//!     fn total(/** Prices in yuan */ #[zh("价格（元）")] prices: Vec<f64>) -> Result<f64> {
//!         Ok(prices.iter().sum())
//!     }
//! }
//! ```
//!
//! `README.md` beside this crate goes from nothing to an installed tool in ten minutes.

#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
#[allow(unsafe_code, reason = "an allocator deals in raw memory")]
mod allocator;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[allow(unsafe_code, unreachable_pub, clippy::allow_attributes_without_reason)]
pub mod bindings;
pub mod config;
#[cfg(test)]
mod contract_hash;
mod error;
mod host;
pub mod http;
pub mod knowledge;
pub mod log;
pub mod manifest;
pub mod model;
mod plugin;
#[cfg(all(target_arch = "wasm32", feature = "getrandom"))]
mod randomness;
mod schema;
mod secret;
pub mod storage;
pub mod system;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;

pub use error::{Error, Result};
pub use parlour_plugin_sdk_macros::{plugin, tool};
pub use plugin::Plugin;
pub use schemars::JsonSchema;
pub use secret::{Part, Secret};
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};
pub use text::Text;
// For types outside the `#[plugin]` module: `#[serde(crate = "parlour_plugin_sdk::serde")]` and the schemars twin.
pub use {schemars, serde, serde_json};

/// What a plugin's module imports.
pub mod prelude {
    pub use crate::{
        Deserialize, Error, JsonSchema, Result, Secret, Serialize, Text, Value, config, http, json, knowledge, log,
        model, storage, system, tool,
    };
}

/// For generated code only.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::plugin::Exported;
    pub use crate::plugin::{Declaration, call, config_schema, non_empty, unknown_tool, with_schemas};
    pub use {schemars, serde, serde_json};
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_bindings_belong_to_the_contract() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
        let hash = crate::contract_hash::of_folder(&sdk.join("wit")).unwrap();
        let bindings = std::fs::read_to_string(sdk.join("src/bindings.rs")).unwrap();
        let recorded = bindings.lines().find_map(|line| line.strip_prefix("// Contract hash: ")).unwrap();
        assert_eq!(
            recorded, hash,
            "plugin-sdk/wit has changed; run `cargo run --manifest-path plugin-sdk/bindgen/Cargo.toml`"
        );
    }
}
