use domain::{RunKind, RunStatus};
use serde_json::json;
use storage::{BeginRun, RunFilter, RunSnapshot, RunStep, Storage, StorageError};

use crate::support::{begin, conversation, event, last_step, run, step, tenant, version, whole};

pub(crate) async fn steps_are_stored_whole(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let saved = storage.save_version(a, domain::DefinitionKind::Workflow, "w", version("workflow: w")).await.unwrap();
    let mut first = run("w", 7);
    first.version = Some(saved.id);
    first.status = RunStatus::Queued;
    storage.begin_run(a, begin(first.clone())).await.unwrap();
    assert_eq!(storage.run(a, first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(storage.run_snapshot(a, first.id).await.unwrap(), None);
    let kept = |step: i64| Some(RunSnapshot { step, snapshot: step.to_string() });

    let many = RunStep {
        events: (1..=250).map(|seq| event(seq, "node.started")).collect(),
        status: Some(RunStatus::Running),
        ..step(1)
    };
    storage.record_step(a, first.id, many).await.unwrap();
    assert_eq!(storage.run_snapshot(a, first.id).await.unwrap(), kept(1));
    assert_eq!(storage.run(a, first.id).await.unwrap().unwrap().status, RunStatus::Running);
    let events = storage.run_events(a, first.id, 0, 1000).await.unwrap();
    assert_eq!(events.iter().map(|it| it.seq).collect::<Vec<_>>(), (1..=250).collect::<Vec<_>>());
    assert_eq!(
        (events[9].name.as_str(), events[9].data.as_str(), events[9].at),
        ("node.started", "{\"seq\":10}", 1001)
    );
    let some = storage.run_events(a, first.id, 248, 1).await.unwrap();
    assert_eq!(some.iter().map(|it| it.seq).collect::<Vec<_>>(), [249]);

    // The step's number is taken: nothing of it stays, neither its event nor snapshot nor status.
    let clash = RunStep { first_seq: 251, status: Some(RunStatus::Waiting), ..step(1) };
    let error = storage.record_step(a, first.id, clash).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "a step with this number in the run" }), "{error}");
    assert_eq!(storage.run_snapshot(a, first.id).await.unwrap(), kept(1));
    assert_eq!(storage.run(a, first.id).await.unwrap().unwrap().status, RunStatus::Running);

    // A step without events, then one with: numbers of events go on.
    storage.record_step(a, first.id, RunStep { first_seq: 251, ..whole(2) }).await.unwrap();
    assert_eq!(storage.run_snapshot(a, first.id).await.unwrap(), kept(1), "most steps keep none");
    storage.record_step(a, first.id, RunStep { first_seq: 251, ..step(3) }).await.unwrap();
    assert_eq!(storage.run_snapshot(a, first.id).await.unwrap(), kept(3), "replaced");
    let journal = storage.run_journal(a, first.id, 1, 10).await.unwrap();
    let read: Vec<_> = journal.iter().map(|it| (it.number, it.last_seq, it.cause.as_str(), it.at)).collect();
    assert_eq!(read, [(2, 250, "{\"n\":2}", 1002), (3, 251, "{\"n\":3}", 1003)]);
    assert_eq!(storage.run_journal(a, first.id, 0, 1).await.unwrap()[0].number, 1);
    storage.record_step(a, first.id, RunStep { first_seq: 252, ..last_step(4, 99) }).await.unwrap();
    assert_eq!(storage.run_snapshot(a, first.id).await.unwrap(), None, "nothing is left to go on from");
    assert_eq!(storage.run_journal(a, first.id, 0, 10).await.unwrap().len(), 4, "but the whole way there");
    let ended = storage.run(a, first.id).await.unwrap().unwrap();
    assert_eq!(
        (ended.status, ended.outputs, ended.answer.as_deref(), ended.finished_at),
        (RunStatus::Finished, Some(json!({ "text": "好" })), Some("好"), Some(99))
    );

    let mut nowhere = run("w", 7);
    nowhere.version = Some(domain::VersionId::from_uuid(crate::support::uuid()));
    let error = storage.begin_run(a, begin(nowhere)).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
    let error = storage.begin_run(a, begin(first)).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "a run with this id" }), "{error}");
}

pub(crate) async fn a_run_ends_once(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let it = run("w", 7);
    storage.begin_run(a, begin(it.clone())).await.unwrap();
    let failed = RunStep {
        first_seq: 1,
        events: vec![event(1, "run.failed")],
        status: Some(RunStatus::Failed),
        error: Some(json!({ "code": "timeout", "message": "超时" }).to_string()),
        finished_at: Some(9),
        ..whole(1)
    };
    storage.record_step(a, it.id, failed).await.unwrap();
    for late in [step(2), last_step(2, 10)] {
        let error = storage.record_step(a, it.id, late).await.unwrap_err();
        assert!(matches!(error, StorageError::Conflict { what: "an end of this run" }), "{error}");
    }
    let stored = storage.run(a, it.id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.finished_at), (RunStatus::Failed, Some(9)));
    assert_eq!(stored.error, Some(json!({ "code": "timeout", "message": "超时" })));
    assert_eq!(storage.run_events(a, it.id, 0, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_run_may_be_over_with_its_first_step(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let mut it = run("w", 7);
    (it.status, it.outputs, it.finished_at) = (RunStatus::Finished, Some(json!({ "n": 1 })), Some(8));
    let first = RunStep { first_seq: 1, events: vec![event(1, "run.started"), event(2, "run.finished")], ..whole(1) };
    let begin = BeginRun { run: it.clone(), first, turn: None, lease: None };
    storage.begin_run(a, begin.clone()).await.unwrap();
    assert_eq!(storage.run(a, it.id).await.unwrap(), Some(it.clone()));
    let events = storage.run_events(a, it.id, 0, 10).await.unwrap();
    assert_eq!(
        events.iter().map(|it| (it.seq, it.name.as_str())).collect::<Vec<_>>(),
        [(1, "run.started"), (2, "run.finished")]
    );
    let error = storage.record_step(a, it.id, step(2)).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "an end of this run" }), "{error}");
    let error = storage.begin_run(a, begin).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
}

