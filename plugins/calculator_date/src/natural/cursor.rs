//! Where in a text the reading is, and the small things that are read everywhere.

use num_traits::ToPrimitive as _;

use crate::chinese;

/// The text in small letters, with characters of a keyboard for full-width ones.
pub(crate) fn normalized(text: &str) -> String {
    let plain = text.chars().map(|character| match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{3000}' | '\u{a0}' | '\n' | '\t' => ' ',
        '點' => '点',
        '週' => '周',
        '後' => '后',
        '個' => '个',
        '號' => '号',
        '兩' => '两',
        '鐘' => '钟',
        '時' => '时',
        '間' => '间',
        '禮' => '礼',
        other => other,
    });
    plain.collect::<String>().to_lowercase()
}

/// Whether a word may begin here: not inside a Latin word or a number.
pub(crate) fn is_boundary(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    let after = text.get(at..).and_then(|text| text.chars().next());
    match (before, after) {
        (Some(before), Some(after)) if after.is_ascii_alphabetic() => !before.is_ascii_alphabetic(),
        // The 30 of 2月30日, which does not exist, is not the 30th of this month.
        (Some(before), Some(after)) if is_numeral(after) => !(is_numeral(before) || ".:-/年月".contains(before)),
        _ => true,
    }
}

fn is_numeral(character: char) -> bool {
    character.is_ascii_digit()
        || chinese::digit(character).or(chinese::unit(character).map(i32::unsigned_abs)).is_some()
}

#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(crate) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// What stands between a day and a time; says whether `at` was among it, after which a bare number is an hour.
    pub(crate) fn skip_fillers(&mut self) -> bool {
        let mut at = false;
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', ',', '的', '，', '、']);
            at |= self.word("at") || self.word("around");
            for word in ["on", "the", "by", "from"] {
                self.word(word);
            }
            if self.rest.len() == before {
                return at;
            }
        }
    }

    /// Takes the first of these that is next, the longer ones being named first; gives what it stands for.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        let (word, value) = choices.iter().find(|(word, _)| self.rest.starts_with(word))?;
        self.rest = self.rest.get(word.len()..)?;
        Some(*value)
    }

    pub(crate) fn take(&mut self, word: &str) -> bool {
        self.one_of(&[(word, ())]).is_some()
    }

    /// Takes a Latin word that ends here.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest.strip_prefix(word) else { return false };
        if after.starts_with(|next: char| next.is_ascii_alphanumeric()) {
            return false;
        }
        self.rest = after.trim_start_matches(' ');
        true
    }

    /// The first of some Latin words.
    pub(crate) fn word_of<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        choices.iter().find(|(word, _)| self.word(word)).map(|(_, value)| *value)
    }

    /// A whole number in digits or Chinese characters.
    pub(crate) fn number(&mut self) -> Option<i64> {
        self.digits().or_else(|| {
            let length = chinese::length(self.rest);
            let value = chinese::read(self.rest.get(..length)?)?.to_i64()?;
            self.rest = self.rest.get(length..)?;
            Some(value)
        })
    }

    pub(crate) fn digits(&mut self) -> Option<i64> {
        let length = self.rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(self.rest.len());
        let value = self.rest.get(..length).filter(|digits| digits.len() <= 9)?.parse().ok()?;
        self.rest = self.rest.get(length..)?;
        Some(value)
    }

    /// Reads something; if it is not there, nothing is taken.
    pub(crate) fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let found = read(&mut ahead)?;
        *self = ahead;
        Some(found)
    }
}
