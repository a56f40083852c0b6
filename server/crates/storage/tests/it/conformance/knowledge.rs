use domain::{DocumentState, ProgressUnit};
use serde_json::json;
use storage::{
    Advance, ChunkChange, DocumentChange, Held, KnowledgeBaseSize, NewIngestion, NewRecord, ReadFile, Storage,
    StorageError,
};

use crate::support::{base, document, finished, ingestion, lease, record, replace, retrieval_test, tenant};

pub(crate) async fn bases_and_documents(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let (mut menu, ads) = (base("menu"), base("ads"));
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    storage.create_knowledge_base(a, ads.clone()).await.unwrap();
    assert_eq!(storage.knowledge_base(a, "menu").await.unwrap(), Some(menu.clone()));
    assert_eq!(storage.list_knowledge_bases(a).await.unwrap(), [ads.clone(), menu.clone()]);
    menu.spec = json!({ "fields": {} });
    menu.updated_at = 9;
    storage.update_knowledge_base(a, menu.clone()).await.unwrap();
    assert_eq!(storage.knowledge_base(a, "menu").await.unwrap(), Some(menu.clone()));
    let error = storage.create_knowledge_base(a, base("menu")).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "a knowledge base with this name" }), "{error}");

    menu.next_embedding_model = Some("big".into());
    storage.update_knowledge_base(a, menu.clone()).await.unwrap();
    storage.set_embedding_problem(a, menu.id, "big", Some("401".into())).await.unwrap();
    storage.set_embedding_problem(a, menu.id, "other", Some("500".into())).await.unwrap();
    let moving = storage.knowledge_base(a, "menu").await.unwrap().unwrap();
    assert_eq!(moving.embedding_problem.as_deref(), Some("401"));
    assert!(!storage.finish_embedding_move(a, menu.id, "other", 9).await.unwrap());
    assert!(storage.finish_embedding_move(a, menu.id, "big", 9).await.unwrap());
    let moved = storage.knowledge_base(a, "menu").await.unwrap().unwrap();
    assert_eq!(
        (moved.embedding_model.as_deref(), moved.next_embedding_model, moved.embedding_problem),
        (Some("big"), None, None)
    );

    let mut all = Vec::new();
    for n in 0..5 {
        let it = document(menu.id, &format!("{n}.csv"), n / 2);
        storage.create_document(a, it.clone()).await.unwrap();
        all.push(it);
    }
    storage.create_document(a, document(ads.id, "0.csv", 0)).await.unwrap();
    let error = storage.create_document(a, document(menu.id, "0.csv", 0)).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "a document with this name" }), "{error}");
    assert_eq!(storage.document(a, all[0].id).await.unwrap(), Some(all[0].clone()));
    assert_eq!(storage.document_by_name(a, menu.id, "3.csv").await.unwrap(), Some(all[3].clone()));
    assert_eq!(storage.document_by_name(a, ads.id, "3.csv").await.unwrap(), None);
    let change = DocumentChange { groups: Some(vec!["staff".into()]), metadata: None };
    storage.change_document(a, all[4].id, change, 60).await.unwrap();
    storage.set_document_reason(a, all[4].id, Some("没有向量".into())).await.unwrap();
    assert_eq!(storage.documents_with_reason(a, menu.id).await.unwrap(), [all[4].id]);
    let changed = storage.document(a, all[4].id).await.unwrap().unwrap();
    assert_eq!((changed.groups.as_slice(), &changed.metadata), (["staff".to_owned()].as_slice(), &all[4].metadata));
    assert_eq!((changed.edits, changed.updated_at, changed.reason.as_deref()), (1, 60, Some("没有向量")));

    all[4] = changed;
    all.sort_by_key(|it| std::cmp::Reverse((it.created_at, it.id)));
    let first = storage.list_documents(a, menu.id, None, (None, 3)).await.unwrap();
    let rest = storage.list_documents(a, menu.id, None, (first.next_cursor.as_deref(), 3)).await.unwrap();
    assert_eq!([first.items, rest.items].concat(), all);
    assert_eq!(rest.next_cursor, None);
}

