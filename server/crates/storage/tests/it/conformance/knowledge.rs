use domain::{DocumentId, DocumentState};
use serde_json::json;
use storage::{DocumentProgress, KnowledgeBaseSize, NewRecord, NewRecords, Storage, StorageError};

use crate::support::{base, document, tenant};

pub(crate) fn records(document: DocumentId, version: i64, count: i64) -> NewRecords {
    let record = |ordinal| NewRecord {
        ordinal,
        text: format!("第 {ordinal} 道菜 v{version}"),
        fields: json!({ "spice_level": ordinal % 6 }),
    };
    NewRecords {
        document,
        version,
        records: (0..count).map(record).collect(),
        size_bytes: 77,
        content_hash: "hash".to_owned(),
        at: 50,
    }
}

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
    let progress = DocumentProgress {
        state: DocumentState::Failed,
        done: 3,
        total: 8,
        reason: Some("第 4 行没有名字".into()),
        at: 60,
    };
    storage.set_document_state(a, all[4].id, progress).await.unwrap();
    let failed = storage.document(a, all[4].id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.done, failed.total, failed.updated_at), (DocumentState::Failed, 3, 8, 60));
    assert_eq!(failed.reason.as_deref(), Some("第 4 行没有名字"));
    let open = storage.all_tenants_documents_in_progress().await.unwrap();
    assert_eq!(open.len(), 5, "four of the menu and one of the ads");
    assert!(open.iter().all(|(tenant, it)| *tenant == a && it.id != failed.id));

    all[4] = failed;
    all.sort_by_key(|it| std::cmp::Reverse((it.created_at, it.id)));
    let first = storage.list_documents(a, menu.id, None, 3).await.unwrap();
    let rest = storage.list_documents(a, menu.id, first.next_cursor.as_deref(), 3).await.unwrap();
    assert_eq!([first.items, rest.items].concat(), all);
    assert_eq!(rest.next_cursor, None);
}

pub(crate) async fn records_are_replaced_whole(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let it = document(menu.id, "menu.csv", 1);
    storage.create_document(a, it.clone()).await.unwrap();
    // More than are written at once.
    storage.replace_document_records(a, records(it.id, 1, 700)).await.unwrap();
    let stored = storage.document(a, it.id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.records, stored.size_bytes, stored.updated_at), (1, 700, 77, 50));
    assert_eq!(stored.state, DocumentState::Queued, "the state is told apart from the records");
    let chunks = storage.chunks(a, it.id, None, 1000).await.unwrap();
    assert_eq!(chunks.iter().map(|it| it.ordinal).collect::<Vec<_>>(), (0..700).collect::<Vec<_>>());
    assert_eq!((chunks[8].text.as_str(), &chunks[8].fields), ("第 8 道菜 v1", &json!({ "spice_level": 2 })));
    let some = storage.chunks(a, it.id, Some(697), 1).await.unwrap();
    assert_eq!(some.iter().map(|it| it.ordinal).collect::<Vec<_>>(), [698]);

    // A replacement that cannot be completed leaves the old records and nothing of its own.
    let mut broken = records(it.id, 2, 600);
    broken.records[599].ordinal = 3;
    let error = storage.replace_document_records(a, broken).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
    assert_eq!(storage.chunks(a, it.id, None, 1000).await.unwrap(), chunks);
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0, "it was cleaned up at once");
    let error = storage.replace_document_records(a, records(it.id, 1, 5)).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "the same version again: {error}");

    storage.replace_document_records(a, records(it.id, 5, 2)).await.unwrap();
    let chunks = storage.chunks(a, it.id, None, 1000).await.unwrap();
    assert_eq!(chunks.iter().map(|it| it.version).collect::<Vec<_>>(), [5, 5]);
    let size = storage.knowledge_base_size(a, menu.id).await.unwrap();
    assert_eq!(size, KnowledgeBaseSize { documents: 1, records: 2 });
    storage.replace_document_records(a, records(it.id, 6, 0)).await.unwrap();
    assert_eq!(storage.chunks(a, it.id, None, 1000).await.unwrap(), [], "an empty document is a document");
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0);
}

pub(crate) async fn deleting_leaves_no_records(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let menu = base("menu");
    storage.create_knowledge_base(a, menu.clone()).await.unwrap();
    let (one, two) = (document(menu.id, "1.csv", 1), document(menu.id, "2.csv", 1));
    for it in [&one, &two] {
        storage.create_document(a, it.clone()).await.unwrap();
        storage.replace_document_records(a, records(it.id, 1, 600)).await.unwrap();
    }
    assert!(storage.delete_document(a, one.id).await.unwrap());
    assert!(!storage.delete_document(a, one.id).await.unwrap());
    assert_eq!(storage.document(a, one.id).await.unwrap(), None);
    assert_eq!(storage.chunks(a, one.id, None, 10).await.unwrap(), []);
    assert_eq!(storage.chunks(a, two.id, None, 1000).await.unwrap().len(), 600, "the other document stays");
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0, "nothing was left over");
    assert!(storage.delete_knowledge_base(a, "menu").await.unwrap());
    assert!(!storage.delete_knowledge_base(a, "menu").await.unwrap());
    assert_eq!(storage.knowledge_base(a, "menu").await.unwrap(), None);
    assert_eq!(storage.document(a, two.id).await.unwrap(), None);
    assert_eq!(storage.all_tenants_purge_chunks().await.unwrap(), 0, "nothing was left over");
    let error = storage.replace_document_records(a, records(two.id, 2, 5)).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "document" }), "{error}");
    storage.create_knowledge_base(a, base("menu")).await.unwrap();
}
