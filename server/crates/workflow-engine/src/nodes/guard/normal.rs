//! A text as matching should see it: narrow, small letters, without invisible characters; every character still knows
//! where it stands in the text that was given.

/// Normalised characters with their places.
#[derive(Debug, Default)]
pub(super) struct Normal {
    pub(super) characters: Vec<char>,
    places: Vec<usize>,
}

impl Normal {
    pub(super) fn new(text: &str) -> Normal {
        let mut normal = Normal::default();
        for (place, character) in text.chars().enumerate() {
            if is_invisible(character) {
                continue;
            }
            normal.characters.push(fold(character));
            normal.places.push(place);
        }
        normal
    }

    pub(super) fn get(&self, index: usize) -> Option<char> {
        self.characters.get(index).copied()
    }

    /// The character before an index.
    pub(super) fn before(&self, index: usize) -> Option<char> {
        index.checked_sub(1).and_then(|it| self.get(it))
    }

    pub(super) fn len(&self) -> usize {
        self.characters.len()
    }

    /// The first index from `from` on whose character does not belong.
    pub(super) fn skip(&self, from: usize, belongs: impl Fn(char) -> bool) -> usize {
        let rest = self.characters.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|it| belongs(**it)).count()
    }

    pub(super) fn slice(&self, from: usize, until: usize) -> String {
        self.characters.get(from..until).unwrap_or_default().iter().collect()
    }

    /// Where a stretch of normalised characters stands in the given text; the end is exclusive.
    pub(super) fn place(&self, from: usize, until: usize) -> (usize, usize) {
        let start = self.places.get(from).copied().unwrap_or(0);
        let end = until.checked_sub(1).and_then(|it| self.places.get(it)).map_or(start, |it| it + 1);
        (start, end)
    }
}

/// A character as it is compared: full-width forms are the narrow ones, capitals are small letters.
pub(super) fn fold(character: char) -> char {
    let narrow = match u32::from(character) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0).unwrap_or(character),
        0x3000 | 0x00A0 => ' ',
        // Dashes of all lengths; people and word processors do not tell them apart.
        0x2010..=0x2015 | 0x2212 => '-',
        _ => character,
    };
    let mut small = narrow.to_lowercase();
    // A letter whose small form is several characters stays, so that places stay one to one.
    match (small.next(), small.next()) {
        (Some(one), None) => one,
        (Some(_) | None, _) => narrow,
    }
}

/// Characters that nobody sees and that split words for machines: zero-width ones, soft hyphens, variation selectors.
fn is_invisible(character: char) -> bool {
    matches!(u32::from(character), 0x00AD | 0x034F | 0x061C | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E
        | 0x2060..=0x2064 | 0x2066..=0x206F | 0xFE00..=0xFE0F | 0xFEFF | 0xE0000..=0xE007F)
}

/// Characters of scripts that write words without spaces.
pub(super) fn is_ideograph(character: char) -> bool {
    matches!(u32::from(character), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3134F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_right_when_characters_go() {
        let normal = Normal::new("a\u{200B}Ｂ１");
        assert_eq!(normal.slice(0, 3), "ab1");
        assert_eq!(normal.place(1, 3), (2, 4));
        assert_eq!(normal.place(0, 2), (0, 3));
    }
}
