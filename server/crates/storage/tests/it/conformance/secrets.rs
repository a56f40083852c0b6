use domain::Secret;
use storage::Storage;

use crate::support::tenant;

pub(crate) fn secret(name: &str, sealed: &[u8]) -> Secret {
    Secret { name: name.into(), sealed: sealed.into(), created_at: 5, updated_at: 5 }
}

pub(crate) async fn secrets_are_replaced_and_listed_by_name(storage: &Storage) {
    let a = tenant(storage, "a").await;
    assert_eq!(storage.secret(a, "API_KEY").await.unwrap(), None);
    for name in ["zoo", "API_KEY"] {
        storage.put_secret(a, secret(name, b"\x00first\xff")).await.unwrap();
    }
    let again = Secret { sealed: b"second".into(), created_at: 9, updated_at: 9, ..secret("API_KEY", b"") };
    let stored = storage.put_secret(a, again).await.unwrap();
    assert_eq!((stored.created_at, stored.updated_at, stored.sealed.as_slice()), (5, 9, b"second".as_slice()));
    assert_eq!(storage.secret(a, "API_KEY").await.unwrap(), Some(stored.clone()));
    assert_eq!(storage.secret(a, "api_key").await.unwrap(), None, "names are told apart by case");
    assert_eq!(storage.list_secrets(a).await.unwrap(), [stored, secret("zoo", b"\x00first\xff")]);
    assert!(storage.delete_secret(a, "API_KEY").await.unwrap());
    assert!(!storage.delete_secret(a, "API_KEY").await.unwrap());
    assert_eq!(storage.list_secrets(a).await.unwrap().len(), 1);
}
