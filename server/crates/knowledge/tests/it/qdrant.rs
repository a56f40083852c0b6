//! What only a Qdrant server can bring about: it is away, breaks down between any two calls, loses what it has, refuses; and
//! several servers fill it. What holds for both back ends alike is listed beside its cases.

use std::sync::Arc;

use crate::qdrant_server::TestServer;
use crate::support::{Hashing, ask, menu, menu_base, menu_of, names};
use knowledge::{
    BaseRef, BaseSpec, Completed, DocumentIn, DocumentRef, Embedder, IndexState, Knowledge, KnowledgeError,
    QdrantConfig, Record, SearchMode, SearchRequest, SearchStatus,
};
use serde_json::json;

const TENANT: &str = "tenant-a";
/// Of the model `m`, whose vectors have 64 dimensions.
const COLLECTION: &str = "parlour_m_64";

fn open(dir: &tempfile::TempDir, server: &TestServer) -> Knowledge {
    Knowledge::open_with_qdrant(dir.path().to_owned(), &QdrantConfig::new(&server.url, None)).unwrap()
}

fn base(id: &str) -> BaseRef {
    let spec = BaseSpec::from_yaml("knowledge: texts\nfields: {}\n").unwrap();
    BaseRef::new(id, spec, Some(Hashing::new("m") as Arc<dyn Embedder>))
}

fn texts(mark: &str, count: u32) -> Vec<Record> {
    (0..count)
        .map(|ordinal| Record { ordinal, text: format!("{mark}共同的段落{ordinal}"), ..Record::default() })
        .collect()
}

fn document(id: &str, version: u32, records: Vec<Record>) -> DocumentIn {
    DocumentIn { id: id.to_owned(), name: id.to_owned(), version, records, ..DocumentIn::default() }
}

async fn put(knowledge: &Knowledge, base: &BaseRef, document: DocumentIn) {
    knowledge.put_document(TENANT, base, document, &|_| {}).await.unwrap();
}

async fn search(knowledge: &Knowledge, base: &BaseRef, mode: SearchMode) -> Result<String, KnowledgeError> {
    let request = SearchRequest { top_k: 1000, ..ask(base, "共同的段落", mode) };
    let mut marks: Vec<char> =
        knowledge.search(TENANT, request).await?.hits.iter().filter_map(|it| it.text.chars().next()).collect();
    marks.sort_unstable();
    Ok(marks.into_iter().collect())
}

/// The marks of what answers, which is the same in every mode.
async fn answering(knowledge: &Knowledge, base: &BaseRef) -> String {
    let found = search(knowledge, base, SearchMode::Hybrid).await.unwrap();
    for mode in [SearchMode::Dense, SearchMode::Lexical] {
        assert_eq!(search(knowledge, base, mode).await.unwrap(), found, "{mode:?}");
    }
    found
}

/// How many points there are, and how many of them answer.
fn points(server: &TestServer, collection: &str) -> (usize, usize) {
    let points = server.store().points(collection);
    let live = points.iter().filter(|it| it.payload["live"] == true.into()).count();
    (points.len(), live)
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_and_not_an_empty_result() {
    let mut server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (knowledge, base) = (open(&dir, &server), base("base"));
    put(&knowledge, &base, document("doc", 1, texts("甲", 5))).await;
    assert_eq!(knowledge.index_state().await, IndexState::Qdrant { problem: None });
    server.stop().await;
    let IndexState::Qdrant { problem: Some(problem) } = knowledge.index_state().await else { panic!("it is away") };
    assert!(problem.contains("cannot be reached: Connection refused"), "{problem}");
    for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
        let error = search(&knowledge, &base, mode).await.unwrap_err();
        assert_eq!(error.code(), "index_unavailable");
        assert!(error.to_string().contains(&server.url), "{error}");
        assert!(error.hint().unwrap().contains("PARLOUR_QDRANT_URL"), "{:?}", error.hint());
    }
    // Whoever never reached it is told the same.
    let error = search(&open(&dir, &server), &base, SearchMode::Lexical).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    // What the file answers does not need it.
    assert_eq!(knowledge.count(TENANT, "base").await.unwrap(), 5);
    assert!(knowledge.get(TENANT, "base", "doc:0", None).await.unwrap().is_some());
    server.resume().await;
    assert_eq!(answering(&knowledge, &base).await, "甲".repeat(5));
}

