//! Building an index anew: what is kept, what is made again, and what becomes of a file that is damaged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use knowledge::{BaseRef, BaseSpec, Knowledge, KnowledgeError, SearchMode, SearchStatus};

use sqlx::Connection as _;

use crate::support::{Hashing, ask, menu, menu_of, names, rows, search};

fn drinks(embedder: &Arc<Hashing>) -> BaseRef {
    let spec = BaseSpec::from_yaml("knowledge: drinks\nfields:\n  name: { type: text, embed: true }\n").unwrap();
    BaseRef::new("base-drinks", spec, Some(embedder.clone()))
}

/// The menu and the drinks of one tenant, with vectors, and the model that has made them.
async fn filled(dir: &Path) -> (Arc<Hashing>, BaseRef, BaseRef) {
    let embedder = Hashing::new("hashing");
    let (menu_base, drinks) = (menu_of(Some(embedder.clone())), drinks(&embedder));
    let knowledge = Knowledge::open(dir.to_owned()).unwrap();
    knowledge.put_document("tenant-a", &menu_base, menu(), &|_| {}).await.unwrap();
    let tea = rows(&drinks, "doc-tea", "name\n龙井茶\n豆浆\n");
    knowledge.put_document("tenant-a", &drinks, tea, &|_| {}).await.unwrap();
    // Into the file itself, so that damage to the file is damage to what it says.
    let address = format!("sqlite://{}", dir.join("tenant-a.sqlite").display());
    let mut connection = sqlx::SqliteConnection::connect(&address).await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    (embedder, menu_base, drinks)
}

#[tokio::test]
async fn an_index_that_can_be_read_lends_its_vectors_to_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (embedder, menu_base, drinks) = filled(dir.path()).await;
    let before = embedder.calls.swap(0, Ordering::SeqCst);
    let knowledge = Knowledge::open(dir.path().to_owned()).unwrap();
    let rebuild = knowledge.rebuild("tenant-a", None).await.unwrap();
    assert!(rebuild.is_whole() && rebuild.damage().is_none());
    assert_eq!(rebuild.index().count("tenant-a", "base-menu").await.unwrap(), 0, "it begins empty");
    rebuild.index().put_document_by_words("tenant-a", &menu_base, menu()).await.unwrap();
    // One drink is new, one is gone.
    let tea = rows(&drinks, "doc-tea", "name\n龙井茶\n酸梅汤\n");
    rebuild.index().put_document_by_words("tenant-a", &drinks, tea).await.unwrap();
    assert_eq!(rebuild.take_vectors().await.unwrap(), before as u64 - 1);
    for base in [&menu_base, &drinks] {
        rebuild.index().embed_missing("tenant-a", base, &|_| {}, &|| false).await.unwrap();
    }
    assert_eq!(embedder.calls.load(Ordering::SeqCst), 1, "the new drink alone");
    let present = knowledge.query_names(&drinks).await;
    assert_eq!(present, ["龙井茶", "豆浆"], "until it is finished the old one answers");
    assert_eq!(rebuild.finish("20261128").await.unwrap(), None);
    assert_eq!(knowledge.query_names(&drinks).await, ["龙井茶", "酸梅汤"]);
    let found = search(&knowledge, ask(&menu_base, "辣子鸡", SearchMode::Hybrid)).await;
    assert_eq!((found.status, names(&found)[0]), (SearchStatus::Ok, "重庆辣子鸡"), "{found:?}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!left.contains(&"rebuild".into()), "{left:?}");
}

#[tokio::test]
async fn one_base_is_built_anew_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (embedder, menu_base, drinks) = filled(dir.path()).await;
    embedder.calls.store(0, Ordering::SeqCst);
    let knowledge = Knowledge::open(dir.path().to_owned()).unwrap();
    let rebuild = knowledge.rebuild("tenant-a", Some("base-drinks")).await.unwrap();
    assert!(!rebuild.is_whole());
    let tea = rows(&drinks, "doc-tea", "name\n豆浆\n");
    rebuild.index().put_document_by_words("tenant-a", &drinks, tea).await.unwrap();
    rebuild.take_vectors().await.unwrap();
    rebuild.index().embed_missing("tenant-a", &drinks, &|_| {}, &|| false).await.unwrap();
    rebuild.finish("20261128").await.unwrap();
    assert_eq!(embedder.calls.load(Ordering::SeqCst), 0, "nothing was embedded again");
    assert_eq!(knowledge.query_names(&drinks).await, ["豆浆"]);
    assert_eq!(names(&search(&knowledge, ask(&menu_base, "辣子鸡", SearchMode::Dense)).await)[0], "重庆辣子鸡");
}

