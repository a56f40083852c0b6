//! Hits with what stands around them.

use domain::TenantId;
use parlour::app::knowledge::Search;
use parlour::app::passages::Found;
use serde_json::json;

use crate::support::TestApp;

const WORDS: [&str; 10] =
    ["apple", "banana", "cherry", "durian", "elderberry", "fig", "grape", "hazelnut", "lemon", "mango"];

/// A document of ten passages, each longer than half of what one holds, so that none are put together.
fn document() -> String {
    let filler = "The kitchen keeps its own notes about this. ".repeat(7);
    let passages = WORDS.map(|word| format!("This passage speaks of {word}. {filler}\n\n"));
    format!("# Handbook\n\n{}", passages.concat())
}

async fn search(app: &TestApp, tenant: TenantId, query: &str, (rerank, expand): (bool, u32)) -> Found {
    let mut search = Search::new(query.to_owned(), 10);
    search.mode = knowledge::SearchMode::Lexical;
    search.rerank = rerank;
    app.app.search_passages(tenant, &["handbook".to_owned()], search, expand).await.expect("a search")
}

fn passages_in(text: &str) -> Vec<usize> {
    (0..WORDS.len()).filter(|it| text.contains(WORDS[*it])).collect()
}

#[tokio::test]
async fn neighbours_are_put_around_hits_and_joined_where_they_meet() {
    let app = TestApp::new().await;
    let client = app.key("main", &[parlour::app::accounts::Scope::Manage]).await;
    let tenant = app.app.first_tenant().await.unwrap().id;
    let base = json!({ "name": "handbook", "fields": { "passage": { "type": "text", "embed": true } },
        "splitting": { "tokens": 120, "overlap": 0.0 } });
    client.post("/api/v1/knowledge-bases", base).await.ok();
    let upload = "/api/v1/knowledge-bases/handbook/documents?wait=60";
    assert_eq!(client.upload(upload, "handbook.md", document().as_bytes()).await.ok()["records"], 10);

    let plain = search(&app, tenant, "durian", (false, 0)).await;
    assert_eq!((plain.hits.len(), plain.status.as_str()), (1, "ok"));
    assert!(plain.hits[0].wide.is_none());
    let wide = search(&app, tenant, "durian", (false, 2)).await;
    let text = wide.hits[0].wide.clone().unwrap();
    assert_eq!(passages_in(&text), [1, 2, 3, 4, 5]);
    assert_eq!(text.matches("Handbook").count(), 1, "the heading is read once: {text}");
    assert_eq!(passages_in(&wide.hits[0].hit.text), [3]);
    let first = search(&app, tenant, "apple", (false, 1)).await;
    assert_eq!(passages_in(first.hits[0].wide.as_deref().unwrap()), [0, 1]);

    let two = search(&app, tenant, "cherry elderberry mango", (false, 1)).await;
    let mut texts: Vec<_> = two.hits.iter().map(|it| passages_in(it.wide.as_deref().unwrap())).collect();
    texts.sort();
    assert_eq!(texts, [vec![1, 2, 3, 4, 5], vec![8, 9]]);
    assert_eq!(two.hits.iter().map(|it| it.joined.len()).sum::<usize>(), 1);

    let reranked = search(&app, tenant, "durian", (true, 0)).await;
    assert_eq!((reranked.hits.len(), reranked.status.as_str()), (1, "degraded"));
    assert!(reranked.reason.unwrap().contains("reranking"));
    let nothing = search(&app, tenant, "nowhere", (true, 1)).await;
    assert_eq!((nothing.hits.len(), nothing.status.as_str()), (0, "empty"));
    let too_wide = Search::new("x".to_owned(), 1);
    let refused = app.app.search_passages(tenant, &["handbook".to_owned()], too_wide, 21).await;
    assert_eq!(refused.err().map(|it| it.code.code()), Some("invalid_input"));
}
