//! No method tells tenant B anything of what tenant A has, nor lets B change it: with A's ids and names every method
//! answers B exactly as it does with random ones.

use std::fmt::Debug;

use domain::{
    ApiKey, ApiKeyId, ConversationId, DecisionTable, DefinitionKind, DocumentId, DocumentState, KnowledgeBase,
    KnowledgeBaseId, MessageId, MessageRole, MessageStatus, ProgressUnit, RetrievalTestId, Role, RunId, TenantId, Tick,
    TickState, TriggerId, TriggerKind, UserId, VersionId,
};
use serde_json::json;
use storage::{
    Advance, BeginTurn, ChunkChange, DocumentChange, Held, MessageUpdate, NewIngestion, ReadFile, RunFilter, RunStep,
    Storage, TickClaim, TickEnd, WaitFilter, WhoseConversations,
};
use uuid::Uuid;

use super::accounts::api_key;
use super::plugins::{plugin, plugin_call, published, value};
use super::secrets::secret;
use super::settings::entry;
use super::triggers::trigger;
use super::waits::{answer_of, wait};
use crate::support::{
    answering, base, begin, conversation, document, finished, ingestion, lease, message, record, replace,
    retrieval_test, run, step, tenant, user, uuid, version,
};

/// Ids and names of things: either of tenant A's, or of nothing.
#[derive(Clone)]
struct Things {
    user: UserId,
    key: ApiKeyId,
    version: VersionId,
    conversation: ConversationId,
    message: MessageId,
    run: RunId,
    base: KnowledgeBaseId,
    document: DocumentId,
    trigger: TriggerId,
    retrieval_test: RetrievalTestId,
    /// Of the workflow, the knowledge base, the plugin, the setting, the secret and the document.
    name: String,
}

impl Things {
    fn of_nobody() -> Things {
        let new = Uuid::new_v4;
        Things {
            user: UserId::from_uuid(new()),
            key: ApiKeyId::from_uuid(new()),
            version: VersionId::from_uuid(new()),
            conversation: ConversationId::from_uuid(new()),
            message: MessageId::from_uuid(new()),
            run: RunId::from_uuid(new()),
            base: KnowledgeBaseId::from_uuid(new()),
            document: DocumentId::from_uuid(new()),
            trigger: TriggerId::from_uuid(new()),
            retrieval_test: RetrievalTestId::from_uuid(new()),
            name: "of_nobody".into(),
        }
    }

