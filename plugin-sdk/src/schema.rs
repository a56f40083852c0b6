//! JSON Schema 2020-12 from Rust types: flat, because forms and models' tool calling read flat schemas best.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of what a tool reads.
pub(crate) fn of_input<T: JsonSchema>() -> Value {
    finish::<T>(SchemaSettings::draft2020_12())
}

/// The schema of what a tool writes: a field that is always written is required here even when reading has a default.
pub(crate) fn of_output<T: JsonSchema>() -> Value {
    finish::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// The schema of what a model is to answer. Closed where it is an object, because some providers take only those.
pub(crate) fn of_answer<T: JsonSchema>() -> Value {
    let mut schema = of_input::<T>();
    if let Some(object) = schema.as_object_mut()
        && object.contains_key("properties")
    {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    schema
}

fn finish<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let schema =
        settings.with(|settings| settings.inline_subschemas = true).into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    if let Some(schema) = schema.as_object_mut() {
        // The draft is fixed by the contract, and a Rust type's name is no title for people.
        schema.remove("$schema");
        schema.remove("title");
    }
    schema
}

/// The schema of an argument object, closed: an unknown argument is a mistake and is told, not ignored.
pub(crate) fn of_arguments<T: JsonSchema>() -> Value {
    let mut schema = of_input::<T>();
    if let Some(object) = schema.as_object_mut() {
        object.entry("type").or_insert_with(|| "object".into());
        object.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()));
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    schema
}
