//! The index: what is found, what is told when less could be found, and that replacing, deleting, failing and crashing
//! leave it whole. Vectors are hashed character pairs here; `ranking.rs` asks the real model.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::{Backend, on_each_backend};
use crate::support::{Hashing, MENU_SPEC, ask, menu, menu_base, menu_of, names, rows, search};
use knowledge::{BaseRef, BaseSpec, Embedder, Knowledge, ListRequest, SearchMode, SearchRequest, SearchStatus};
use serde_json::{Value, json};

on_each_backend! {
    hybrid_hits_carry_every_stage_and_are_in_order,
    the_scan_finds_what_comparing_everything_finds,
    filters_hold_in_every_mode_and_lose_nothing,
    every_operator_lets_through_what_a_listing_does,
    a_field_that_becomes_a_filter_is_one_at_once,
    a_filter_that_cannot_be_meant_is_an_error_and_not_an_empty_result,
    nothing_found_says_which_nothing_it_is,
    without_a_model_words_still_find_and_the_answer_says_so,
    a_model_that_comes_late_is_made_up_for,
    records_not_embedded_yet_are_counted_in_the_reason,
    vectors_of_another_model_are_never_compared,
    a_new_version_replaces_the_old_one_and_embeds_only_what_changed,
    what_is_deleted_is_gone_from_every_list,
    pages_are_complete_and_in_an_order_that_replacing_does_not_change,
    tenants_share_nothing,
    several_bases_are_one_list_and_each_keeps_to_its_fields,
    codes_mixed_scripts_and_single_characters_are_found_by_words,
    readers_see_one_version_or_the_other_and_never_a_mixture,
    what_was_put_is_there_after_a_restart_and_a_torn_write_is_not,
}

const TENANT: &str = "tenant-a";

struct Bench {
    knowledge: Knowledge,
    base: BaseRef,
    embedder: Option<Arc<Hashing>>,
    dir: tempfile::TempDir,
}

fn with(embedder: &Arc<Hashing>) -> BaseRef {
    menu_of(Some(embedder.clone() as Arc<dyn Embedder>))
}

async fn bench(on: &Backend, with_model: Option<&str>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let embedder = with_model.map(Hashing::new);
    let knowledge = on.open(dir.path());
    let base = embedder.as_ref().map_or_else(menu_base, with);
    knowledge.put_document(TENANT, &base, menu(), &|_| {}).await.unwrap();
    Bench { knowledge, base, embedder, dir }
}

fn filtered(base: &BaseRef, query: &str, mode: SearchMode, filter: Value) -> SearchRequest {
    SearchRequest { filter: Some(filter), ..ask(base, query, mode) }
}

async fn hybrid_hits_carry_every_stage_and_are_in_order(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let response = search(&it.knowledge, ask(&it.base, "麻婆豆腐", SearchMode::Hybrid)).await;
    assert_eq!((response.status, response.reason()), (SearchStatus::Ok, None));
    assert_eq!(names(&response)[0], "麻婆豆腐");
    let best = &response.hits[0];
    assert_eq!(best.stages.lexical.unwrap().rank, 1);
    assert_eq!(best.stages.fused, Some(best.score));
    let leads = best.stages.dense.unwrap().rank == 1;
    assert!((leads && best.score == 1.0) || (!leads && best.score > 0.5 && best.score < 1.0), "{}", best.score);
    assert!(response.hits.windows(2).all(|it| it[0].score >= it[1].score));
    assert_eq!((best.document.as_str(), best.base.as_str()), ("menu.csv", "base-menu"));
    assert_eq!(it.knowledge.get(TENANT, "base-menu", &best.id, None).await.unwrap().unwrap().fields, best.fields);
}