pub(crate) async fn lists_are_narrowed_by_a_text(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let names = ["售后政策.md", "Menu_2026.csv", "menuX2026.csv", "100%.txt", "100 g.txt", r"C:\a.txt", "ÜBER.md"];
    let mut ids = Vec::new();
    for (at, name) in (0..).zip(names) {
        let groups = if at == 0 { vec!["Sales \"east\"".to_owned(), "客服".to_owned()] } else { Vec::new() };
        let it = domain::Document { groups, ..document(menu.id, name, at) };
        ids.push(it.id);
        storage.create_document(a, it).await.unwrap();
    }
    let named = async |text: &str| {
        let page = storage.list_documents(a, menu.id, Some(text), (None, 9)).await.unwrap();
        page.items.into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    assert_eq!(named("政策").await, ["售后政策.md"]);
    assert_eq!(named("mENU").await, ["menuX2026.csv", "Menu_2026.csv"], "small and large letters, the newest first");
    assert_eq!(named("u_2").await, ["Menu_2026.csv"], "an underscore is one");
    assert_eq!(named("0%").await, ["100%.txt"]);
    assert_eq!(named(r":\A").await, [r"C:\a.txt"]);
    assert_eq!(named("ÜB").await, ["ÜBER.md"], "as it is written it is found in every database");
    assert_eq!(named("sales \"EAST").await, ["售后政策.md"], "by a group");
    assert_eq!(named("服").await, ["售后政策.md"]);
    for between in ["[", "]", ",", "\""] {
        assert!(named(between).await.is_empty(), "`{between}` stands in no group");
    }
    assert!(named("nothing").await.is_empty());

    // Pages stay as long as they are asked for.
    let first = storage.list_documents(a, menu.id, Some("menu"), (None, 1)).await.unwrap();
    let rest = storage.list_documents(a, menu.id, Some("menu"), (first.next_cursor.as_deref(), 1)).await.unwrap();
    assert_eq!((first.items[0].id, rest.items[0].id, rest.next_cursor), (ids[2], ids[1], None));

    let it = ids[1];
    replace(storage, a, it, 30).await;
    storage.add_chunk(a, it, NewRecord { answer: Some("Open till TEN".into()), ..record(0, 1) }, 70).await.unwrap();
    let ordinals = async |text: &str, after, limit| {
        let chunks = storage.chunks(a, it, Some(text), (after, limit)).await.unwrap();
        chunks.into_iter().map(|it| it.ordinal).collect::<Vec<_>>()
    };
    assert_eq!(ordinals("第 1", None, 4).await, [1, 10, 11, 12]);
    assert_eq!(ordinals("第 1", Some(12), 4).await, [13, 14, 15, 16], "it goes on where it stopped");
    assert_eq!(ordinals("道菜 V1", Some(28), 9).await, [29, 30]);
    assert_eq!(ordinals("till ten", None, 9).await, [30], "in the answer");
    assert!(ordinals("第_1", None, 9).await.is_empty());
}

pub(crate) async fn records_are_replaced_whole(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let it = document(menu.id, "menu.csv", 1);
    storage.create_document(a, it.clone()).await.unwrap();
    // More than are written at once.
    assert_eq!(replace(storage, a, it.id, 700).await, 1);
    let stored = storage.document(a, it.id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.records, stored.size_bytes, stored.updated_at), (1, 700, 5, 50));
    assert_eq!((stored.state(), stored.media_type.as_deref()), (DocumentState::Ready, Some("text/csv")));
    assert_eq!(
        (stored.columns, stored.warnings),
        (json!({ "菜名": "name" }), vec![json!({ "code": "guessed_encoding" })])
    );
    let chunks = storage.chunks(a, it.id, None, (None, 1000)).await.unwrap();
    assert_eq!(chunks.iter().map(|it| it.ordinal).collect::<Vec<_>>(), (0..700).collect::<Vec<_>>());
    assert_eq!((chunks[8].text.as_str(), &chunks[8].fields), ("第 8 道菜 v1", &json!({ "spice_level": 2 })));
    assert_eq!((&chunks[8].position, chunks[8].enabled, chunks[8].edited), (&json!({ "row": 10 }), true, false));
    let some = storage.chunks(a, it.id, None, (Some(697), 1)).await.unwrap();
    assert_eq!(some.iter().map(|it| it.ordinal).collect::<Vec<_>>(), [698]);

    // A version that is not complete is seen by nobody, and cannot be put in place.
    let version = storage.begin_ingestion(a, ingestion(it.id, 60)).await.unwrap();
    let held = Held { document: it.id, version, owner: "reader".into() };
    storage.all_tenants_claim_ingestion(lease("reader", 1_000), 61).await.unwrap().unwrap();
    let some: Vec<_> = (0..600).map(|it| record(it, 2)).collect();
    storage.append_chunks(a, it.id, version, some.clone()).await.unwrap();
    storage.append_chunks(a, it.id, version, some).await.unwrap();
    assert_eq!(storage.chunks(a, it.id, None, (None, 1000)).await.unwrap(), chunks);
    assert_eq!(storage.staged_chunks(a, (it.id, version), Some(597), 9).await.unwrap().len(), 2);
    assert!(!storage.finish_ingestion(a, held.clone(), finished(601, 62)).await.unwrap(), "one is missing");
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0, "it is being made");
    // A newer one takes its place: the older worker cannot write any more, and what it wrote goes.
    let newer = storage.begin_ingestion(a, ingestion(it.id, 63)).await.unwrap();
    assert_eq!(newer, version + 1);
    let error = storage.append_chunks(a, it.id, version, vec![record(600, 2)]).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
    assert!(!storage.finish_ingestion(a, held, finished(600, 64)).await.unwrap());
    assert_eq!(storage.chunks(a, it.id, None, (None, 1000)).await.unwrap(), chunks);
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 600);

    assert_eq!(replace(storage, a, it.id, 2).await, newer + 1);
    let size = storage.knowledge_base_size(a, menu.id).await.unwrap();
    assert_eq!(size, KnowledgeBaseSize { documents: 1, records: 2 });
    replace(storage, a, it.id, 0).await;
    assert_eq!(storage.chunks(a, it.id, None, (None, 1000)).await.unwrap(), [], "an empty document is a document");
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0);
}

