use domain::{ConversationId, MessageRole, MessageStatus, Role, RunId, RunStatus, UserId, Wait, WaitKind};
use futures::future::join_all;
use serde_json::json;
use storage::{BeginTurn, NewAnswer, RunStep, Storage, StorageError, WaitFilter, WhoseConversations};

use crate::support::{answering, begin, conversation, last_step, lease, message, run, step, tenant, user, whole};

/// A question; the effect's number decides its time.
pub(crate) fn wait(run: RunId, effect: i64, conversation: Option<ConversationId>) -> Wait {
    Wait {
        run,
        effect,
        root_run: run,
        kind: WaitKind::Ask,
        node: "place".into(),
        title: "Place".into(),
        body: json!({ "text": "堂食还是外带？", "options": [], "fields": null }),
        conversation,
        assignee: None,
        who: None,
        created_at: 100 + effect,
        due_at: None,
        at_due: json!({ "type": "ok", "value": { "timed_out": true } }),
        answered_at: None,
    }
}

pub(crate) fn answer_of(text: &str) -> NewAnswer {
    NewAnswer { outcome: json!({ "text": text }).to_string(), by: Some("me".into()), at: 500, turn: None }
}

fn opening(number: i64, opened: Vec<Wait>) -> RunStep {
    RunStep { opened, ..step(number) }
}

