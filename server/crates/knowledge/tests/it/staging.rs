//! Versions put together beside the one that answers: nothing half is seen, nothing done is lost, and a text has one vector
//! wherever it stands. The process may end between any two calls, which is what dropping and opening again is for here.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::{Backend, on_each_backend};
use crate::support::{Hashing, ask, search};
use knowledge::{
    BaseRef, BaseSpec, Completed, DocumentIn, DocumentRef, Embedder, Knowledge, Position, Record, SearchMode,
    SearchStatus,
};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

on_each_backend! {
    a_process_that_ends_between_any_two_calls_loses_nothing_and_shows_nothing_half,
    what_is_discarded_or_deleted_is_gone_and_whoever_goes_on_is_told,
    of_two_replacements_the_newer_one_wins_in_whichever_order_they_end,
    a_text_is_embedded_once_wherever_it_stands_and_its_vector_goes_with_the_last_of_it,
    a_model_that_fails_leaves_the_rest_to_words_and_says_why,
    single_records_are_edited_disabled_and_enabled,
    a_large_old_version_goes_at_once_for_readers_and_by_and_by_from_the_file,
    deleting_while_it_is_put_leaves_nothing_behind,
    a_file_of_version_1_keeps_its_vectors,
    a_file_of_version_2_has_its_words_cut_again,
}

const TENANT: &str = "tenant-a";
const NEVER: &(dyn Fn() -> bool + Send + Sync) = &|| false;

fn base(embedder: &Arc<Hashing>) -> BaseRef {
    named("base", embedder)
}

fn named(id: &str, embedder: &Arc<Hashing>) -> BaseRef {
    let spec = BaseSpec::from_yaml("knowledge: texts\nfields: {}\n").unwrap();
    BaseRef::new(id, spec, Some(embedder.clone() as Arc<dyn Embedder>))
}

fn document(version: u32) -> DocumentRef {
    DocumentRef { id: "doc".to_owned(), name: "doc.txt".to_owned(), version, groups: Vec::new() }
}

fn texts(mark: &str, from: u32, to: u32) -> Vec<Record> {
    (from..to)
        .map(|ordinal| Record { ordinal, text: format!("{mark}共同的段落{ordinal}"), ..Record::default() })
        .collect()
}

fn put(id: &str, version: u32, records: Vec<Record>) -> DocumentIn {
    DocumentIn { id: id.to_owned(), name: id.to_owned(), version, records, ..DocumentIn::default() }
}

async fn file(dir: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(dir.join("tenant-a.sqlite"))).await.unwrap()
}

async fn counted(dir: &Path, what: &str) -> i64 {
    let pool = file(dir).await;
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"))).fetch_one(&pool).await;
    pool.close().await;
    count.unwrap()
}

/// The marks of what answers.
async fn answering(knowledge: &Knowledge, base: &BaseRef, mode: SearchMode) -> Vec<char> {
    let mut request = ask(base, "共同的段落", mode);
    request.top_k = 1000;
    let response = search(knowledge, request).await;
    let mut marks: Vec<char> = response.hits.iter().filter_map(|it| it.text.chars().next()).collect();
    marks.sort_unstable();
    marks
}