pub(crate) async fn work_is_shared_and_can_be_stopped(storage: &Storage) {
    let (a, b) = (tenant(storage, "a").await, tenant(storage, "b").await);
    let mut documents = Vec::new();
    for (tenant, count, begun) in [(a, 3, 10), (b, 1, 20)] {
        let menu = base("menu");
        storage.create_knowledge_base(tenant, menu.clone()).await.unwrap();
        storage.put_file_piece(tenant, "hash", 0, b"bytes".to_vec()).await.unwrap();
        for at in 0..count {
            let it = document(menu.id, &format!("{at}.csv"), at);
            storage.create_document(tenant, it.clone()).await.unwrap();
            storage.begin_ingestion(tenant, ingestion(it.id, begun + at)).await.unwrap();
            documents.push(it.id);
        }
    }
    let claim = async |owner: &str, now| {
        let claimed = storage.all_tenants_claim_ingestion(lease(owner, now + 100), now).await.unwrap();
        claimed.map(|it| it.document.id)
    };
    assert!(storage.all_tenants_has_ingestion(50).await.unwrap());
    assert!(!storage.all_tenants_has_ingestion(1).await.unwrap(), "not before its time");
    assert_eq!(claim("x", 50).await, Some(documents[0]));
    let mine = storage.claim_ingestion(a, documents[0], lease("y", 150), 60).await.unwrap();
    assert!(mine.is_none(), "somebody works on it");
    assert_eq!(claim("x", 50).await, Some(documents[3]), "the other tenant does not wait for all of the first one's");
    assert_eq!(claim("y", 50).await, Some(documents[1]));
    assert_eq!(claim("y", 151).await, Some(documents[0]), "nobody has said for a while that they work on it");
    let held = |at: usize, owner: &str| Held { document: documents[at], version: 1, owner: owner.into() };
    let advance = |state, done| Advance { state, done, total: 9, unit: ProgressUnit::Records, at: 160 };
    let step = advance(DocumentState::Embedding, 4);
    assert!(!storage.advance_ingestion(a, held(0, "x"), 999, step).await.unwrap(), "it is another's now");
    assert!(storage.advance_ingestion(a, held(0, "y"), 999, step).await.unwrap());
    let read = ReadFile { records: 9, media_type: "text/csv".into(), warnings: vec!["x".into()], at: 160 };
    assert!(!storage.note_read_file(a, held(0, "y"), read.clone()).await.unwrap(), "it has been read already");
    assert!(storage.note_read_file(a, held(1, "y"), read).await.unwrap());
    let stored = storage.document(a, documents[0]).await.unwrap().unwrap();
    let it = stored.ingestion.clone().unwrap();
    assert_eq!((stored.state(), it.done, it.total, it.unit), (DocumentState::Embedding, 4, 9, ProgressUnit::Records));
    assert_eq!((it.attempts, stored.is_answering()), (2, false));

    assert!(storage.cancel_ingestion(a, documents[0], 170).await.unwrap());
    assert!(!storage.cancel_ingestion(a, documents[0], 170).await.unwrap());
    assert!(!storage.advance_ingestion(a, held(0, "y"), 999, step).await.unwrap(), "it was stopped");
    assert_eq!(storage.document(a, documents[0]).await.unwrap().unwrap().state(), DocumentState::Cancelled);
    assert!(storage.retry_ingestion(a, documents[0], 171).await.unwrap());
    let retried = storage.document(a, documents[0]).await.unwrap().unwrap().ingestion.unwrap();
    assert_eq!(retried.version, 2, "whoever has not heard of the stop writes into nothing");
    let error = storage.append_chunks(a, documents[0], 1, vec![record(0, 1)]).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
    assert!(!storage.retry_ingestion(a, documents[0], 171).await.unwrap());

    assert!(
        storage.fail_ingestion(b, held(3, "x"), ("坏了".into(), json!({ "hint": "?" })), (None, 180)).await.unwrap()
    );
    let failed = storage.document(b, documents[3]).await.unwrap().unwrap().ingestion.unwrap();
    assert_eq!(
        (failed.state, failed.reason.as_deref(), &failed.problems),
        (DocumentState::Failed, Some("坏了"), &json!({ "hint": "?" }))
    );
    assert!(storage.fail_ingestion(a, held(1, "y"), ("later".into(), json!({})), (Some(250), 180)).await.unwrap());
    assert_eq!(claim("z", 200).await, Some(documents[0]));
    assert_eq!(claim("z", 201).await, Some(documents[2]));
    assert_eq!(claim("z", 202).await, None, "one failed, one is put off");
    assert_eq!(claim("w", 250).await, Some(documents[1]));
    assert_eq!(storage.all_tenants_free_leases("w").await.unwrap(), 1);
    assert_eq!(claim("v", 260).await, Some(documents[1]), "it was given away");

    let fetched = ("other".to_owned(), 3);
    assert!(storage.note_fetched_file(a, held(1, "v"), fetched, Some("text/html".into())).await.unwrap());
    let it = storage.document(a, documents[1]).await.unwrap().unwrap().ingestion.unwrap();
    assert_eq!((it.content_hash.as_deref(), it.size_bytes), (Some("other"), 3));
    assert!(storage.drop_ingestion(a, held(1, "v")).await.unwrap());
    assert_eq!(storage.document(a, documents[1]).await.unwrap().unwrap().ingestion, None);
}

