//! Any text as `knowledge.yaml`, and a table for what it describes.

#![no_main]

use knowledge::{BaseSpec, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match BaseSpec::from_yaml(text) {
        Ok(spec) => {
            assert!(spec.check().is_empty(), "what was read is right");
            let header: Vec<&str> = spec.fields.iter().map(|it| it.name.as_str()).collect();
            let cells = vec!["1"; header.len().max(1)];
            let table = format!("{}\n{}\n", header.join(","), cells.join(","));
            let _ = parse(table.as_bytes(), "a.csv", &spec);
        }
        Err(error) => assert!(!error.problems().is_empty(), "{error}"),
    }
});