async fn a_process_that_ends_between_any_two_calls_loses_nothing_and_shows_nothing_half(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    let open = || on.open(dir.path());
    open().put_document(TENANT, &base, put("doc", 1, texts("甲", 0, 5)), &|_| {}).await.unwrap();
    let old_answers = async |knowledge: &Knowledge| {
        for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
            assert_eq!(answering(knowledge, &base, mode).await, ['甲'; 5], "{mode:?}");
        }
        assert_eq!(knowledge.count(TENANT, "base").await.unwrap(), 5);
        assert_eq!(knowledge.documents(TENANT, "base").await.unwrap()["doc"], 1);
    };
    let next = document(2);
    open().stage(TENANT, &base, &next, texts("乙", 0, 150)).await.unwrap();
    old_answers(&open()).await;
    assert_eq!(open().staged(TENANT, "base", "doc", 2).await.unwrap(), 150);
    open().stage(TENANT, &base, &next, texts("乙", 100, 300)).await.unwrap();
    assert_eq!(open().staged(TENANT, "base", "doc", 2).await.unwrap(), 300, "a batch that comes twice is there once");
    old_answers(&open()).await;

    // Stopped in the middle, as by somebody who pressed cancel or by the end of the process.
    let before = embedder.calls.load(Ordering::SeqCst);
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::SeqCst) == 2;
    let report = open().embed_staged(TENANT, &base, &next, &|_| {}, &stop).await.unwrap();
    assert!(report.stopped && report.reason.is_some());
    assert_eq!((report.embedded, report.missing), (128, 172));
    old_answers(&open()).await;
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |it: knowledge::Progress| told.lock().unwrap().push((it.done, it.total));
    let report = open().embed_staged(TENANT, &base, &next, &progress, NEVER).await.unwrap();
    assert_eq!((report.embedded, report.reused, report.missing, report.reason), (172, 128, 0, None));
    assert_eq!(embedder.calls.load(Ordering::SeqCst) - before, 300 + 2, "every text once, and two queries");
    let told = told.into_inner().unwrap();
    assert!(told.is_sorted() && told.last() == Some(&(300, 300)), "{told:?}");
    old_answers(&open()).await;

    assert_eq!(open().complete(TENANT, &base, &next).await.unwrap(), Completed::Visible);
    assert_eq!(open().complete(TENANT, &base, &next).await.unwrap(), Completed::Visible);
    let report = open().embed_staged(TENANT, &base, &next, &|_| {}, NEVER).await.unwrap();
    assert_eq!((report.embedded, report.reused), (0, 300), "said again after it was completed");
    for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
        assert_eq!(answering(&open(), &base, mode).await, ['乙'; 300], "{mode:?}");
    }
    assert_eq!(counted(dir.path(), "records").await, 300);
    assert_eq!(counted(dir.path(), "vectors").await, 300);
    assert_eq!(counted(dir.path(), "versions").await, 1);
}

async fn what_is_discarded_or_deleted_is_gone_and_whoever_goes_on_is_told(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    let knowledge = on.open(dir.path());
    let first = document(1);
    knowledge.stage(TENANT, &base, &first, texts("甲", 0, 10)).await.unwrap();
    knowledge.embed_staged(TENANT, &base, &first, &|_| {}, NEVER).await.unwrap();
    knowledge.discard(TENANT, "base", "doc", 1).await.unwrap();
    knowledge.discard(TENANT, "base", "doc", 1).await.unwrap();
    assert_eq!(knowledge.complete(TENANT, &base, &first).await.unwrap(), Completed::Gone);
    for table in ["records", "vectors", "versions", "documents"] {
        assert_eq!(counted(dir.path(), table).await, 0, "{table}");
    }
    for delete_base in [false, true] {
        knowledge.stage(TENANT, &base, &first, texts("甲", 0, 10)).await.unwrap();
        let deleted = match delete_base {
            false => knowledge.delete_document(TENANT, "base", "doc").await,
            true => knowledge.delete_base(TENANT, "base").await,
        };
        assert!(deleted.unwrap());
        let error = knowledge.stage(TENANT, &base, &first, texts("甲", 10, 20)).await.unwrap_err();
        assert_eq!(error.code(), "document_gone");
        let error = knowledge.embed_staged(TENANT, &base, &first, &|_| {}, NEVER).await.unwrap_err();
        assert_eq!(error.code(), "document_gone");
        assert_eq!(knowledge.complete(TENANT, &base, &first).await.unwrap(), Completed::Gone);
        assert_eq!(knowledge.staged(TENANT, "base", "doc", 1).await.unwrap(), 0);
        assert_eq!(counted(dir.path(), "records").await + counted(dir.path(), "versions").await, 0);
    }
    // Whoever begins anew begins.
    knowledge.stage(TENANT, &base, &first, texts("乙", 0, 3)).await.unwrap();
    assert_eq!(knowledge.complete(TENANT, &base, &first).await.unwrap(), Completed::Visible);
    assert_eq!(answering(&knowledge, &base, SearchMode::Lexical).await, ['乙'; 3]);
    // A document may be empty.
    let empty = document(2);
    knowledge.stage(TENANT, &base, &empty, Vec::new()).await.unwrap();
    assert_eq!(knowledge.complete(TENANT, &base, &empty).await.unwrap(), Completed::Visible);
    assert_eq!(knowledge.count(TENANT, "base").await.unwrap(), 0);
    assert_eq!(knowledge.documents(TENANT, "base").await.unwrap()["doc"], 2);
}

