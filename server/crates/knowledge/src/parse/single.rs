//! One record that a person wrote: the same checks and the same text as those of a file's rows.

use serde_json::{Map, Value};

use super::{output, value};
use crate::error::Problem;
use crate::notice::notice;
use crate::spec::BaseSpec;

/// Values as the base's fields want them. An empty value is left out. A base without fields takes any.
///
/// # Errors
/// Every field that is unknown or whose value is not of its type.
pub fn typed_fields(spec: &BaseSpec, given: Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
    if spec.fields.is_empty() {
        return Ok(given);
    }
    let (mut fields, mut problems) = (Map::new(), Vec::new());
    for (name, value) in given {
        match spec.field(&name).map(|it| value::from_json(it.kind, &value)) {
            None => {
                let unknown =
                    notice!("no_such_field", "there is no such field; there are {fields}", fields = spec.field_names());
                problems.push(Problem::in_column(&name, unknown));
            }
            Some(Err(notice)) => problems.push(Problem::in_column(&name, notice)),
            Some(Ok(None)) => {}
            Some(Ok(Some(value))) => {
                fields.insert(name, value);
            }
        }
    }
    if problems.is_empty() { Ok(fields) } else { Err(problems) }
}

/// What is embedded and shown of a record with these values; empty if none of them is embedded.
pub fn record_text(spec: &BaseSpec, fields: &Map<String, Value>) -> String {
    output::record_text(spec, fields)
}