    /// One of everything in the tenant.
    async fn made(storage: &Storage, tenant: TenantId) -> Things {
        let person = user(tenant, None, Role::Member);
        storage.create_user(tenant, person.clone()).await.unwrap();
        let key = api_key("the key's hash", None);
        storage.create_api_key(tenant, key.clone()).await.unwrap();
        let saved = storage
            .save_version(tenant, DefinitionKind::Workflow, "secret", version("workflow: secret"))
            .await
            .unwrap();
        let hook = trigger("secret", TriggerKind::Webhook, 0);
        let schedule = trigger("secret", TriggerKind::Schedule, 0);
        let published = vec![schedule, hook.clone()];
        storage.save_workflow(tenant, "secret", version("workflow: secret"), published).await.unwrap();
        let talk = conversation(Some(person.id), 5);
        storage.create_conversation(tenant, talk.clone()).await.unwrap();
        let turn = BeginTurn {
            conversation: talk.id,
            user_message: message(talk.id, MessageRole::User, "secret"),
            assistant_message: message(talk.id, MessageRole::Assistant, "secret"),
            title: None,
        };
        let mut work = run("secret", 5);
        work.version = Some(saved.id);
        let mut child = run("secret", 6);
        child.parent_run = Some(work.id);
        storage.begin_run(tenant, answering(turn.clone(), work.clone())).await.unwrap();
        storage.begin_run(tenant, begin(child)).await.unwrap();
        storage.claim_run(tenant, work.id, lease("its driver", 99), 0).await.unwrap().unwrap();
        let asks = RunStep { opened: vec![wait(work.id, 1, Some(talk.id)), wait(work.id, 2, None)], ..step(1) };
        storage.record_step(tenant, work.id, asks).await.unwrap();
        storage.answer_wait(tenant, (work.id, 2), answer_of("secret")).await.unwrap();
        storage.record_step(tenant, work.id, step(2)).await.unwrap();
        let menu = KnowledgeBase { next_embedding_model: Some("secret".into()), ..base("secret") };
        storage.create_knowledge_base(tenant, menu.clone()).await.unwrap();
        let file = document(menu.id, "secret", 1);
        storage.create_document(tenant, file.clone()).await.unwrap();
        replace(storage, tenant, file.id, 3).await;
        storage.put_file_piece(tenant, "secret", 0, b"bytes".to_vec()).await.unwrap();
        let next = NewIngestion { content_hash: Some("secret".into()), ..ingestion(file.id, 9) };
        storage.begin_ingestion(tenant, next).await.unwrap();
        storage.all_tenants_claim_ingestion(lease("its reader", 99), 10).await.unwrap().unwrap();
        storage.append_chunks(tenant, file.id, 2, vec![record(0, 2)]).await.unwrap();
        storage.set_document_reason(tenant, file.id, Some("secret".into())).await.unwrap();
        let test = retrieval_test(menu.id, "secret");
        storage.add_retrieval_test(tenant, test.clone()).await.unwrap();
        storage.add_retrieval_report(tenant, menu.id, json!({ "recall": "secret" }), 5).await.unwrap();
        storage.install_plugin(tenant, plugin("secret", "1.0.0", "hash"), vec![1]).await.unwrap();
        storage.set_grants(tenant, "secret", json!({ "knowledge": ["secret"] })).await.unwrap();
        storage.set_plugin_value(tenant, "secret", value("secret", "secret")).await.unwrap();
        storage.note_plugin_call(tenant, plugin_call("secret")).await.unwrap();
        storage.set_setting(tenant, "secret", json!(1), 1).await.unwrap();
        storage.audit(tenant, entry(1)).await.unwrap();
        storage.put_secret(tenant, secret("secret", b"sealed")).await.unwrap();
        let table = DecisionTable { name: "secret".into(), csv: "secret\n".into(), updated_at: 1 };
        storage.put_table(tenant, table).await.unwrap();
        storage.keep_output(tenant, "secret", (json!({ "output": "secret" }), 1, 99)).await.unwrap();
        Things {
            user: person.id,
            key: key.id,
            version: saved.id,
            conversation: talk.id,
            message: turn.assistant_message.id,
            run: work.id,
            base: menu.id,
            document: file.id,
            trigger: hook.id,
            retrieval_test: test.id,
            name: "secret".into(),
        }
    }
}