async fn of_two_replacements_the_newer_one_wins_in_whichever_order_they_end(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    let knowledge = on.open(dir.path());
    knowledge.put_document(TENANT, &base, put("doc", 1, texts("甲", 0, 4)), &|_| {}).await.unwrap();
    for (version, mark) in [(2, "乙"), (3, "丙"), (4, "丁")] {
        knowledge.stage(TENANT, &base, &document(version), texts(mark, 0, version + 4)).await.unwrap();
    }
    assert_eq!(knowledge.complete(TENANT, &base, &document(3)).await.unwrap(), Completed::Visible);
    assert_eq!(answering(&knowledge, &base, SearchMode::Lexical).await, ['丙'; 7]);
    assert_eq!(knowledge.staged(TENANT, "base", "doc", 2).await.unwrap(), 0, "nobody needs it any more");
    assert_eq!(knowledge.complete(TENANT, &base, &document(2)).await.unwrap(), Completed::Superseded);
    assert_eq!(knowledge.complete(TENANT, &base, &document(4)).await.unwrap(), Completed::Visible);
    assert_eq!(answering(&knowledge, &base, SearchMode::Hybrid).await, ['丁'; 8]);
    let report = knowledge.put_document(TENANT, &base, put("doc", 3, texts("戊", 0, 2)), &|_| {}).await.unwrap();
    assert!(report.reason.unwrap().contains("newer version"));
    assert_eq!(answering(&knowledge, &base, SearchMode::Hybrid).await, ['丁'; 8]);
    assert_eq!(counted(dir.path(), "records").await, 8);
}

async fn a_text_is_embedded_once_wherever_it_stands_and_its_vector_goes_with_the_last_of_it(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let (one, two) = (named("one", &embedder), named("two", &embedder));
    let knowledge = on.open(dir.path());
    let same: Vec<Record> =
        (0..100).map(|ordinal| Record { ordinal, text: "同一句话".to_owned(), ..Record::default() }).collect();
    knowledge.put_document(TENANT, &one, put("a", 1, same.clone()), &|_| {}).await.unwrap();
    knowledge.put_document(TENANT, &one, put("b", 1, same.clone()), &|_| {}).await.unwrap();
    let report = knowledge.put_document(TENANT, &two, put("a", 1, same.clone()), &|_| {}).await.unwrap();
    assert!(report.embedded && report.reason.is_none());
    assert_eq!(embedder.calls.load(Ordering::SeqCst), 1);
    assert_eq!(counted(dir.path(), "vectors").await, 1);
    // Below a heading it is another text.
    let position = Position { headings: vec!["标题".to_owned()], ..Position::default() };
    let below = Record { ordinal: 0, text: "同一句话".to_owned(), position, ..Record::default() };
    knowledge.put_document(TENANT, &two, put("c", 1, vec![below]), &|_| {}).await.unwrap();
    assert_eq!((embedder.calls.load(Ordering::SeqCst), counted(dir.path(), "vectors").await), (2, 2));
    let found = search(&knowledge, ask(&two, "标题", SearchMode::Lexical)).await;
    assert_eq!((found.hits.len(), found.hits[0].text.as_str()), (1, "同一句话"), "headings are searched, not shown");

    knowledge.delete_document(TENANT, "one", "a").await.unwrap();
    knowledge.delete_document(TENANT, "two", "c").await.unwrap();
    assert_eq!(counted(dir.path(), "vectors").await, 1);
    knowledge.delete_base(TENANT, "one").await.unwrap();
    assert_eq!(counted(dir.path(), "vectors").await, 1);
    assert_eq!(search(&knowledge, ask(&two, "同一句话", SearchMode::Dense)).await.hits.len(), 1);

    // The same base with two models has two vectors, and each goes when nobody needs it.
    let other = Hashing::new("other");
    let moved = named("two", &other);
    knowledge.embed_missing(TENANT, &moved, &|_| {}, NEVER).await.unwrap();
    assert_eq!(counted(dir.path(), "vectors").await, 2);
    knowledge.put_document(TENANT, &named("three", &embedder), put("x", 1, same[..1].to_vec()), &|_| {}).await.unwrap();
    assert_eq!(knowledge.forget_model(TENANT, "two", "m").await.unwrap(), 0, "another base has it of this model");
    assert_eq!(knowledge.forget_model(TENANT, "three", "m").await.unwrap(), 1);
    assert_eq!(search(&knowledge, ask(&moved, "同一句话", SearchMode::Dense)).await.status, SearchStatus::Ok);
    knowledge.delete_base(TENANT, "two").await.unwrap();
    assert_eq!(counted(dir.path(), "vectors").await, 0, "the base that still has the text has nothing of that model");
}