#[tokio::test]
async fn wherever_it_breaks_down_while_a_version_is_completed_one_version_answers() {
    let records = 600;
    let mut broke = Vec::new();
    for calls in 0.. {
        let server = TestServer::start().await;
        let dir = tempfile::tempdir().unwrap();
        let (knowledge, base) = (open(&dir, &server), base("base"));
        put(&knowledge, &base, document("doc", 1, texts("甲", 5))).await;
        put(&knowledge, &base, document("other", 1, texts("丙", 2))).await;
        let next = DocumentRef { id: "doc".to_owned(), name: "doc".to_owned(), version: 2, groups: Vec::new() };
        knowledge.stage(TENANT, &base, &next, texts("乙", records)).await.unwrap();
        knowledge.embed_staged(TENANT, &base, &next, &|_| {}, &|| false).await.unwrap();
        let sent = server.store().upserted;
        server.break_down_after(calls);
        let completed = knowledge.complete(TENANT, &base, &next).await;
        assert!(search(&knowledge, &base, SearchMode::Lexical).await.is_err() || completed.is_ok());
        server.mend();
        let (old, new) = (format!("丙丙{}", "甲".repeat(5)), format!("丙丙{}", "乙".repeat(600)));
        let sorted = |it: &str| {
            let mut letters: Vec<char> = it.chars().collect();
            letters.sort_unstable();
            letters.into_iter().collect::<String>()
        };
        match &completed {
            Ok(completed) => {
                assert_eq!(*completed, Completed::Visible);
                assert_eq!(answering(&knowledge, &base).await, sorted(&new), "after {calls} calls");
            }
            Err(error) => {
                assert_eq!(error.code(), "index_unavailable");
                // Also for a process that knows nothing of what was done.
                assert_eq!(answering(&open(&dir, &server), &base).await, sorted(&old), "after {calls} calls");
                let again = knowledge.complete(TENANT, &base, &next).await.unwrap();
                assert_eq!(again, Completed::Visible);
                assert_eq!(answering(&knowledge, &base).await, sorted(&new), "after {calls} calls");
            }
        }
        assert_eq!(points(&server, COLLECTION), (602, 602), "after {calls} calls");
        let sent = server.store().upserted - sent;
        assert!(sent <= 600 + 256, "what had arrived is not sent again: {sent} after {calls} calls");
        broke.push(completed.is_err());
        // As many calls as it takes, and some more.
        if calls > 12 {
            break;
        }
    }
    let failed = broke.iter().filter(|it| **it).count();
    assert!(failed > 3 && broke.iter().is_sorted_by(|one, other| one >= other), "{broke:?}");
}

#[tokio::test]
async fn what_is_put_while_it_is_away_is_not_half_there() {
    let mut server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (knowledge, base) = (open(&dir, &server), base("base"));
    put(&knowledge, &base, document("doc", 1, texts("甲", 5))).await;
    server.stop().await;
    let error = knowledge.put_document(TENANT, &base, document("doc", 2, texts("乙", 5)), &|_| {}).await.unwrap_err();
    assert_eq!(error.code(), "index_unavailable");
    let record = Record { ordinal: 1, text: "丁共同的段落".to_owned(), ..Record::default() };
    assert!(knowledge.put_record(TENANT, &base, "doc", record).await.unwrap().embedded);
    assert!(knowledge.remove_record(TENANT, "base", "doc", 4).await.unwrap());
    server.resume().await;
    let found = answering(&knowledge, &base).await;
    assert_eq!(found, "丁甲甲甲", "the edited record and the missing one are made up for");
    assert_eq!(points(&server, COLLECTION), (4, 4));
    put(&knowledge, &base, document("doc", 2, texts("乙", 3))).await;
    assert_eq!(answering(&knowledge, &base).await, "乙乙乙");
    assert_eq!(points(&server, COLLECTION), (3, 3));
}

#[tokio::test]
async fn what_is_deleted_while_it_is_away_is_never_found_and_goes_later() {
    let mut server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let knowledge = open(&dir, &server);
    let (first, second, third) = (base("first"), base("second"), base("third"));
    for base in [&first, &second, &third] {
        put(&knowledge, base, document("doc", 1, texts("甲", 5))).await;
        put(&knowledge, base, document("more", 1, texts("乙", 5))).await;
    }
    assert!(knowledge.delete_document(TENANT, "first", "doc").await.unwrap());
    assert_eq!(points(&server, COLLECTION), (25, 25), "at once where it is there");
    server.stop().await;
    assert!(knowledge.delete_document(TENANT, "first", "more").await.unwrap());
    assert!(knowledge.delete_base(TENANT, "second").await.unwrap());
    server.resume().await;
    assert_eq!(answering(&knowledge, &first).await, "");
    assert_eq!(points(&server, COLLECTION), (10, 10));
    assert_eq!(answering(&knowledge, &third).await, format!("{}{}", "乙".repeat(5), "甲".repeat(5)));
    // A version that was put together and given up leaves nothing.
    let next = DocumentRef { id: "doc".to_owned(), name: "doc".to_owned(), version: 2, groups: Vec::new() };
    knowledge.stage(TENANT, &third, &next, texts("丙", 300)).await.unwrap();
    server.break_down_after(2);
    assert!(knowledge.complete(TENANT, &third, &next).await.is_err());
    server.mend();
    knowledge.discard(TENANT, "third", "doc", 2).await.unwrap();
    assert_eq!(points(&server, COLLECTION), (10, 10));
}

