//! Several servers on one Postgres, and what can go wrong between them and it.

use domain::{MessageRole, RunStatus};
use futures::future::join_all;
use serde_json::json;
use storage::{BeginTurn, RunStep, Storage, StorageError};

use crate::support::postgres::{database, psql};
use crate::support::{Fixture, answering, begin, conversation, event, last_step, message, run, step, tenant, whole};

const SERVERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_open_a_new_database_at_once() {
    let url = database().await;
    let opened = join_all((0..SERVERS).map(|_| Storage::connect(&url))).await;
    let storages: Vec<Storage> = opened.into_iter().map(Result::unwrap).collect();
    let a = tenant(&storages[0], "a").await;
    for storage in &storages {
        assert_eq!(storage.all_tenants_list_tenants().await.unwrap()[0].id, a);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_of_one_conversation_from_several_servers_keep_their_order() {
    let fixture = Fixture::postgres().await;
    let a = tenant(&fixture.storage, "a").await;
    let talk = conversation(None, 1);
    fixture.storage.create_conversation(a, talk.clone()).await.unwrap();
    let storages = join_all((0..SERVERS).map(|_| Storage::connect(fixture.url()))).await;
    let turns = storages.iter().flat_map(|storage| (0..10).map(move |_| storage.as_ref().unwrap())).map(|storage| {
        let turn = BeginTurn {
            conversation: talk.id,
            user_message: message(talk.id, MessageRole::User, "问"),
            assistant_message: message(talk.id, MessageRole::Assistant, "答"),
            title: None,
        };
        let it = answering(turn, run("w", 1));
        async move {
            let id = it.run.id;
            storage.begin_run(a, it).await?;
            for number in 1..5 {
                storage.record_step(a, id, step(number)).await?;
            }
            storage.record_step(a, id, last_step(5, 9)).await
        }
    });
    for stored in join_all(turns).await {
        stored.unwrap();
    }
    let messages = fixture.storage.messages(a, talk.id, 1000, None).await.unwrap();
    assert_eq!(messages.len(), 2 * 10 * SERVERS);
    for turn in messages.chunks(2) {
        assert_eq!((turn[0].role, turn[1].role), (MessageRole::User, MessageRole::Assistant), "no turn inside another");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_with_the_same_step_one_stores_it() {
    let fixture = Fixture::postgres().await;
    let other = Storage::connect(fixture.url()).await.unwrap();
    let a = tenant(&fixture.storage, "a").await;
    let it = run("w", 1);
    fixture.storage.begin_run(a, begin(it.clone())).await.unwrap();
    for number in 1..=30 {
        let (mine, others) =
            if number == 30 { (last_step(30, 9), last_step(30, 9)) } else { (step(number), step(number)) };
        let stored = tokio::join!(fixture.storage.record_step(a, it.id, mine), other.record_step(a, it.id, others));
        let winners = [&stored.0, &stored.1].into_iter().filter(|it| it.is_ok()).count();
        assert_eq!(winners, 1, "step {number}: {stored:?}");
        let refused = stored.0.and(stored.1).unwrap_err();
        assert!(matches!(refused, StorageError::Conflict { .. }), "{refused:?}");
    }
    assert_eq!(other.run_events(a, it.id, 0, 100).await.unwrap().len(), 30);
    assert_eq!(other.run(a, it.id).await.unwrap().unwrap().status, RunStatus::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_through_although_their_connections_are_cut() {
    let fixture = Fixture::postgres().await;
    let a = tenant(&fixture.storage, "a").await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity \
               where datname = current_database() and pid <> pg_backend_pid()";
    let keys: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    let writes = join_all(keys.iter().map(|key| fixture.storage.set_setting(a, key, json!(1), 1)));
    let url = fixture.url().to_owned();
    let cuts = tokio::task::spawn_blocking(move || (0..5).for_each(|_| psql(&url, cut)));
    let (written, _) = tokio::join!(writes, cuts);
    let mut in_doubt = 0;
    for (key, written) in keys.iter().zip(written) {
        let stored = fixture.storage.setting(a, key).await.unwrap().is_some();
        match written {
            Ok(()) => assert!(stored, "`{key}` was answered"),
            // Cut exactly at the commit: nobody can say.
            Err(error) => {
                assert!(matches!(error, StorageError::Write { .. }), "{error:?}");
                in_doubt += 1;
            }
        }
    }
    assert!(in_doubt < keys.len(), "some writes went through");
    // At rest the connection is cut too, and the next write makes another.
    psql(fixture.url(), cut);
    fixture.storage.set_setting(a, "after", json!(2), 1).await.unwrap();
    assert_eq!(fixture.storage.setting(a, "after").await.unwrap(), Some(json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_with_a_nul_is_not_lost() {
    let fixture = Fixture::postgres().await;
    let a = tenant(&fixture.storage, "a").await;
    let it = run("w", 1);
    fixture.storage.begin_run(a, begin(it.clone())).await.unwrap();
    let end = RunStep {
        answer: Some("a\0b".into()),
        outputs: Some(json!({ "text": "a\0b" }).to_string()),
        events: vec![event(1, "run.finished")],
        status: Some(RunStatus::Finished),
        finished_at: Some(9),
        ..whole(1)
    };
    fixture.storage.record_step(a, it.id, end).await.unwrap();
    let stored = fixture.storage.run(a, it.id).await.unwrap().unwrap();
    assert_eq!(stored.answer.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(stored.outputs, Some(json!({ "text": "a\0b" })), "inside JSON it is an escape");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_refused_in_words() {
    for address in ["", "parlour", "mysql://root:geheim@localhost/x", "postgres://[::1:geheim/x", "sqlite://x"] {
        let error = Storage::connect(address).await.unwrap_err();
        assert!(matches!(error, StorageError::InvalidAddress), "{address}: {error:?}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
    let error = Storage::connect("postgres://me:geheim@127.0.0.1:1/parlour").await.unwrap_err();
    assert!(matches!(error, StorageError::Open { .. }), "{error:?}");
    assert_eq!(error.to_string(), "cannot open the database `postgres://127.0.0.1:1/parlour`");

    let url = database().await;
    let latin = format!("{url}_latin");
    psql(
        &url,
        &format!(
            "create database {} template template0 encoding 'LATIN1' locale 'C'",
            latin.rsplit('/').next().unwrap()
        ),
    );
    let error = Storage::connect(&latin).await.unwrap_err();
    assert!(error.to_string().ends_with("keeps its texts as LATIN1; make one with the encoding UTF8"), "{error}");

    Storage::connect(&url).await.unwrap().close().await;
    psql(
        &url,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'from the future', true, '\\x00', 1)",
    );
    let error = Storage::connect(&url).await.unwrap_err();
    assert!(matches!(error, StorageError::NewerDatabase { found: 9999, .. }), "{error:?}");
}