async fn a_model_that_fails_leaves_the_rest_to_words_and_says_why(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    let knowledge = on.open(dir.path());
    let first = document(1);
    knowledge.stage(TENANT, &base, &first, texts("甲", 0, 200)).await.unwrap();
    let break_after_first = |it: knowledge::Progress| {
        if it.done == 64 {
            embedder.broken.store(true, Ordering::SeqCst);
        }
    };
    let report = knowledge.embed_staged(TENANT, &base, &first, &break_after_first, NEVER).await.unwrap();
    assert_eq!((report.embedded, report.missing, report.stopped), (64, 136, false));
    assert!(report.reason.unwrap().contains("not there yet"));
    assert_eq!(knowledge.complete(TENANT, &base, &first).await.unwrap(), Completed::Visible);
    embedder.broken.store(false, Ordering::SeqCst);
    let response = search(&knowledge, ask(&base, "共同的段落", SearchMode::Hybrid)).await;
    assert_eq!(response.status, SearchStatus::Degraded);
    assert!(response.reason().unwrap().contains("136 of 200 records are not embedded yet"));
    let report = knowledge.embed_missing(TENANT, &base, &|_| {}, NEVER).await.unwrap();
    assert_eq!((report.embedded, report.reused), (136, 64));
    assert_eq!(search(&knowledge, ask(&base, "共同的段落", SearchMode::Dense)).await.status, SearchStatus::Ok);
    // Without any model a version is staged and completed all the same.
    let without = BaseRef { embedder: None, ..base.clone() };
    knowledge.stage(TENANT, &without, &document(2), texts("乙", 0, 2)).await.unwrap();
    let report = knowledge.embed_staged(TENANT, &without, &document(2), &|_| {}, NEVER).await.unwrap();
    assert_eq!((report.missing, report.reason.as_deref()), (2, Some("no embedding model is set up")));
    assert_eq!(knowledge.complete(TENANT, &without, &document(2)).await.unwrap(), Completed::Visible);
}

async fn single_records_are_edited_disabled_and_enabled(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    let knowledge = on.open(dir.path());
    let error = knowledge.put_record(TENANT, &base, "doc", Record::default()).await.unwrap_err();
    assert_eq!(error.code(), "document_gone");
    knowledge.put_document(TENANT, &base, put("doc", 1, texts("甲", 0, 3)), &|_| {}).await.unwrap();
    let calls = || embedder.calls.load(Ordering::SeqCst);
    let before = calls();
    let edited =
        Record { ordinal: 1, text: "全新的话".to_owned(), answer: Some("答".to_owned()), ..Record::default() };
    let report = knowledge.put_record(TENANT, &base, "doc", edited.clone()).await.unwrap();
    assert!(report.embedded && report.reason.is_none());
    for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
        let response = search(&knowledge, ask(&base, "全新的话", mode)).await;
        assert_eq!((response.hits[0].id.as_str(), response.hits[0].answer.as_deref()), ("doc:1", Some("答")));
    }
    // Another answer to the same question needs no other vector.
    let report = knowledge
        .put_record(TENANT, &base, "doc", Record { answer: Some("另答".to_owned()), ..edited.clone() })
        .await
        .unwrap();
    assert!(report.embedded);
    assert_eq!(calls() - before, 1 + 2, "one text, and two queries");
    let entry = knowledge.get(TENANT, "base", "doc:1", None).await.unwrap().unwrap();
    assert_eq!(entry.answer.as_deref(), Some("另答"));
    assert!(knowledge.remove_record(TENANT, "base", "doc", 1).await.unwrap());
    assert!(!knowledge.remove_record(TENANT, "base", "doc", 1).await.unwrap());
    assert!(!knowledge.remove_record(TENANT, "base", "nowhere", 1).await.unwrap());
    assert_eq!(knowledge.count(TENANT, "base").await.unwrap(), 2);
    assert_eq!(counted(dir.path(), "vectors").await, 2);
    assert!(
        search(&knowledge, ask(&base, "全新的话", SearchMode::Lexical)).await.hits.iter().all(|it| it.id != "doc:1")
    );
    // What was added behind the end keeps its place in a listing that has a hole.
    for ordinal in [1, 7] {
        knowledge.put_record(TENANT, &base, "doc", Record { ordinal, ..edited.clone() }).await.unwrap();
    }
    knowledge.remove_record(TENANT, "base", "doc", 0).await.unwrap();
    let mut request = knowledge::ListRequest { limit: 2, ..knowledge::ListRequest::default() };
    let page = knowledge.list(TENANT, &base, request.clone()).await.unwrap();
    request.cursor = page.next_cursor;
    let rest = knowledge.list(TENANT, &base, request).await.unwrap();
    let ids: Vec<String> = page.entries.into_iter().chain(rest.entries).map(|it| it.id).collect();
    assert_eq!(ids, ["doc:1", "doc:2", "doc:7"]);
}

