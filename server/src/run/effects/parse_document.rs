//! Reads a file that a visitor brought or a request fetched: `{name, text}`, `{name, base64, media_type?}`, or a `data:` URL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use knowledge::{Content, DocumentText, KnowledgeError};
use serde_json::{Value, json};
use workflow_engine::{EffectError, Outcome};

use super::failed;

/// For a file that has no name.
const UNNAMED: &str = "document";

struct File {
    name: String,
    media_type: Option<String>,
    content: Content,
}

pub(super) async fn perform(file: Value) -> Outcome {
    let file = match read(&file) {
        Ok(file) => file,
        Err(message) => return failed("invalid_input", message, Some(WANTED)),
    };
    let name = file.name.clone();
    // Untrusted bytes: off the async workers, and a panic is the document's error.
    match tokio::task::spawn_blocking(move || parsed(file)).await {
        Ok(Ok(value)) => Outcome::Ok { value },
        Ok(Err(error)) => Outcome::Failed {
            error: EffectError {
                code: error.code().to_owned(),
                message: error.to_string(),
                hint: error.hint(),
                retry_after_ms: None,
            },
        },
        Err(panic) => {
            tracing::error!(document = name, error = %panic, "a parser panicked");
            failed("invalid_document", format!("`{name}` cannot be read"), Some("save it again as UTF-8 text"))
        }
    }
}

const WANTED: &str = "a file is `{name, text}`, `{name, base64, media_type}`, or a `data:` URL; an `http` node with \
    `response: file` gives one, and so does `chat.files`";

/// `{text, pages, tables, metadata}`; a table is a list of rows, the header first.
fn parsed(file: File) -> Result<Value, KnowledgeError> {
    let File { name, media_type, content } = file;
    let bytes = match &content {
        Content::Bytes(bytes) => bytes.len(),
        Content::Text(text) => text.len(),
    };
    let DocumentText { text, pages, tables, media_type, encoding } =
        knowledge::read_document(content, &name, media_type.as_deref())?;
    let metadata = json!({
        "name": name,
        "media_type": media_type,
        "encoding": encoding,
        "bytes": bytes,
        "characters": text.chars().count(),
    });
    Ok(json!({ "text": text, "pages": pages, "tables": tables, "metadata": metadata }))
}

fn read(file: &Value) -> Result<File, String> {
    match file {
        Value::String(url) => {
            let rest = url.strip_prefix("data:").ok_or("the text is no `data:` URL")?;
            data_url(rest)
        }
        Value::Object(members) => {
            let text_of = |name: &str| members.get(name).and_then(Value::as_str);
            let content = match (text_of("text"), text_of("base64")) {
                (Some(text), None) => Content::Text(text.to_owned()),
                (None, Some(encoded)) => Content::Bytes(decoded(encoded)?),
                (Some(_), Some(_)) => return Err("the file has both `text` and `base64`".to_owned()),
                (None, None) => return Err("the file has neither `text` nor `base64`".to_owned()),
            };
            Ok(File {
                name: text_of("name").filter(|it| !it.is_empty()).unwrap_or(UNNAMED).to_owned(),
                media_type: text_of("media_type").map(str::to_owned),
                content,
            })
        }
        Value::Null => Err("there is no file".to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err("the value is no file".to_owned()),
    }
}

/// `[<media type>][;base64],<data>`, RFC 2397.
fn data_url(rest: &str) -> Result<File, String> {
    let (head, data) = rest.split_once(',').ok_or("the `data:` URL has no comma before its data")?;
    let (media_type, is_base64) = match head.strip_suffix(";base64") {
        Some(media_type) => (media_type, true),
        None => (head, false),
    };
    let bytes = unescaped(data).ok_or("the `data:` URL has a `%` without two hexadecimal digits")?;
    let bytes = if is_base64 { decoded(&String::from_utf8_lossy(&bytes))? } else { bytes };
    let media_type = Some(media_type.to_owned()).filter(|it| !it.is_empty());
    Ok(File { name: UNNAMED.to_owned(), media_type, content: Content::Bytes(bytes) })
}

/// Base64 is often broken into lines.
fn decoded(encoded: &str) -> Result<Vec<u8>, String> {
    let whole: String = encoded.split_ascii_whitespace().collect();
    STANDARD.decode(whole).map_err(|error| format!("its base64 is damaged: {error}"))
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digit = |it: &u8| char::from(*it).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let [high, low] = digits;
        bytes.push(digit(high)? * 16 + digit(low)?);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use workflow_engine::Outcome;

    use super::perform;

    async fn outcome(file: Value) -> Result<Value, String> {
        match perform(file).await {
            Outcome::Ok { value } => Ok(value),
            Outcome::Failed { error } => {
                assert!(error.hint.is_some_and(|it| !it.is_empty()), "{}", error.message);
                Err(error.code)
            }
        }
    }

    #[tokio::test]
    async fn a_file_is_taken_in_every_shape() {
        let csv = outcome(json!({ "name": "a.csv", "base64": "6I+cLOS7twrpnaIsOAo=" })).await.unwrap();
        assert_eq!(csv["tables"], json!([[["菜", "价"], ["面", "8"]]]));
        let metadata =
            json!({ "name": "a.csv", "media_type": "text/csv", "encoding": "UTF-8", "bytes": 14, "characters": 8 });
        assert_eq!(csv["metadata"], metadata);
        let text = outcome(json!({ "name": "a.md", "text": "一\u{c}二" })).await.unwrap();
        assert_eq!(text["pages"], json!(["一", "二"]));
        assert_eq!(
            outcome(json!("data:text/csv;charset=utf-8;base64,YSxi")).await.unwrap()["tables"],
            json!([[["a", "b"]]])
        );
        assert_eq!(outcome(json!("data:,a%20%E8%8F%9C")).await.unwrap()["text"], "a 菜");
    }

    #[tokio::test]
    async fn what_is_no_file_is_told() {
        for wrong in [
            json!(null),
            json!(7),
            json!({}),
            json!({ "name": "a.txt" }),
            json!({ "text": "a", "base64": "YQ==" }),
            json!({ "name": "a.txt", "base64": "…" }),
            json!("https://example.com/a.txt"),
            json!("data:text/plain"),
            json!("data:,%4"),
            json!("data:,%é1"),
        ] {
            assert_eq!(outcome(wrong.clone()).await, Err("invalid_input".to_owned()), "{wrong}");
        }
        assert_eq!(outcome(json!({ "name": "a.pdf", "base64": "JVBERg==" })).await, Err("invalid_document".to_owned()));
    }
}