/// Every answer of every method that only looks, in the order of the source.
async fn looks(storage: &Storage, tenant: TenantId, it: &Things) -> Vec<(&'static str, String)> {
    let kind = DefinitionKind::Workflow;
    let filter = RunFilter { conversation: Some(it.conversation), ..RunFilter::default() };
    vec![
        ("user", said(storage.user(tenant, it.user).await)),
        ("list_users", said(storage.list_users(tenant).await)),
        ("list_api_keys", said(storage.list_api_keys(tenant).await)),
        ("current_version", said(storage.current_version(tenant, kind, &it.name).await)),
        ("version", said(storage.version(tenant, it.version).await)),
        ("list_definitions", said(storage.list_definitions(tenant, kind).await)),
        ("list_versions", said(storage.list_versions(tenant, kind, &it.name).await)),
        ("conversation", said(storage.conversation(tenant, it.conversation).await)),
        ("list_conversations", said(storage.list_conversations(tenant, Some(it.user), None, 9).await)),
        ("list_conversations of all", said(storage.list_conversations(tenant, None, None, 9).await)),
        ("messages", said(storage.messages(tenant, it.conversation, 9, None).await)),
        ("messages before", said(storage.messages(tenant, it.conversation, 9, Some(it.message)).await)),
        ("recent_messages", said(storage.recent_messages(tenant, it.conversation, 9).await)),
        ("run", said(storage.run(tenant, it.run).await)),
        ("list_runs", said(storage.list_runs(tenant, &RunFilter::default(), None, 9).await)),
        ("list_runs of a conversation", said(storage.list_runs(tenant, &filter, None, 9).await)),
        ("run_events", said(storage.run_events(tenant, it.run, 0, 9).await)),
        ("run_snapshot", said(storage.run_snapshot(tenant, it.run).await)),
        ("run_journal", said(storage.run_journal(tenant, it.run, 0, 9).await)),
        ("last_event", said(storage.last_event(tenant, it.run).await)),
        ("open_waits", said(storage.open_waits(tenant, it.run).await)),
        ("wait_effects", said(storage.wait_effects(tenant, it.run).await)),
        ("wait", said(storage.wait(tenant, it.run, 1).await)),
        ("answered_waits", said(storage.answered_waits(tenant, it.run).await)),
        ("has_news", said(storage.has_news(tenant, it.run).await)),
        ("open_question", said(storage.open_question(tenant, it.conversation, 0).await)),
        ("list_waits", said(storage.list_waits(tenant, &everything(), None, 9).await)),
        ("is_driven", said(storage.is_driven(tenant, it.run, 0).await)),
        ("root_run", said(storage.root_run(tenant, it.run).await)),
        ("unfinished_runs_of", said(storage.unfinished_runs_of(tenant, it.conversation).await)),
        ("child_runs", said(storage.child_runs(tenant, it.run).await)),
        ("knowledge_base", said(storage.knowledge_base(tenant, &it.name).await)),
        ("list_knowledge_bases", said(storage.list_knowledge_bases(tenant).await)),
        ("knowledge_base_size", said(storage.knowledge_base_size(tenant, it.base).await)),
        ("document", said(storage.document(tenant, it.document).await)),
        ("document_by_name", said(storage.document_by_name(tenant, it.base, &it.name).await)),
        ("list_documents", said(storage.list_documents(tenant, it.base, None, (None, 9)).await)),
        ("chunks", said(storage.chunks(tenant, it.document, None, (None, 9)).await)),
        ("documents_with_reason", said(storage.documents_with_reason(tenant, it.base).await)),
        ("chunk", said(storage.chunk(tenant, it.document, 1).await)),
        ("staged_chunks", said(storage.staged_chunks(tenant, (it.document, 2), None, 9).await)),
        ("file_piece", said(storage.file_piece(tenant, &it.name, 0).await)),
        ("retrieval_tests", said(storage.retrieval_tests(tenant, it.base).await)),
        ("retrieval_reports", said(storage.retrieval_reports(tenant, it.base, 9).await)),
        ("list_plugins", said(storage.list_plugins(tenant).await)),
        ("plugin", said(storage.plugin(tenant, &it.name).await)),
        ("plugin_bytes", said(storage.plugin_bytes(tenant, &it.name).await)),
        ("grants", said(storage.grants(tenant, &it.name).await)),
        ("plugin_versions", said(storage.plugin_versions(tenant, &it.name).await)),
        ("plugin_version_bytes", said(storage.plugin_version_bytes(tenant, &it.name, "hash").await)),
        ("plugin_value", said(storage.plugin_value(tenant, &it.name, (&it.name, 1)).await)),
        ("plugin_keys", said(storage.plugin_keys(tenant, &it.name, ("", None), (10, 1)).await)),
        ("list_plugin_calls", said(storage.list_plugin_calls(tenant, &it.name, None, 10).await)),
        ("setting", said(storage.setting(tenant, &it.name).await)),
        ("documents_stamp", said(storage.documents_stamp(tenant, it.base).await)),
        ("catalog_stamp", said(storage.catalog_stamp(tenant).await)),
        ("list_triggers", said(storage.list_triggers(tenant).await)),
        ("trigger", said(storage.trigger(tenant, it.trigger).await)),
        ("list_audit", said(storage.list_audit(tenant, None, 9).await)),
        ("list_tables", said(storage.list_tables(tenant).await)),
        ("kept_output", said(storage.kept_output(tenant, &it.name, 2).await)),
        ("secret", said(storage.secret(tenant, &it.name).await)),
        ("list_secrets", said(storage.list_secrets(tenant).await)),
    ]
}

