//! A storage of its own for each test, and things to put into it.

#[path = "../../../../tests/it/support/postgres.rs"]
pub(crate) mod postgres;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{
    Conversation, ConversationId, Document, DocumentId, KnowledgeBase, KnowledgeBaseId, Message, MessageId,
    MessageRole, MessageStatus, RetrievalTest, RetrievalTestId, Role, Run, RunId, RunKind, RunStatus, Tenant, TenantId,
    User, UserId, Version, VersionId,
};
use serde_json::json;
use serde_json::value::RawValue;
use storage::{BeginRun, BeginTurn, Finished, Held, Lease, NewEvent, NewIngestion, NewRecord, RunStep, Storage};
use tempfile::TempDir;
use uuid::Uuid;

/// An empty database that is gone with the value.
pub(crate) struct Fixture {
    pub(crate) storage: Storage,
    folder: TempDir,
    url: String,
}

impl Fixture {
    pub(crate) async fn sqlite() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&folder.path().join("parlour.sqlite")).await.unwrap();
        Fixture { storage, folder, url: String::new() }
    }

    pub(crate) async fn postgres() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let url = postgres::database().await;
        Fixture { storage: Storage::connect(&url).await.unwrap(), folder, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("parlour.sqlite")
    }
}

/// Ids that differ within a test and are the same at each run of it.
pub(crate) fn uuid() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 64 | 0x4000_8000_0000_0000_0000)
}

pub(crate) async fn tenant(storage: &Storage, slug: &str) -> TenantId {
    let id = TenantId::from_uuid(uuid());
    let tenant = Tenant { id, slug: slug.into(), name: slug.to_uppercase(), created_at: 1 };
    storage.all_tenants_create_tenant(tenant).await.unwrap();
    id
}

pub(crate) fn user(tenant: TenantId, email: Option<&str>, role: Role) -> User {
    User {
        id: UserId::from_uuid(uuid()),
        tenant,
        name: "李雷".into(),
        email: email.map(str::to_owned),
        password_hash: None,
        role,
        created_at: 5,
    }
}

pub(crate) fn version(yaml: &str) -> Version {
    Version {
        id: VersionId::from_uuid(uuid()),
        number: 0,
        yaml: yaml.into(),
        title: Some("标题".into()),
        description: None,
        author: Some("test".into()),
        created_at: 10,
    }
}

pub(crate) fn conversation(user: Option<UserId>, updated_at: i64) -> Conversation {
    Conversation {
        id: ConversationId::from_uuid(uuid()),
        assistant: "host".into(),
        user,
        title: String::new(),
        state: json!({}),
        created_at: 1,
        updated_at,
    }
}

pub(crate) fn message(conversation: ConversationId, role: MessageRole, content: &str) -> Message {
    Message {
        id: MessageId::from_uuid(uuid()),
        conversation,
        role,
        content: content.into(),
        status: MessageStatus::Complete,
        error: None,
        run: None,
        created_at: 100,
        finished_at: Some(100),
    }
}

pub(crate) fn run(name: &str, started_at: i64) -> Run {
    Run {
        id: RunId::from_uuid(uuid()),
        kind: RunKind::Workflow,
        name: name.into(),
        version: None,
        conversation: None,
        message: None,
        parent_run: None,
        parent_node: None,
        status: RunStatus::Running,
        inputs: json!({ "问题": "有什么辣的" }),
        outputs: None,
        answer: None,
        error: None,
        started_at,
        finished_at: None,
        origin: None,
    }
}

pub(crate) fn event(seq: i64, name: &'static str) -> NewEvent {
    NewEvent { name, data: RawValue::from_string(json!({ "seq": seq }).to_string()).unwrap() }
}

/// A run whose first step has no number yet, so that the steps of a test begin with 1.
pub(crate) fn begin(run: Run) -> BeginRun {
    BeginRun { run, first: RunStep { first_seq: 1, ..whole(0) }, turn: None, lease: None }
}

/// The same for a run that answers a turn of a conversation.
pub(crate) fn answering(turn: BeginTurn, mut run: Run) -> BeginRun {
    run.conversation = Some(turn.conversation);
    BeginRun { turn: Some(turn), ..begin(run) }
}

/// A step without events.
pub(crate) fn whole(number: i64) -> RunStep {
    RunStep {
        number,
        cause: json!({ "n": number }).to_string(),
        first_seq: number + 1,
        at: 1000 + number,
        ..RunStep::default()
    }
}

