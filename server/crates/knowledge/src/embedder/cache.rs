//! Remembers the vectors of the queries asked last: a classifier's examples and a visitor's repeated question cost nothing
//! the second time. Passages pass through, since each is embedded once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::{EmbedError, Embedder, Purpose};

pub struct CachedEmbedder {
    inner: Arc<dyn Embedder>,
    capacity: usize,
    /// Written by every query, for a moment.
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    vectors: HashMap<String, (u64, Arc<[f32]>)>,
    by_use: BTreeMap<u64, String>,
    clock: u64,
}

impl Recent {
    fn get(&mut self, text: &str) -> Option<Arc<[f32]>> {
        self.clock += 1;
        let now = self.clock;
        let (used, vector) = self.vectors.get_mut(text)?;
        if let Some(key) = self.by_use.remove(used) {
            self.by_use.insert(now, key);
        }
        *used = now;
        Some(vector.clone())
    }

    fn put(&mut self, text: &str, vector: Arc<[f32]>, capacity: usize) {
        self.clock += 1;
        if let Some((used, _)) = self.vectors.insert(text.to_owned(), (self.clock, vector)) {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.clock, text.to_owned());
        while self.vectors.len() > capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.vectors.remove(&oldest);
        }
    }
}

impl CachedEmbedder {
    /// Keeps the vectors of the `capacity` queries used last; one takes about 2 KB at 384 dimensions.
    pub fn new(inner: Arc<dyn Embedder>, capacity: usize) -> CachedEmbedder {
        CachedEmbedder { inner, capacity, recent: Mutex::default() }
    }

    async fn embed_queries(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut found: Vec<Option<Arc<[f32]>>> = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            texts.iter().map(|it| recent.get(it)).collect()
        };
        let mut wanted: Vec<String> = Vec::new();
        for (text, known) in texts.iter().zip(&found) {
            if known.is_none() && !wanted.contains(text) {
                wanted.push(text.clone());
            }
        }
        if !wanted.is_empty() {
            let fresh: Vec<Arc<[f32]>> =
                self.inner.embed(&wanted, Purpose::Query).await?.into_iter().map(Arc::from).collect();
            for (text, slot) in texts.iter().zip(&mut found) {
                if slot.is_none() {
                    *slot = wanted.iter().position(|it| it == text).and_then(|at| fresh.get(at).cloned());
                }
            }
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            for (text, vector) in wanted.iter().zip(fresh) {
                recent.put(text, vector, self.capacity);
            }
        }
        found
            .into_iter()
            .map(|it| {
                it.map(|vector| vector.to_vec()).ok_or_else(|| EmbedError::Failed {
                    reason: "the model answered with fewer vectors than texts".to_owned(),
                })
            })
            .collect()
    }
}

impl Embedder for CachedEmbedder {
    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn batch(&self) -> usize {
        self.inner.batch()
    }

    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        match purpose {
            Purpose::Query => Box::pin(self.embed_queries(texts)),
            Purpose::Passage => self.inner.embed(texts, purpose),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting(AtomicUsize);

    impl Embedder for Counting {
        fn model(&self) -> &str {
            "counting"
        }

        fn dimensions(&self) -> usize {
            1
        }

        fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
            self.0.fetch_add(texts.len(), Ordering::SeqCst);
            Box::pin(async move { Ok(texts.iter().map(|it| vec![it.len() as f32]).collect()) })
        }
    }

    #[tokio::test]
    async fn only_unknown_queries_reach_the_model_and_the_oldest_leaves_first() {
        let counting = Arc::new(Counting(AtomicUsize::new(0)));
        let cached = CachedEmbedder::new(counting.clone(), 2);
        let asked = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let calls = || counting.0.load(Ordering::SeqCst);

        let vectors = cached.embed(&asked(&["a", "bb", "a"]), Purpose::Query).await.unwrap();
        assert_eq!(vectors, vec![vec![1.0], vec![2.0], vec![1.0]]);
        assert_eq!(calls(), 2);
        cached.embed(&asked(&["a"]), Purpose::Query).await.unwrap();
        assert_eq!(calls(), 2);
        cached.embed(&asked(&["ccc"]), Purpose::Query).await.unwrap();
        cached.embed(&asked(&["a"]), Purpose::Query).await.unwrap();
        assert_eq!(calls(), 3, "`bb` was used least recently, so it left and `a` stayed");
        cached.embed(&asked(&["bb"]), Purpose::Query).await.unwrap();
        assert_eq!(calls(), 4);
        cached.embed(&asked(&["a"]), Purpose::Passage).await.unwrap();
        assert_eq!(calls(), 5, "passages are not remembered");
    }
}