async fn a_large_old_version_goes_at_once_for_readers_and_by_and_by_from_the_file(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = BaseRef { embedder: None, ..base(&embedder) };
    let knowledge = on.open(dir.path());
    knowledge.stage(TENANT, &base, &document(1), texts("甲", 0, 6000)).await.unwrap();
    knowledge.complete(TENANT, &base, &document(1)).await.unwrap();
    knowledge.put_document(TENANT, &base, put("doc", 2, texts("乙", 0, 3)), &|_| {}).await.unwrap();
    assert_eq!(answering(&knowledge, &base, SearchMode::Lexical).await, ['乙'; 3]);
    for _ in 0..200 {
        if counted(dir.path(), "versions").await == 1 {
            break;
        }
        assert_eq!(answering(&knowledge, &base, SearchMode::Lexical).await, ['乙'; 3]);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!((counted(dir.path(), "versions").await, counted(dir.path(), "records").await), (1, 3));
    assert_eq!(answering(&knowledge, &base, SearchMode::Lexical).await, ['乙'; 3]);
}

async fn deleting_while_it_is_put_leaves_nothing_behind(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    let knowledge = on.open(dir.path());
    for round in 0..8u32 {
        let (writer, whose) = (knowledge.clone(), base.clone());
        let putting = tokio::spawn(async move {
            writer.put_document(TENANT, &whose, put("doc", 1, texts("甲", 0, 3000)), &|_| {}).await.unwrap()
        });
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(round) * 20)).await;
        match round % 2 {
            0 => knowledge.delete_document(TENANT, "base", "doc").await.unwrap(),
            _ => knowledge.delete_base(TENANT, "base").await.unwrap(),
        };
        putting.await.unwrap();
        let visible = knowledge.count(TENANT, "base").await.unwrap();
        assert!(visible == 0 || visible == 3000, "{visible}");
        knowledge.delete_base(TENANT, "base").await.unwrap();
        for table in ["records", "vectors", "versions", "documents"] {
            assert_eq!(counted(dir.path(), table).await, 0, "{table} in round {round}");
        }
    }
}

