//! What a search makes of the records that it found: weights, texts that say the same, what stands around a hit, marks, and
//! bases whose models differ.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::{Backend, on_each_backend};
use crate::support::{Hashing, ask, search};
use knowledge::{
    BaseRef, BaseSpec, DocumentIn, Embedder, Expand, Hit, Knowledge, Position, Record, SearchMode, SearchRequest,
    SearchStatus, Weights,
};
use serde_json::json;

on_each_backend! {
    a_list_counts_as_much_as_its_weight,
    hits_are_marked_where_they_have_the_words,
    neighbours_become_one_text_without_what_they_repeat,
    a_record_is_read_with_its_larger_passage,
    texts_that_say_the_same_are_one_hit,
    bases_of_several_models_are_searched_together,
    a_base_has_names_of_its_own,
}

const TENANT: &str = "tenant-a";

fn named(id: &str, embedder: Option<&Arc<Hashing>>) -> BaseRef {
    let spec = BaseSpec::from_yaml(&format!("knowledge: {id}\nfields: {{}}\n")).unwrap();
    BaseRef::new(id, spec, embedder.map(|it| it.clone() as Arc<dyn Embedder>))
}

fn record(ordinal: u32, text: &str) -> Record {
    Record { ordinal, text: text.to_owned(), ..Record::default() }
}

async fn put(knowledge: &Knowledge, base: &BaseRef, id: &str, records: Vec<Record>) {
    let document = DocumentIn { id: id.to_owned(), name: id.to_owned(), version: 1, records, ..DocumentIn::default() };
    knowledge.put_document(TENANT, base, document, &|_| {}).await.unwrap();
}

/// Passages that repeat the end of the one before, in larger passages of two.
fn passages() -> Vec<Record> {
    let texts = [
        "门店早上九点开门",
        "九点开门晚上十点打烊",
        "十点打烊节假日照常",
        "退货在七天之内",
        "七天之内凭小票办理",
        "停车免费",
    ];
    texts
        .iter()
        .zip(0u32..)
        .map(|(text, ordinal)| {
            let overlap = if matches!(ordinal, 1 | 2 | 4) { 4 } else { 0 };
            Record {
                position: Position { overlap, parent: Some(ordinal / 2), ..Position::default() },
                ..record(ordinal, text)
            }
        })
        .collect()
}

fn marked(hit: &Hit) -> Vec<String> {
    let letters: Vec<char> = hit.text.chars().collect();
    hit.highlights.iter().map(|[from, to]| letters[*from as usize..*to as usize].iter().collect()).collect()
}

async fn shop(on: &Backend, records: Vec<Record>) -> (tempfile::TempDir, Knowledge, BaseRef) {
    let dir = tempfile::tempdir().unwrap();
    let knowledge = on.open(dir.path());
    let base = named("shop", Some(&Hashing::new("m")));
    put(&knowledge, &base, "doc", records).await;
    (dir, knowledge, base)
}

async fn a_list_counts_as_much_as_its_weight(on: Backend) {
    let (_dir, knowledge, base) = shop(&on, passages()).await;
    let with = |dense, lexical| SearchRequest {
        weights: Weights { dense, lexical },
        ..ask(&base, "退货小票", SearchMode::Hybrid)
    };
    let both = search(&knowledge, with(2.0, 1.0)).await;
    let stages = both.hits[0].stages;
    let cosines = || both.hits.iter().filter_map(|it| it.stages.dense).map(|it| it.score);
    let (least, nearest) = (cosines().fold(f64::MAX, f64::min), cosines().fold(f64::MIN, f64::max));
    let words = both.hits.iter().filter_map(|it| it.stages.lexical).map(|it| it.score).fold(0.0, f64::max);
    let (dense, lexical) = (stages.dense.unwrap().score, stages.lexical.map_or(0.0, |it| it.score));
    let mean = (2.0 * (dense - least) / (nearest - least) + lexical / words) / 3.0;
    assert!((stages.fused.unwrap() - mean).abs() < 1e-9 && (both.hits[0].score - mean).abs() < 1e-9);
    assert!(both.timings.total_ms > 0.0 && both.timings.dense_ms.is_some() && both.timings.lexical_ms.is_some());
    let words = search(&knowledge, with(0.0, 1.0)).await;
    assert!(words.hits.iter().all(|it| it.stages.dense.is_none()) && words.status == SearchStatus::Ok);
    assert!(words.timings.embed_ms.is_none() && words.timings.dense_ms.is_none());
    let meaning = search(&knowledge, with(1.0, 0.0)).await;
    assert!(meaning.hits.iter().all(|it| it.stages.lexical.is_none()));
    for (dense, lexical) in [(0.0, 0.0), (-1.0, 2.0), (f64::NAN, 1.0)] {
        let error = knowledge.search(TENANT, with(dense, lexical)).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request");
    }
}