pub(crate) async fn files_stay_as_long_as_somebody_counts_them(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let it = document(menu.id, "menu.csv", 1);
    storage.create_document(a, it.clone()).await.unwrap();
    storage.put_file_piece(a, "hash", 0, b"byt".to_vec()).await.unwrap();
    let error = storage.begin_ingestion(a, ingestion(it.id, 50)).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "a part of it is missing: {error}");
    storage.put_file_piece(a, "hash", 1, b"es".to_vec()).await.unwrap();
    storage.begin_ingestion(a, ingestion(it.id, 50)).await.unwrap();
    storage.put_file_piece(a, "nobody's", 0, b"x".to_vec()).await.unwrap();
    storage.purge_files(a).await.unwrap();
    assert_eq!(storage.file_piece(a, "hash", 1).await.unwrap().as_deref(), Some(b"es".as_slice()));
    assert_eq!(storage.file_piece(a, "hash", 2).await.unwrap(), None);
    assert_eq!(storage.file_piece(a, "nobody's", 0).await.unwrap(), None);
    assert!(storage.delete_document(a, it.id).await.unwrap());
    assert_eq!(storage.file_piece(a, "hash", 0).await.unwrap(), None);
}

pub(crate) async fn single_records_are_changed(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let it = document(menu.id, "menu.csv", 1);
    storage.create_document(a, it.clone()).await.unwrap();
    replace(storage, a, it.id, 3).await;
    let new = NewRecord { answer: Some("七点".into()), ..record(0, 1) };
    assert_eq!(storage.add_chunk(a, it.id, new, 70).await.unwrap(), 3);
    let added = storage.chunk(a, it.id, 3).await.unwrap().unwrap();
    assert_eq!((added.answer.as_deref(), added.edited, added.enabled), (Some("七点"), true, true));
    let change = ChunkChange { enabled: Some(false), ..ChunkChange::default() };
    storage.change_chunk(a, (it.id, 1), change, 71).await.unwrap();
    let change =
        ChunkChange { text: Some("新".into()), answer: Some(None), tokens: Some(1), ..ChunkChange::default() };
    storage.change_chunk(a, (it.id, 3), change, 72).await.unwrap();
    let (off, new) = (storage.chunk(a, it.id, 1).await.unwrap().unwrap(), storage.chunk(a, it.id, 3).await.unwrap());
    assert_eq!((off.enabled, off.edited, off.text.as_str()), (false, false, "第 1 道菜 v1"));
    let new = new.unwrap();
    assert_eq!((new.text.as_str(), new.answer, new.tokens, new.enabled), ("新", None, 1, true));
    storage.delete_chunk(a, (it.id, 0), 73).await.unwrap();
    let error = storage.delete_chunk(a, (it.id, 0), 73).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "record" }), "{error}");
    let stored = storage.document(a, it.id).await.unwrap().unwrap();
    assert_eq!((stored.records, stored.edits, stored.updated_at), (3, 4, 73));
    replace(storage, a, it.id, 1).await;
    assert_eq!(storage.document(a, it.id).await.unwrap().unwrap().edits, 0, "a new version has none");
}