async fn the_scan_finds_what_comparing_everything_finds(on: Backend) {
    let it = bench(&on, Some("m")).await;
    for query in ["清蒸鱼", "红油凉菜", "酸甜的汤", "牛肉"] {
        let response =
            search(&it.knowledge, SearchRequest { top_k: 10, ..ask(&it.base, query, SearchMode::Dense) }).await;
        let vector = crate::support::hashed(query);
        let mut exact: Vec<(f64, String)> = menu()
            .records
            .iter()
            .map(|record| {
                let other = crate::support::hashed(&record.text);
                let cosine = vector.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(b)).sum();
                (cosine, record.fields["name"].as_str().unwrap().to_owned())
            })
            .collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        let expected: Vec<f64> = exact.iter().take(10).map(|it| it.0).collect();
        let found: Vec<f64> = response.hits.iter().map(|it| it.score).collect();
        assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-6), "{query}: {expected:?} {found:?}");
    }
}

async fn filters_hold_in_every_mode_and_lose_nothing(on: Backend) {
    let it = bench(&on, Some("m")).await;
    for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
        let request = SearchRequest {
            top_k: 50,
            ..filtered(&it.base, "鱼 汤 辣", mode, json!({"spice_level": 0, "price": {"lte": 20}}))
        };
        let response = search(&it.knowledge, request).await;
        assert!(!response.hits.is_empty(), "{mode:?}");
        for hit in &response.hits {
            assert_eq!(hit.fields["spice_level"], json!(0));
            assert!(hit.fields["price"].as_f64().unwrap() <= 20.0);
        }
    }
    // The only match is far down the unfiltered list.
    let response =
        search(&it.knowledge, filtered(&it.base, "不辣", SearchMode::Lexical, json!({"name": "扬州炒饭"}))).await;
    assert_eq!(names(&response), ["扬州炒饭"]);
    let response = search(
        &it.knowledge,
        filtered(
            &it.base,
            "鱼",
            SearchMode::Hybrid,
            json!({"allergens": {"contains": "鱼"}, "spice_level": {"gte": 3}}),
        ),
    )
    .await;
    let mut found = names(&response);
    found.sort_unstable();
    assert_eq!(found, ["剁椒鱼头", "剁椒黄焖鱼块", "水煮鱼"]);
}

