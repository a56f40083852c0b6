//! Webhooks: a request to a secret address starts the workflow.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::{DefinitionKind, RunId, RunStatus, TenantId, Trigger};
use serde_json::{Value, json};
use workflow_engine::{Trigger as Declared, Webhook};

use super::declared;
use crate::app::clock::{fingerprint, new_uuid};
use crate::app::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// How often a run that another server drives is looked at.
const ELSEWHERE: Duration = Duration::from_millis(200);

/// A webhook that was found by its address.
pub(crate) struct Hook {
    tenant: TenantId,
    trigger: Trigger,
    pub webhook: Webhook,
}

impl App {
    /// The webhook with this token. One that is switched off is as unknown as one that never was.
    pub(crate) async fn hook(&self, token: &str) -> Result<Hook> {
        let unknown = || AppError::new(ErrorCode::NotFound, "there is no webhook at this address");
        let found = self.storage().all_tenants_trigger_of_token(token).await?;
        let (tenant, trigger) = found.filter(|(_, it)| it.enabled).ok_or_else(unknown)?;
        let Declared::Webhook(webhook) = declared(&trigger)? else { return Err(unknown()) };
        Ok(Hook { tenant, trigger, webhook })
    }

    /// Refuses a body that was not signed with the webhook's secret. `header` gives the request's headers by name.
    pub(crate) async fn check_signature(
        &self,
        hook: &Hook,
        body: &[u8],
        header: impl Fn(&str) -> Option<String>,
    ) -> Result<()> {
        let Some(hmac) = &hook.webhook.hmac else { return Ok(()) };
        let refused = |detail: String| AppError::new(ErrorCode::BadSignature, detail);
        let Some(given) = header(&hmac.header) else {
            return Err(refused(format!("the header `{}` is missing", hmac.header))
                .hint("sign the body with HMAC-SHA256 and send `sha256=` and the hexadecimal digits"));
        };
        let Some(secret) = self.open_secret(hook.tenant, &hmac.secret).await? else {
            tracing::warn!(trigger.id = %hook.trigger.id, secret = hmac.secret, "a webhook's secret is not there");
            return Err(refused("the signature cannot be checked".to_owned())
                .hint("whoever runs this workflow has to store the secret that it names"));
        };
        if is_signed(secret.as_bytes(), body, &given) {
            return Ok(());
        }
        Err(refused(format!("`{}` is not this body's signature", hmac.header))
            .hint("both sides need the same secret, and the body must arrive as it was signed, byte for byte"))
    }

    /// Starts the workflow with what the request means, or finds the run that the same delivery has started before.
    pub(crate) async fn deliver(&self, hook: &Hook, request: &Value, delivery: Option<&str>) -> Result<RunId> {
        let (tenant, id, workflow) = (hook.tenant, hook.trigger.id, hook.trigger.workflow.as_str());
        let version = self.definition(tenant, DefinitionKind::Workflow, workflow).await?;
        let program = self.program(tenant, &version).await?;
        let inputs = program.webhook_inputs(request).map_err(|error| {
            AppError::invalid(format!("the request does not fit the workflow: {}", error.message))
                .maybe_hint(error.hint)
        })?;
        let now = self.clock().now_ms();
        let mut run = RunId::from_uuid(new_uuid());
        if let Some(name) = delivery {
            run = self.storage().claim_delivery(tenant, id, &fingerprint(name), (run, now)).await?;
            if self.storage().run(tenant, run).await?.is_some() {
                return Ok(run);
            }
        }
        let user = json!({ "id": "webhook", "name": "Webhook", "attributes": {} });
        let origin = json!({ "kind": "webhook", "trigger": id });
        match self.start_workflow_as(tenant, (run, Some(origin)), workflow, (inputs, user)).await {
            Ok(_) => {}
            // The same delivery came twice at once, and the other one was faster.
            Err(error) if error.code == ErrorCode::Conflict => return Ok(run),
            Err(error) => {
                self.storage().release_delivery(tenant, id, run).await?;
                return Err(error);
            }
        }
        self.storage().note_trigger_run(tenant, id, run, now).await?;
        Ok(run)
    }

    /// Waits for a run's end and gives its outputs.
    ///
    /// # Errors
    /// The run failed, or has not ended in time; the error names the run.
    pub(crate) async fn hook_outputs(&self, hook: &Hook, run: RunId) -> Result<Value> {
        let limit = self.config().limits.webhook_answer;
        let Ok(ended) = tokio::time::timeout(limit, self.until_over(hook.tenant, run)).await else {
            let text = format!("the run `{run}` has not ended within {} s", limit.as_secs());
            return Err(AppError::new(ErrorCode::StillRunning, text)
                .hint("it goes on; send the same delivery again to wait further, or use `response: accepted`"));
        };
        let ended = ended?;
        match ended.status {
            RunStatus::Finished => Ok(ended.outputs.unwrap_or_else(|| json!({}))),
            // The reason is for the workflow's author, who finds it under the id.
            RunStatus::Failed => Err(AppError::new(ErrorCode::RunFailed, format!("the run `{run}` failed"))),
            RunStatus::Cancelled => Err(AppError::new(ErrorCode::RunFailed, format!("the run `{run}` was cancelled"))),
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => {
                Err(AppError::internal(format!("the run {run} ended without an end")))
            }
        }
    }

    async fn until_over(&self, tenant: TenantId, id: RunId) -> Result<domain::Run> {
        loop {
            if let Some(live) = self.live().get(id) {
                live.done.cancelled().await;
            }
            let run = self.run(tenant, id).await?;
            if run.status.is_terminal() {
                return Ok(run);
            }
            tokio::time::sleep(ELSEWHERE).await;
        }
    }
}

/// Whether a header's value is the body's HMAC-SHA256: hexadecimal digits, after `sha256=` or alone, or base64. The
/// comparison takes the same time wherever the two differ.
fn is_signed(secret: &[u8], body: &[u8], given: &str) -> bool {
    let given = given.trim();
    let digits = given.strip_prefix("sha256=").unwrap_or(given);
    let Some(signature) = from_hex(digits).or_else(|| BASE64.decode(digits).ok()) else { return false };
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    ring::hmac::verify(&key, body, &signature).is_ok()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        digits.chars().map(|it| it.to_digit(16).and_then(|it| u8::try_from(it).ok())).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_as_senders_write_them() {
        // GitHub's own example: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
        let (secret, body) = (b"It's a Secret to Everybody", b"Hello, World!");
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_signed(secret, body, &format!("sha256={hex}")));
        assert!(is_signed(secret, body, &hex.to_uppercase()));
        let bytes = from_hex(hex).unwrap();
        assert!(is_signed(secret, body, &BASE64.encode(bytes)), "as Shopify does");
        for wrong in ["", "sha256=", "sha256=75", "sha256=zz", &hex[1..], &hex.replace('7', "8"), "sha1=757107ea"] {
            assert!(!is_signed(secret, body, wrong), "{wrong}");
        }
        assert!(!is_signed(secret, b"Hello, World", hex));
        assert!(!is_signed(b"another", body, hex));
    }
}
