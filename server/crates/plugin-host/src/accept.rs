//! What an uploaded file is, decided before anything is compiled: a component of our contract as it is, a core module with
//! the contract's description inside turned into one, anything else refused with the reason.

use std::collections::BTreeSet;

use wasmparser::{Encoding, Parser, Payload};

use crate::error::PluginError;
use crate::wasi;

/// Largest accepted file: a Python plugin has 19 MB. Compiling is the dearest thing a file can ask for.
pub(crate) const MAX_PLUGIN_BYTES: u64 = 32 << 20;
/// The contract's package and the major version this host speaks.
const PACKAGE: &str = "parlour:plugin/";
const MAJOR: u64 = 1;
const OFFERED: &[&str] = &["config", "http", "knowledge", "log", "model", "storage", "system", "types"];
const TOOLS: &str = "tools";
/// Where `wit-bindgen` leaves the contract's description in a core module.
const DESCRIPTION_SECTION: &str = "component-type";

/// The component in an uploaded file.
pub(crate) fn accept(bytes: Vec<u8>) -> Result<Vec<u8>, PluginError> {
    let size = bytes.len() as u64;
    if size > MAX_PLUGIN_BYTES {
        return Err(PluginError::TooLarge { size, limit: MAX_PLUGIN_BYTES });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(PluginError::NotWasm { found: opening(&bytes) });
    }
    let outline = Outline::of(&bytes)?;
    match outline.encoding {
        Encoding::Component => {
            outline.check_component()?;
            Ok(bytes)
        }
        Encoding::Module => {
            outline.check_module()?;
            let component = wit_component::ComponentEncoder::default()
                .validate(true)
                .module(&bytes)
                .and_then(|mut encoder| encoder.encode())
                .map_err(|error| PluginError::NotAComponent { reason: first_line(&format!("{error:#}")) })?;
            Outline::of(&component)?.check_component()?;
            Ok(component)
        }
    }
}

/// An interface that a file imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub name: String,
    /// Whether the sandbox has it; a file with one that it has not is refused.
    pub offered: bool,
}

/// What a file imports, each name once, whether or not the file would be accepted.
///
/// # Errors
/// It is not WebAssembly, or damaged.
pub fn imports(bytes: &[u8]) -> Result<Vec<Import>, PluginError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(PluginError::NotWasm { found: opening(bytes) });
    }
    let names: BTreeSet<String> = Outline::of(bytes)?.imports.into_iter().collect();
    Ok(names.into_iter().map(|name| Import { offered: check_import(&name).is_ok(), name }).collect())
}

/// What the file's outermost level imports and exports.
struct Outline {
    encoding: Encoding,
    imports: Vec<String>,
    exports: Vec<String>,
    described: bool,
}

impl Outline {
    fn of(bytes: &[u8]) -> Result<Self, PluginError> {
        let malformed = |error: wasmparser::BinaryReaderError| PluginError::Malformed { reason: error.to_string() };
        let mut outline =
            Self { encoding: Encoding::Module, imports: Vec::new(), exports: Vec::new(), described: false };
        // Modules and components nest; only the outermost level matters here.
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            // wasmparser's own enum, which grows: what is not named here says nothing about the outline.
            #[expect(clippy::wildcard_enum_match_arm, reason = "another crate's non-exhaustive enum")]
            match payload.map_err(malformed)? {
                Payload::Version { encoding, .. } if depth == 0 => outline.encoding = encoding,
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ImportSection(section) if depth == 0 => {
                    for import in section.into_imports() {
                        let import = import.map_err(malformed)?;
                        outline.imports.push(import.module.to_owned());
                    }
                }
                Payload::CustomSection(section) if depth == 0 => {
                    outline.described |= section.name().starts_with(DESCRIPTION_SECTION);
                }
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        outline.imports.push(import.map_err(malformed)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        outline.exports.push(export.map_err(malformed)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    fn check_module(&self) -> Result<(), PluginError> {
        let foreign = |import: &&String| !import.starts_with(PACKAGE) && !wasi::is_offered(import);
        if let Some(foreign) = self.imports.iter().find(foreign) {
            return Err(PluginError::UnsupportedImport { import: foreign.clone() });
        }
        if !self.described {
            let reason = "it is a core module without the plugin contract in it, so it was not built with a plugin SDK or \
                          its custom sections were stripped";
            return Err(PluginError::NotAComponent { reason: reason.to_owned() });
        }
        Ok(())
    }

    fn check_component(&self) -> Result<(), PluginError> {
        for import in &self.imports {
            check_import(import)?;
        }
        let tools = self.exports.iter().find(|export| contract_name(export).is_some_and(|(name, _)| name == TOOLS));
        let Some(tools) = tools else {
            let exported = match self.exports.as_slice() {
                [] => "nothing".to_owned(),
                exports => exports.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            };
            let reason = format!("it is a component that exports {exported} instead of `parlour:plugin/tools`");
            return Err(PluginError::NotAComponent { reason });
        };
        check_major(tools, contract_name(tools).and_then(|(_, version)| version))
    }
}

fn check_import(import: &str) -> Result<(), PluginError> {
    if wasi::is_offered(import) {
        return Ok(());
    }
    let unsupported = || PluginError::UnsupportedImport { import: import.to_owned() };
    let (interface, version) = contract_name(import).ok_or_else(unsupported)?;
    check_major(import, version)?;
    if OFFERED.contains(&interface) { Ok(()) } else { Err(unsupported()) }
}

/// `parlour:plugin/log@1.0.0` is (`log`, `1.0.0`).
fn contract_name(name: &str) -> Option<(&str, Option<&str>)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').map_or((rest, None), |(interface, version)| (interface, Some(version))))
}

fn check_major(name: &str, version: Option<&str>) -> Result<(), PluginError> {
    let major = version.and_then(|version| semver::Version::parse(version).ok()).map(|version| version.major);
    if major == Some(MAJOR) {
        return Ok(());
    }
    Err(PluginError::WrongContract {
        reason: format!("it uses `{name}`, and this server speaks `{PACKAGE}…@{MAJOR}`")
    })
}

/// The first bytes as a person would name them.
fn opening(bytes: &[u8]) -> String {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\x7fELF", "the header of a native Linux program or library"),
        (b"MZ", "the header of a Windows program or library"),
        (b"\xcf\xfa\xed\xfe", "the header of a macOS program or library"),
        (b"PK\x03\x04", "the header of a zip archive"),
        (b"\x1f\x8b", "the header of a gzip archive"),
    ];
    if bytes.is_empty() {
        return "nothing, because it is empty".to_owned();
    }
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*name).to_owned();
    }
    let start = bytes.get(..bytes.len().min(24)).unwrap_or_default();
    match std::str::from_utf8(start.utf8_chunks().next().map_or(&[], |chunk| chunk.valid().as_bytes())) {
        Ok(text) if !text.trim().is_empty() && text.chars().all(|c| !c.is_control() || c.is_whitespace()) => {
            format!("the text `{}`", text.lines().next().unwrap_or_default())
        }
        Ok(_) | Err(_) => {
            let hex: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("the bytes {}", hex.join(" "))
        }
    }
}

pub(crate) fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason was given").to_owned()
}