async fn hits_are_marked_where_they_have_the_words(on: Backend) {
    let (_dir, knowledge, base) = shop(&on, passages()).await;
    let response = search(&knowledge, ask(&base, "退货要小票吗", SearchMode::Lexical)).await;
    assert_eq!(marked(&response.hits[0]).concat(), if response.hits[0].id == "doc:3" { "退货" } else { "小票" });
    assert!(response.hits.iter().all(|it| !it.highlights.is_empty()));
}

async fn neighbours_become_one_text_without_what_they_repeat(on: Backend) {
    let (_dir, knowledge, base) = shop(&on, passages()).await;
    let wanted = |budget| SearchRequest {
        expand: Expand::Neighbours,
        token_budget: budget,
        top_k: 2,
        ..ask(&base, "晚上打烊", SearchMode::Lexical)
    };
    let plain = search(&knowledge, SearchRequest { expand: Expand::None, ..wanted(None) }).await;
    let found: Vec<&str> = plain.hits.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(found, ["doc:1", "doc:2"]);
    let response = search(&knowledge, wanted(None)).await;
    assert_eq!(response.hits.len(), 1, "two that stand side by side are one");
    let hit = &response.hits[0];
    assert_eq!(hit.text, "门店早上九点开门晚上十点打烊节假日照常\n退货在七天之内");
    assert_eq!((hit.id.as_str(), hit.merged.as_slice()), ("doc:1", [0, 1, 2, 3].as_slice()));
    assert_eq!(marked(hit), ["晚上", "打烊"]);
    assert_eq!(hit.score, plain.hits[0].score);
    // Two hits take 19 tokens; the passage before fits as well, and the one behind does not.
    let response = search(&knowledge, wanted(Some(28))).await;
    assert_eq!(response.hits[0].merged, [0, 1, 2]);
    let response = search(&knowledge, wanted(Some(12))).await;
    assert_eq!((response.hits.len(), response.hits[0].merged.as_slice()), (1, [1].as_slice()));
    let response = search(&knowledge, wanted(Some(1))).await;
    assert_eq!(response.hits.len(), 1, "the first is always there");
}

async fn a_record_is_read_with_its_larger_passage(on: Backend) {
    let (_dir, knowledge, base) = shop(&on, passages()).await;
    let request = SearchRequest { expand: Expand::Parent, ..ask(&base, "打烊", SearchMode::Lexical) };
    let response = search(&knowledge, request.clone()).await;
    let texts: Vec<(&str, &[u32])> = response.hits.iter().map(|it| (it.text.as_str(), it.merged.as_slice())).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts.contains(&("门店早上九点开门晚上十点打烊", [0, 1].as_slice())), "{texts:?}");
    assert!(texts.contains(&("十点打烊节假日照常\n退货在七天之内", [2, 3].as_slice())), "{texts:?}");
    let tight = search(&knowledge, SearchRequest { token_budget: Some(20), ..request }).await;
    assert!(tight.hits.iter().all(|it| it.merged.len() == 1), "what does not fit whole is left out");
}

