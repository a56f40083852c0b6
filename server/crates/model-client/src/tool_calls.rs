//! Puts the calls of tools together that a model asks for. They come in pieces, as its words do.

use serde_json::Value;

use crate::ToolCall;

/// More calls in one answer are a model that has lost its way.
const MAX_CALLS: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct ToolCalls(Vec<Building>);

#[derive(Debug)]
struct Building {
    /// The place that the provider gives it; some give none, or the same to all.
    index: Option<u64>,
    id: String,
    name: String,
    arguments: Arguments,
}

#[derive(Debug)]
enum Arguments {
    Text(String),
    /// Ollama's own way, in one piece.
    Ready(Value),
}

impl ToolCalls {
    pub(crate) fn take(&mut self, delta: &Value) {
        let Some(pieces) = delta.get("tool_calls").and_then(Value::as_array) else { return };
        for piece in pieces {
            self.piece(piece);
        }
    }

    fn piece(&mut self, piece: &Value) {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = text_of(piece.get("id"));
        let function = piece.get("function");
        let name = text_of(function.and_then(|it| it.get("name")));
        let Some(at) = self.place(index, id) else { return };
        let Some(call) = self.0.get_mut(at) else { return };
        if !id.is_empty() {
            id.clone_into(&mut call.id);
        }
        // Some send the name again with every piece; nobody sends it in pieces.
        if !name.is_empty() {
            name.clone_into(&mut call.name);
        }
        match function.and_then(|it| it.get("arguments")) {
            Some(Value::String(more)) => match &mut call.arguments {
                Arguments::Text(text) => text.push_str(more),
                Arguments::Ready(_) => {}
            },
            Some(ready @ Value::Object(_)) => call.arguments = Arguments::Ready(ready.clone()),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => {}
        }
    }

    /// Which call a piece belongs to. An id that is not known begins another call, whatever its index says.
    fn place(&mut self, index: Option<u64>, id: &str) -> Option<usize> {
        let known = match (id.is_empty(), index) {
            (false, _) => {
                self.0.iter().position(|it| it.id == id || (it.id.is_empty() && index.is_some() && it.index == index))
            }
            (true, Some(index)) => self.0.iter().rposition(|it| it.index == Some(index)),
            (true, None) => self.0.len().checked_sub(1),
        };
        if known.is_some() || self.0.len() >= MAX_CALLS {
            return known;
        }
        let arguments = Arguments::Text(String::new());
        self.0.push(Building { index, id: String::new(), name: String::new(), arguments });
        Some(self.0.len() - 1)
    }

    /// The whole calls. One without a name cannot be made; one without an id gets its place as one.
    pub(crate) fn finish(self) -> Vec<ToolCall> {
        let named = self.0.into_iter().filter(|it| !it.name.is_empty()).enumerate();
        named
            .map(|(place, Building { index: _, id, name, arguments })| ToolCall {
                id: if id.is_empty() { format!("call_{place}") } else { id },
                name,
                arguments: match arguments {
                    Arguments::Ready(value) => value,
                    Arguments::Text(text) => read(text),
                },
            })
            .collect()
    }
}

/// A tool without parameters is called with nothing, with `{}`, or with blank space.
fn read(text: String) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    match serde_json::from_str(&text) {
        Ok(object @ Value::Object(_)) => object,
        Ok(_) | Err(_) => Value::String(text),
    }
}

fn text_of(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ToolCalls;
    use crate::ToolCall;

    fn assembled(pieces: &[Value]) -> Vec<(String, String, Value)> {
        let mut calls = ToolCalls::default();
        for piece in pieces {
            calls.take(&json!({ "tool_calls": [piece] }));
        }
        calls.finish().into_iter().map(|ToolCall { id, name, arguments }| (id, name, arguments)).collect()
    }

    fn call(id: &str, name: &str, arguments: Value) -> (String, String, Value) {
        (id.to_owned(), name.to_owned(), arguments)
    }

    #[test]
    fn pieces_find_their_call() {
        let piece = |index: u64, text: &str| json!({ "index": index, "function": { "arguments": text } });
        let begin =
            |index: u64, id: &str| json!({ "index": index, "id": id, "function": { "name": "f", "arguments": "" } });
        let interleaved = [begin(0, "a"), begin(1, "b"), piece(0, "{\"x\""), piece(1, "{}"), piece(0, ":1}")];
        assert_eq!(assembled(&interleaved), [call("a", "f", json!({ "x": 1 })), call("b", "f", json!({}))]);
    }

    #[test]
    fn providers_that_give_every_call_the_same_index_or_none_are_understood() {
        let whole = |id: &str| json!({ "index": 0, "id": id, "function": { "name": "f", "arguments": "{}" } });
        assert_eq!(assembled(&[whole("a"), whole("b")]).len(), 2);
        let bare = |id: &str| json!({ "id": id, "function": { "name": "f", "arguments": { "x": 1 } } });
        assert_eq!(assembled(&[bare("a"), bare("b")]), ["a", "b"].map(|it| call(it, "f", json!({ "x": 1 }))));
        let rest = json!({ "function": { "arguments": "" } });
        assert_eq!(assembled(&[whole("a"), rest]), [call("a", "f", json!({}))]);
    }

    #[test]
    fn arguments_that_are_no_object_stay_text() {
        let with = |text: &str| json!({ "index": 0, "function": { "name": "f", "arguments": text } });
        assert_eq!(assembled(&[with("{\"x\": ")]), [call("call_0", "f", json!("{\"x\": "))]);
        assert_eq!(assembled(&[with("[1]")]), [call("call_0", "f", json!("[1]"))]);
        assert_eq!(assembled(&[with("")]), [call("call_0", "f", json!({}))]);
        assert_eq!(assembled(&[json!({ "index": 0, "id": "a", "function": 7 }), json!("odd")]), []);
    }
}
