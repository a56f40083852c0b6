//! Puts a set's passages into an index, asks all of its questions in each mode, and says how good the answers were.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use knowledge::{
    BaseRef, BaseSpec, CachedEmbedder, Completed, DocumentRef, Embedder as _, Knowledge, Purpose, Record, Reranker,
    SearchMode, SearchRequest, SearchStatus,
};

use crate::folder::{Question, Set};
use crate::metrics::{Difference, Scores};
use crate::public::Published;
use crate::{Options, Outcome};

const TENANT: &str = "quality";
/// Passages that are handed over at once, and questions that go through the model at once.
const BATCH: usize = 256;
/// Questions asked at the same time.
const AT_ONCE: usize = 8;

pub(crate) struct Searcher<'a> {
    pub(crate) embedder: Arc<CachedEmbedder>,
    pub(crate) reranker: Option<Arc<dyn Reranker>>,
    pub(crate) options: &'a Options,
}

/// A way to search, and how it did at each question.
pub(crate) struct Mode {
    name: &'static str,
    scores: Vec<Scores>,
}

impl Searcher<'_> {
    pub(crate) async fn measure(&self, name: &str, set: &Set) -> Outcome<Vec<Mode>> {
        let temporary = tempfile::tempdir()?;
        let index = self.options.index.as_deref().unwrap_or(temporary.path()).join(name);
        let knowledge = Knowledge::open(index)?;
        let spec = BaseSpec::from_yaml("knowledge: quality\n")?;
        let base = BaseRef::new("quality", spec, Some(self.embedder.clone()));
        let began = Instant::now();
        fill(&knowledge, &base, set).await?;
        eprintln!(
            "{name}: {} passages are in the index after {:.0} s",
            set.passages.len(),
            began.elapsed().as_secs_f64()
        );
        let texts: Vec<String> = set.questions.iter().map(|it| it.text.clone()).collect();
        for batch in texts.chunks(BATCH) {
            self.embedder.embed(batch, Purpose::Query).await?;
        }
        let asked = Asked { knowledge: &knowledge, base: &base, set, reranker: self.reranker.as_ref() };
        let mut modes = Vec::new();
        for (mode, search) in [
            ("lexical", (SearchMode::Lexical, false)),
            ("dense", (SearchMode::Dense, false)),
            ("hybrid", (SearchMode::Hybrid, false)),
            ("hybrid, reranked", (SearchMode::Hybrid, true)),
        ] {
            if search.1 && self.reranker.is_none() {
                continue;
            }
            let began = Instant::now();
            let many = asked.rankings(search, 100).await?;
            let first = asked.rankings(search, 10).await?;
            let took = began.elapsed().as_secs_f64() * 1000.0 / (2 * set.questions.len()) as f64;
            eprintln!("{name}: {mode}, {took:.1} ms a search");
            if let Some(runs) = &self.options.runs {
                write_run(&runs.join(format!("{name}.{}.run", mode.replace(", ", "-"))), set, &many)?;
            }
            let scores = set.questions.iter().zip(first.iter().zip(&many));
            let scores = scores.map(|(it, (first, many))| Scores::of(first, many, &it.relevant)).collect();
            modes.push(Mode { name: mode, scores });
        }
        Ok(modes)
    }
}

/// Each passage is one record, however long: what is judged is the passage.
async fn fill(knowledge: &Knowledge, base: &BaseRef, set: &Set) -> Outcome<()> {
    let before = knowledge.documents(TENANT, &base.id).await?.values().max().copied().unwrap_or(0);
    let document = DocumentRef { id: "d".to_owned(), version: before + 1, ..DocumentRef::default() };
    let records: Vec<Record> = set
        .passages
        .iter()
        .zip(0u32..)
        .map(|(it, ordinal)| Record {
            ordinal,
            text: format!("{} {}", it.title, it.text).trim().to_owned(),
            ..Record::default()
        })
        .collect();
    for batch in records.chunks(BATCH) {
        knowledge.stage(TENANT, base, &document, batch.to_vec()).await?;
    }
    let tell = |it: knowledge::Progress| eprint!("\r{} of {} ", it.done, it.total);
    let report = knowledge.embed_staged(TENANT, base, &document, &tell, &|| false).await?;
    eprint!("\r");
    if let Some(reason) = report.reason {
        return Err(format!("not every passage has a vector: {reason}").into());
    }
    match knowledge.complete(TENANT, base, &document).await? {
        Completed::Visible => Ok(()),
        it @ (Completed::Superseded | Completed::Gone) => Err(format!("the passages do not answer: {it:?}").into()),
    }
}