#[tokio::test]
async fn tenants_are_apart_in_one_collection_and_every_query_says_whose_it_is() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let knowledge = open(&dir, &server);
    let base = base("base");
    put(&knowledge, &base, document("doc", 1, texts("甲", 5))).await;
    knowledge.put_document("tenant-b", &base, document("doc", 1, texts("乙", 3)), &|_| {}).await.unwrap();
    assert_eq!(points(&server, COLLECTION), (8, 8));
    assert_eq!(answering(&knowledge, &base).await, "甲".repeat(5));
    let request =
        SearchRequest { groups: Some(vec!["g".to_owned()]), ..ask(&base, "共同的段落", SearchMode::Hybrid) };
    knowledge.search(TENANT, request).await.unwrap();
    for query in std::mem::take(&mut server.store().queries) {
        assert!(query.prefetch.is_empty());
        let filter = format!("{:?}", query.filter.as_ref().unwrap().must);
        for part in ["\"tenant\"", "\"tenant-a\"", "\"base\"", "\"live\""] {
            assert!(filter.contains(part), "{filter}");
        }
        if query.using.as_deref() == Some("lexical") {
            let corpus = query.params.and_then(|it| it.idf).and_then(|it| it.corpus).unwrap();
            assert!(format!("{:?}", corpus.must).contains("\"tenant-a\""), "statistics stay within the tenant");
        }
    }
    assert!(knowledge.delete_base(TENANT, "base").await.unwrap());
    assert_eq!(points(&server, COLLECTION), (3, 3));
    let request = ask(&base, "共同的段落", SearchMode::Hybrid);
    assert_eq!(knowledge.search("tenant-b", request).await.unwrap().hits.len(), 3);
}

#[tokio::test]
async fn a_base_that_moves_to_another_model_leaves_the_old_collection() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let knowledge = open(&dir, &server);
    let without = menu_base();
    put(&knowledge, &without, menu()).await;
    assert_eq!(points(&server, "parlour_words"), (68, 68));
    let degraded = knowledge.search(TENANT, ask(&without, "麻婆豆腐", SearchMode::Hybrid)).await.unwrap();
    assert_eq!((degraded.status, names(&degraded)[0]), (SearchStatus::Degraded, "麻婆豆腐"));
    let with = |model: &str| menu_of(Some(Hashing::new(model) as Arc<dyn Embedder>));
    let (old, new) = (with("m"), with("another/model"));
    knowledge.embed_missing(TENANT, &old, &|_| {}, &|| false).await.unwrap();
    assert_eq!((points(&server, "parlour_words"), points(&server, COLLECTION)), ((0, 0), (68, 68)));
    let sent = server.store().upserted;
    knowledge.embed_missing(TENANT, &new, &|_| {}, &|| false).await.unwrap();
    assert_eq!(server.store().upserted - sent, 68, "each once");
    let moved = server.store().names().into_iter().find(|it| it.contains("another-model")).unwrap();
    assert_eq!((points(&server, COLLECTION), points(&server, &moved)), ((68, 68), (68, 68)));
    for base in [&old, &new] {
        let found = knowledge.search(TENANT, ask(base, "麻婆豆腐", SearchMode::Dense)).await.unwrap();
        assert_eq!((found.status, found.hits.len()), (SearchStatus::Ok, 5));
    }
    knowledge.forget_model(TENANT, "base-menu", "m").await.unwrap();
    assert_eq!((points(&server, COLLECTION), points(&server, &moved)), ((0, 0), (68, 68)));
    let fields = server.store().indexed_fields(&moved);
    for field in ["tenant", "base", "groups", "live", "number.price", "word.category", "boolean.vegetarian"] {
        assert!(fields.iter().any(|it| it == field), "{field} in {fields:?}");
    }
}

#[tokio::test]
async fn a_server_that_lost_what_it_had_is_told_again() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (knowledge, base) = (open(&dir, &server), base("base"));
    put(&knowledge, &base, document("doc", 1, texts("甲", 5))).await;
    server.store().lose_everything();
    assert_eq!(answering(&knowledge, &base).await, "甲".repeat(5));
    server.store().lose_everything();
    put(&knowledge, &base, document("more", 1, texts("乙", 1))).await;
    assert_eq!(answering(&open(&dir, &server), &base).await, "乙甲甲甲甲甲");
}