async fn every_operator_lets_through_what_a_listing_does(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let knowledge = on.open(dir.path());
    let spec = BaseSpec::from_yaml(
        "knowledge: shop\nfields:\n  name: { type: text, filter: true }\n  kind: keyword\n  price: number\n  fresh: boolean\n  day: date\n  tags: list\n",
    )
    .unwrap();
    let base = BaseRef::new("shop", spec, Some(Hashing::new("m") as Arc<dyn Embedder>));
    let table = "name,kind,price,fresh,day,tags\n商品 一号,Soup A,30,true,2026-10-01,辣、Beef\n商品 二号,热菜,12.5,false,2026-10-15,素\n\
         商品 三号,,30,,,\n商品 四号,soup a,-1,true,2025-01-31,素、辣\n商品 五号,凉菜,,false,2026-10-15,\n";
    knowledge.put_document(TENANT, &base, rows(&base, "d", table), &|_| {}).await.unwrap();
    for (filter, expected) in [
        (json!({"kind": "ＳＯＵＰ a"}), "14"),
        (json!({"kind": {"ne": "soup a"}}), "235"),
        (json!({"kind": {"in": ["热菜", "凉菜", "none"]}}), "25"),
        (json!({"kind": {"in": []}}), ""),
        (json!({"kind": {"contains": "UP"}}), "14"),
        (json!({"kind": {"contains": "菜"}}), "25"),
        (json!({"kind": {"exists": false}}), "3"),
        (json!({"name": "商品 三号"}), "3"),
        (json!({"name": {"contains": "品 三"}}), "3"),
        (json!({"name": {"contains": ""}}), "12345"),
        (json!({"price": 30}), "13"),
        (json!({"price": {"in": [12.5, -1]}}), "24"),
        (json!({"price": {"gt": 12.5}}), "13"),
        (json!({"price": {"gte": 12.5, "lt": 30}}), "2"),
        (json!({"price": {"lte": 0}}), "4"),
        (json!({"price": null}), "5"),
        (json!({"price": {"ne": null}}), "1234"),
        (json!({"fresh": true}), "14"),
        (json!({"fresh": {"ne": true}}), "235"),
        (json!({"fresh": {"in": [false]}}), "25"),
        (json!({"day": "2026/10/15"}), "25"),
        (json!({"day": {"gt": "2026-10-01"}}), "25"),
        (json!({"day": {"lte": "2026-10-01"}}), "14"),
        (json!({"day": {"ne": "2026-10-15"}}), "134"),
        (json!({"tags": "beef"}), "1"),
        (json!({"tags": {"in": ["素", "beef"]}}), "124"),
        (json!({"tags": {"contains": "辣"}}), "14"),
        (json!({"tags": {"ne": "辣"}}), "235"),
        (json!({"tags": {"exists": true}}), "124"),
        (json!({"any": [{"price": {"lt": 0}}, {"kind": "热菜"}]}), "24"),
        (json!({"any": [{"price": {"lt": 0}}, {}]}), "12345"),
        (json!({"any": []}), ""),
        (json!({"all": [{"price": 30}, {"fresh": true}]}), "1"),
        (json!({"not": {"price": 30}}), "245"),
        (json!({"not": {"any": [{"price": 30}, {"not": {"fresh": true}}]}}), "4"),
        (json!({"not": {"any": []}}), "12345"),
    ] {
        let listing = ListRequest { filter: Some(filter.clone()), limit: 10, ..ListRequest::default() };
        let listed = knowledge.list(TENANT, &base, listing).await.unwrap();
        let number = |id: &str| char::from(b'1' + id.bytes().last().unwrap() - b'0');
        assert_eq!(listed.entries.iter().map(|it| number(&it.id)).collect::<String>(), expected, "listing {filter}");
        for mode in [SearchMode::Hybrid, SearchMode::Dense, SearchMode::Lexical] {
            let response = search(&knowledge, filtered(&base, "商品", mode, filter.clone())).await;
            let mut found: Vec<char> = response.hits.iter().map(|it| number(&it.id)).collect();
            found.sort_unstable();
            assert_eq!(found.into_iter().collect::<String>(), expected, "{mode:?} {filter}");
            assert_eq!(response.status == SearchStatus::Empty, expected.is_empty(), "{mode:?} {filter}");
        }
    }
}

async fn a_field_that_becomes_a_filter_is_one_at_once(on: Backend) {
    let it = bench(&on, Some("m")).await;
    search(&it.knowledge, ask(&it.base, "鱼", SearchMode::Hybrid)).await;
    let changed = MENU_SPEC
        .replace("description: { type: text, embed: true", "description: { type: text, embed: true, filter: true");
    let base = BaseRef { spec: BaseSpec::from_yaml(&changed).unwrap(), ..it.base.clone() };
    let described = |filter: Value| filtered(&base, "鱼", SearchMode::Hybrid, filter);
    let found = search(&it.knowledge, described(json!({"description": {"contains": "辣"}}))).await;
    assert!(
        !found.hits.is_empty() && found.hits.iter().all(|it| it.fields["description"].as_str().unwrap().contains('辣'))
    );
    let error =
        it.knowledge.search(TENANT, filtered(&it.base, "鱼", SearchMode::Hybrid, json!({"description": "x"}))).await;
    assert_eq!(error.unwrap_err().code(), "invalid_filter");
}

async fn a_filter_that_cannot_be_meant_is_an_error_and_not_an_empty_result(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let error = it
        .knowledge
        .search(TENANT, filtered(&it.base, "鱼", SearchMode::Hybrid, json!({"spicy": 1})))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "invalid_filter");
    assert!(error.to_string().contains("`spice_level`"), "{error}");
    let error = it.knowledge.search(TENANT, ask(&it.base, "  ", SearchMode::Hybrid)).await.unwrap_err();
    assert_eq!(error.code(), "invalid_request");
    let error = it
        .knowledge
        .search(TENANT, SearchRequest { top_k: 0, ..ask(&it.base, "a", SearchMode::Hybrid) })
        .await
        .unwrap_err();
    assert_eq!(error.code(), "invalid_request");
}

