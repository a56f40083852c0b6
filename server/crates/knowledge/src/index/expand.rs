//! What is shown around a record that was found: nothing, the records beside it, or the larger passage that it is a part of;
//! all within a budget of tokens. Rows say which version they belong to, so that a text is never put together of two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Expand;
use super::schema::{MAX_ORDINAL, ordinal_of, row_of, version_of};
use super::search::Found;
use super::tenant::{Reading, StoredRecord, TenantIndex};
use crate::error::KnowledgeError;
use crate::lexical::is_chinese;

/// A larger passage is looked for among so many records on either side: it has a few, and not a book's.
const PARENT_REACH: u32 = 64;

/// A hit with the text that is shown for it.
pub(super) struct Shown {
    pub(super) found: Found,
    pub(super) text: String,
    pub(super) merged: Vec<u32>,
}

/// What a text costs a model, near enough without knowing which: a Chinese character is about a token, and so are four
/// letters.
fn estimated_tokens(text: &str) -> usize {
    let (mut chinese, mut others) = (0usize, 0usize);
    for it in text.chars() {
        if is_chinese(it) { chinese += 1 } else { others += 1 }
    }
    chinese + others.div_ceil(4)
}

/// What is left of the tokens; none where nobody counts.
struct Budget(Option<usize>);

impl Budget {
    fn takes(&mut self, text: &str) -> bool {
        let Some(left) = &mut self.0 else { return true };
        let cost = estimated_tokens(text);
        if cost > *left {
            return false;
        }
        *left -= cost;
        true
    }
}

impl TenantIndex {
    /// In the order of the best record of each. What does not fit into the budget any more is left out, but never the first.
    pub(super) async fn expanded(
        &self,
        found: Vec<Found>,
        expand: Expand,
        token_budget: Option<u32>,
    ) -> Result<Vec<Shown>, KnowledgeError> {
        let mut budget = Budget(token_budget.map(|it| usize::try_from(it).unwrap_or(usize::MAX)));
        let mut kept: Vec<Found> = Vec::new();
        for it in found {
            if budget.takes(&it.stored.record.text) || kept.is_empty() {
                kept.push(it);
            }
        }
        let around = match expand {
            Expand::None => {
                return Ok(kept
                    .into_iter()
                    .map(|it| Shown {
                        text: it.stored.record.text.clone(),
                        merged: vec![it.stored.record.ordinal],
                        found: it,
                    })
                    .collect());
            }
            Expand::Neighbours => {
                let mut reading = self.begin_reading().await?;
                self.neighbours(&mut reading, &kept, &mut budget).await?
            }
            Expand::Parent => {
                let mut reading = self.begin_reading().await?;
                self.parents(&mut reading, &kept, &mut budget).await?
            }
        };
        let joined = match expand {
            Expand::None | Expand::Neighbours => side_by_side,
            Expand::Parent => same_passage,
        };
        Ok(put_together(kept, around, joined))
    }

    /// The records before and behind each that was found, as far as the budget goes.
    async fn neighbours(
        &self,
        reading: &mut Reading,
        found: &[Found],
        budget: &mut Budget,
    ) -> Result<Vec<StoredRecord>, KnowledgeError> {
        let there: BTreeSet<i64> = found.iter().map(|it| it.stored.row).collect();
        let beside = |row: i64| {
            let (version, ordinal) = (version_of(row), ordinal_of(row));
            let before = ordinal.checked_sub(1);
            let behind = (ordinal < MAX_ORDINAL).then_some(ordinal + 1);
            before.into_iter().chain(behind).map(move |it| row_of(version, it))
        };
        let wanted: BTreeSet<i64> = there.iter().copied().flat_map(beside).filter(|it| !there.contains(it)).collect();
        let rows: Vec<i64> = wanted.into_iter().collect();
        let mut read: HashMap<i64, StoredRecord> = self.read_records(reading, &rows).await?;
        let mut taken = Vec::new();
        for hit in found {
            for row in beside(hit.stored.row) {
                let fits = read.get(&row).is_some_and(|it| {
                    it.record.position.part == hit.stored.record.position.part && budget.takes(&it.record.text)
                });
                if fits {
                    taken.extend(read.remove(&row));
                }
            }
        }
        Ok(taken)
    }

