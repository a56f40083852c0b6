use domain::{ApiKey, ApiKeyId, Role, Session, Tenant, TenantId};
use storage::{Storage, StorageError};

use crate::support::{tenant, user, uuid};

pub(crate) async fn tenants_are_found_by_slug(storage: &Storage) {
    let later = Tenant { id: TenantId::from_uuid(uuid()), slug: "later".into(), name: "Later".into(), created_at: 9 };
    storage.all_tenants_create_tenant(later.clone()).await.unwrap();
    let first = tenant(storage, "first").await;
    let ids: Vec<_> = storage.all_tenants_list_tenants().await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(ids, [first, later.id], "the oldest comes first, not the first one stored");
    assert_eq!(storage.all_tenants_tenant_by_slug("later").await.unwrap(), Some(later.clone()));
    assert_eq!(storage.all_tenants_tenant_by_slug("none").await.unwrap(), None);
    let again = Tenant { id: TenantId::from_uuid(uuid()), ..later };
    let error = storage.all_tenants_create_tenant(again).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "a tenant with this short name" }), "{error}");
}

pub(crate) async fn users_and_owners(storage: &Storage) {
    let (a, b) = (tenant(storage, "a").await, tenant(storage, "b").await);
    assert_eq!(storage.all_tenants_owner().await.unwrap(), None);
    let mut owner = user(a, None, Role::Owner);
    storage.create_user(a, owner.clone()).await.unwrap();
    let member = user(a, Some("m@example.com"), Role::Member);
    storage.create_user(a, member.clone()).await.unwrap();
    storage.create_user(b, user(b, None, Role::Owner)).await.unwrap();
    assert_eq!(storage.all_tenants_owner().await.unwrap(), Some(owner.clone()), "the first tenant's");
    assert!(!storage.all_tenants_has_owner_with_password().await.unwrap());

    owner.email = Some("o@example.com".into());
    owner.password_hash = Some("$argon2id$".into());
    owner.name = "韩梅梅".into();
    storage.update_user(a, owner.clone()).await.unwrap();
    assert!(storage.all_tenants_has_owner_with_password().await.unwrap());
    assert_eq!(storage.user(a, owner.id).await.unwrap(), Some(owner.clone()));
    assert_eq!(storage.all_tenants_user_by_email("o@example.com").await.unwrap(), Some(owner.clone()));
    assert_eq!(storage.all_tenants_user_by_email("x@example.com").await.unwrap(), None);
    assert_eq!(storage.list_users(a).await.unwrap(), [owner.clone(), member.clone()]);

    let taken = user(b, Some("m@example.com"), Role::Member);
    let error = storage.create_user(b, taken).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { what: "an account with this e-mail" }), "{error}");
    owner.email = member.email;
    let error = storage.update_user(a, owner).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
    let nowhere = TenantId::from_uuid(uuid());
    let error = storage.create_user(nowhere, user(nowhere, None, Role::Member)).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "tenant" }), "{error}");
}

pub(crate) async fn setup_links_work_once(storage: &Storage) {
    let a = tenant(storage, "a").await;
    storage.all_tenants_create_setup_token("hash", a, 100).await.unwrap();
    storage.all_tenants_create_setup_token("late", a, 50).await.unwrap();
    assert_eq!(storage.all_tenants_take_setup_token("other", 10).await.unwrap(), None);
    assert_eq!(storage.all_tenants_take_setup_token("late", 50).await.unwrap(), None, "expired");
    let tries = (0..20).map(|_| storage.all_tenants_take_setup_token("hash", 99));
    let taken = futures::future::join_all(tries).await;
    let lucky: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(lucky, [a], "of twenty at once, one gets it");
}

pub(crate) async fn sessions_end(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let owner = user(a, Some("o@example.com"), Role::Owner);
    storage.create_user(a, owner.clone()).await.unwrap();
    let session = |hash: &str, expires_at| Session {
        token_hash: hash.into(),
        tenant: a,
        user: owner.id,
        created_at: 1,
        expires_at,
    };
    for (hash, expires_at) in [("one", 100), ("two", 50), ("three", 100)] {
        storage.all_tenants_create_session(session(hash, expires_at)).await.unwrap();
    }
    let (found, of, place) = storage.all_tenants_session("one", 99).await.unwrap().unwrap();
    assert_eq!((found, of, place.slug.as_str(), place.id), (session("one", 100), owner.clone(), "a", a));
    assert!(storage.all_tenants_session("one", 100).await.unwrap().is_none(), "expired");
    assert_eq!(storage.all_tenants_prune_expired(60).await.unwrap(), 1);
    assert!(storage.all_tenants_session("two", 10).await.unwrap().is_none(), "pruned");
    storage.all_tenants_delete_session("one").await.unwrap();
    assert!(storage.all_tenants_session("one", 10).await.unwrap().is_none());
    assert!(storage.all_tenants_session("three", 10).await.unwrap().is_some(), "others stay");
    let b = tenant(storage, "b").await;
    let error = storage.all_tenants_create_session(Session { tenant: b, ..session("x", 100) }).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { what: "user" }), "another tenant's user: {error}");
}

pub(crate) fn api_key(hash: &str, expires_at: Option<i64>) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_uuid(uuid()),
        name: "持续集成".into(),
        hash: hash.into(),
        prefix: "pk_12".into(),
        scopes: vec!["chat".into(), "run".into()],
        assistant: Some("host".into()),
        created_at: 3,
        expires_at,
        last_used_at: None,
    }
}

pub(crate) async fn api_keys_expire(storage: &Storage) {
    let a = tenant(storage, "a").await;
    let (lasting, short) = (api_key("h1", None), api_key("h2", Some(100)));
    storage.create_api_key(a, lasting.clone()).await.unwrap();
    storage.create_api_key(a, short.clone()).await.unwrap();
    let (found, of) = storage.all_tenants_api_key("h1", i64::MAX).await.unwrap().unwrap();
    assert_eq!((found, of.id), (lasting.clone(), a));
    assert!(storage.all_tenants_api_key("h2", 99).await.unwrap().is_some());
    assert!(storage.all_tenants_api_key("h2", 100).await.unwrap().is_none());
    assert_eq!(storage.list_api_keys(a).await.unwrap(), [lasting.clone(), short.clone()]);

    storage.touch_api_key(a, &lasting, 1_000_000).await.unwrap();
    let touched = storage.list_api_keys(a).await.unwrap().remove(0);
    assert_eq!(touched.last_used_at, Some(1_000_000));
    storage.touch_api_key(a, &touched, 1_059_999).await.unwrap();
    assert_eq!(storage.list_api_keys(a).await.unwrap()[0].last_used_at, Some(1_000_000), "too soon for a write");
    storage.touch_api_key(a, &touched, 1_060_000).await.unwrap();
    assert_eq!(storage.list_api_keys(a).await.unwrap()[0].last_used_at, Some(1_060_000));

    let error = storage.create_api_key(a, api_key("h1", None)).await.unwrap_err();
    assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
    assert!(storage.delete_api_key(a, lasting.id).await.unwrap());
    assert!(!storage.delete_api_key(a, lasting.id).await.unwrap());
    assert!(storage.all_tenants_api_key("h1", 1).await.unwrap().is_none());
}
