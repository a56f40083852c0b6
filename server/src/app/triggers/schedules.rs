//! Starts what is due, once.
//!
//! A tick is claimed in the database together with the id of its run; then the run is started. A server that is killed in
//! between leaves the claim, and whoever finds it starts exactly that run, if it is not there yet. After a time without any
//! server, the last missed tick is made up for if it is at most [`CATCH_UP_MS`] old; the others are left out.

use std::time::Duration;

use domain::{RunId, TenantId, Tick, TickState, Trigger};
use serde_json::{Value, json};
use storage::{TickClaim, TickEnd};
use workflow_engine::{Schedule, Trigger as Declared};

use super::declared;
use crate::app::clock::new_uuid;
use crate::app::{App, Result};
use crate::error_codes::ErrorCode;

/// How late a tick may still start: a morning's report is of use at ten past nine, and not in the afternoon.
const CATCH_UP_MS: i64 = 60 * 60 * 1000;
/// A claim that is older belongs to a server that has stopped; starting a run takes milliseconds.
const TAKE_OVER_MS: i64 = 30_000;
/// How often the database is asked at least: another process may have published or switched something.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What is due and cannot be started now is not tried in a circle.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// Which claims of others are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeOver {
    /// After a start: whatever is there.
    All,
    /// Those whose server has had its time.
    Old,
}

/// What workflows see as `user` when a schedule starts them.
pub(super) fn user() -> Value {
    json!({ "id": "schedule", "name": "Schedule", "attributes": {} })
}

impl App {
    /// Starts schedules when they are due, until the server stops.
    pub fn keep_schedules(&self) {
        let app = self.clone();
        self.spawn(async move {
            let mut take_over = TakeOver::All;
            loop {
                match app.run_due_schedules(take_over).await {
                    Ok(()) => take_over = TakeOver::Old,
                    Err(error) => tracing::error!(error = %error, "the schedules cannot be read"),
                }
                tokio::select! {
                    () = tokio::time::sleep(app.until_next_schedule().await) => {}
                    () = app.stopping() => return,
                }
            }
        });
    }