pub(crate) async fn retrieval_tests_and_their_reports(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let one = retrieval_test(menu.id, "辣的");
    storage.add_retrieval_test(a, one.clone()).await.unwrap();
    let error = storage.add_retrieval_test(a, retrieval_test(base("x").id, "x")).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "knowledge base" }), "{error}");
    assert_eq!(storage.retrieval_tests(a, menu.id).await.unwrap(), std::slice::from_ref(&one));
    for at in 0..55 {
        storage.add_retrieval_report(a, menu.id, json!({ "at": at }), at).await.unwrap();
    }
    let reports = storage.retrieval_reports(a, menu.id, 100).await.unwrap();
    assert_eq!((reports.len(), &reports[0]), (50, &json!({ "at": 54 })));
    assert!(storage.delete_retrieval_test(a, menu.id, one.id).await.unwrap());
    assert!(!storage.delete_retrieval_test(a, menu.id, one.id).await.unwrap());
    assert!(storage.delete_knowledge_base(a, "menu").await.unwrap());
    assert!(storage.retrieval_reports(a, menu.id, 1).await.unwrap().is_empty());
}

pub(crate) async fn deleting_leaves_no_records(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let (one, two) = (document(menu.id, "1.csv", 1), document(menu.id, "2.csv", 1));
    for it in [&one, &two] {
        storage.create_document(a, it.clone()).await.unwrap();
        replace(storage, a, it.id, 600).await;
    }
    assert!(storage.delete_document(a, one.id).await.unwrap());
    assert!(!storage.delete_document(a, one.id).await.unwrap());
    assert_eq!(storage.document(a, one.id).await.unwrap(), None);
    assert_eq!(storage.chunks(a, one.id, None, (None, 10)).await.unwrap(), []);
    assert_eq!(storage.chunks(a, two.id, None, (None, 1000)).await.unwrap().len(), 600, "the other document stays");
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0, "nothing was left over");
    assert!(storage.delete_knowledge_base(a, "menu").await.unwrap());
    assert!(!storage.delete_knowledge_base(a, "menu").await.unwrap());
    assert_eq!(storage.knowledge_base(a, "menu").await.unwrap(), None);
    assert_eq!(storage.document(a, two.id).await.unwrap(), None);
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0, "nothing was left over");
    let new = NewIngestion { content_hash: None, ..ingestion(two.id, 9) };
    let error = storage.begin_ingestion(a, new).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "document" }), "{error}");
    storage.create_knowledge_base(a, base("menu")).await.unwrap();
}
