//! What `#[plugin]` implements, and what its generated code calls. The generated code stays one line a tool; everything
//! that can be an ordinary function is one, here.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::manifest::{Manifest, Tool};
use crate::schema;

/// A whole plugin. `#[plugin]` implements it for a type `Plugin` inside the module; tests name it, nobody else needs to.
pub trait Plugin {
    fn manifest() -> Manifest;

    /// Runs one tool: JSON object in, JSON value out.
    fn invoke(tool: &str, input: &str) -> Result<String>;
}

/// Everything about a tool but its types.
pub type Declaration = Tool;

/// Completes a declaration with the schemas of a function's argument and result.
pub fn with_schemas<I: JsonSchema, O: JsonSchema, E>(mut tool: Declaration, _: impl FnOnce(I) -> Result<O, E>) -> Tool {
    tool.input = schema::of_arguments::<I>();
    tool.output = schema::of_output::<O>();
    tool
}

pub fn config_schema<C: JsonSchema>() -> Option<Value> {
    Some(schema::of_arguments::<C>())
}

/// Reads the input, runs the tool, writes the output.
pub fn call<I: DeserializeOwned, O: Serialize, E: Into<Error>>(
    input: &str,
    tool: impl FnOnce(I) -> Result<O, E>,
) -> Result<String> {
    let input = read(input)?;
    let output = tool(input).map_err(Into::into)?;
    Ok(serde_json::to_string(&output)?)
}

/// Keeping track of where it is costs as much again as reading, so it is read a second time if that is to be said.
fn read<I: DeserializeOwned>(input: &str) -> Result<I> {
    serde_json::from_str(input).or_else(|_| read_telling_where(input))
}

#[cold]
fn read_telling_where<I: DeserializeOwned>(input: &str) -> Result<I> {
    let mut deserializer = serde_json::Deserializer::from_str(input);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.inner().to_string();
        // The position counts in a text that the engine made; the path is what the author can find.
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(words, _)| words);
        Error::InvalidInput(if path == "." { problem.to_owned() } else { format!("`{path}`: {problem}") })
    })
}

/// The answer to a tool name that the plugin does not have.
pub fn unknown_tool(tool: &str, known: &[&str]) -> Error {
    Error::NotFound(format!("there is no tool `{tool}`; this plugin has: {}", known.join(", ")))
}

/// SPDX licence or home page as Cargo hands it over: empty when the crate does not say.
pub fn non_empty(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_owned()) }
}

#[cfg(target_arch = "wasm32")]
pub use wasm::Exported;

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::marker::PhantomData;

    use super::Plugin;
    use crate::bindings::exports::parlour::plugin::tools::{Error as WitError, Guest};
    use crate::error::Error;

    /// What the component exports, for any plugin.
    pub struct Exported<P>(PhantomData<P>);

    impl<P: Plugin> Guest for Exported<P> {
        fn describe() -> String {
            log_panics();
            // A manifest is maps, lists and texts; writing it cannot fail.
            serde_json::to_string(&P::manifest()).unwrap_or_default()
        }

        fn invoke(tool: String, input: String) -> Result<String, WitError> {
            log_panics();
            P::invoke(&tool, &input).map_err(|error| match error {
                Error::InvalidInput(message) => WitError::InvalidInput(message),
                Error::NotFound(message) => WitError::NotFound(message),
                Error::Denied(message) => WitError::Denied(message),
                Error::RateLimited(seconds) => WitError::RateLimited(seconds),
                Error::Unavailable(message) => WitError::Unavailable(message),
                Error::Failed(message) => WitError::Failed(message),
            })
        }
    }

    /// A trap carries no words, so the panic's own go to the log just before it.
    fn log_panics() {
        std::panic::set_hook(Box::new(|panic| crate::log::error(panic)));
    }
}
