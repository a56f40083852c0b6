use domain::{MessageRole, MessageStatus, Role, RunStatus};
use serde_json::json;
use storage::{BeginTurn, MessageUpdate, RunFilter, Storage, StorageError};

use crate::support::{answering, begin, conversation, last_step, message, run, step, tenant, user};

pub(crate) async fn turns_are_stored_whole(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let talk = conversation(None, 1);
    storage.create_conversation(a, talk.clone()).await.unwrap();
    let mut turn = BeginTurn {
        conversation: talk.id,
        user_message: message(talk.id, MessageRole::User, "喜欢辣味的菜品"),
        assistant_message: message(talk.id, MessageRole::Assistant, ""),
        title: Some("喜欢辣味的菜品".into()),
    };
    let mut work = run("host", 7);
    turn.assistant_message.status = MessageStatus::Streaming;
    turn.assistant_message.finished_at = None;
    turn.assistant_message.run = Some(work.id);
    work.conversation = Some(talk.id);
    work.message = Some(turn.assistant_message.id);
    storage.begin_run(a, answering(turn.clone(), work.clone())).await.unwrap();
    let messages = storage.recent_messages(a, talk.id, 10).await.unwrap();
    assert_eq!(messages, [turn.user_message.clone(), turn.assistant_message.clone()], "asked before answered");
    assert_eq!(storage.run(a, work.id).await.unwrap(), Some(work.clone()));
    let stored = storage.conversation(a, talk.id).await.unwrap().unwrap();
    assert_eq!((stored.title.as_str(), stored.updated_at), ("喜欢辣味的菜品", 100));

    // The same turn again: its ids are taken, and nothing of it may stay.
    let mut twice = turn.clone();
    twice.user_message = message(talk.id, MessageRole::User, "again");
    twice.title = Some("another".into());
    let error = storage.begin_run(a, answering(twice, work.clone())).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
    assert_eq!(storage.recent_messages(a, talk.id, 10).await.unwrap().len(), 2);
    assert_eq!(storage.conversation(a, talk.id).await.unwrap().unwrap(), stored);

    let mut next = turn.clone();
    next.user_message = message(talk.id, MessageRole::User, "next");
    next.assistant_message.id = message(talk.id, MessageRole::Assistant, "").id;
    let error = storage.begin_run(a, answering(next.clone(), run("host", 8))).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "a turn in progress" }), "{error}");

    let mut end = last_step(1, 200);
    end.messages.push(MessageUpdate {
        id: turn.assistant_message.id,
        content: "麻婆豆腐".into(),
        status: MessageStatus::Complete,
        error: None,
    });
    end.conversation_state = Some(json!({ "口味": "辣" }).to_string());
    storage.record_step(a, work.id, end).await.unwrap();
    let messages = storage.messages(a, talk.id, 10, None).await.unwrap();
    assert_eq!((messages[1].content.as_str(), messages[1].finished_at), ("麻婆豆腐", Some(200)));
    assert_eq!(messages[1].status, MessageStatus::Complete);
    let stored = storage.conversation(a, talk.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.updated_at), (json!({ "口味": "辣" }), 200));

    let failed = MessageUpdate {
        id: turn.assistant_message.id,
        content: String::new(),
        status: MessageStatus::Failed,
        error: Some(json!({ "code": "model_error" }).to_string()),
    };
    storage.update_message(a, failed, Some(300)).await.unwrap();
    let changed = storage.messages(a, talk.id, 1, None).await.unwrap().remove(0);
    assert_eq!((changed.error, changed.finished_at), (Some(json!({ "code": "model_error" })), Some(300)));
    storage.set_conversation_state(a, talk.id, json!({ "n": 1 })).await.unwrap();
    storage.rename_conversation(a, talk.id, "新名字").await.unwrap();
    storage.touch_conversation(a, talk.id, 900).await.unwrap();
    let stored = storage.conversation(a, talk.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.title.as_str(), stored.updated_at), (json!({ "n": 1 }), "新名字", 900));
}