async fn texts_that_say_the_same_are_one_hit(on: Backend) {
    let mut records: Vec<Record> = (0..12).map(|it| record(it, "营业时间九点到十点")).collect();
    records.push(record(12, "营业时间另行通知"));
    records.push(Record { answer: Some("九点".to_owned()), ..record(13, "营业时间九点到十点") });
    records.push(Record {
        fields: json!({"a": 1}).as_object().unwrap().clone(), ..record(14, "营业时间九点到十点")
    });
    let (_dir, knowledge, base) = shop(&on, records).await;
    for mode in [SearchMode::Hybrid, SearchMode::Lexical, SearchMode::Dense] {
        let response = search(&knowledge, ask(&base, "营业时间", mode)).await;
        assert_eq!(response.hits.len(), 4, "{mode:?}: another answer or field is another thing to know");
        let same = response.hits.iter().find(|it| it.id == "doc:0").unwrap();
        assert_eq!(same.also.len(), 11);
    }
}

async fn bases_of_several_models_are_searched_together(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let knowledge = on.open(dir.path());
    let (first, second) = (Hashing::new("first"), Hashing::new("second"));
    let bases =
        [named("one", Some(&first)), named("two", Some(&second)), named("three", Some(&first)), named("four", None)];
    for base in &bases {
        let records = (0..3).map(|it| record(it, &format!("{}的营业时间{it}", base.id))).collect();
        put(&knowledge, base, &base.id, records).await;
    }
    let calls = || (first.calls.load(Ordering::SeqCst), second.calls.load(Ordering::SeqCst));
    let before = calls();
    let mut request = SearchRequest { top_k: 20, ..SearchRequest::new(bases[..3].to_vec(), "营业时间") };
    let response = search(&knowledge, request.clone()).await;
    assert_eq!((response.status, response.reason()), (SearchStatus::Ok, None));
    assert_eq!(response.hits.len(), 9);
    assert_eq!(calls(), (before.0 + 1, before.1 + 1), "once for each model, not for each base");
    let mut ranks: Vec<u32> = response.hits.iter().filter_map(|it| it.stages.dense).map(|it| it.rank).collect();
    ranks.sort_unstable();
    assert_eq!(ranks, (1..=9).collect::<Vec<u32>>());
    request.mode = SearchMode::Dense;
    let response = search(&knowledge, request.clone()).await;
    assert!(response.hits.is_sorted_by(|a, b| a.score >= b.score));
    assert!((response.hits[0].score - 1.0).abs() < 1e-9, "places, since cosines of two models say nothing together");

    // One base without its model degrades its own part and says whose.
    second.broken.store(true, Ordering::SeqCst);
    request.mode = SearchMode::Hybrid;
    request.bases = bases.to_vec();
    let response = search(&knowledge, request.clone()).await;
    assert_eq!((response.status, response.hits.len()), (SearchStatus::Degraded, 12));
    let reason = response.reason().unwrap();
    assert!(
        reason.contains("in `two`") && reason.contains("no embedding model is set up, so records in `four`"),
        "{reason}"
    );
    for hit in &response.hits {
        assert_eq!(hit.stages.dense.is_some(), hit.base == "one" || hit.base == "three");
    }
    request.mode = SearchMode::Dense;
    let response = search(&knowledge, request.clone()).await;
    assert_eq!((response.status, response.hits.len()), (SearchStatus::Degraded, 6));
    request.bases = bases[3..].to_vec();
    assert_eq!(knowledge.search(TENANT, request).await.unwrap_err().code(), "embedding_unavailable");
}

async fn a_base_has_names_of_its_own(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let knowledge = on.open(dir.path());
    let mut base = named("names", None);
    base.spec.words = vec!["小炒黄".to_owned()];
    put(&knowledge, &base, "doc", vec![record(0, "黄小姐炒了一小盘菜"), record(1, "招牌小炒黄牛肉")]).await;
    let response = search(&knowledge, ask(&base, "小炒黄", SearchMode::Lexical)).await;
    assert_eq!(response.hits[0].id, "doc:1");
    assert_eq!(marked(&response.hits[0]), ["小炒黄"]);
}