pub(crate) async fn one_answer_wins_and_the_run_takes_it(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let it = run("w", 1);
    storage.begin_run(a, begin(it.clone())).await.unwrap();
    let (first, second) = (wait(it.id, 1, None), wait(it.id, 2, None));
    storage.record_step(a, it.id, opening(1, vec![first.clone(), second.clone()])).await.unwrap();
    assert_eq!(storage.open_waits(a, it.id).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(storage.wait(a, it.id, 1).await.unwrap(), Some(first));
    assert!(!storage.has_news(a, it.id).await.unwrap());
    let answers: Vec<_> = (0..20).map(|n| answer_of(&n.to_string())).collect();
    let taken = join_all(answers.into_iter().map(|it_| storage.answer_wait(a, (it.id, 1), it_))).await;
    let winners: Vec<usize> = (0..20).filter(|n| taken[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{taken:?}");
    assert!(taken.iter().all(|it| it.is_ok() || matches!(it, Err(StorageError::Conflict { .. }))), "{taken:?}");
    let expected = json!({ "text": winners[0].to_string() });
    assert_eq!(storage.answered_waits(a, it.id).await.unwrap(), [(1, expected)]);
    assert_eq!(storage.open_waits(a, it.id).await.unwrap(), [second]);
    assert_eq!(storage.wait_effects(a, it.id).await.unwrap(), [1, 2]);
    assert!(storage.has_news(a, it.id).await.unwrap());
    assert_eq!(storage.all_tenants_answered_roots().await.unwrap(), [(a, it.id)]);

    // A step that is not stored takes no answer.
    let refused = RunStep { closed: vec![1], ..step(1) };
    assert!(storage.record_step(a, it.id, refused).await.is_err());
    assert_eq!(storage.answered_waits(a, it.id).await.unwrap().len(), 1);
    storage.record_step(a, it.id, RunStep { closed: vec![1], ..step(2) }).await.unwrap();
    assert_eq!(storage.wait_effects(a, it.id).await.unwrap(), [2]);
    let late = storage.answer_wait(a, (it.id, 1), answer_of("late")).await.unwrap_err();
    assert!(matches!(late, StorageError::Conflict { .. }), "{late}");
    storage.record_step(a, it.id, last_step(3, 9)).await.unwrap();
    assert_eq!(storage.wait_effects(a, it.id).await.unwrap(), [] as [i64; 0], "nobody waits for a run that is over");
}

pub(crate) async fn lists_show_what_one_may_answer(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let person = user(a, None, Role::Member);
    storage.create_user(a, person.clone()).await.unwrap();
    let talk = conversation(Some(person.id), 1);
    storage.create_conversation(a, talk.clone()).await.unwrap();
    let it = run("w", 1);
    storage.begin_run(a, begin(it.clone())).await.unwrap();
    let of = |effect: i64, change: &dyn Fn(&mut Wait)| {
        let mut it = wait(it.id, effect, None);
        change(&mut it);
        it
    };
    let all = vec![
        of(1, &|it| it.who = Some(Role::Admin)),
        of(2, &|it| it.who = Some(Role::Operator)),
        of(3, &|it| (it.conversation, it.assignee) = (Some(talk.id), Some(person.id))),
        of(4, &|it| it.conversation = Some(talk.id)),
        of(5, &|_| {}),
        of(6, &|it| it.kind = WaitKind::Timer),
        of(7, &|it| it.due_at = Some(50)),
        of(8, &|it| it.due_at = Some(60)),
    ];
    storage.record_step(a, it.id, opening(1, all)).await.unwrap();
    let filter =
        |roles: &[Role], of_runs, conversations| WaitFilter { roles: roles.to_vec(), of_runs, conversations, now: 50 };
    let nobody = WhoseConversations::Of(UserId::from_uuid(crate::support::uuid()));
    let cases = [
        (filter(&[Role::Admin, Role::Operator], true, WhoseConversations::All), vec![8, 5, 4, 3, 2, 1]),
        (filter(&[Role::Operator], true, WhoseConversations::OfKeys), vec![8, 5, 4, 2]),
        (filter(&[], false, WhoseConversations::Of(person.id)), vec![3]),
        (filter(&[], false, nobody), vec![]),
    ];
    for (filter, expected) in cases {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = storage.list_waits(a, &filter, cursor.as_deref(), 2).await.unwrap();
            seen.extend(page.items.iter().map(|it| it.effect));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
    let error = storage.list_waits(a, &filter(&[], true, nobody), Some("1.2"), 2).await.unwrap_err();
    assert!(matches!(error, StorageError::InvalidCursor { .. }), "{error}");
    let question = storage.open_question(a, talk.id, 50).await.unwrap().unwrap();
    assert_eq!(question.effect, 3, "the one that was asked first");
}

pub(crate) async fn a_run_waits_unless_something_has_come_in(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let it = run("w", 1);
    let mut child = run("child", 2);
    child.parent_run = Some(it.id);
    storage.begin_run(a, begin(it.clone())).await.unwrap();
    storage.begin_run(a, begin(child.clone())).await.unwrap();
    storage.claim_run(a, it.id, lease("p", 99), 0).await.unwrap().unwrap();
    let inner = Wait { root_run: it.id, ..wait(child.id, 1, None) };
    storage.record_step(a, child.id, opening(1, vec![inner.clone()])).await.unwrap();
    assert!(storage.park_run(a, child.id, (step(2), vec![])).await.unwrap());
    assert_eq!(storage.open_waits(a, it.id).await.unwrap(), [inner], "what is waited for below is shown above");
    storage.answer_wait(a, (child.id, 1), answer_of("x")).await.unwrap();
    assert!(!storage.park_run(a, it.id, (step(1), vec![child.id])).await.unwrap(), "the answer came first");
    assert_eq!(storage.run_journal(a, it.id, -1, 9).await.unwrap().len(), 1, "nothing was stored");
    storage.record_step(a, child.id, RunStep { closed: vec![1], ..step(3) }).await.unwrap();
    let parked = RunStep { active_ms: Some(77), ..step(1) };
    assert!(storage.park_run(a, it.id, (parked.clone(), vec![child.id])).await.unwrap());
    assert_eq!(storage.run(a, it.id).await.unwrap().unwrap().status, RunStatus::Waiting);
    assert!(!storage.is_driven(a, it.id, 0).await.unwrap(), "nobody drives it");
    assert_eq!(storage.all_tenants_adrift_runs("p", i64::MAX).await.unwrap(), [], "and nobody needs to");
    let claimed = storage.claim_run(a, it.id, lease("q", 99), 0).await.unwrap().unwrap();
    assert_eq!((claimed.active_ms, claimed.run.status), (77, RunStatus::Running));
    storage.record_step(a, child.id, last_step(4, 2000)).await.unwrap();
    assert!(!storage.park_run(a, it.id, (step(2), vec![child.id])).await.unwrap(), "the nested run is over");
    assert!(storage.park_run(a, it.id, (step(2), vec![])).await.unwrap());
}

pub(crate) async fn moments_come(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let it = run("w", 1);
    storage.begin_run(a, begin(it.clone())).await.unwrap();
    let due = |effect, due_at| Wait { due_at: Some(due_at), ..wait(it.id, effect, None) };
    storage.record_step(a, it.id, opening(1, vec![due(1, 600), due(2, 700), wait(it.id, 3, None)])).await.unwrap();
    assert_eq!(storage.all_tenants_expire_waits(599).await.unwrap(), 0);
    let late = NewAnswer { at: 600, ..answer_of("late") };
    assert!(storage.answer_wait(a, (it.id, 1), late).await.is_err(), "its time is over even if nobody has looked yet");
    assert_eq!(storage.all_tenants_expire_waits(600).await.unwrap(), 1);
    assert_eq!(storage.all_tenants_expire_waits(600).await.unwrap(), 0, "once");
    let timed_out = json!({ "type": "ok", "value": { "timed_out": true } });
    assert_eq!(storage.answered_waits(a, it.id).await.unwrap(), [(1, timed_out)]);
    storage.answer_wait(a, (it.id, 2), answer_of("in time")).await.unwrap();
    assert_eq!(storage.all_tenants_expire_waits(i64::MAX).await.unwrap(), 0, "what is answered does not end twice");
}

pub(crate) async fn runs_have_one_driver(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let it = run("w", 1);
    storage.begin_run(a, begin(it.clone())).await.unwrap();
    let claims = join_all((0..10).map(|n| storage.claim_run(a, it.id, lease(&format!("p{n}"), 100), 50))).await;
    let winners: Vec<usize> = (0..10).filter(|n| claims[*n].as_ref().unwrap().is_some()).collect();
    assert_eq!(winners.len(), 1);
    let owner = format!("p{}", winners[0]);
    assert!(storage.is_driven(a, it.id, 100).await.unwrap());
    assert!(!storage.is_driven(a, it.id, 101).await.unwrap());
    assert!(storage.claim_run(a, it.id, lease(&owner, 120), 60).await.unwrap().is_some(), "its own again");
    assert_eq!(storage.all_tenants_adrift_runs("x", 120).await.unwrap(), []);
    assert_eq!(storage.all_tenants_renew_leases(lease(&owner, 200)).await.unwrap(), 1);
    assert!(storage.claim_run(a, it.id, lease("x", 300), 200).await.unwrap().is_none());
    assert_eq!(storage.all_tenants_adrift_runs("x", 201).await.unwrap()[0].1.id, it.id, "not a word for too long");
    assert_eq!(storage.all_tenants_free_leases(&owner).await.unwrap(), 1);
    assert!(storage.claim_run(a, it.id, lease("x", 300), 0).await.unwrap().is_some());
    storage.record_step(a, it.id, last_step(1, 9)).await.unwrap();
    assert!(storage.claim_run(a, it.id, lease("x", 300), 0).await.unwrap().is_none(), "it is over");
    assert_eq!(storage.all_tenants_free_leases("x").await.unwrap(), 0);
}

pub(crate) async fn nested_runs_are_not_forgotten(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let (top, mut middle, mut low) = (run("top", 1), run("middle", 2), run("low", 3));
    middle.parent_run = Some(top.id);
    low.parent_run = Some(middle.id);
    for it in [&top, &middle, &low] {
        storage.begin_run(a, begin(it.clone())).await.unwrap();
    }
    assert_eq!(storage.root_run(a, low.id).await.unwrap(), Some(top.id));
    assert_eq!(storage.root_run(a, top.id).await.unwrap(), Some(top.id));
    assert!(storage.park_run(a, middle.id, (step(1), vec![low.id])).await.unwrap());
    assert!(storage.park_run(a, top.id, (step(1), vec![middle.id])).await.unwrap());
    assert_eq!(storage.all_tenants_untold_runs().await.unwrap(), []);
    storage.record_step(a, low.id, last_step(1, 5000)).await.unwrap();
    assert_eq!(storage.all_tenants_untold_runs().await.unwrap(), [(a, middle.id)]);
    for it in [top.id, middle.id] {
        assert!(storage.has_news(a, it).await.unwrap(), "a run below has ended");
    }
    assert_eq!(storage.all_tenants_orphaned_runs().await.unwrap(), []);
    storage.record_step(a, top.id, last_step(2, 6000)).await.unwrap();
    assert_eq!(storage.all_tenants_orphaned_runs().await.unwrap(), [(a, middle.id)]);
}

pub(crate) async fn answers_are_messages(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let talk = conversation(None, 1);
    storage.create_conversation(a, talk.clone()).await.unwrap();
    let turn = |text: &str| {
        let mut turn = BeginTurn {
            conversation: talk.id,
            user_message: message(talk.id, MessageRole::User, text),
            assistant_message: message(talk.id, MessageRole::Assistant, ""),
            title: None,
        };
        turn.assistant_message.status = MessageStatus::Streaming;
        turn
    };
    let (first, mut it) = (turn("hello"), run("host", 1));
    it.message = Some(first.assistant_message.id);
    storage.begin_run(a, answering(first.clone(), it.clone())).await.unwrap();
    assert_eq!(storage.unfinished_runs_of(a, talk.id).await.unwrap(), [it.id]);
    storage.record_step(a, it.id, opening(1, vec![wait(it.id, 1, Some(talk.id))])).await.unwrap();
    let part = storage::MessageUpdate {
        id: first.assistant_message.id,
        content: "欢迎".into(),
        status: MessageStatus::Complete,
        error: None,
    };
    let parked = RunStep { messages: vec![part], message_from: Some(6), answer: Some("欢迎".into()), ..step(2) };
    assert!(storage.park_run(a, it.id, (parked, vec![])).await.unwrap());
    let claimed = storage.claim_run(a, it.id, lease("p", 9), 0).await.unwrap().unwrap();
    assert_eq!((claimed.message_from, claimed.message_done), (6, true));

    let second = turn("外带");
    let answer = NewAnswer { turn: Some(second.clone()), ..answer_of("外带") };
    assert!(storage.answer_wait(a, (it.id, 1), answer.clone()).await.is_err(), "it has more to say first");
    assert!(storage.park_run(a, it.id, (step(3), vec![])).await.unwrap());
    storage.answer_wait(a, (it.id, 1), answer.clone()).await.unwrap();
    let again = NewAnswer { turn: Some(turn("again")), ..answer };
    assert!(storage.answer_wait(a, (it.id, 1), again).await.is_err());
    let messages = storage.recent_messages(a, talk.id, 9).await.unwrap();
    let read: Vec<_> = messages.iter().map(|it| (it.content.as_str(), it.status)).collect();
    use MessageStatus::{Complete, Streaming};
    assert_eq!(
        read,
        [("hello", Complete), ("欢迎", Complete), ("外带", Complete), ("", Streaming)],
        "the loser said nothing"
    );
    let claimed = storage.claim_run(a, it.id, lease("p", 9), 0).await.unwrap().unwrap();
    assert_eq!((claimed.run.message, claimed.message_done), (Some(second.assistant_message.id), false));

    // A message that turned out to have nothing in it goes, and another takes its place.
    let mut third = message(talk.id, MessageRole::Assistant, "");
    third.status = MessageStatus::Streaming;
    let moved = RunStep {
        unsaid_message: Some(second.assistant_message.id),
        next_message: Some(third.clone()),
        closed: vec![1],
        ..whole(4)
    };
    storage.record_step(a, it.id, moved).await.unwrap();
    let messages = storage.recent_messages(a, talk.id, 9).await.unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[3].id, third.id);
    assert_eq!(storage.run(a, it.id).await.unwrap().unwrap().message, Some(third.id));
}
