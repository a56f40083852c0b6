//! A guest that never comes to the end of describing itself: installing it has to end all the same.

use std::hint::black_box;

use parlour_plugin_sdk::manifest::{Manifest, Permissions};
use parlour_plugin_sdk::{Error, Plugin, Result, Text};

/// The plugin.
pub struct Endless;

impl Plugin for Endless {
    fn manifest() -> Manifest {
        // The compiler must not see that this stays true.
        while black_box(true) {}
        Manifest {
            id: "describes_forever".to_owned(),
            version: "1.0.0".to_owned(),
            title: Text::new("Endless", "没完没了"),
            description: Text::new("Never read.", "永远读不到。"),
            icon: None,
            homepage: None,
            license: None,
            tools: Vec::new(),
            config: None,
            permissions: Permissions::default(),
        }
    }

    fn invoke(tool: &str, _: &str) -> Result<String> {
        Err(Error::not_found(tool))
    }
}

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "an export is unsafe by nature; the code is wit-bindgen's")]
const _: () = {
    type Exported = parlour_plugin_sdk::__private::Exported<Endless>;
    parlour_plugin_sdk::bindings::__export_plugin!(Exported with_types_in parlour_plugin_sdk::bindings);
};