/// The tables as version 1 made them, with a document whose words and vectors are of then.
async fn a_file_of_version_1_keeps_its_vectors(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_with(
        SqliteConnectOptions::new().filename(dir.path().join("tenant-a.sqlite")).create_if_missing(true),
    )
    .await
    .unwrap();
    sqlx::raw_sql(
        "CREATE TABLE bases (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL);
         CREATE TABLE documents (row INTEGER PRIMARY KEY AUTOINCREMENT, base INTEGER NOT NULL REFERENCES bases (row), id TEXT NOT NULL,
           name TEXT NOT NULL, version INTEGER NOT NULL, stamp INTEGER NOT NULL, UNIQUE (base, id));
         CREATE TABLE records (row INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents (row),
           ordinal INTEGER NOT NULL, text TEXT NOT NULL, fields TEXT NOT NULL, UNIQUE (document, ordinal));
         CREATE TABLE models (row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
         CREATE TABLE vectors (record INTEGER PRIMARY KEY REFERENCES records (row), model INTEGER NOT NULL REFERENCES models (row),
           vector BLOB NOT NULL);
         CREATE VIRTUAL TABLE words_1 USING fts5(words, characters, content='', contentless_delete=1, tokenize='ascii');
         INSERT INTO bases VALUES (1, 'base', 7);
         INSERT INTO documents VALUES (5, 1, 'doc', 'doc.txt', 3, 2), (9, 1, 'other', 'other.txt', 1, 0);
         INSERT INTO models VALUES (1, 'm'), (2, 'unused');
         PRAGMA user_version = 1;",
    )
    .execute(&pool)
    .await
    .unwrap();
    for (row, document, ordinal, text) in
        [(31, 9, 0, "别的文件"), (40, 5, 0, "甲共同的段落"), (41, 5, 1, "乙共同的段落"), (42, 5, 2, "甲共同的段落")]
    {
        sqlx::query("INSERT INTO records VALUES ($1, $2, $3, $4, '{\"price\": 3}')")
            .bind(row)
            .bind(document)
            .bind(ordinal)
            .bind(text)
            .execute(&pool)
            .await
            .unwrap();
        if row != 41 {
            let vector: Vec<u8> = crate::support::hashed(text).iter().flat_map(|it| it.to_le_bytes()).collect();
            sqlx::query("INSERT INTO vectors VALUES ($1, 1, $2)").bind(row).bind(vector).execute(&pool).await.unwrap();
        }
        sqlx::query("INSERT INTO words_1 (rowid, words, characters) VALUES ($1, 'alt', 'alt')")
            .bind(row)
            .execute(&pool)
            .await
            .unwrap();
    }
    pool.close().await;

    let embedder = Hashing::new("m");
    let base = base(&embedder);
    for _ in 0..2 {
        let knowledge = on.open(dir.path());
        assert_eq!(knowledge.count(TENANT, "base").await.unwrap(), 4);
        assert_eq!(knowledge.documents(TENANT, "base").await.unwrap()["doc"], 3);
        let response = search(&knowledge, ask(&base, "甲共同的段落", SearchMode::Hybrid)).await;
        assert!(response.reason().unwrap().contains("1 of 4 records are not embedded yet"));
        let best = &response.hits[0];
        assert_eq!((best.id.as_str(), best.also.as_slice()), ("doc:0", ["doc:2".to_owned()].as_slice()));
        assert_eq!(best.fields["price"], 3);
        assert!((best.stages.dense.unwrap().score - 1.0).abs() < 1e-6, "its vector is the one that was there");
        assert!(search(&knowledge, ask(&base, "alt", SearchMode::Lexical)).await.hits.is_empty());
        assert_eq!(counted(dir.path(), "vectors").await, 2, "one for each text");
    }
    assert_eq!(counted(dir.path(), "sqlite_master WHERE name LIKE 'old_%'").await, 0);
    let knowledge = on.open(dir.path());
    let report = knowledge.embed_missing(TENANT, &base, &|_| {}, NEVER).await.unwrap();
    assert_eq!((report.embedded, report.reused), (1, 3));
    assert_eq!(answering(&knowledge, &base, SearchMode::Dense).await.len(), 3);
}

async fn a_file_of_version_2_has_its_words_cut_again(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    let base = base(&embedder);
    {
        let knowledge = on.open(dir.path());
        knowledge.put_document(TENANT, &base, put("doc", 1, texts("甲共同的段落", 0, 700)), &|_| {}).await.unwrap();
    }
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(dir.path().join("tenant-a.sqlite")))
        .await
        .unwrap();
    // What version 3 added is taken away, and what it removed is there again.
    sqlx::raw_sql(
        "ALTER TABLE records DROP COLUMN terms; PRAGMA user_version = 2;
         CREATE VIRTUAL TABLE words_1 USING fts5(words, characters, content='', contentless_delete=1, tokenize='ascii');",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    for _ in 0..2 {
        let knowledge = on.open(dir.path());
        let response = search(&knowledge, ask(&base, "共同的段落", SearchMode::Lexical)).await;
        assert_eq!(response.hits.len(), 5, "all that were asked for");
        assert_eq!(answering(&knowledge, &base, SearchMode::Dense).await.len(), 700, "vectors stay");
    }
    assert_eq!(counted(dir.path(), "sqlite_master WHERE name LIKE 'words_%'").await, 0);
}