#[tokio::test]
async fn a_damaged_file_is_told_and_set_aside_and_everything_is_made_again() {
    for whole in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (embedder, menu_base, _) = filled(dir.path()).await;
        let texts = embedder.calls.load(Ordering::SeqCst);
        let file = dir.path().join("tenant-a.sqlite");
        let mut bytes = std::fs::read(&file).unwrap();
        // Everything, or all that comes after the first pages, which say what there is.
        let from = if whole { 0 } else { 8192 };
        bytes[from..].fill(0x5a);
        std::fs::write(&file, &bytes).unwrap();
        let knowledge = Knowledge::open(dir.path().to_owned()).unwrap();
        let request = ask(&menu_base, "辣子鸡", SearchMode::Hybrid);
        let error = knowledge.search("tenant-a", request).await.expect_err("it cannot be read");
        assert!(matches!(error, KnowledgeError::Damaged { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("parlour knowledge reindex"), "{error:?}");

        embedder.calls.store(0, Ordering::SeqCst);
        let rebuild = knowledge.rebuild("tenant-a", Some("base-menu")).await.unwrap();
        assert!(rebuild.is_whole(), "one base cannot be taken out of a damaged file");
        assert!(rebuild.damage().is_some());
        rebuild.index().put_document_by_words("tenant-a", &menu_base, menu()).await.unwrap();
        assert_eq!(rebuild.take_vectors().await.unwrap(), 0);
        rebuild.index().embed_missing("tenant-a", &menu_base, &|_| {}, &|| false).await.unwrap();
        assert_eq!(embedder.calls.load(Ordering::SeqCst), texts - 2, "all dishes; nobody has put the drinks");
        let aside = rebuild.finish("20261128").await.unwrap().unwrap();
        assert_eq!(aside, dir.path().join("tenant-a.sqlite.damaged-20261128"));
        assert_eq!(std::fs::read(&aside).unwrap(), bytes);
        assert_eq!(names(&search(&knowledge, ask(&menu_base, "辣子鸡", SearchMode::Hybrid)).await)[0], "重庆辣子鸡");
    }
}

#[tokio::test]
async fn what_was_begun_and_left_is_no_part_of_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_, menu_base, drinks) = filled(dir.path()).await;
    let knowledge = Knowledge::open(dir.path().to_owned()).unwrap();
    let left = knowledge.rebuild("tenant-a", None).await.unwrap();
    let tea = rows(&drinks, "doc-lost", "name\n白开水\n");
    left.index().put_document_by_words("tenant-a", &drinks, tea).await.unwrap();
    drop(left);
    let rebuild = knowledge.rebuild("tenant-a", None).await.unwrap();
    rebuild.index().put_document_by_words("tenant-a", &menu_base, menu()).await.unwrap();
    rebuild.finish("20261128").await.unwrap();
    assert_eq!(knowledge.count("tenant-a", "base-drinks").await.unwrap(), 0);
    let nobody = knowledge.rebuild("../tenant", None).await.err();
    assert!(matches!(nobody, Some(KnowledgeError::InvalidRequest { .. })), "{nobody:?}");
    // A tenant whose file is gone, or that never had one.
    let rebuild = knowledge.rebuild("tenant-b", Some("base-menu")).await.unwrap();
    assert!(rebuild.is_whole() && rebuild.damage().is_none());
    rebuild.finish("20261128").await.unwrap();
    assert_eq!(knowledge.count("tenant-b", "base-menu").await.unwrap(), 0);
}

trait Names {
    async fn query_names(&self, base: &BaseRef) -> Vec<String>;
}

impl Names for Knowledge {
    async fn query_names(&self, base: &BaseRef) -> Vec<String> {
        let query = serde_json::json!({ "select": ["name"] });
        let found = self.query("tenant-a", base, query.as_object().unwrap(), None).await.unwrap();
        found.rows.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    }
}
