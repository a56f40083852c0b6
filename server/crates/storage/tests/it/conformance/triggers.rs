use domain::DefinitionKind::Workflow;
use domain::{RunId, Tick, TickState, Trigger, TriggerId, TriggerKind};
use serde_json::json;
use storage::{Storage, TickClaim, TickEnd};

use crate::support::{tenant, uuid, version};

pub(crate) fn trigger(workflow: &str, kind: TriggerKind, position: i64) -> Trigger {
    let webhook = kind == TriggerKind::Webhook;
    Trigger {
        id: TriggerId::from_uuid(uuid()),
        workflow: workflow.into(),
        kind,
        position,
        spec: json!({ "kind": kind.as_str(), "inputs": { "问题": 1 } }),
        token: webhook.then(|| format!("token {}", uuid())),
        enabled: true,
        next_at: (!webhook).then_some(1_000),
        last_at: None,
        last_run: None,
        last_error: None,
        created_at: 5,
        updated_at: 5,
    }
}

fn run() -> RunId {
    RunId::from_uuid(uuid())
}

pub(crate) async fn publishing_again_keeps_them(storage: &Storage) {
    let (a, b) = (tenant(storage, "a").await, tenant(storage, "b").await);
    let first = [trigger("w", TriggerKind::Schedule, 0), trigger("w", TriggerKind::Webhook, 0)];
    let saved = storage.save_workflow(a, "w", version("workflow: w"), first.to_vec()).await.unwrap();
    assert_eq!(storage.current_version(a, Workflow, "w").await.unwrap(), Some(saved));
    storage.save_workflow(b, "w", version("workflow: w"), vec![trigger("w", TriggerKind::Schedule, 0)]).await.unwrap();
    assert_eq!(storage.list_triggers(a).await.unwrap(), first);
    assert_eq!(storage.trigger(a, first[1].id).await.unwrap().as_ref(), Some(&first[1]));
    let token = first[1].token.clone().unwrap();
    assert_eq!(storage.all_tenants_trigger_of_token(&token).await.unwrap(), Some((a, first[1].clone())));
    assert_eq!(storage.all_tenants_trigger_of_token("another").await.unwrap(), None);

    let paused = Trigger { enabled: false, next_at: None, updated_at: 6, ..first[0].clone() };
    assert!(storage.update_trigger(a, paused.clone()).await.unwrap());
    let mut changed = trigger("w", TriggerKind::Webhook, 0);
    changed.spec = json!({ "kind": "webhook", "response": "outputs" });
    changed.updated_at = 7;
    let later = [trigger("w", TriggerKind::Schedule, 0), trigger("w", TriggerKind::Schedule, 1), changed.clone()];
    storage.save_workflow(a, "w", version("workflow: w"), later.to_vec()).await.unwrap();
    let kept = Trigger { spec: changed.spec, updated_at: 7, ..first[1].clone() };
    let all = storage.list_triggers(a).await.unwrap();
    assert_eq!(all, [paused, later[1].clone(), kept.clone()], "an equal spec changes nothing, a new one only itself");

    let renewed = Trigger { token: Some("new".into()), updated_at: 8, ..kept };
    assert!(storage.update_trigger(a, renewed.clone()).await.unwrap());
    assert_eq!(storage.all_tenants_trigger_of_token(&token).await.unwrap(), None);
    assert_eq!(storage.all_tenants_trigger_of_token("new").await.unwrap(), Some((a, renewed.clone())));
    storage.save_workflow(a, "w", version("workflow: w"), vec![later[0].clone()]).await.unwrap();
    assert_eq!(storage.list_triggers(a).await.unwrap().len(), 1);
    assert!(storage.delete_definition(a, Workflow, "w").await.unwrap());
    assert_eq!(storage.list_triggers(a).await.unwrap(), []);
    assert_eq!(storage.list_triggers(b).await.unwrap().len(), 1, "another tenant's workflow of the same name");
}