async fn nothing_found_says_which_nothing_it_is(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let empty =
        search(&it.knowledge, filtered(&it.base, "鱼", SearchMode::Hybrid, json!({"price": {"gt": 9999}}))).await;
    assert_eq!((empty.status, empty.hits.len()), (SearchStatus::Empty, 0));
    assert!(empty.reason().unwrap().contains("none of 68 records passes the filter"));
    let no_word = search(&it.knowledge, ask(&it.base, "quantum chromodynamics", SearchMode::Lexical)).await;
    assert_eq!(no_word.status, SearchStatus::Empty);
    let below =
        search(&it.knowledge, SearchRequest { min_score: Some(0.999), ..ask(&it.base, "鱼汤面", SearchMode::Dense) })
            .await;
    assert_eq!((below.status, below.hits.len()), (SearchStatus::BelowThreshold, 0));
    assert!(below.reason().unwrap().contains("the best score is 0."));
    let other = BaseRef { id: "never-filled".to_owned(), ..it.base.clone() };
    let unknown =
        search(&it.knowledge, SearchRequest { bases: vec![other], ..ask(&it.base, "鱼", SearchMode::Hybrid) }).await;
    assert_eq!(unknown.status, SearchStatus::Empty);
    assert!(unknown.reason().unwrap().contains("no records yet"));
}

async fn without_a_model_words_still_find_and_the_answer_says_so(on: Backend) {
    let it = bench(&on, None).await;
    let response = search(&it.knowledge, ask(&it.base, "麻婆豆腐", SearchMode::Hybrid)).await;
    assert_eq!((response.status, names(&response)[0]), (SearchStatus::Degraded, "麻婆豆腐"));
    assert!(response.reason().unwrap().contains("no embedding model is set up"));
    assert!(response.hits[0].stages.dense.is_none());
    assert!((response.hits[0].score - 1.0).abs() < 1e-9, "of one list, the first is the best there can be");
    let error = it.knowledge.search(TENANT, ask(&it.base, "鱼", SearchMode::Dense)).await.unwrap_err();
    assert_eq!(error.code(), "embedding_unavailable");
    assert!(error.hint().is_some());
    let lexical = search(&it.knowledge, ask(&it.base, "鱼", SearchMode::Lexical)).await;
    assert_eq!(lexical.status, SearchStatus::Ok, "what was asked for was done");
    let error = it.knowledge.embed_missing(TENANT, &it.base, &|_| {}, &|| false).await.unwrap_err();
    assert_eq!(error.code(), "embedding_unavailable");
}

async fn a_model_that_comes_late_is_made_up_for(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let embedder = Hashing::new("m");
    embedder.broken.store(true, Ordering::SeqCst);
    let knowledge = on.open(dir.path());
    let base = with(&embedder);
    let report = knowledge.put_document(TENANT, &base, menu(), &|_| {}).await.unwrap();
    assert_eq!((report.records, report.embedded), (68, false));
    assert!(report.reason.unwrap().contains("not there yet"));
    let response = search(&knowledge, ask(&base, "麻婆豆腐", SearchMode::Hybrid)).await;
    assert_eq!((response.status, names(&response)[0]), (SearchStatus::Degraded, "麻婆豆腐"));

    embedder.broken.store(false, Ordering::SeqCst);
    let response = search(&knowledge, ask(&base, "麻婆豆腐", SearchMode::Hybrid)).await;
    assert!(response.reason().unwrap().contains("68 of 68 records are not embedded yet"));
    let error = knowledge.search(TENANT, ask(&base, "鱼", SearchMode::Dense)).await.unwrap_err();
    assert_eq!(error.code(), "embedding_unavailable");

    let told = std::sync::Mutex::new(Vec::new());
    let done =
        knowledge.embed_missing(TENANT, &base, &|it| told.lock().unwrap().push((it.done, it.total)), &|| false).await;
    assert_eq!(done.unwrap().embedded, 68);
    assert_eq!(told.into_inner().unwrap(), [(64, 68), (68, 68)]);
    let response = search(&knowledge, ask(&base, "麻婆豆腐", SearchMode::Hybrid)).await;
    assert_eq!((response.status, response.reason()), (SearchStatus::Ok, None));
    let again = knowledge.embed_missing(TENANT, &base, &|_| {}, &|| false).await.unwrap();
    assert_eq!((again.embedded, again.reused, again.missing), (0, 68, 0));
}