    async fn until_next_schedule(&self) -> Duration {
        let next = self.storage().all_tenants_next_trigger_at().await.ok().flatten();
        let wait = next.map_or(i64::MAX, |it| it.saturating_sub(self.clock().now_ms()));
        Duration::from_millis(u64::try_from(wait).unwrap_or(0)).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    /// One look: claims what is due and starts it, and starts what others have claimed and left.
    ///
    /// # Errors
    /// The database cannot be read. One schedule's own trouble is logged and stops no other.
    pub async fn run_due_schedules(&self, take_over: TakeOver) -> Result<()> {
        let now = self.clock().now_ms();
        for (tenant, trigger) in self.storage().all_tenants_due_triggers(now).await? {
            let started = match self.claim(tenant, &trigger, now).await {
                Ok(Some(tick)) => self.start_tick(tenant, &trigger, tick).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            report(&trigger, started);
        }
        let claimed_by = match take_over {
            TakeOver::All => now,
            TakeOver::Old => now - TAKE_OVER_MS,
        };
        for (tenant, trigger, tick) in self.storage().all_tenants_open_ticks(claimed_by).await? {
            report(&trigger, self.start_tick(tenant, &trigger, tick).await);
        }
        Ok(())
    }

    /// Takes the tick that a due schedule comes to. None when there is none to start, or another server has it.
    async fn claim(&self, tenant: TenantId, trigger: &Trigger, now: i64) -> Result<Option<Tick>> {
        let Declared::Schedule(schedule) = declared(trigger)? else { return Ok(None) };
        let (due_at, next_at) = due(&schedule, (trigger.next_at.unwrap_or(now), now), self.clock().zone());
        if next_at.is_none() {
            tracing::warn!(trigger.id = %trigger.id, "this schedule has no next time: is its time zone known here?");
        }
        let tick = due_at.map(|due_at| Tick { due_at, run: RunId::from_uuid(new_uuid()), claimed_at: now });
        let won = self.storage().claim_tick(tenant, trigger, TickClaim { tick, next_at }).await?;
        Ok(tick.filter(|_| won))
    }

    async fn start_tick(&self, tenant: TenantId, trigger: &Trigger, tick: Tick) -> Result<()> {
        let Declared::Schedule(schedule) = declared(trigger)? else { return Ok(()) };
        let error = if self.storage().run(tenant, tick.run).await?.is_some() {
            // Its server was stopped after it had started the run, which is taken up like any other.
            None
        } else if self.clock().now_ms() - tick.due_at > CATCH_UP_MS {
            let text = "the run could not be started within an hour";
            Some((TickState::Late, json!({ "code": "too_late", "message": text })))
        } else {
            let start = (schedule.inputs.into(), user());
            let origin = json!({ "kind": "schedule", "trigger": trigger.id });
            match self.start_workflow_as(tenant, (tick.run, Some(origin)), &trigger.workflow, start).await {
                Ok(_) => None,
                // Another server started the very same run between our look and our try.
                Err(error) if error.code == ErrorCode::Conflict => None,
                // The claim stays, and is tried again when it is old.
                Err(error) if passes(error.code) => return Err(error),
                Err(error) => {
                    let told = json!({ "code": error.code.code(), "message": error.detail, "hint": error.hint });
                    Some((TickState::Failed, told))
                }
            }
        };
        if let Some((_, error)) = &error {
            tracing::warn!(trigger.id = %trigger.id, workflow = trigger.workflow, %error, "a schedule started no run");
        }
        let end = match error {
            None => TickEnd { state: TickState::Started, error: None },
            Some((state, error)) => TickEnd { state, error: Some(error) },
        };
        self.storage().end_tick(tenant, trigger.id, tick.due_at, end).await?;
        Ok(())
    }
}

/// The tick to start now, and the time after that. A single tick, however many were missed: the last one, if it is not too
/// old. `since` is when the schedule was due first.
fn due(schedule: &Schedule, (since, now): (i64, i64), zone: &jiff::tz::TimeZone) -> (Option<i64>, Option<i64>) {
    let oldest = now - CATCH_UP_MS;
    let mut tick = (since >= oldest).then_some(since);
    // From here on there are at most sixty ticks until now.
    let mut at = since.max(oldest - 1);
    loop {
        match schedule.next_after(at, zone) {
            Some(next) if next <= now => {
                tick = Some(next);
                at = next;
            }
            next => return (tick, next),
        }
    }
}

/// Whether the same try can succeed later.
fn passes(code: ErrorCode) -> bool {
    let passing = [ErrorCode::TooManyRequests, ErrorCode::ShuttingDown, ErrorCode::StorageFull, ErrorCode::Internal];
    passing.contains(&code)
}

fn report(trigger: &Trigger, outcome: Result<()>) {
    if let Err(error) = outcome {
        let hint = error.hint.as_deref().unwrap_or_default();
        tracing::warn!(trigger.id = %trigger.id, error = %error, hint, "a schedule's run is not started yet");
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    fn schedule(cron: &str) -> Schedule {
        Schedule { cron: cron.to_owned(), time_zone: None, inputs: serde_json::Map::new() }
    }

    #[test]
    fn of_missed_ticks_the_last_one_counts_if_it_is_young() {
        let daily = schedule("0 9 * * *");
        let of = |since, now| due(&daily, (since, now), &TimeZone::UTC);
        let (first, second) = (9 * HOUR, 33 * HOUR);
        assert_eq!(of(first, first), (Some(first), Some(second)), "on time");
        assert_eq!(of(first, first + 59 * MINUTE), (Some(first), Some(second)));
        assert_eq!(of(first, first + 61 * MINUTE), (None, Some(second)), "too late for this one");
        assert_eq!(of(first, second + MINUTE), (Some(second), Some(second + 24 * HOUR)), "one of two");

        let often = schedule("*/5 * * * *");
        let days_later = 72 * HOUR + 3 * MINUTE;
        let expected = (Some(72 * HOUR), Some(72 * HOUR + 5 * MINUTE));
        assert_eq!(due(&often, (0, days_later), &TimeZone::UTC), expected, "never a burst");
        let gone = Schedule { time_zone: Some("Middle/Earth".into()), ..daily };
        assert_eq!(due(&gone, (first, first), &TimeZone::UTC), (Some(first), None));
    }
}