pub(crate) async fn a_tick_has_one_claimer(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let schedule = trigger("w", TriggerKind::Schedule, 0);
    let hook = trigger("w", TriggerKind::Webhook, 0);
    storage.save_workflow(a, "w", version("workflow: w"), vec![schedule.clone(), hook]).await.unwrap();
    assert_eq!(storage.all_tenants_due_triggers(999).await.unwrap(), []);
    assert_eq!(storage.all_tenants_due_triggers(1_000).await.unwrap(), [(a, schedule.clone())]);
    assert_eq!(storage.all_tenants_next_trigger_at().await.unwrap(), Some(1_000));

    let ticks: Vec<Tick> = (0..5).map(|_| Tick { due_at: 1_000, run: run(), claimed_at: 1_001 }).collect();
    let claims = ticks
        .iter()
        .map(|tick| storage.claim_tick(a, &schedule, TickClaim { tick: Some(*tick), next_at: Some(2_000) }));
    let won: Vec<bool> = futures::future::join_all(claims).await.into_iter().map(|it| it.unwrap()).collect();
    assert_eq!(won.iter().filter(|it| **it).count(), 1, "{won:?}");
    let tick = ticks[won.iter().position(|it| *it).unwrap()];
    let moved = Trigger { next_at: Some(2_000), last_at: Some(1_000), last_run: Some(tick.run), ..schedule.clone() };
    assert_eq!(storage.trigger(a, schedule.id).await.unwrap(), Some(moved.clone()));
    assert_eq!(storage.all_tenants_open_ticks(1_000).await.unwrap(), []);
    assert_eq!(storage.all_tenants_open_ticks(1_001).await.unwrap(), [(a, moved.clone(), tick)]);

    // The same tick once more, as after a clock that was put back.
    let back = Trigger { next_at: Some(1_000), updated_at: 6, ..moved.clone() };
    storage.update_trigger(a, back.clone()).await.unwrap();
    let again = TickClaim { tick: Some(ticks[0]), next_at: Some(2_000) };
    assert!(!storage.claim_tick(a, &moved, again).await.unwrap(), "it was changed meanwhile");
    assert!(!storage.claim_tick(a, &back, again).await.unwrap(), "a tick is claimed once for ever");

    let failed = TickEnd { state: TickState::Failed, error: Some(json!({ "code": "not_found" })) };
    assert!(storage.end_tick(a, schedule.id, 1_000, failed.clone()).await.unwrap());
    assert!(!storage.end_tick(a, schedule.id, 1_000, failed).await.unwrap());
    let told = storage.trigger(a, schedule.id).await.unwrap().unwrap();
    assert_eq!((told.last_run, told.last_error), (None, Some(json!({ "code": "not_found" }))));
    assert_eq!(storage.all_tenants_open_ticks(9_999).await.unwrap(), []);
    storage.note_trigger_run(a, schedule.id, tick.run, 1_500).await.unwrap();
    let noted = storage.trigger(a, schedule.id).await.unwrap().unwrap();
    assert_eq!((noted.last_at, noted.last_run, noted.last_error.clone()), (Some(1_500), Some(tick.run), None));

    let paused = Trigger { enabled: false, ..noted.clone() };
    storage.update_trigger(a, paused).await.unwrap();
    assert_eq!(storage.all_tenants_due_triggers(9_999).await.unwrap(), []);
    let second = Tick { due_at: 2_000, run: run(), claimed_at: 2_001 };
    let claim = TickClaim { tick: Some(second), next_at: Some(3_000) };
    assert!(!storage.claim_tick(a, &noted, claim).await.unwrap(), "what is switched off is not started");
    storage.update_trigger(a, noted.clone()).await.unwrap();
    assert!(storage.claim_tick(a, &noted, claim).await.unwrap());
    storage.all_tenants_prune_ticks(9_999).await.unwrap();
    assert_eq!(storage.all_tenants_open_ticks(9_999).await.unwrap().len(), 1, "what is still to be started stays");
}

pub(crate) async fn a_delivery_keeps_its_first_run(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let hook = trigger("w", TriggerKind::Webhook, 0);
    let other = trigger("v", TriggerKind::Webhook, 0);
    storage.save_workflow(a, "w", version("workflow: w"), vec![hook.clone()]).await.unwrap();
    storage.save_workflow(a, "v", version("workflow: v"), vec![other.clone()]).await.unwrap();
    let (first, second) = (run(), run());
    assert_eq!(storage.claim_delivery(a, hook.id, "d", (first, 10)).await.unwrap(), first);
    assert_eq!(storage.claim_delivery(a, hook.id, "d", (second, 11)).await.unwrap(), first);
    assert_eq!(storage.claim_delivery(a, hook.id, "e", (second, 11)).await.unwrap(), second);
    assert_eq!(storage.claim_delivery(a, other.id, "d", (second, 11)).await.unwrap(), second, "names are per webhook");
    assert!(storage.release_delivery(a, hook.id, first).await.unwrap());
    assert!(!storage.release_delivery(a, hook.id, first).await.unwrap());
    assert_eq!(storage.claim_delivery(a, hook.id, "d", (second, 12)).await.unwrap(), second);
    storage.all_tenants_prune_ticks(12).await.unwrap();
    assert_eq!(storage.claim_delivery(a, hook.id, "d", (first, 13)).await.unwrap(), second);
    assert_eq!(storage.claim_delivery(a, hook.id, "e", (first, 13)).await.unwrap(), first, "the old one was forgotten");
}
