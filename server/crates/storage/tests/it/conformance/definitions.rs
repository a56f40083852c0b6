use domain::DefinitionKind::{Assistant, Workflow};
use domain::VersionId;
use storage::Storage;

use crate::support::{tenant, uuid, version};

pub(crate) async fn versions_are_numbered_and_never_change(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let first = storage.save_version(a, Workflow, "recommend", version("workflow: recommend")).await.unwrap();
    assert_eq!((first.number, first.title.as_deref()), (1, Some("标题")));
    let same = storage.save_version(a, Workflow, "recommend", version("workflow: recommend")).await.unwrap();
    assert_eq!(same, first, "an equal text makes no version");
    let second = storage.save_version(a, Workflow, "recommend", version("workflow: recommend\n# 2")).await.unwrap();
    assert_eq!(second.number, 2);
    let back = storage.save_version(a, Workflow, "recommend", version("workflow: recommend")).await.unwrap();
    assert_eq!(back.number, 3, "an older text put back is a version of its own");
    let other = storage.save_version(a, Assistant, "recommend", version("assistant: recommend")).await.unwrap();
    assert_eq!(other.number, 1, "the kinds have names of their own");

    assert_eq!(storage.current_version(a, Workflow, "recommend").await.unwrap(), Some(back.clone()));
    assert_eq!(storage.current_version(a, Workflow, "none").await.unwrap(), None);
    assert_eq!(storage.version(a, first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(storage.version(a, VersionId::from_uuid(uuid())).await.unwrap(), None);
    let versions = storage.list_versions(a, Workflow, "recommend").await.unwrap();
    assert_eq!(versions, [back.clone(), second, first]);
    storage.save_version(a, Workflow, "add_up", version("workflow: add_up")).await.unwrap();
    let listed = storage.list_definitions(a, Workflow).await.unwrap();
    let names: Vec<_> = listed.iter().map(|it| (it.kind, it.name.as_str(), it.version.number)).collect();
    assert_eq!(names, [(Workflow, "add_up", 1), (Workflow, "recommend", 3)]);
    assert_eq!(listed[1].version, back);

    let tries = (0..10).map(|n| storage.save_version(a, Workflow, "busy", version(&format!("workflow: busy # {n}"))));
    let saved = futures::future::join_all(tries).await;
    let mut numbers: Vec<_> = saved.into_iter().map(|it| it.unwrap().number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
}

pub(crate) async fn a_deleted_name_is_free_again(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let old = storage.save_version(a, Workflow, "w", version("workflow: w")).await.unwrap();
    assert!(storage.delete_definition(a, Workflow, "w").await.unwrap());
    assert!(!storage.delete_definition(a, Workflow, "w").await.unwrap());
    assert_eq!(storage.current_version(a, Workflow, "w").await.unwrap(), None);
    assert_eq!(storage.list_versions(a, Workflow, "w").await.unwrap(), []);
    assert_eq!(storage.list_definitions(a, Workflow).await.unwrap(), []);
    assert_eq!(storage.version(a, old.id).await.unwrap(), Some(old.clone()), "old runs still find it");
    let new = storage.save_version(a, Workflow, "w", version("workflow: w")).await.unwrap();
    assert_eq!(new.number, 1, "a new definition, although the text is the old one");
    assert_ne!(new.id, old.id);
    assert!(storage.delete_definition(a, Workflow, "w").await.unwrap(), "a second deleted one of this name is fine");
}