/// A step that goes on, with one event of the same number and a snapshot that names it.
pub(crate) fn step(number: i64) -> RunStep {
    RunStep {
        first_seq: number,
        events: vec![event(number, "node.finished")],
        snapshot: Some(number.to_string()),
        ..whole(number)
    }
}

pub(crate) fn last_step(number: i64, at: i64) -> RunStep {
    RunStep {
        first_seq: number,
        events: vec![event(number, "run.finished")],
        status: Some(RunStatus::Finished),
        outputs: Some(json!({ "text": "好" }).to_string()),
        answer: Some("好".into()),
        finished_at: Some(at),
        at,
        ..whole(number)
    }
}

pub(crate) fn base(name: &str) -> KnowledgeBase {
    KnowledgeBase {
        id: KnowledgeBaseId::from_uuid(uuid()),
        name: name.into(),
        title: None,
        description: Some("菜单".into()),
        spec: json!({ "knowledge": name, "fields": { "name": "keyword" } }),
        embedding_model: None,
        next_embedding_model: None,
        embedding_problem: None,
        created_at: 1,
        updated_at: 1,
    }
}

pub(crate) fn document(base: KnowledgeBaseId, name: &str, created_at: i64) -> Document {
    Document {
        id: DocumentId::from_uuid(uuid()),
        base,
        name: name.into(),
        version: 0,
        edits: 0,
        reason: None,
        records: 0,
        size_bytes: 0,
        content_hash: None,
        media_type: None,
        source: None,
        columns: json!({}),
        groups: vec!["vip".into()],
        metadata: json!({ "author": "老王" }),
        warnings: Vec::new(),
        created_at,
        updated_at: created_at,
        ingestion: None,
    }
}

pub(crate) fn ingestion(document: DocumentId, at: i64) -> NewIngestion {
    NewIngestion {
        document,
        media_type: Some("text/csv".into()),
        columns: json!({ "菜名": "name" }),
        source: None,
        content_hash: Some("hash".into()),
        size_bytes: 5,
        at,
    }
}

pub(crate) fn record(ordinal: i64, version: i64) -> NewRecord {
    NewRecord {
        ordinal,
        text: format!("第 {ordinal} 道菜 v{version}"),
        answer: None,
        fields: json!({ "spice_level": ordinal % 6 }),
        position: json!({ "row": ordinal + 2 }),
        tokens: 7,
    }
}

pub(crate) fn lease(owner: &str, until: i64) -> Lease {
    Lease { owner: owner.to_owned(), until }
}

pub(crate) fn retrieval_test(base: KnowledgeBaseId, query: &str) -> RetrievalTest {
    RetrievalTest {
        id: RetrievalTestId::from_uuid(uuid()),
        base,
        query: query.into(),
        filter: Some(json!({ "price": { "lte": 30 } })),
        expected: json!([{ "document": "menu.csv", "ordinal": 3 }]),
        created_at: 1,
    }
}

pub(crate) fn finished(records: i64, at: i64) -> Finished {
    Finished { records, media_type: None, warnings: vec![json!({ "code": "guessed_encoding" })], reason: None, at }
}

/// A new version of a document, from its file to the moment when it counts.
pub(crate) async fn replace(storage: &Storage, tenant: TenantId, document: DocumentId, count: i64) -> i64 {
    storage.put_file_piece(tenant, "hash", 0, b"bytes".to_vec()).await.unwrap();
    let version = storage.begin_ingestion(tenant, ingestion(document, 50)).await.unwrap();
    let claimed = storage.all_tenants_claim_ingestion(lease("reader", 1_000), 60).await.unwrap().unwrap();
    assert_eq!((claimed.tenant, claimed.document.id), (tenant, document));
    let records = (0..count).map(|it| record(it, version)).collect();
    storage.append_chunks(tenant, document, version, records).await.unwrap();
    let held = Held { document, version, owner: "reader".into() };
    assert!(storage.finish_ingestion(tenant, held, finished(count, 50)).await.unwrap());
    version
}

/// This very test binary, running one test again in a process of its own.
pub(crate) fn again(test: &str, role: &str, path: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD_ROLE, role).env(CHILD_PATH, path);
    command
}

const CHILD_ROLE: &str = "STORAGE_TEST_CHILD_ROLE";
const CHILD_PATH: &str = "STORAGE_TEST_CHILD_PATH";

/// The role and the database's path, in a process that [`again`] started.
pub(crate) fn child() -> Option<(String, PathBuf)> {
    Some((std::env::var(CHILD_ROLE).ok()?, std::env::var_os(CHILD_PATH)?.into()))
}