pub(crate) async fn lists_go_on_where_they_stopped(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let person = user(a, None, Role::Member);
    storage.create_user(a, person.clone()).await.unwrap();
    // Every third is the person's; times are shared by pairs, so that the id has to decide.
    let mut all = Vec::new();
    for n in 0..25 {
        let talk = conversation((n % 3 == 0).then_some(person.id), n / 2);
        storage.create_conversation(a, talk.clone()).await.unwrap();
        all.push(talk);
    }
    all.sort_by_key(|it| std::cmp::Reverse((it.updated_at, it.id)));
    for (filter, expected) in
        [(None, all.clone()), (Some(person.id), all.iter().filter(|it| it.user.is_some()).cloned().collect())]
    {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = storage.list_conversations(a, filter, cursor.as_deref(), 4).await.unwrap();
            assert!(page.items.len() <= 4);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
    let error = storage.list_conversations(a, None, Some("nonsense"), 4).await.unwrap_err();
    assert!(matches!(error, StorageError::InvalidCursor { .. }), "{error}");

    let talk = all[0].id;
    let mut ids = Vec::new();
    for n in 0..7 {
        let turn = BeginTurn {
            conversation: talk,
            user_message: message(talk, MessageRole::User, &n.to_string()),
            assistant_message: message(talk, MessageRole::Assistant, "."),
            title: None,
        };
        ids.extend([turn.user_message.id, turn.assistant_message.id]);
        storage.begin_run(a, answering(turn, run("host", n))).await.unwrap();
    }
    let read = |messages: Vec<domain::Message>| messages.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(read(storage.recent_messages(a, talk, 4).await.unwrap()), ids[10..]);
    assert_eq!(read(storage.messages(a, talk, 4, Some(ids[10])).await.unwrap()), ids[6..10]);
    assert_eq!(read(storage.messages(a, talk, 40, Some(ids[2])).await.unwrap()), ids[..2]);
    assert_eq!(storage.messages(a, talk, -1, None).await.unwrap(), [], "a negative limit is none, not all");
}

pub(crate) async fn deleting_takes_everything_along(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let (talk, other) = (conversation(None, 1), conversation(None, 2));
    for it in [&talk, &other] {
        storage.create_conversation(a, it.clone()).await.unwrap();
    }
    let turn = BeginTurn {
        conversation: talk.id,
        user_message: message(talk.id, MessageRole::User, "secret"),
        assistant_message: message(talk.id, MessageRole::Assistant, ""),
        title: None,
    };
    let work = run("host", 7);
    let id = work.id;
    storage.begin_run(a, answering(turn, work)).await.unwrap();
    storage.record_step(a, id, step(1)).await.unwrap();
    let elsewhere = run("other", 8);
    storage.begin_run(a, begin(elsewhere.clone())).await.unwrap();
    assert!(storage.delete_conversation(a, talk.id).await.unwrap());
    assert!(!storage.delete_conversation(a, talk.id).await.unwrap());
    assert_eq!(storage.conversation(a, talk.id).await.unwrap(), None);
    assert_eq!(storage.messages(a, talk.id, 10, None).await.unwrap(), []);
    assert_eq!(storage.run(a, id).await.unwrap(), None, "what the run recorded is part of the conversation");
    assert_eq!(storage.run_events(a, id, 0, 10).await.unwrap(), []);
    assert_eq!(storage.run_journal(a, id, 0, 10).await.unwrap(), []);
    assert_eq!(storage.run_snapshot(a, id).await.unwrap(), None);
    let error = storage.record_step(a, id, step(2)).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "run" }), "its driver learns of it: {error}");
    assert_eq!(storage.list_runs(a, &RunFilter::default(), None, 9).await.unwrap().items, [elsewhere]);
    assert!(storage.conversation(a, other.id).await.unwrap().is_some());
    assert_eq!(storage.all_tenants_adrift_runs("me", 0).await.unwrap()[0].1.status, RunStatus::Running);
}