/// Of those that change documents, what is being made of them, and tests of retrieval.
async fn changes_of_documents(storage: &Storage, tenant: TenantId, it: &Things) -> Vec<(&'static str, String)> {
    let advance = Advance { state: DocumentState::Indexing, done: 9, total: 9, unit: ProgressUnit::Records, at: 9 };
    let held = Held { document: it.document, version: 2, owner: "its reader".into() };
    let change = DocumentChange { groups: Some(vec!["intruder".into()]), metadata: None };
    let chunk = ChunkChange { text: Some("intruder".into()), ..ChunkChange::default() };
    let read = ReadFile { records: 1, media_type: "intruder".into(), warnings: vec![], at: 9 };
    let unread = NewIngestion { content_hash: None, ..ingestion(it.document, 9) };
    vec![
        ("change_document", said(storage.change_document(tenant, it.document, change, 9).await)),
        ("set_document_reason", said(storage.set_document_reason(tenant, it.document, None).await)),
        ("begin_ingestion", said(storage.begin_ingestion(tenant, unread).await)),
        ("append_chunks", said(storage.append_chunks(tenant, it.document, 2, vec![record(7, 2)]).await)),
        ("unstage", said(storage.unstage(tenant, it.document, 2).await)),
        ("advance_ingestion", said(storage.advance_ingestion(tenant, held.clone(), 9, advance).await)),
        (
            "note_fetched_file",
            said(storage.note_fetched_file(tenant, held.clone(), ("intruder".into(), 1), None).await),
        ),
        ("claim_ingestion", said(storage.claim_ingestion(tenant, it.document, lease("intruder", 9), i64::MAX).await)),
        ("note_read_file", said(storage.note_read_file(tenant, held.clone(), read).await)),
        (
            "fail_ingestion",
            said(storage.fail_ingestion(tenant, held.clone(), ("intruder".into(), json!({})), (None, 9)).await),
        ),
        ("finish_ingestion", said(storage.finish_ingestion(tenant, held.clone(), finished(1, 9)).await)),
        ("drop_ingestion", said(storage.drop_ingestion(tenant, held).await)),
        ("cancel_ingestion", said(storage.cancel_ingestion(tenant, it.document, 9).await)),
        ("retry_ingestion", said(storage.retry_ingestion(tenant, it.document, 9).await)),
        (
            "set_embedding_problem",
            said(storage.set_embedding_problem(tenant, it.base, &it.name, Some("intruder".into())).await),
        ),
        ("finish_embedding_move", said(storage.finish_embedding_move(tenant, it.base, &it.name, 9).await)),
        ("add_chunk", said(storage.add_chunk(tenant, it.document, record(9, 1), 9).await)),
        ("change_chunk", said(storage.change_chunk(tenant, (it.document, 1), chunk, 9).await)),
        ("delete_chunk", said(storage.delete_chunk(tenant, (it.document, 1), 9).await)),
        ("add_retrieval_test", said(storage.add_retrieval_test(tenant, retrieval_test(it.base, "intruder")).await)),
        ("add_retrieval_report", said(storage.add_retrieval_report(tenant, it.base, json!("intruder"), 9).await)),
        ("delete_retrieval_test", said(storage.delete_retrieval_test(tenant, it.base, it.retrieval_test).await)),
        ("purge_files", said(storage.purge_files(tenant).await)),
    ]
}

