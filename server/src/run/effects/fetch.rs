//! Sends an HTTP request through the guarded client: secrets go in on the way out, and the answer comes back as a value.

mod answer;
mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::TenantId;
use serde_json::Value;
use workflow_engine::{EffectError, HttpRequest, Outcome};

use super::Surroundings;
use crate::app::App;
use crate::egress::EgressError;

/// For a node that says nothing of time.
const USUAL_TIME: Duration = Duration::from_secs(30);
/// What one answer may take of a run's memory, whatever its node asks for: as a file it grows by a third.
const MOST_BYTES: u64 = 32 << 20;

/// Secrets of one request by name.
type Secrets = BTreeMap<String, String>;

pub(super) async fn perform(
    around: &Surroundings,
    node: &str,
    request: HttpRequest,
    timeout_ms: Option<u64>,
) -> Outcome {
    // A node sends one request. Attempts of `retry` are effects of their own, and to the other side they are one as well:
    // whoever timed out may have done what was asked.
    let key = format!("{}-{node}", around.run);
    let time = timeout_ms.map_or(USUAL_TIME, Duration::from_millis);
    match around.app.fetch(around.tenant, request, &key, time).await {
        Ok(value) => Outcome::Ok { value },
        Err(error) => Outcome::Failed { error },
    }
}

impl App {
    /// Sends a tenant's request: `{status, ok, headers, body}`, whatever the status.
    ///
    /// # Errors
    /// The request cannot be sent as it is (`invalid_input`, `secret_missing`, `secret_unreadable`), may not be (`denied`),
    /// or got no answer that can be used (`timeout`, `unavailable`, `too_large`, `bad_response`). No secret is in any.
    pub async fn fetch(
        &self,
        tenant: TenantId,
        mut request: HttpRequest,
        idempotency_key: &str,
        time: Duration,
    ) -> Result<Value, EffectError> {
        request.max_bytes = request.max_bytes.min(MOST_BYTES);
        let (format, secrets) = (request.response, self.secrets_of(tenant, &request).await?);
        let sent = async {
            let outgoing = request::outgoing(request, &secrets, idempotency_key, time)?;
            let arrived = self.egress().send(outgoing).await.map_err(refused)?;
            answer::value(arrived, format)
        };
        sent.await.map_err(|error| without_secrets(error, &secrets))
    }

    async fn secrets_of(&self, tenant: TenantId, request: &HttpRequest) -> Result<Secrets, EffectError> {
        let mut secrets = Secrets::new();
        for name in request::secret_names(request) {
            match self.open_secret(tenant, name).await {
                Ok(Some(value)) => secrets.insert(name.to_owned(), value),
                Ok(None) => return Err(missing(name)),
                Err(error) => {
                    tracing::error!(secret = name, error = %error, internal = ?error.internal, "a secret cannot be opened");
                    let message = format!("the secret `{name}` cannot be opened");
                    return Err(fault(
                        "secret_unreadable",
                        message,
                        "the server's master key has changed: store it again",
                    ));
                }
            };
        }
        Ok(secrets)
    }
}

fn refused(error: EgressError) -> EffectError {
    EffectError { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), retry_after_ms: None }
}

fn fault(code: &str, message: impl Into<String>, hint: impl Into<String>) -> EffectError {
    EffectError { code: code.to_owned(), message: message.into(), hint: Some(hint.into()), retry_after_ms: None }
}

fn missing(name: &str) -> EffectError {
    let hint = format!("store it: `PUT /api/v1/secrets/{name}` with `{{\"value\": …}}`");
    fault("secret_missing", format!("there is no secret `{name}`"), hint)
}

/// A host may repeat what it was sent, for example in the address of a redirect, where hosts are written small.
fn without_secrets(mut error: EffectError, secrets: &Secrets) -> EffectError {
    for value in secrets.values().flat_map(|it| [it.clone(), it.to_lowercase()]) {
        error.message = error.message.replace(&value, "[secret]");
        error.hint = error.hint.map(|it| it.replace(&value, "[secret]"));
    }
    error
}