async fn records_not_embedded_yet_are_counted_in_the_reason(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let embedder = it.embedder.as_ref().unwrap();
    embedder.broken.store(true, Ordering::SeqCst);
    let more = rows(
        &it.base,
        "more",
        "name,category,price,spice_level,vegetarian,allergens,description\n佛跳墙,名菜,199,0,否,,鲍鱼海参\n",
    );
    it.knowledge.put_document(TENANT, &it.base, more, &|_| {}).await.unwrap();
    embedder.broken.store(false, Ordering::SeqCst);
    let response = search(&it.knowledge, ask(&it.base, "佛跳墙", SearchMode::Hybrid)).await;
    assert_eq!(response.status, SearchStatus::Degraded);
    assert!(names(&response).contains(&"佛跳墙"), "{:?}", names(&response));
    assert!(response.reason().unwrap().contains("1 of 69 records are not embedded yet"));
    let response = search(&it.knowledge, ask(&it.base, "佛跳墙", SearchMode::Dense)).await;
    assert!(response.reason().unwrap().contains("cannot be found by meaning"));
}

async fn vectors_of_another_model_are_never_compared(on: Backend) {
    let it = bench(&on, Some("old-model")).await;
    let renewed = Hashing::new("new-model");
    let (knowledge, base) = (it.knowledge.clone(), with(&renewed));
    let response = search(&knowledge, ask(&base, "麻婆豆腐", SearchMode::Hybrid)).await;
    assert_eq!(response.status, SearchStatus::Degraded);
    let reason = response.reason().unwrap();
    assert!(reason.contains("old-model") && reason.contains("new-model"), "{reason}");
    assert!(response.hits.iter().all(|it| it.stages.dense.is_none()));
    let error = knowledge.search(TENANT, ask(&base, "鱼", SearchMode::Dense)).await.unwrap_err();
    assert!(error.code() == "embedding_unavailable" && error.to_string().contains("old-model"), "{error}");
    let report = knowledge.embed_missing(TENANT, &base, &|_| {}, &|| false).await.unwrap();
    assert_eq!((report.embedded, report.reused, report.missing), (68, 0, 0));
    assert_eq!(search(&knowledge, ask(&base, "麻婆豆腐", SearchMode::Dense)).await.status, SearchStatus::Ok);
    // The old one answers until it is forgotten.
    assert_eq!(search(&knowledge, ask(&it.base, "麻婆豆腐", SearchMode::Dense)).await.status, SearchStatus::Ok);
    assert_eq!(knowledge.forget_model(TENANT, "base-menu", "old-model").await.unwrap(), 68);
    assert_eq!(knowledge.forget_model(TENANT, "base-menu", "old-model").await.unwrap(), 0);
    assert!(knowledge.search(TENANT, ask(&it.base, "鱼", SearchMode::Dense)).await.is_err());
    assert_eq!(search(&knowledge, ask(&base, "麻婆豆腐", SearchMode::Dense)).await.status, SearchStatus::Ok);
}