    /// The other records of each one's larger passage, if all of them fit.
    async fn parents(
        &self,
        reading: &mut Reading,
        found: &[Found],
        budget: &mut Budget,
    ) -> Result<Vec<StoredRecord>, KnowledgeError> {
        let mut there: BTreeSet<i64> = found.iter().map(|it| it.stored.row).collect();
        let mut taken = Vec::new();
        for hit in found {
            if hit.stored.record.position.parent.is_none() {
                continue;
            }
            let (version, ordinal) = (hit.stored.version(), hit.stored.record.ordinal);
            let from = row_of(version, ordinal.saturating_sub(PARENT_REACH));
            let to = row_of(version, ordinal.saturating_add(PARENT_REACH).min(MAX_ORDINAL));
            let mut others = self.read_range(reading, (from, to)).await?;
            others.retain(|it| same_passage(it, &hit.stored) && !there.contains(&it.row));
            let whole: String = others.iter().map(|it| it.record.text.as_str()).collect();
            if budget.takes(&whole) {
                there.extend(others.iter().map(|it| it.row));
                taken.extend(others);
            }
        }
        Ok(taken)
    }
}

fn same_passage(one: &StoredRecord, other: &StoredRecord) -> bool {
    let (a, b) = (&one.record.position, &other.record.position);
    one.version() == other.version() && a.parent.is_some() && a.parent == b.parent && a.part == b.part
}

fn side_by_side(before: &StoredRecord, behind: &StoredRecord) -> bool {
    before.row + 1 == behind.row && before.record.position.part == behind.record.position.part
}

/// Joins what belongs together, in the order of the rows; the best of the records that were found stands for each.
fn put_together(
    found: Vec<Found>,
    around: Vec<StoredRecord>,
    joined: fn(&StoredRecord, &StoredRecord) -> bool,
) -> Vec<Shown> {
    let mut records: BTreeMap<i64, (StoredRecord, Option<usize>)> =
        around.into_iter().map(|it| (it.row, (it, None))).collect();
    for (at, it) in found.iter().enumerate() {
        records.insert(it.stored.row, (it.stored.clone(), Some(at)));
    }
    let mut groups: Vec<Vec<(StoredRecord, Option<usize>)>> = Vec::new();
    for next in records.into_values() {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|(last, _)| joined(last, &next.0)) => group.push(next),
            Some(_) | None => groups.push(vec![next]),
        }
    }
    // Each group by its best record; a group of none that was found does not come about.
    let mut by_best: BTreeMap<usize, Vec<StoredRecord>> = BTreeMap::new();
    for group in groups {
        if let Some(best) = group.iter().filter_map(|(_, at)| *at).min() {
            by_best.insert(best, group.into_iter().map(|(it, _)| it).collect());
        }
    }
    let mut shown = Vec::new();
    for (at, it) in found.into_iter().enumerate() {
        if let Some(group) = by_best.remove(&at) {
            let merged = group.iter().map(|it| it.record.ordinal).collect();
            shown.push(Shown { found: it, text: text_of(&group), merged });
        }
    }
    shown
}

/// Texts one after the other, without what each repeats of the one before.
fn text_of(group: &[StoredRecord]) -> String {
    let mut text = String::new();
    let mut before: Option<&StoredRecord> = None;
    for it in group {
        let own = it.record.text.as_str();
        let overlap = usize::try_from(it.record.position.overlap).unwrap_or(0);
        let cut = own.char_indices().nth(overlap).map_or(own.len(), |(at, _)| at);
        let (repeated, rest) = own.split_at(cut);
        let follows = before.is_some_and(|before| before.row + 1 == it.row);
        // An edited record may repeat nothing any more.
        if follows && overlap > 0 && text.ends_with(repeated) {
            text.push_str(rest);
        } else {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(own);
        }
        before = Some(it);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Position, Record};

    fn record(ordinal: u32, text: &str, overlap: u32) -> StoredRecord {
        let position = Position { overlap, ..Position::default() };
        StoredRecord {
            row: row_of(1, ordinal),
            document: "d".to_owned(),
            document_id: "d".to_owned(),
            record: Record { ordinal, text: text.to_owned(), position, ..Record::default() },
        }
    }

    #[test]
    fn what_is_repeated_is_said_once() {
        let parts = [record(0, "甲乙丙丁", 0), record(1, "丙丁戊己", 2), record(2, "庚辛", 0)];
        assert_eq!(text_of(&parts), "甲乙丙丁戊己\n庚辛");
        let edited = [record(0, "甲乙", 0), record(1, "丙丁戊己", 2)];
        assert_eq!(text_of(&edited), "甲乙\n丙丁戊己");
        let apart = [record(0, "甲丙丁", 0), record(4, "丙丁戊己", 2)];
        assert_eq!(text_of(&apart), "甲丙丁\n丙丁戊己");
        assert_eq!(text_of(&[record(0, "甲", 0), record(1, "甲", 9)]), "甲");
    }

    #[test]
    fn a_budget_takes_what_fits() {
        let mut budget = Budget(Some(4));
        assert!(budget.takes("麻婆豆"));
        assert!(!budget.takes("鱼汤"));
        assert!(budget.takes("tofu"));
        assert!(Budget(None).takes("anything"));
    }
}