#[tokio::test]
async fn a_server_that_makes_up_for_another_by_words_takes_no_vectors_away() {
    let server = TestServer::start().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other, base) = (open(&first, &server), open(&second, &server), base("base"));
    put(&one, &base, document("doc", 1, texts("甲", 5))).await;
    let sent = server.store().upserted;
    other.put_document_by_words(TENANT, &base, document("doc", 1, texts("甲", 5))).await.unwrap();
    assert_eq!(server.store().upserted, sent, "they are there");
    assert_eq!(answering(&other, &base).await, "甲".repeat(5));
    assert!(server.store().points(COLLECTION).iter().all(|it| it.has_vector("dense")));
    // One that is behind does not undo what the other has done.
    put(&one, &base, document("doc", 2, texts("乙", 3))).await;
    let third = tempfile::tempdir().unwrap();
    let late = open(&third, &server);
    late.put_document_by_words(TENANT, &base, document("doc", 1, texts("甲", 5))).await.unwrap();
    assert_eq!(answering(&one, &base).await, "乙乙乙");
    other.put_document_by_words(TENANT, &base, document("doc", 2, texts("乙", 3))).await.unwrap();
    assert_eq!(answering(&other, &base).await, "乙乙乙");
    assert_eq!(points(&server, COLLECTION), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_one_version_or_the_next_and_all_of_it() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (knowledge, base) = (open(&dir, &server), base("base"));
    put(&knowledge, &base, document("doc", 1, texts("甲", 40))).await;
    let writer = {
        let (knowledge, base) = (knowledge.clone(), base.clone());
        tokio::spawn(async move {
            for version in 2..14 {
                let mark = if version % 2 == 0 { "乙" } else { "甲" };
                put(&knowledge, &base, document("doc", version, texts(mark, 40))).await;
            }
        })
    };
    while !writer.is_finished() {
        for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
            let found = search(&knowledge, &base, mode).await.unwrap();
            assert!(found == "甲".repeat(40) || found == "乙".repeat(40), "{mode:?}: {found}");
        }
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_refused_key_an_old_server_and_an_address_that_is_none_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let locked = TestServer::with(Some("right-key"), "1.21.3").await;
    let with_key = |key: Option<&str>| {
        let config = QdrantConfig::new(&locked.url, key.map(str::to_owned));
        Knowledge::open_with_qdrant(dir.path().to_owned(), &config)
    };
    let base = base("base");
    for key in [None, Some("wrong-key")] {
        let knowledge = with_key(key).unwrap();
        let error =
            knowledge.put_document(TENANT, &base, document("doc", 1, texts("甲", 1)), &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains("refuses the key"), "{error}");
        let told = format!("{error} {:?} {error:?}", error.hint());
        assert!(told.contains("PARLOUR_QDRANT_API_KEY") && !told.contains("wrong-key"), "{told}");
    }
    let knowledge = with_key(Some("right-key")).unwrap();
    put(&knowledge, &base, document("doc", 1, texts("甲", 1))).await;
    assert_eq!(answering(&knowledge, &base).await, "甲");
    assert_eq!(with_key(Some("a key")).err().unwrap().code(), "invalid_request");

    let old = TestServer::with(None, "1.18.2").await;
    let error = search(&open(&tempfile::tempdir().unwrap(), &old), &base, SearchMode::Lexical).await.unwrap_err();
    assert!(error.to_string().contains("1.18.2") && error.hint().unwrap().contains("1.20"), "{error}");

    for url in ["127.0.0.1:6334", "ftp://host", "http://user:secret@host:6334", ""] {
        let refused = Knowledge::open_with_qdrant(dir.path().to_owned(), &QdrantConfig::new(url, None));
        let error = refused.err().unwrap();
        assert_eq!(error.code(), "invalid_request", "{url}");
        assert!(!error.to_string().contains("secret") && error.hint().is_some(), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_was_with_a_server_works_without_and_again_with_it() {
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let base = base("base");
    put(&open(&dir, &server), &base, document("doc", 1, texts("甲", 5))).await;
    let embedded = Knowledge::open(dir.path().to_owned()).unwrap();
    assert_eq!(answering(&embedded, &base).await, "甲".repeat(5));
    put(&embedded, &base, document("doc", 2, texts("乙", 3))).await;
    assert_eq!(answering(&embedded, &base).await, "乙乙乙");
    drop(embedded);
    let knowledge = open(&dir, &server);
    assert_eq!(answering(&knowledge, &base).await, "乙乙乙");
    assert_eq!(points(&server, COLLECTION), (3, 3));
    let filtered = SearchRequest { filter: Some(json!({})), ..ask(&base, "共同的段落", SearchMode::Lexical) };
    assert_eq!(knowledge.search(TENANT, filtered).await.unwrap().status, SearchStatus::Ok);
}
