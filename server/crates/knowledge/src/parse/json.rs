//! JSON arrays of objects and JSON Lines.

use serde_json::{Map, Value};

use super::{Collected, table, value};
use crate::error::{KnowledgeError, Problem};

/// One array of objects; an object with that array as its only list is taken as well, since exports look like this.
pub(super) fn read(text: &str, found: &mut Collected<'_>) -> Result<(), KnowledgeError> {
    let whole: Value = serde_json::from_str(text).map_err(|error| KnowledgeError::UnreadableFile {
        file: found.file.to_owned(),
        message: format!("it is not JSON: {error}"),
        hint: "a JSON array of objects is wanted: [{…}, {…}]; one object a line goes into a `.jsonl` file".to_owned(),
    })?;
    let items = match whole {
        Value::Array(items) => items,
        Value::Object(members) => match only_list(members, found) {
            Ok(items) => items,
            Err(object) => vec![Value::Object(object)],
        },
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            found
                .problem(Problem::of(format!("a JSON array of objects is wanted, and it is {}", value::shape(&other))));
            return Ok(());
        }
    };
    let mut seen = Seen::default();
    for (number, item) in items.iter().enumerate() {
        element(u32::try_from(number + 1).unwrap_or(u32::MAX), item, found, &mut seen)?;
    }
    seen.finish(found);
    Ok(())
}

pub(super) fn read_lines(text: &str, found: &mut Collected<'_>) -> Result<(), KnowledgeError> {
    let mut seen = Seen::default();
    for (number, line) in text.lines().enumerate() {
        let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Value>(line) {
            Ok(item) => element(number, &item, found, &mut seen)?,
            Err(error) => found.problem(Problem::in_row(number, format!("it is not JSON: {error}"))),
        }
    }
    seen.finish(found);
    Ok(())
}

fn only_list(members: Map<String, Value>, found: &mut Collected<'_>) -> Result<Vec<Value>, Map<String, Value>> {
    let lists: Vec<&String> = members.iter().filter(|(_, it)| it.is_array()).map(|(name, _)| name).collect();
    let is_record = members.keys().any(|it| table::key_of(found.spec, it).is_some());
    match lists.as_slice() {
        [name] if !is_record => {
            let name = (*name).clone();
            found.warnings.push(format!("the records were taken from `{name}`"));
            match members.get(&name) {
                Some(Value::Array(items)) => Ok(items.clone()),
                Some(_) | None => Err(members),
            }
        }
        _ => Err(members),
    }
}

/// Which members the objects had, for what can be said only after the last.
#[derive(Default)]
struct Seen {
    ignored: Vec<String>,
    fields: Vec<String>,
    objects: usize,
}

impl Seen {
    fn finish(self, found: &mut Collected<'_>) {
        let Seen { ignored, fields, objects } = self;
        let quoted = |names: &[String]| names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        if found.spec.fields.is_empty() || objects == 0 {
            return;
        }
        let missing: Vec<String> =
            found.spec.fields.iter().filter(|it| !fields.contains(&it.name)).map(|it| it.name.clone()).collect();
        if !missing.is_empty() {
            let mut there = fields;
            there.extend(ignored);
            found.problem(Problem::of(format!(
                "no record has {}; the records have {}",
                quoted(&missing),
                if there.is_empty() { "no members".to_owned() } else { quoted(&there) }
            )));
        } else if !ignored.is_empty() {
            found.warnings.push(format!("members that are no fields were left out: {}", quoted(&ignored)));
        }
    }
}

fn element(number: u32, item: &Value, found: &mut Collected<'_>, seen: &mut Seen) -> Result<(), KnowledgeError> {
    let Value::Object(object) = item else {
        found.problem(Problem::in_row(number, format!("an object is wanted, and it is {}", value::shape(item))));
        return Ok(());
    };
    seen.objects += 1;
    if found.spec.fields.is_empty() {
        let lines: Vec<String> = object
            .iter()
            .filter(|(_, it)| !it.is_null())
            .map(|(name, it)| format!("{name}: {}", value::readable(it)))
            .collect();
        return found.push(lines.join("\n"), Map::new());
    }
    for name in object.keys() {
        if let Some(field) = table::key_of(found.spec, name)
            && !seen.fields.contains(&field.name)
        {
            seen.fields.push(field.name.clone());
        }
    }
    match table::read_object(number, object, found, &mut seen.ignored) {
        Some(fields) => found.row(number, fields),
        None => Ok(()),
    }
}