async fn a_new_version_replaces_the_old_one_and_embeds_only_what_changed(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let embedder = it.embedder.as_ref().unwrap();
    let before = embedder.calls.load(Ordering::SeqCst);
    let mut next = menu();
    next.version = 2;
    next.records.retain(|it| it.fields["name"] != json!("麻婆豆腐"));
    next.records[0].text = "全新的招牌菜".to_owned();
    for (ordinal, record) in next.records.iter_mut().enumerate() {
        record.ordinal = ordinal as u32;
    }
    it.knowledge.put_document(TENANT, &it.base, next, &|_| {}).await.unwrap();
    assert_eq!(embedder.calls.load(Ordering::SeqCst) - before, 1);
    assert_eq!(it.knowledge.count(TENANT, "base-menu").await.unwrap(), 67);
    let response =
        search(&it.knowledge, SearchRequest { top_k: 60, ..ask(&it.base, "麻婆豆腐", SearchMode::Hybrid) }).await;
    assert!(!names(&response).contains(&"麻婆豆腐"));
    let response = search(&it.knowledge, ask(&it.base, "全新的招牌菜", SearchMode::Lexical)).await;
    assert_eq!(response.hits[0].text, "全新的招牌菜");
}

async fn what_is_deleted_is_gone_from_every_list(on: Backend) {
    let it = bench(&on, Some("m")).await;
    assert!(it.knowledge.delete_document(TENANT, "base-menu", "doc-menu").await.unwrap());
    assert!(!it.knowledge.delete_document(TENANT, "base-menu", "doc-menu").await.unwrap());
    assert_eq!(it.knowledge.count(TENANT, "base-menu").await.unwrap(), 0);
    assert_eq!(search(&it.knowledge, ask(&it.base, "鱼", SearchMode::Hybrid)).await.status, SearchStatus::Empty);
    it.knowledge.put_document(TENANT, &it.base, menu(), &|_| {}).await.unwrap();
    assert!(it.knowledge.delete_base(TENANT, "base-menu").await.unwrap());
    assert!(!it.knowledge.delete_base(TENANT, "base-menu").await.unwrap());
    assert_eq!(search(&it.knowledge, ask(&it.base, "鱼", SearchMode::Lexical)).await.status, SearchStatus::Empty);
    assert_eq!(it.knowledge.get(TENANT, "base-menu", "doc-menu:0", None).await.unwrap(), None);
    it.knowledge.put_document(TENANT, &it.base, menu(), &|_| {}).await.unwrap();
    assert_eq!(names(&search(&it.knowledge, ask(&it.base, "麻婆豆腐", SearchMode::Hybrid)).await)[0], "麻婆豆腐");
}