struct Asked<'a> {
    knowledge: &'a Knowledge,
    base: &'a BaseRef,
    set: &'a Set,
    reranker: Option<&'a Arc<dyn Reranker>>,
}

impl Asked<'_> {
    /// For each question the ids of the passages that were found, best first.
    async fn rankings(&self, (mode, rerank): (SearchMode, bool), top_k: u32) -> Outcome<Vec<Vec<String>>> {
        let searches = self.set.questions.iter().map(|it| self.ranking(it, (mode, rerank), top_k));
        futures::stream::iter(searches).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn ranking(
        &self,
        question: &Question,
        (mode, rerank): (SearchMode, bool),
        top_k: u32,
    ) -> Outcome<Vec<String>> {
        let mut request = SearchRequest { top_k, mode, ..SearchRequest::new(vec![self.base.clone()], &question.text) };
        request.reranker = self.reranker.filter(|_| rerank).cloned();
        let response = self.knowledge.search(TENANT, request).await?;
        // A figure of a search that was done badly would be wrong. That nothing was found is a figure.
        if response.status == SearchStatus::Degraded {
            return Err(format!("`{}`: {}", question.text, response.reason().unwrap_or_default()).into());
        }
        let found = response.hits.into_iter().flat_map(|it| [vec![it.id], it.also].concat());
        found.map(|it| self.passage(&it)).collect()
    }

    /// A hit is named `d:<ordinal>`.
    fn passage(&self, hit: &str) -> Outcome<String> {
        let at: usize = hit.rsplit(':').next().unwrap_or_default().parse()?;
        Ok(self.set.passages.get(at).ok_or("a hit that is no passage")?.id.clone())
    }
}

/// `QUESTION Q0 PASSAGE RANK SCORE NAME`; scores only keep the order.
fn write_run(file: &Path, set: &Set, rankings: &[Vec<String>]) -> Outcome<()> {
    let mut text = String::new();
    for (question, found) in set.questions.iter().zip(rankings) {
        for (passage, rank) in found.iter().zip(1usize..) {
            writeln!(text, "{}\tQ0\t{passage}\t{rank}\t{}\tparlour", question.id, found.len() + 1 - rank)?;
        }
    }
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    Ok(std::fs::write(file, text)?)
}

/// Rows of the table: what was measured here, then what others published.
pub(crate) fn print(title: &str, modes: &[Mode], published: &[Published]) {
    let row = |mode: &str, it: Scores, difference: &str| {
        let Scores { ndcg_10, recall_10, recall_100, mrr_10 } = it;
        println!("| {title} | {mode} | {ndcg_10:.4} | {recall_10:.4} | {recall_100:.4} | {mrr_10:.4} | {difference} |");
    };
    let hybrid = modes.iter().find(|it| it.name == "hybrid");
    for mode in modes {
        let difference = hybrid.filter(|it| it.name != mode.name).map_or(String::new(), |hybrid| {
            let pairs: Vec<(f64, f64)> =
                hybrid.scores.iter().zip(&mode.scores).map(|(one, other)| (one.ndcg_10, other.ndcg_10)).collect();
            let Difference { mean, low, high } = Difference::between(&pairs);
            format!("{mean:+.4} ({low:+.4} to {high:+.4})")
        });
        row(mode.name, Scores::mean(&mode.scores), &difference);
    }
    for Published { what, scores } in published {
        row(what, *scores, "");
    }
}
