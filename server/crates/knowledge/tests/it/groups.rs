//! Who may see what: a document with groups is found, listed, counted and read only by those who share one.

use std::sync::Arc;

use crate::backend::{Backend, on_each_backend};
use crate::support::{Hashing, ask, search};
use knowledge::{
    BaseRef, BaseSpec, Completed, DocumentIn, DocumentRef, Embedder, Knowledge, ListRequest, Record, SearchMode,
    SearchStatus,
};
use serde_json::json;

on_each_backend! {
    groups_hold_in_every_way_of_asking,
    what_may_not_be_seen_is_as_if_it_were_not_there,
    groups_that_change_while_a_version_is_put_together_hold_for_it,
}

const TENANT: &str = "tenant-a";

fn base() -> BaseRef {
    let spec = BaseSpec::from_yaml("knowledge: staff\nfields:\n  body: text\n  pay: number\n").unwrap();
    BaseRef::new("staff", spec, Some(Hashing::new("m") as Arc<dyn Embedder>))
}

fn groups(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

fn records(mark: &str) -> Vec<Record> {
    (0..3)
        .map(|ordinal| Record {
            ordinal,
            text: format!("{mark}工资制度{ordinal}"),
            fields: json!({"pay": ordinal}).as_object().unwrap().clone(),
            ..Record::default()
        })
        .collect()
}

async fn filled(on: &Backend) -> (tempfile::TempDir, Knowledge, BaseRef) {
    let dir = tempfile::tempdir().unwrap();
    let knowledge = on.open(dir.path());
    let base = base();
    for (id, of) in [("open", &[][..]), ("people", &["people"]), ("both", &["people", "money"])] {
        let document =
            DocumentIn { id: id.to_owned(), name: id.to_owned(), version: 1, groups: groups(of), records: records(id) };
        knowledge.put_document(TENANT, &base, document, &|_| {}).await.unwrap();
    }
    (dir, knowledge, base)
}

/// What somebody sees by every way there is; all ways agree.
async fn seen(knowledge: &Knowledge, base: &BaseRef, asking: Option<&[&str]>) -> Vec<String> {
    let asking = asking.map(groups);
    let mut expected: Option<Vec<String>> = None;
    for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
        for filter in [None, Some(json!({"pay": {"gte": 0}}))] {
            let mut request = ask(base, "工资制度", mode);
            (request.top_k, request.groups, request.filter) = (100, asking.clone(), filter);
            let mut found: Vec<String> =
                search(knowledge, request).await.hits.into_iter().map(|it| it.document_id).collect();
            found.sort();
            found.dedup();
            assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{mode:?}");
        }
    }
    let expected = expected.unwrap();
    let listing = ListRequest { limit: 100, groups: asking.clone(), ..ListRequest::default() };
    let mut listed: Vec<String> =
        knowledge.list(TENANT, base, listing).await.unwrap().entries.into_iter().map(|it| it.document).collect();
    listed.sort();
    listed.dedup();
    assert_eq!(listed, expected);
    let count = json!({"aggregate": {"rows": {"count": "*"}}});
    let rows = knowledge.query(TENANT, base, count.as_object().unwrap(), asking.as_deref()).await.unwrap();
    assert_eq!(rows.rows[0]["rows"], expected.len() * 3);
    for id in ["open", "people", "both"] {
        let entry = knowledge.get(TENANT, "staff", &format!("{id}:0"), asking.as_deref()).await.unwrap();
        assert_eq!(entry.is_some(), expected.iter().any(|it| it == id), "{id}");
    }
    expected
}

async fn groups_hold_in_every_way_of_asking(on: Backend) {
    let (_dir, knowledge, base) = filled(&on).await;
    assert_eq!(seen(&knowledge, &base, None).await, ["both", "open", "people"]);
    assert_eq!(seen(&knowledge, &base, Some(&[])).await, ["open"]);
    assert_eq!(seen(&knowledge, &base, Some(&["people"])).await, ["both", "open", "people"]);
    assert_eq!(seen(&knowledge, &base, Some(&["money", "cooks"])).await, ["both", "open"]);
    assert!(knowledge.set_groups(TENANT, "staff", "open", &groups(&["cooks"])).await.unwrap());
    assert!(!knowledge.set_groups(TENANT, "staff", "nowhere", &[]).await.unwrap());
    assert_eq!(seen(&knowledge, &base, Some(&["money"])).await, ["both"]);
    assert!(knowledge.set_groups(TENANT, "staff", "people", &[]).await.unwrap());
    assert_eq!(seen(&knowledge, &base, Some(&["money"])).await, ["both", "people"]);
    let listed = ListRequest { limit: 9, document: Some("both".to_owned()), ..ListRequest::default() };
    assert_eq!(knowledge.list(TENANT, &base, listed.clone()).await.unwrap().entries.len(), 3);
    let refused = ListRequest { groups: Some(Vec::new()), ..listed };
    assert!(knowledge.list(TENANT, &base, refused).await.unwrap().entries.is_empty());
}

async fn what_may_not_be_seen_is_as_if_it_were_not_there(on: Backend) {
    let (_dir, knowledge, base) = filled(&on).await;
    knowledge.delete_document(TENANT, "staff", "open").await.unwrap();
    let mut request = ask(&base, "工资制度", SearchMode::Hybrid);
    request.groups = Some(Vec::new());
    let response = search(&knowledge, request).await;
    assert_eq!(response.status, SearchStatus::Empty);
    assert!(!response.reason().unwrap().contains('6'), "how many there are is not told");
}

async fn groups_that_change_while_a_version_is_put_together_hold_for_it(on: Backend) {
    let (_dir, knowledge, base) = filled(&on).await;
    let next = DocumentRef { id: "open".to_owned(), name: "open".to_owned(), version: 2, groups: Vec::new() };
    knowledge.stage(TENANT, &base, &next, records("open")).await.unwrap();
    assert!(knowledge.set_groups(TENANT, "staff", "open", &groups(&["money"])).await.unwrap());
    assert_eq!(knowledge.complete(TENANT, &base, &next).await.unwrap(), Completed::Visible);
    assert_eq!(seen(&knowledge, &base, Some(&[])).await, Vec::<String>::new());
    // A version with groups of its own brings them.
    let next = DocumentRef { version: 3, groups: groups(&["cooks"]), ..next };
    knowledge.stage(TENANT, &base, &next, records("open")).await.unwrap();
    assert_eq!(
        seen(&knowledge, &base, Some(&["money"])).await,
        ["both", "open"],
        "until it answers, the old ones count"
    );
    knowledge.complete(TENANT, &base, &next).await.unwrap();
    assert_eq!(seen(&knowledge, &base, Some(&["cooks"])).await, ["open"]);
}
