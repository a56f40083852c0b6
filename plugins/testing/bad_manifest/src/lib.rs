//! A guest whose manifest breaks every rule that a manifest can break. `#[plugin]` would not let it, so it is written by
//! hand.

use parlour_plugin_sdk::manifest::{
    Effects, Example, HttpPermission, KnowledgePermission, Manifest, ModelPermission, Permissions, StoragePermission,
    Tool,
};
use parlour_plugin_sdk::{Error, Plugin, Result, Text, json};

/// The plugin.
pub struct Bad;

impl Plugin for Bad {
    fn manifest() -> Manifest {
        let tool = Tool {
            name: "Not A Name".to_owned(),
            title: Text::new("", "  "),
            description: Text::new("It says nothing in Chinese.", ""),
            input: json!({"type": "string"}),
            output: json!({"type": "no such type"}),
            idempotent: true,
            effects: Effects::None,
            examples: vec![Example { title: Text::new("Wrong", "错"), input: json!({"an": "object"}), output: None }],
        };
        Manifest {
            id: "Bad Manifest!".to_owned(),
            version: "one".to_owned(),
            title: Text::new("Bad", "坏"),
            description: Text::new("Bad in every way.", "各方面都有问题。"),
            icon: Some("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_owned()),
            homepage: Some("javascript:alert(1)".to_owned()),
            license: None,
            tools: vec![tool.clone(), tool],
            config: Some(json!({"type": 7})),
            permissions: Permissions {
                knowledge: vec![KnowledgePermission { name: "menu*".to_owned(), reason: Text::new("", "") }],
                http: vec![HttpPermission {
                    host: "https://api.example.com/v1".to_owned(),
                    methods: vec!["STEAL".to_owned()],
                    reason: Text::new("", ""),
                }],
                model: Some(ModelPermission { roles: Vec::new(), max_tokens_per_call: 0, reason: Text::new("", "") }),
                storage: Some(StoragePermission { max_bytes: u64::MAX, reason: Text::new("", "") }),
            },
        }
    }

    fn invoke(tool: &str, _: &str) -> Result<String> {
        Err(Error::not_found(tool))
    }
}

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "an export is unsafe by nature; the code is wit-bindgen's")]
const _: () = {
    type Exported = parlour_plugin_sdk::__private::Exported<Bad>;
    parlour_plugin_sdk::bindings::__export_plugin!(Exported with_types_in parlour_plugin_sdk::bindings);
};