/// Every answer of every method that changes something which is there already or refers to it.
async fn changes(storage: &Storage, tenant: TenantId, it: &Things) -> Vec<(&'static str, String)> {
    let kind = DefinitionKind::Workflow;
    let mut person = user(tenant, None, Role::Owner);
    person.id = it.user;
    let key = ApiKey { id: it.key, ..api_key("unused", None) };
    let turn = BeginTurn {
        conversation: it.conversation,
        user_message: message(it.conversation, MessageRole::User, "intruder"),
        assistant_message: message(it.conversation, MessageRole::Assistant, "intruder"),
        title: Some("intruder".into()),
    };
    let answer = answering(turn, run("intruder", 5));
    let [mut with_version, mut with_parent, mut with_conversation] = [(); 3].map(|()| run("intruder", 5));
    with_version.version = Some(it.version);
    with_parent.parent_run = Some(it.run);
    with_conversation.conversation = Some(it.conversation);
    let mut changed_base = base("intruder");
    changed_base.id = it.base;
    let update =
        MessageUpdate { id: it.message, content: "intruder".into(), status: MessageStatus::Failed, error: None };
    let mut theirs = trigger(&it.name, TriggerKind::Schedule, 0);
    theirs.id = it.trigger;
    let tick = Tick { due_at: 1_000, run: it.run, claimed_at: 9 };
    let claim = TickClaim { tick: Some(tick), next_at: None };
    let end = TickEnd { state: TickState::Failed, error: None };
    let mut answers = vec![
        ("update_user", said(storage.update_user(tenant, person).await)),
        ("touch_api_key", said(storage.touch_api_key(tenant, &key, 999_999).await)),
        ("create_conversation", said(storage.create_conversation(tenant, conversation(Some(it.user), 5)).await)),
        ("set_conversation_state", said(storage.set_conversation_state(tenant, it.conversation, json!(9)).await)),
        ("rename_conversation", said(storage.rename_conversation(tenant, it.conversation, "intruder").await)),
        ("touch_conversation", said(storage.touch_conversation(tenant, it.conversation, 99).await)),
        ("begin_run of a turn", said(storage.begin_run(tenant, answer).await)),
        ("update_message", said(storage.update_message(tenant, update, None).await)),
        ("begin_run of a version", said(storage.begin_run(tenant, begin(with_version)).await)),
        ("begin_run under a run", said(storage.begin_run(tenant, begin(with_parent)).await)),
        ("begin_run in a conversation", said(storage.begin_run(tenant, begin(with_conversation)).await)),
        ("record_step", said(storage.record_step(tenant, it.run, step(3)).await)),
        ("park_run", said(storage.park_run(tenant, it.run, (step(3), vec![])).await)),
        ("answer_wait", said(storage.answer_wait(tenant, (it.run, 1), answer_of("intruder")).await)),
        ("claim_run", said(storage.claim_run(tenant, it.run, lease("intruder", 9), i64::MAX).await)),
        ("update_trigger", said(storage.update_trigger(tenant, theirs.clone()).await)),
        ("note_trigger_run", said(storage.note_trigger_run(tenant, it.trigger, it.run, 9).await)),
        ("claim_tick", said(storage.claim_tick(tenant, &theirs, claim).await)),
        ("end_tick", said(storage.end_tick(tenant, it.trigger, 1_000, end).await)),
        ("claim_delivery", said(storage.claim_delivery(tenant, it.trigger, "intruder", (it.run, 9)).await)),
        ("release_delivery", said(storage.release_delivery(tenant, it.trigger, it.run).await)),
        ("update_knowledge_base", said(storage.update_knowledge_base(tenant, changed_base).await)),
        ("create_document", said(storage.create_document(tenant, document(it.base, "intruder", 1)).await)),
        ("set_plugin_enabled", said(storage.set_plugin_enabled(tenant, &it.name, false).await)),
        (
            "publish_plugin_version",
            said(storage.publish_plugin_version(tenant, &it.name, published("9.0.0", "intruder"), vec![9]).await),
        ),
        ("set_plugin_value", said(storage.set_plugin_value(tenant, &it.name, value(&it.name, "theirs")).await)),
        ("note_plugin_call", said(storage.note_plugin_call(tenant, plugin_call(&it.name)).await)),
        ("set_grants", said(storage.set_grants(tenant, &it.name, json!({ "knowledge": ["*"] })).await)),
    ];
    answers.extend(changes_of_documents(storage, tenant, it).await);
    answers.extend([
        ("delete_api_key", said(storage.delete_api_key(tenant, it.key).await)),
        ("delete_definition", said(storage.delete_definition(tenant, kind, &it.name).await)),
        ("delete_conversation", said(storage.delete_conversation(tenant, it.conversation).await)),
        ("delete_document", said(storage.delete_document(tenant, it.document).await)),
        ("delete_knowledge_base", said(storage.delete_knowledge_base(tenant, &it.name).await)),
        ("delete_plugin_value", said(storage.delete_plugin_value(tenant, &it.name, (&it.name, 1)).await)),
        ("delete_plugin", said(storage.delete_plugin(tenant, &it.name).await)),
        ("delete_setting", said(storage.delete_setting(tenant, &it.name).await)),
        ("delete_secret", said(storage.delete_secret(tenant, &it.name).await)),
        ("delete_table", said(storage.delete_table(tenant, &it.name).await)),
    ]);
    answers
}

