//! `#[plugin]` and `#[tool]`. This file is documentation and one-line delegates; the work is in functions that return
//! `syn::Result<TokenStream>`, which the tests call without a compiler.

mod arguments;
mod expand;
mod module_types;
mod permissions;
mod tool;
#[cfg(test)]
mod ui_tests;

use proc_macro::TokenStream;

/// Makes a module a plugin: every `#[tool]` function in it becomes a tool.
///
/// The module's doc comment is the plugin's English description. Version and licence are the crate's own.
///
/// | argument | meaning |
/// |---|---|
/// | `id = "my_plugin"` | required; `[a-z][a-z0-9_]{0,62}` |
/// | `title(en = "…", zh = "…")` | else made from the id |
/// | `zh = "…"` | the description in Chinese |
/// | `icon = "icon.svg"` | a file beside `Cargo.toml` |
/// | `homepage = "https://…"` | |
/// | `config = Settings` | a type whose JSON Schema is the tenant's settings form; read it by `config::read()` |
/// | `knowledge(name = "menu", en = "…", zh = "…")` | asks for a knowledge base (`*`: whichever the caller names), with the reason in words; may stand several times |
/// | `http(host = "api.example.com", methods("GET", "POST"), en = "…", zh = "…")` | asks for requests to a host; `*.example.com`: every host below it, `*`: any, `config:KEY`: that of the address in a setting; without `methods` GET and HEAD; may stand several times |
/// | `model(roles("default"), max_tokens = 2000, en = "…", zh = "…")` | asks for the tenant's models, and for so many tokens in one call of a tool |
/// | `storage(max_bytes = 100_000, en = "…", zh = "…")` | asks to keep values between calls |
///
/// Structs and enums in the module that derive serde's and schemars' traits need no dependency but the SDK. A tool's
/// input struct there refuses unknown fields.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::plugin(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function of a `#[plugin]` module a tool. Its name is the tool's name, its doc comment the English description.
///
/// One parameter called `input` is the whole argument object; otherwise each parameter is one argument, and takes doc
/// comments, `#[zh("…")]`, `#[serde(…)]` and `#[schemars(…)]` as a struct's field does. It returns a `Result`.
///
/// | argument | meaning |
/// |---|---|
/// | `title(en = "…", zh = "…")` | else made from the name |
/// | `zh = "…"` | the description in Chinese |
/// | `effects = "none"` | or `"reads"` (the default when the plugin asks for a permission) or `"writes"` |
/// | `idempotent = false` | the engine may not call it again with the same input (the default for `"writes"`) |
///
/// `#[example(title(en = "…", zh = "…"), input = {…}, output = {…})]` below it adds an example; without `output` for tools
/// whose answer depends on more than the input. `FakeHost::check_examples` runs them.
#[proc_macro_attribute]
pub fn tool(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::stray_tool(item.into()).into_compile_error().into()
}
