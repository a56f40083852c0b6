//! Once a second: ends waits whose moment has come, wakes runs that something has come in for, and takes up runs that
//! nobody drives. Everything it does has been stored before, so it may be late or killed without losing anything.

use std::time::Duration;

use super::{App, Result};

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks for runs that nobody drives; they are few and nobody waits at a screen for them.
const TICKS_TO_RESUME: u32 = 3;

impl App {
    /// Keeps time until the server stops.
    pub fn keep_time(&self) {
        let app = self.clone();
        self.spawn(async move {
            let mut tick = 0u32;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    () = app.stopping() => return,
                }
                tick = tick.wrapping_add(1);
                let mut done = app.wake_answered().await;
                if done.is_ok() && tick.is_multiple_of(TICKS_TO_RESUME) {
                    done = app.look_after_runs().await;
                }
                if let Err(error) = done {
                    tracing::error!(error = %error, "runs that wait cannot be looked after");
                }
            }
        });
    }

    async fn look_after_runs(&self) -> Result<()> {
        self.renew_leases().await?;
        self.resume_unfinished().await.map(|_| ())
    }

    /// Ends what is due, and wakes every run for which something has come in.
    pub async fn wake_answered(&self) -> Result<()> {
        self.storage().all_tenants_expire_waits(self.clock().now_ms()).await?;
        for (tenant, root) in self.storage().all_tenants_answered_roots().await? {
            self.wake_or_say(tenant, root).await;
        }
        Ok(())
    }
}
