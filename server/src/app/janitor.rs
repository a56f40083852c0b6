//! Keeps the database from growing without bound: old runs, expired sessions and links, records that nothing counts.

use std::time::Duration;

use super::{App, Result};
use crate::config::Database;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A run's record helps for a month; after that it only takes room.
const RUN_RETENTION_MS: i64 = 30 * DAY_MS;
/// Runs removed in one transaction, so that chats do not wait for the broom.
const RUNS_AT_ONCE: i64 = 500;
const INTERVAL: Duration = Duration::from_secs(60 * 60);

impl App {
    /// Sweeps now and then every hour, until the server stops.
    pub fn keep_tidy(&self) {
        let app = self.clone();
        self.spawn(async move {
            // Only at the start: nobody replaces records yet, and only a crash leaves some behind. On a database that
            // others use too somebody may be replacing some just now.
            if let Database::File(_) = app.config().database
                && let Err(error) = app.storage().all_tenants_purge_chunks().await
            {
                tracing::error!(error = %error, "left-over records cannot be removed");
            }
            loop {
                if let Err(error) = app.sweep().await {
                    tracing::error!(error = %error, "the database cannot be tidied");
                }
                tokio::select! {
                    () = tokio::time::sleep(INTERVAL) => {}
                    () = app.stopping() => return,
                }
            }
        });
    }

    async fn sweep(&self) -> Result<()> {
        let now = self.clock().now_ms();
        self.storage().all_tenants_prune_expired(now).await?;
        self.storage().all_tenants_prune_kept_outputs(now).await?;
        self.storage().all_tenants_prune_plugin_values(now).await?;
        self.storage().all_tenants_prune_plugin_calls(now - RUN_RETENTION_MS).await?;
        self.storage().all_tenants_prune_ticks(now - RUN_RETENTION_MS).await?;
        while self.storage().all_tenants_prune_runs(now - RUN_RETENTION_MS, RUNS_AT_ONCE).await? > 0 {
            if self.is_stopping() {
                break;
            }
        }
        Ok(())
    }
}
