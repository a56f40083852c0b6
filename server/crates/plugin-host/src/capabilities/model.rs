//! The tenant's language models. The manifest asks for roles and for so many tokens a call, the tenant grants roles and, if it
//! likes, fewer tokens; what a call has used is counted here.

use serde_json::Value;

use crate::bindings::parlour::plugin::model as wit;
use crate::bindings::parlour::plugin::types;
use crate::call::Guest;
use crate::error::HostError;
use crate::grants::Grants;
use crate::manifest::Manifest;

const MAX_MESSAGES: usize = 100;
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The role of the model that makes vectors, in a manifest and in a grant.
const EMBEDDING: &str = "embedding";
/// As the contract says; an embedding model reads no more of a text anyway.
const MAX_TEXTS: usize = 100;
const MAX_TEXT_BYTES: usize = 8 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    System,
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMessage {
    pub author: Author,
    pub content: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelRequest {
    /// What the model is for, as the tenant names it.
    pub role: String,
    pub messages: Vec<ModelMessage>,
    pub max_tokens: u64,
    pub temperature: Option<f64>,
    /// JSON Schema of the answer.
    pub schema: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub text: String,
    pub model: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// What a text is: some models tell the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedPurpose {
    Query,
    Passage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedRequest {
    /// 1 to 100, of at most 8 KiB each.
    pub texts: Vec<String>,
    pub purpose: EmbedPurpose,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One a text, all of one length.
    pub vectors: Vec<Vec<f32>>,
    pub model: String,
    pub input_tokens: u64,
}

/// Ask ∧ grant; answers how many tokens a call may use.
fn allowance(manifest: Option<&Manifest>, grants: &Grants, role: &str) -> Result<u64, HostError> {
    let Some(manifest) = manifest else {
        return Err(HostError::Denied("nothing is granted while a plugin describes itself".to_owned()));
    };
    let asked = manifest.permissions.model.as_ref().filter(|it| it.roles.iter().any(|it| it == role));
    let Some(asked) = asked else {
        return Err(HostError::Denied(format!(
            "the manifest does not ask for the model `{role}`, so no grant can allow it; its `permissions` would need \
             `model: {role}`"
        )));
    };
    if !grants.model.contains(role) {
        return Err(HostError::Denied(format!(
            "the model `{role}` is not granted to this plugin; the grant `model: {role}` would allow it"
        )));
    }
    Ok(grants.model_tokens.map_or(asked.max_tokens_per_call, |it| it.min(asked.max_tokens_per_call)))
}

fn request(request: wit::Request, left: u64) -> Result<ModelRequest, HostError> {
    let wit::Request { role, messages, max_tokens, temperature, schema_json } = request;
    let size: usize = messages.iter().map(|it| it.content.len()).sum();
    if messages.is_empty() || messages.len() > MAX_MESSAGES || size > MAX_MESSAGE_BYTES {
        return Err(HostError::InvalidInput(format!(
            "a model is given 1 to {MAX_MESSAGES} messages of at most {MAX_MESSAGE_BYTES} bytes together"
        )));
    }
    if temperature.is_some_and(|it| !(0.0..=2.0).contains(&it)) {
        return Err(HostError::InvalidInput("`temperature` goes from 0 to 2".to_owned()));
    }
    let schema = match schema_json.trim() {
        "" => None,
        text => match serde_json::from_str(text) {
            Ok(schema @ Value::Object(_)) => Some(schema),
            Ok(_) | Err(_) => return Err(HostError::InvalidInput("the schema is no JSON object".to_owned())),
        },
    };
    let messages = messages.into_iter().map(|wit::Message { author, content }| ModelMessage {
        author: match author {
            wit::Author::System => Author::System,
            wit::Author::User => Author::User,
            wit::Author::Assistant => Author::Assistant,
        },
        content,
    });
    let max_tokens = max_tokens.map_or(left, |it| u64::from(it).min(left));
    Ok(ModelRequest { role, messages: messages.collect(), max_tokens, temperature, schema })
}

fn embed_request(texts: Vec<String>, purpose: wit::Purpose) -> Result<EmbedRequest, HostError> {
    if texts.is_empty() || texts.len() > MAX_TEXTS || texts.iter().any(|it| it.len() > MAX_TEXT_BYTES) {
        return Err(HostError::InvalidInput(format!(
            "an embedding model is given 1 to {MAX_TEXTS} texts of at most {MAX_TEXT_BYTES} bytes each"
        )));
    }
    let purpose = match purpose {
        wit::Purpose::Query => EmbedPurpose::Query,
        wit::Purpose::Passage => EmbedPurpose::Passage,
    };
    Ok(EmbedRequest { texts, purpose })
}

impl Guest {
    /// Tokens that the call may still use of a role's model.
    fn tokens_left(&self, role: &str) -> Result<u64, HostError> {
        let allowed = allowance(self.manifest.as_deref(), &self.grants, role)?;
        match allowed.saturating_sub(self.tokens.input + self.tokens.output) {
            0 => Err(HostError::Failed(format!(
                "the call has used the {allowed} tokens that are granted to the plugin for one call"
            ))),
            left => Ok(left),
        }
    }
}

impl wit::Host for Guest {
    async fn complete(&mut self, asked: wit::Request) -> wasmtime::Result<Result<wit::Completion, types::Error>> {
        let role = asked.role.clone();
        let request = match self.tokens_left(&role).and_then(|left| request(asked, left)) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(refusal, || format!("model: {role}")),
        };
        let done = self.ask_server(|access| Box::pin(async move { access.complete(request).await })).await?;
        Ok(done.map(|Completion { text, model, input_tokens, output_tokens }| {
            self.tokens.input += input_tokens;
            self.tokens.output += output_tokens;
            wit::Completion { text, model, input_tokens, output_tokens }
        }))
    }

    async fn embed(
        &mut self,
        texts: Vec<String>,
        purpose: wit::Purpose,
    ) -> wasmtime::Result<Result<wit::Embeddings, types::Error>> {
        let request = match self.tokens_left(EMBEDDING).and_then(|_left| embed_request(texts, purpose)) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(refusal, || format!("model: {EMBEDDING}")),
        };
        let made = self.ask_server(|access| Box::pin(async move { access.embed(request).await })).await?;
        Ok(made.map(|Embeddings { vectors, model, input_tokens }| {
            self.tokens.input += input_tokens;
            wit::Embeddings { vectors, model, input_tokens }
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(permissions: Value) -> Manifest {
        let text = json!({ "en": "a", "zh": "a" });
        serde_json::from_value(json!({
            "id": "p", "version": "1.0.0", "title": text, "description": text, "tools": [], "permissions": permissions
        }))
        .expect("a manifest")
    }

    #[test]
    fn roles_and_tokens_are_asked_for_and_granted() {
        let asked = manifest(
            json!({ "model": { "roles": ["fast"], "max_tokens_per_call": 500, "reason": { "en": "a", "zh": "a" } } }),
        );
        let grants = |roles: &[&str], tokens| Grants {
            model: roles.iter().map(|it| (*it).to_owned()).collect(),
            model_tokens: tokens,
            ..Grants::default()
        };
        assert_eq!(allowance(Some(&asked), &grants(&["fast"], None), "fast").ok(), Some(500));
        assert_eq!(allowance(Some(&asked), &grants(&["fast"], Some(100)), "fast").ok(), Some(100));
        assert_eq!(
            allowance(Some(&asked), &grants(&["fast"], Some(9_000)), "fast").ok(),
            Some(500),
            "never more than asked"
        );
        for (manifest, granted) in
            [(Some(&asked), &[][..]), (None, &["fast"][..]), (Some(&manifest(json!({}))), &["fast"])]
        {
            let error = allowance(manifest, &grants(granted, None), "fast").expect_err("it is refused");
            assert!(matches!(error, HostError::Denied(_)), "{error:?}");
        }
        assert!(allowance(Some(&asked), &grants(&["default"], None), "default").is_err());
    }

    #[test]
    fn requests_are_read_strictly() {
        let asked = |messages: usize, schema: &str, temperature| {
            let message = wit::Message { author: wit::Author::User, content: "hi".into() };
            let messages = vec![message; messages];
            let asked = wit::Request {
                role: "fast".into(),
                messages,
                max_tokens: Some(1_000),
                temperature,
                schema_json: schema.into(),
            };
            request(asked, 300)
        };
        assert_eq!(asked(1, "", None).expect("it is fine").max_tokens, 300, "no more than is left");
        assert_eq!(
            asked(1, r#"{"type": "object"}"#, Some(0.5)).expect("it is fine").schema,
            Some(json!({ "type": "object" }))
        );
        for wrong in [
            asked(0, "", None),
            asked(101, "", None),
            asked(1, "[1]", None),
            asked(1, "{", None),
            asked(1, "", Some(f64::NAN)),
        ] {
            assert!(matches!(wrong, Err(HostError::InvalidInput(_))), "{wrong:?}");
        }
    }

    #[test]
    fn texts_to_embed_are_bounded() {
        let asked =
            |count: usize, bytes: usize| embed_request(vec!["辣".repeat(bytes / 3); count], wit::Purpose::Query);
        assert_eq!(asked(100, 8_190).expect("it is fine").purpose, EmbedPurpose::Query);
        for wrong in [asked(0, 3), asked(101, 3), asked(1, 8_193)] {
            assert!(matches!(wrong, Err(HostError::InvalidInput(_))), "{wrong:?}");
        }
    }
}
