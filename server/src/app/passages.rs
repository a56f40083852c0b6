//! What is done with hits after a search: a model is given more around each of them than what was found, and joined where
//! two of them lie next to each other.

use domain::{DocumentId, TenantId};
use knowledge::{Hit, Position, SearchResponse, SearchStatus};
use serde_json::{Value, json};

use super::knowledge::{Search, flat_hit};
use super::{App, AppError, Result};

/// On each side; with the default length of a passage that is ten pages.
const MAX_EXPAND: u32 = 20;

pub struct Found {
    pub hits: Vec<Passage>,
    pub status: SearchStatus,
    pub reason: Option<String>,
}

/// A hit with its surroundings.
pub struct Passage {
    pub hit: Hit,
    /// The hit's text with its neighbours'; none where it was not asked for.
    pub wide: Option<String>,
    /// Other hits whose text is in there as well.
    pub joined: Vec<String>,
}

impl App {
    /// `expand` is how many neighbouring passages are put around each hit.
    ///
    /// # Errors
    /// As [`App::search`], and for an `expand` that is too large.
    pub async fn search_passages(
        &self,
        tenant: TenantId,
        bases: &[String],
        search: Search,
        expand: u32,
    ) -> Result<Found> {
        if expand > MAX_EXPAND {
            return Err(AppError::invalid(format!("`expand` is {expand}; it goes from 0 to {MAX_EXPAND}")));
        }
        let found = self.search(tenant, bases, search).await?;
        let reason = found.reason();
        let SearchResponse { status, hits, .. } = found;
        let hits = if expand == 0 {
            hits.into_iter().map(|hit| Passage { hit, wide: None, joined: Vec::new() }).collect()
        } else {
            self.widened(tenant, hits, i64::from(expand)).await?
        };
        Ok(Found { hits, status, reason })
    }

    /// Every hit with its neighbours. Of hits whose surroundings meet only the best stays, with the text of all.
    async fn widened(&self, tenant: TenantId, hits: Vec<Hit>, expand: i64) -> Result<Vec<Passage>> {
        let mut spans: Vec<Span> = Vec::new();
        for (rank, hit) in hits.iter().enumerate() {
            if let Some(span) = Span::around(rank, hit, expand) {
                join(&mut spans, span);
            }
        }
        let mut texts: Vec<Option<Passage>> = Vec::new();
        for hit in &hits {
            texts.push(Some(Passage { hit: hit.clone(), wide: Some(hit.text.clone()), joined: Vec::new() }));
        }
        for span in &spans {
            let Some(wide) = self.text_of(tenant, span, &hits).await? else { continue };
            let Some((&best, others)) = span.hits.split_first() else { continue };
            let joined = others.iter().filter_map(|it| texts.get_mut(*it)?.take()).map(|it| it.hit.id).collect();
            if let Some(Some(passage)) = texts.get_mut(best) {
                passage.wide = Some(wide);
                passage.joined = joined;
            }
        }
        Ok(texts.into_iter().flatten().collect())
    }

    /// The span's text; none if the document has changed since it was indexed, so that its numbers mean something else.
    async fn text_of(&self, tenant: TenantId, span: &Span, hits: &[Hit]) -> Result<Option<String>> {
        let count = span.last - span.first + 1;
        let chunks = self.storage().chunks(tenant, span.document, None, (Some(span.first - 1), count)).await?;
        let chunks: Vec<_> = chunks.into_iter().filter(|it| it.ordinal <= span.last).collect();
        let unchanged = span.hits.iter().filter_map(|it| hits.get(*it)).all(|hit| {
            let place = ordinal_of(hit);
            chunks.iter().any(|it| Some(it.ordinal) == place && it.text == hit.text)
        });
        let pieces = chunks.iter().filter(|it| it.enabled).map(|it| {
            let position: Position = serde_json::from_value(it.position.clone()).unwrap_or_default();
            (it.text.as_str(), position)
        });
        Ok(unchanged.then(|| together(pieces)))
    }
}

/// A stretch of one document, and the hits in it by rank, the best first.
struct Span {
    document: DocumentId,
    first: i64,
    last: i64,
    hits: Vec<usize>,
}

impl Span {
    fn around(rank: usize, hit: &Hit, expand: i64) -> Option<Span> {
        let (document, at) = (hit.document_id.parse().ok()?, ordinal_of(hit)?);
        Some(Span { document, first: (at - expand).max(0), last: at + expand, hits: vec![rank] })
    }