/// Methods that only add: a tenant may use any id and any name for what is its own.
async fn additions(storage: &Storage, tenant: TenantId, it: &Things) -> Vec<(&'static str, String)> {
    let mut person = user(tenant, None, Role::Member);
    person.id = it.user;
    let mut saved = version("workflow: other");
    saved.id = it.version;
    let mut talk = conversation(None, 5);
    talk.id = it.conversation;
    let mut work = run("other", 5);
    work.id = it.run;
    let mut menu = base(&it.name);
    menu.id = it.base;
    let mut hook = trigger("more", TriggerKind::Webhook, 0);
    hook.id = it.trigger;
    let mut file = document(it.base, &it.name, 5);
    file.id = it.document;
    let key = ApiKey { id: it.key, ..api_key(&format!("hash of {}", it.name), None) };
    let kind = DefinitionKind::Workflow;
    let answer = |it: storage::Result<()>| format!("{it:?}");
    vec![
        ("create_user", answer(storage.create_user(tenant, person).await)),
        ("create_api_key", answer(storage.create_api_key(tenant, key).await)),
        (
            "save_version",
            answer(storage.save_version(tenant, kind, &it.name, saved).await.map(|it| assert_eq!(it.number, 1))),
        ),
        (
            "save_workflow",
            answer(storage.save_workflow(tenant, "more", version(&it.name), vec![hook]).await.map(|_| ())),
        ),
        ("create_conversation", answer(storage.create_conversation(tenant, talk).await)),
        (
            "put_table",
            answer(
                storage
                    .put_table(tenant, DecisionTable { name: it.name.clone(), csv: "theirs\n".into(), updated_at: 1 })
                    .await,
            ),
        ),
        ("keep_output", answer(storage.keep_output(tenant, &it.name, (json!({ "output": "theirs" }), 1, 99)).await)),
        ("begin_run", answer(storage.begin_run(tenant, begin(work)).await)),
        ("create_knowledge_base", answer(storage.create_knowledge_base(tenant, menu).await)),
        ("create_document", answer(storage.create_document(tenant, file).await)),
        ("put_file_piece", answer(storage.put_file_piece(tenant, &it.name, 0, b"other".to_vec()).await)),
        (
            "install_plugin",
            answer(storage.install_plugin(tenant, plugin(&it.name, "2.0.0", &it.name), vec![2]).await.map(|_| ())),
        ),
        ("keep_setting", answer(storage.keep_setting(tenant, &it.name, json!("other"), 5).await.map(|_| ()))),
        ("set_setting", answer(storage.set_setting(tenant, &it.name, json!("other"), 5).await)),
        ("audit", answer(storage.audit(tenant, entry(1)).await)),
        ("put_secret", answer(storage.put_secret(tenant, secret(&it.name, b"other")).await.map(|_| ()))),
    ]
}

fn everything() -> WaitFilter {
    WaitFilter { roles: Role::ALL.to_vec(), of_runs: true, conversations: WhoseConversations::All, now: 0 }
}

fn said<T: Debug>(answer: storage::Result<T>) -> String {
    format!("{answer:?}")
}

pub(crate) async fn foreign_ids_are_like_random_ones(storage: &Storage) {
    let (a, b) = (tenant(storage, "a").await, tenant(storage, "b").await);
    let secret = Things::made(storage, a).await;
    let before = looks(storage, a, &secret).await;
    for (method, answer) in &before {
        let nothing = ["Ok(None)", "Ok([])", "Ok(false)", "Ok(0)", "Ok(Page { items: [], next_cursor: None })"];
        assert!(answer.starts_with("Ok(") && !nothing.contains(&answer.as_str()), "`{method}` finds A's own: {answer}");
    }
    let nothing = Things::of_nobody();
    assert_eq!(looks(storage, b, &secret).await, looks(storage, b, &nothing).await, "what B sees");
    assert_eq!(changes(storage, b, &secret).await, changes(storage, b, &nothing).await, "what B is told");
    assert_eq!(looks(storage, a, &secret).await, before, "A's things are untouched");
    let own = additions(storage, b, &secret).await;
    assert_eq!(own, additions(storage, b, &nothing).await, "B may use the same ids and names");
    for (method, answer) in own {
        assert_eq!(answer, "Ok(())", "{method}");
    }
    assert_eq!(looks(storage, a, &secret).await, before, "and A's things are still untouched");
    // B's own things under A's ids go, A's stay.
    changes(storage, b, &secret).await;
    assert_eq!(looks(storage, a, &secret).await, before, "B deletes its own only");
    let nowhere = TenantId::from_uuid(uuid());
    assert_eq!(looks(storage, nowhere, &secret).await, looks(storage, nowhere, &nothing).await);
    for (method, answer) in additions(storage, nowhere, &secret).await {
        assert!(answer.starts_with("Err(NotFound"), "`{method}` in a tenant that is not there: {answer}");
    }
}

/// Invariant 4 of the design, and that the case above leaves no method out.
#[test]
fn every_method_takes_a_tenant_and_is_tried_above() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let tried = include_str!("tenants.rs");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for declaration in text.split("pub async fn ").skip(1) {
            let (name, rest) = declaration.split_once('(').unwrap();
            if name.starts_with("all_tenants_")
                || ["open", "open_with", "open_grouping", "connect", "ping", "close"].contains(&name)
            {
                continue;
            }
            count += 1;
            let parameters: String = rest.split_whitespace().collect();
            assert!(parameters.starts_with("&self,tenant:TenantId"), "`{name}` in {}", path.display());
            assert!(tried.contains(&format!("storage.{name}(")), "`{name}` is not tried with a foreign tenant");
        }
    }
    assert!(count > 50, "the search for methods found only {count}");
}