pub(crate) async fn lists_are_filtered(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let talk = conversation(None, 1);
    storage.create_conversation(a, talk.clone()).await.unwrap();
    let mut all = Vec::new();
    for n in 0..12 {
        let mut it = run(if n % 2 == 0 { "even" } else { "odd" }, n / 3);
        if n % 4 == 0 {
            (it.kind, it.conversation) = (RunKind::Chat, Some(talk.id));
        }
        if n == 11 {
            (it.parent_run, it.parent_node) = (Some(all_id(&all, 0)), Some("nested".into()));
        }
        storage.begin_run(a, begin(it.clone())).await.unwrap();
        all.push(it);
    }
    all.sort_by_key(|it| std::cmp::Reverse((it.started_at, it.id)));
    let every = RunFilter::default();
    type Fits = fn(&domain::Run) -> bool;
    let cases: [(RunFilter, Fits); 6] = [
        (every.clone(), |_| true),
        (RunFilter { kind: Some(RunKind::Chat), ..every.clone() }, |it| it.kind == RunKind::Chat),
        (RunFilter { name: Some("odd".into()), ..every.clone() }, |it| it.name == "odd"),
        (RunFilter { conversation: Some(talk.id), ..every.clone() }, |it| it.conversation.is_some()),
        (RunFilter { status: Some(RunStatus::Failed), ..every.clone() }, |_| false),
        (RunFilter { top_level_only: true, name: Some("odd".into()), ..every }, |it| {
            it.name == "odd" && it.parent_run.is_none()
        }),
    ];
    for (filter, fits) in cases {
        let expected: Vec<_> = all.iter().filter(|it| fits(it)).cloned().collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = storage.list_runs(a, &filter, cursor.as_deref(), 2).await.unwrap();
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

fn all_id(all: &[domain::Run], index: usize) -> domain::RunId {
    all[index].id
}

pub(crate) async fn nested_runs_and_pruning(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let (old, young, running) = (run("old", 1), run("young", 2), run("running", 0));
    let mut child = run("child", 3);
    (child.parent_run, child.parent_node) = (Some(old.id), Some("call".into()));
    for it in [&old, &young, &running, &child] {
        storage.begin_run(a, begin(it.clone())).await.unwrap();
    }
    assert_eq!(storage.child_runs(a, old.id).await.unwrap(), [child.clone()]);
    assert_eq!(storage.child_runs(a, young.id).await.unwrap(), []);
    storage.record_step(a, child.id, last_step(1, 100)).await.unwrap();
    storage.record_step(a, old.id, last_step(1, 100)).await.unwrap();
    storage.record_step(a, young.id, last_step(1, 200)).await.unwrap();
    assert_eq!(storage.all_tenants_prune_runs(100, 10).await.unwrap(), 0, "ended before, not at");
    assert_eq!(storage.all_tenants_prune_runs(201, 1).await.unwrap(), 1, "the oldest, and no more than asked");
    assert_eq!(storage.run(a, old.id).await.unwrap(), None);
    assert_eq!(storage.run(a, child.id).await.unwrap(), None, "nested runs go with their parents");
    assert_eq!(storage.run_events(a, old.id, 0, 9).await.unwrap(), []);
    assert!(storage.run(a, young.id).await.unwrap().is_some());
    assert_eq!(storage.all_tenants_prune_runs(i64::MAX, 10).await.unwrap(), 1);
    assert!(storage.run(a, running.id).await.unwrap().is_some(), "what is not over is never old");
}

pub(crate) async fn runs_that_nobody_drives_are_found(storage: &Storage) {
    let (a, b) = (tenant(storage, "a").await, tenant(storage, "b").await);
    let mut expected = Vec::new();
    for (n, status) in (0..).zip(RunStatus::ALL) {
        for tenant in [a, b] {
            let mut it = run("w", n);
            it.status = *status;
            it.finished_at = status.is_terminal().then_some(5);
            storage.begin_run(tenant, begin(it.clone())).await.unwrap();
            if !status.is_terminal() && *status != RunStatus::Waiting {
                expected.push((tenant, it));
            }
        }
    }
    expected.sort_by_key(|(_, it)| (it.started_at, it.id));
    assert_eq!(storage.all_tenants_adrift_runs("me", 10).await.unwrap(), expected);
}
