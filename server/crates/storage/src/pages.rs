//! Long lists in pages. A cursor names the last item that was seen, so a page stays right while items are added.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{Result, StorageError};

/// Some items and where to go on; no cursor means that there are no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// A place in a list that is sorted by time and id. Its text is safe in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: i64,
    pub id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Cursor> {
        let read = || {
            let (at, id) = text.split_once('.')?;
            Some(Cursor { at: at.parse().ok()?, id: Uuid::try_parse(id).ok()? })
        };
        read().ok_or_else(|| StorageError::InvalidCursor { cursor: text.chars().take(80).collect() })
    }
}

impl Cursor {
    /// Where a list sorted from new to old begins: everything is older.
    const START: Cursor = Cursor { at: i64::MAX, id: Uuid::max() };

    pub(crate) fn read(text: Option<&str>) -> Result<Cursor> {
        text.map_or(Ok(Cursor::START), str::parse)
    }
}

/// One item more is asked for than is shown: it tells whether there is a next page.
pub(crate) fn with_one_more(limit: i64) -> i64 {
    limit.max(0).saturating_add(1)
}

/// Makes a page of what a query with [`with_one_more`] found.
pub(crate) fn page<T>(mut items: Vec<T>, limit: i64, place: impl Fn(&T) -> (i64, Uuid)) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|it| {
        let (at, id) = place(it);
        Cursor { at, id }.to_string()
    });
    Page { items, next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_refused() {
        let cursor = Cursor { at: -5, id: Uuid::from_u128(77) };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for nonsense in ["", ".", "1", "1.2", "x.00000000000000000000000000000001", "1.0000'; drop table runs; --"] {
            let error = nonsense.parse::<Cursor>().unwrap_err();
            assert!(matches!(&error, StorageError::InvalidCursor { .. }), "{nonsense}: {error}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let place = |it: &i64| (*it, Uuid::nil());
        assert_eq!(page(vec![3, 2], 2, place).next_cursor, None);
        let first = page(vec![3, 2, 1], 2, place);
        assert_eq!(
            (first.items.as_slice(), first.next_cursor.as_deref().unwrap()),
            (&[3, 2][..], "2.00000000000000000000000000000000")
        );
    }
}