    fn meets(&self, other: &Span) -> bool {
        self.document == other.document && self.first <= other.last + 1 && other.first <= self.last + 1
    }
}

/// Adds a span, made one with those that it meets.
fn join(spans: &mut Vec<Span>, mut span: Span) {
    spans.retain_mut(|it| {
        let meets = it.meets(&span);
        if meets {
            span.first = span.first.min(it.first);
            span.last = span.last.max(it.last);
            span.hits.append(&mut it.hits);
        }
        !meets
    });
    span.hits.sort_unstable();
    spans.push(span);
}

/// A hit's id is `<document id>:<ordinal>`.
fn ordinal_of(hit: &Hit) -> Option<i64> {
    hit.id.rsplit_once(':')?.1.parse().ok()
}

/// Passages as one text: each heading stands once, above what is under it, and what one repeats of the one before is left
/// out.
fn together<'a>(pieces: impl Iterator<Item = (&'a str, Position)>) -> String {
    let mut whole = String::new();
    let mut headings: Vec<String> = Vec::new();
    for (text, position) in pieces {
        let under_new = position.headings != headings;
        let repeated = usize::try_from(position.overlap).unwrap_or(0);
        let fresh = match text.char_indices().nth(repeated) {
            Some((at, _)) if !under_new => text.get(at..).unwrap_or(text),
            _ => text,
        };
        if !whole.is_empty() {
            whole.push('\n');
        }
        if under_new && !position.headings.is_empty() {
            whole.push_str(&position.headings.join(" › "));
            whole.push('\n');
        }
        headings = position.headings;
        whole.push_str(fresh.trim_start());
    }
    whole
}

/// A passage as workflows see it: a hit whose `text` is the wide one; its own is `passage`, and `joined` has the ids of the
/// hits that were put into it.
pub(crate) fn flat(passage: &Passage) -> Value {
    let Passage { hit, wide, joined } = passage;
    let mut flat = flat_hit(hit);
    if let (Some(members), Some(wide)) = (flat.as_object_mut(), wide) {
        members.insert("text".into(), json!(wide));
        members.insert("passage".into(), json!(hit.text));
        members.insert("joined".into(), json!(joined));
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::{Position, Span, join, together};

    fn joined(hits: &[(u128, i64)], expand: i64) -> Vec<(i64, i64, Vec<usize>)> {
        let mut spans = Vec::new();
        for (rank, (document, at)) in hits.iter().enumerate() {
            let document = domain::DocumentId::from_uuid(uuid::Uuid::from_u128(*document));
            join(&mut spans, Span { document, first: (at - expand).max(0), last: at + expand, hits: vec![rank] });
        }
        let mut spans: Vec<_> = spans.into_iter().map(|it| (it.first, it.last, it.hits)).collect();
        spans.sort_by_key(|it| it.2[0]);
        spans
    }

    #[test]
    fn spans_that_meet_become_one() {
        assert_eq!(joined(&[(1, 5), (1, 9)], 1), [(4, 6, vec![0]), (8, 10, vec![1])]);
        assert_eq!(joined(&[(1, 5), (1, 8)], 1), [(4, 9, vec![0, 1])]);
        assert_eq!(joined(&[(1, 5), (2, 5)], 1).len(), 2, "documents stay apart");
        assert_eq!(joined(&[(1, 10), (1, 0), (1, 5)], 2), [(0, 12, vec![0, 1, 2])], "the third bridges the others");
        assert_eq!(joined(&[(1, 0)], 3), [(0, 3, vec![0])]);
    }

    #[test]
    fn a_heading_is_read_once_and_nothing_twice() {
        let piece = |text, headings: &[&str], overlap| {
            let headings = headings.iter().map(|it| (*it).to_owned()).collect();
            (text, Position { headings, overlap, ..Position::default() })
        };
        let pieces = [piece("one", &["A", "B"], 0), piece("ne two", &["A", "B"], 2), piece("three", &["A", "C"], 0)];
        assert_eq!(together(pieces.into_iter()), "A › B\none\ntwo\nA › C\nthree");
        let plain = [piece("same", &[], 0), piece("same", &[], 0)];
        assert_eq!(together(plain.into_iter()), "same\nsame");
    }
}
