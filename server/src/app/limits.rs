//! What a run may use: the server's limits, lowered by its tenant's, and in the engine by the document's own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use workflow_engine::{Limits, LimitsAsked};

use super::{App, AppError, Problem, Result};

/// The tenant's setting that holds its limits.
const SETTING: &str = "limits";
/// How long a tenant's limits are taken from memory: another process may have changed them.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Limits of the runs of one tenant; what is absent is the server's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunLimits {
    /// Nodes that may start.
    pub max_steps: Option<u32>,
    /// Nodes that may wait for effects at the same time.
    pub max_parallel: Option<u32>,
    /// Tokens of all models together, in and out.
    pub max_tokens: Option<u64>,
    /// In the currency of the models' prices.
    pub max_cost: Option<f64>,
    /// How long a run may work, in milliseconds; waiting for people and moments does not count.
    pub max_time_ms: Option<u64>,
    /// Workflows inside of workflows.
    pub max_depth: Option<u32>,
}

/// Tenants' limits as they were read last.
#[derive(Default)]
pub struct TenantLimits(Mutex<HashMap<TenantId, (Instant, RunLimits)>>);

impl App {
    /// What the tenant has set for itself.
    pub async fn tenant_limits(&self, tenant: TenantId) -> Result<RunLimits> {
        let known = self.0.limits.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned();
        if let Some((read, limits)) = known
            && read.elapsed() < REMEMBERED
        {
            return Ok(limits);
        }
        let stored = self.storage().setting(tenant, SETTING).await?;
        let limits: RunLimits = match stored {
            Some(value) => serde_json::from_value(value).map_err(AppError::internal)?,
            None => RunLimits::default(),
        };
        let entry = (Instant::now(), limits.clone());
        self.0.limits.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, entry);
        Ok(limits)
    }

    /// The server's own limits, in the same terms.
    pub fn server_limits(&self) -> RunLimits {
        let limits = &self.config().limits;
        RunLimits {
            max_steps: Some(limits.run.max_steps),
            max_parallel: Some(limits.run.max_parallel),
            max_tokens: limits.run.max_tokens,
            max_cost: limits.run.max_cost,
            max_time_ms: u64::try_from(limits.run_time.as_millis()).ok(),
            max_depth: Some(limits.max_depth),
        }
    }

    /// Sets the tenant's limits, instead of those before.
    ///
    /// # Errors
    /// A limit that is zero, or above the server's.
    pub async fn set_tenant_limits(&self, tenant: TenantId, limits: RunLimits) -> Result<()> {
        let problems = above(&limits, &self.server_limits());
        if let Some(first) = problems.first() {
            return Err(AppError::invalid(first.message.clone())
                .hint("the operator sets the server's limits under `[limits]` in parlour.toml")
                .errors(problems));
        }
        self.storage().set_setting(tenant, SETTING, json!(limits), self.clock().now_ms()).await?;
        self.0.limits.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
        Ok(())
    }

    /// What the engine holds a run of this tenant to.
    pub(crate) async fn engine_limits(&self, tenant: TenantId) -> Result<Limits> {
        let RunLimits { max_steps, max_parallel, max_tokens, max_cost, max_time_ms, max_depth: _ } =
            self.tenant_limits(tenant).await?;
        let asked = LimitsAsked { max_steps, max_parallel, max_tokens, max_cost, max_time_ms };
        Ok(self.config().limits.run.clone().lowered_to(&asked))
    }

    /// How long a run of this program may work, and how deep workflows may nest.
    pub(crate) async fn driver_limits(&self, tenant: TenantId, asked: &LimitsAsked) -> Result<(Duration, u32)> {
        let tenant = self.tenant_limits(tenant).await?;
        let server = &self.config().limits;
        let times = [tenant.max_time_ms, asked.max_time_ms].into_iter().flatten().map(Duration::from_millis);
        let time = times.fold(server.run_time, Duration::min);
        Ok((time, tenant.max_depth.map_or(server.max_depth, |it| it.min(server.max_depth))))
    }
}

/// What of the tenant's limits cannot be, because it is nothing or more than the server allows.
fn above(limits: &RunLimits, server: &RunLimits) -> Vec<Problem> {
    let RunLimits { max_steps, max_parallel, max_tokens, max_cost, max_time_ms, max_depth } = limits;
    #[expect(clippy::cast_precision_loss, reason = "limits are far below what a float tells apart")]
    let all = [
        ("max_steps", max_steps.map(f64::from), server.max_steps.map(f64::from)),
        ("max_parallel", max_parallel.map(f64::from), server.max_parallel.map(f64::from)),
        ("max_tokens", max_tokens.map(|it| it as f64), server.max_tokens.map(|it| it as f64)),
        ("max_cost", *max_cost, server.max_cost),
        ("max_time_ms", max_time_ms.map(|it| it as f64), server.max_time_ms.map(|it| it as f64)),
        ("max_depth", max_depth.map(f64::from), server.max_depth.map(f64::from)),
    ];
    let mut problems = Vec::new();
    for (name, asked, most) in all {
        let Some(asked) = asked else { continue };
        let message = match most {
            _ if asked.is_nan() || asked <= 0.0 => format!("`{name}` must be above 0"),
            Some(most) if asked > most => format!("`{name}` may be {most} at most, it is {asked}"),
            Some(_) | None => continue,
        };
        problems.push(Problem { path: Some(format!("/{name}")), ..Problem::new("invalid_input", message) });
    }
    problems
}