async fn pages_are_complete_and_in_an_order_that_replacing_does_not_change(on: Backend) {
    let it = bench(&on, None).await;
    let header = "name,category,price,spice_level,vegetarian,allergens,description\n";
    let second = rows(&it.base, "second", &format!("{header}甲,x,1,0,是,,a\n乙,x,2,0,是,,b\n"));
    it.knowledge.put_document(TENANT, &it.base, second, &|_| {}).await.unwrap();
    // Replacing the first document gives its records new rows but keeps their place.
    it.knowledge.put_document(TENANT, &it.base, menu(), &|_| {}).await.unwrap();
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = it
            .knowledge
            .list(TENANT, &it.base, ListRequest { cursor, limit: 20, ..ListRequest::default() })
            .await
            .unwrap();
        all.extend(page.entries.into_iter().map(|it| it.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> =
        (0..68).map(|it| format!("doc-menu:{it}")).chain(["second:0".to_owned(), "second:1".to_owned()]).collect();
    assert_eq!(all, expected);
    let cheap = it
        .knowledge
        .list(
            TENANT,
            &it.base,
            ListRequest { filter: Some(json!({"price": {"lt": 3}})), limit: 100, ..ListRequest::default() },
        )
        .await
        .unwrap();
    let found: Vec<&str> = cheap.entries.iter().map(|it| it.fields["name"].as_str().unwrap()).collect();
    assert_eq!(found, ["白米饭", "甲", "乙"]);
    assert!(
        it.knowledge
            .list(TENANT, &it.base, ListRequest { cursor: Some("x".to_owned()), limit: 5, ..ListRequest::default() })
            .await
            .is_err()
    );
    assert!(it.knowledge.list(TENANT, &it.base, ListRequest::default()).await.is_err());
}

async fn tenants_share_nothing(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let other = "tenant-b";
    let elsewhere = it.knowledge.search(other, ask(&it.base, "麻婆豆腐", SearchMode::Hybrid)).await.unwrap();
    assert_eq!((elsewhere.status, elsewhere.hits.len()), (SearchStatus::Empty, 0));
    assert_eq!(it.knowledge.get(other, "base-menu", "doc-menu:0", None).await.unwrap(), None);
    assert_eq!(it.knowledge.count(other, "base-menu").await.unwrap(), 0);
    assert!(!it.knowledge.delete_document(other, "base-menu", "doc-menu").await.unwrap());
    assert_eq!(it.knowledge.count(TENANT, "base-menu").await.unwrap(), 68);
    // The scores of words do not depend on what others have.
    let before = search(&it.knowledge, ask(&it.base, "豆腐", SearchMode::Lexical)).await;
    it.knowledge.put_document(other, &it.base, menu(), &|_| {}).await.unwrap();
    let more = BaseRef { id: "second-base".to_owned(), ..it.base.clone() };
    it.knowledge.put_document(TENANT, &more, menu(), &|_| {}).await.unwrap();
    assert_eq!(search(&it.knowledge, ask(&it.base, "豆腐", SearchMode::Lexical)).await, before);
    for name in ["../tenant-a", "a/b", "", "a.b"] {
        let error = it.knowledge.search(name, ask(&it.base, "鱼", SearchMode::Lexical)).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request", "{name} is no tenant");
    }
}

async fn several_bases_are_one_list_and_each_keeps_to_its_fields(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let wine = BaseRef::new(
        "wine",
        BaseSpec::from_yaml("knowledge: wine\nfields:\n  name: text\n  year: number\n").unwrap(),
        it.base.embedder.clone(),
    );
    let cellar = rows(&wine, "cellar", "name,year\n麻婆豆腐配酒,2019\n清蒸鱼配酒,2024\n");
    it.knowledge.put_document(TENANT, &wine, cellar, &|_| {}).await.unwrap();
    let both = |filter| SearchRequest {
        bases: vec![it.base.clone(), wine.clone()],
        filter,
        ..ask(&it.base, "麻婆豆腐", SearchMode::Hybrid)
    };
    let response = search(&it.knowledge, both(None)).await;
    let found: Vec<(&str, &str)> = response.hits.iter().map(|it| it.base.as_str()).zip(names(&response)).collect();
    assert!(found.contains(&("base-menu", "麻婆豆腐")) && found.contains(&("wine", "麻婆豆腐配酒")), "{found:?}");
    let response = search(&it.knowledge, both(Some(json!({"year": {"gte": 2000}})))).await;
    assert_eq!(names(&response), ["麻婆豆腐配酒", "清蒸鱼配酒"]);
    let error = it.knowledge.search(TENANT, both(Some(json!({"nowhere": 1})))).await.unwrap_err();
    assert_eq!(error.code(), "invalid_filter");
}

async fn codes_mixed_scripts_and_single_characters_are_found_by_words(on: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let knowledge = on.open(dir.path());
    let base = BaseRef::new("faq", BaseSpec::from_yaml("knowledge: faq\nfields:\n  q: text\n").unwrap(), None);
    let table = "q\n路由器X5-Pro红灯闪烁怎么办\n报错E102请重启\n支持 Wi-Fi 6 的型号\n错误404页面\n水煮鱼片\n牛肉面\nbraised chicken with rice\n订单号 20261003-77 查询\n";
    knowledge.put_document(TENANT, &base, rows(&base, "d", table), &|_| {}).await.unwrap();
    for (query, expected) in [
        ("x5 pro", "X5-Pro"),
        ("X5PRO", "X5-Pro"),
        ("e102", "E102"),
        ("wifi 6", "Wi-Fi"),
        ("ＷＩＦＩ６", "Wi-Fi"),
        ("404", "404"),
        ("鱼", "水煮鱼片"),
        ("面", "牛肉面"),
        ("chickens", "chicken"),
        ("20261003-77", "20261003"),
    ] {
        let request = ask(&base, query, SearchMode::Lexical);
        let response = search(&knowledge, request).await;
        let first = response.hits.first().map(|it| it.text.as_str()).unwrap_or("nothing");
        assert!(first.contains(expected), "{query} should find {expected}, not {first}");
    }
    // Signs of the full-text language mean nothing.
    for query in ["\"", "a OR b*", "NOT (x)", "words:x", "^鱼", "-", "'; DROP TABLE records;--"] {
        let request = ask(&base, query, SearchMode::Lexical);
        knowledge.search(TENANT, request).await.unwrap();
    }
}

async fn readers_see_one_version_or_the_other_and_never_a_mixture(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let base = it.base.clone();
    let version = |mark: &str| {
        let header = "name,category,price,spice_level,vegetarian,allergens,description\n";
        let mut lines = header.to_owned();
        (0..40).for_each(|at| lines.push_str(&format!("菜{mark}{at},类,1,0,是,,共同的描述\n")));
        rows(&menu_base(), "swap", &lines)
    };
    it.knowledge.put_document(TENANT, &base, version("甲"), &|_| {}).await.unwrap();
    let writer = {
        let (knowledge, base) = (it.knowledge.clone(), base.clone());
        let versions: Vec<_> = (0..12).map(|it| version(if it % 2 == 0 { "乙" } else { "甲" })).collect();
        tokio::spawn(async move {
            for document in versions {
                knowledge.put_document(TENANT, &base, document, &|_| {}).await.unwrap();
            }
        })
    };
    let mut readers = Vec::new();
    for mode in [SearchMode::Hybrid, SearchMode::Lexical, SearchMode::Dense, SearchMode::Hybrid] {
        let (knowledge, base) = (it.knowledge.clone(), base.clone());
        readers.push(tokio::spawn(async move {
            for _ in 0..25 {
                let request = SearchRequest {
                    top_k: 200,
                    ..filtered(&base, "共同的描述", mode, json!({"category": "类"}))
                };
                let response = knowledge.search(TENANT, request).await.unwrap();
                let mut marks: Vec<char> = names(&response).iter().map(|it| it.chars().nth(1).unwrap()).collect();
                assert_eq!(marks.len(), 40);
                marks.sort_unstable();
                marks.dedup();
                assert_eq!(marks.len(), 1, "two versions answered at once");
            }
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    writer.await.unwrap();
}

async fn what_was_put_is_there_after_a_restart_and_a_torn_write_is_not(on: Backend) {
    let it = bench(&on, Some("m")).await;
    let before = search(&it.knowledge, ask(&it.base, "酸甜的汤", SearchMode::Hybrid)).await;
    // As after `kill -9`: the files are taken as they lie, without closing anything.
    let copied = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(it.dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copied.path().join(entry.file_name())).unwrap();
    }
    let log = copied.path().join("tenant-a.sqlite-wal");
    let whole = std::fs::read(&log).unwrap();
    let knowledge = on.open(copied.path());
    assert_eq!(search(&knowledge, ask(&it.base, "酸甜的汤", SearchMode::Hybrid)).await, before);

    // A write that was torn in the middle never happened.
    let torn = tempfile::tempdir().unwrap();
    std::fs::copy(it.dir.path().join("tenant-a.sqlite"), torn.path().join("tenant-a.sqlite")).unwrap();
    std::fs::write(torn.path().join("tenant-a.sqlite-wal"), &whole[..whole.len() / 2]).unwrap();
    let knowledge = on.open(torn.path());
    assert_eq!(knowledge.count(TENANT, "base-menu").await.unwrap(), 0);
    assert_eq!(search(&knowledge, ask(&it.base, "鱼", SearchMode::Hybrid)).await.status, SearchStatus::Empty);
    knowledge.put_document(TENANT, &it.base, menu(), &|_| {}).await.unwrap();
    assert_eq!(search(&knowledge, ask(&it.base, "酸甜的汤", SearchMode::Hybrid)).await.hits.len(), 5);
}
