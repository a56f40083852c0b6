//! Finds what tells who somebody is: numbers of phones, identity cards and bank cards, addresses. Scanners written by hand,
//! because what decides are checksums, dates and lengths, which patterns cannot say.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::normal::Normal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Phone,
    Email,
    IdCard,
    BankCard,
    Ip,
    Passport,
    Url,
}

pub(super) const KINDS: [Kind; 7] =
    [Kind::Phone, Kind::Email, Kind::IdCard, Kind::BankCard, Kind::Ip, Kind::Passport, Kind::Url];
pub(super) const DEFAULT_KINDS: [Kind; 4] = [Kind::Phone, Kind::Email, Kind::IdCard, Kind::BankCard];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Phone => "phone",
            Kind::Email => "email",
            Kind::IdCard => "id_card",
            Kind::BankCard => "bank_card",
            Kind::Ip => "ip",
            Kind::Passport => "passport",
            Kind::Url => "url",
        }
    }

    /// What stands in its place, in English and in Chinese.
    pub(super) fn marks(self) -> (&'static str, &'static str) {
        match self {
            Kind::Phone => ("[phone]", "[电话]"),
            Kind::Email => ("[email]", "[邮箱]"),
            Kind::IdCard => ("[ID number]", "[身份证号]"),
            Kind::BankCard => ("[card number]", "[银行卡号]"),
            Kind::Ip => ("[IP address]", "[IP 地址]"),
            Kind::Passport => ("[passport number]", "[护照号]"),
            Kind::Url => ("[link]", "[网址]"),
        }
    }
}

/// A stretch of normalised characters.
pub(super) type Found = (usize, usize, Kind);

/// Everything of the given kinds, in no particular order.
pub(super) fn find(text: &Normal, kinds: &[Kind]) -> Vec<Found> {
    let mut found = numbers(text, kinds);
    if kinds.contains(&Kind::Email) {
        emails(text, &mut found);
    }
    if kinds.contains(&Kind::Url) {
        urls(text, &mut found);
    }
    if kinds.contains(&Kind::Ip) || kinds.contains(&Kind::Passport) {
        words(text, kinds, &mut found);
    }
    found
}

/// Digits in a row.
#[derive(Clone, Copy)]
struct Group {
    from: usize,
    until: usize,
}

impl Group {
    fn len(self) -> usize {
        self.until - self.from
    }
}

/// A number of more groups than this is several numbers.
const MOST_GROUPS: usize = 6;
/// Digits of the longest card number, with room for a country's prefix.
const MOST_DIGITS: usize = 19;

fn numbers(text: &Normal, kinds: &[Kind]) -> Vec<Found> {
    let groups = groups(text);
    let mut found = Vec::new();
    let mut first = 0;
    while first < groups.len() {
        let chain = chain(text, groups.get(first..).unwrap_or_default());
        let hit = (1..=chain.len()).rev().find_map(|count| {
            let number = Number::new(text, chain.get(..count)?)?;
            number.kind(kinds).map(|(from, until, kind)| (count, (from, until, kind)))
        });
        match hit {
            Some((count, it)) => {
                found.push(it);
                first += count;
            }
            None => first += 1,
        }
    }
    found
}

fn groups(text: &Normal) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut index = 0;
    while index < text.len() {
        let until = text.skip(index, |it| it.is_ascii_digit());
        if until > index {
            groups.push(Group { from: index, until });
        }
        index = until.max(index + 1);
    }
    groups
}

/// The first group and those after it that may belong to the same number: only a space, a dash or brackets between them.
fn chain<'g>(text: &Normal, groups: &'g [Group]) -> &'g [Group] {
    let mut digits = groups.first().map_or(0, |it| it.len());
    let mut count = 1;
    for pair in groups.windows(2).take(MOST_GROUPS - 1) {
        let [before, after] = pair else { break };
        let gap = after.from - before.until;
        let between = text.skip(before.until, |it| matches!(it, ' ' | '-' | '(' | ')'));
        digits += after.len();
        if gap > 2 || between < after.from || digits > MOST_DIGITS + 4 {
            break;
        }
        count += 1;
    }
    groups.get(..count).unwrap_or_default()
}

/// Groups of digits, read as one number.
struct Number<'t> {
    text: &'t Normal,
    groups: &'t [Group],
    digits: Vec<u32>,
    from: usize,
    until: usize,
}

impl<'t> Number<'t> {
    /// None where letters or a decimal point show that the digits are part of something else.
    fn new(text: &'t Normal, groups: &'t [Group]) -> Option<Number<'t>> {
        let (from, until) = (groups.first()?.from, groups.last()?.until);
        let is_word = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric() || it == '_');
        let is_digit = |it: Option<char>| it.is_some_and(|it| it.is_ascii_digit());
        let point_before = text.before(from) == Some('.') && from > 1 && is_digit(text.get(from - 2));
        let point_after = text.get(until) == Some('.') && is_digit(text.get(until + 1));
        let x_after = text.get(until) == Some('x') && !is_word(text.get(until + 1));
        if is_word(text.before(from)) || point_before || point_after || (is_word(text.get(until)) && !x_after) {
            return None;
        }
        let digits: Vec<u32> = groups
            .iter()
            .flat_map(|it| text.characters.get(it.from..it.until).unwrap_or_default())
            .filter_map(|it| it.to_digit(10))
            .collect();
        Some(Number { text, groups, digits, from, until })
    }

    fn kind(&self, kinds: &[Kind]) -> Option<Found> {
        let wanted = |it: Kind| kinds.contains(&it);
        if wanted(Kind::IdCard)
            && let Some(until) = self.id_card()
        {
            return Some((self.from, until, Kind::IdCard));
        }
        if self.text.get(self.until) == Some('x') {
            return None;
        }
        if wanted(Kind::Phone)
            && let Some(from) = self.phone()
        {
            return Some((from, self.until, Kind::Phone));
        }
        (wanted(Kind::BankCard) && self.is_bank_card()).then_some((self.from, self.until, Kind::BankCard))
    }

    /// Where a Chinese identity card's number ends: 18 digits of which the last is a checksum and may be an X, or the older
    /// 15, both with a region and a date of birth in them.
    fn id_card(&self) -> Option<usize> {
        let (mut digits, mut until) = (self.digits.clone(), self.until);
        let has_x = digits.len() == 17 && self.text.get(until) == Some('x');
        if has_x {
            digits.push(10);
            until += 1;
        }
        let number = |from: usize, count: usize| digits.iter().skip(from).take(count).fold(0, |sum, it| sum * 10 + it);
        let region = matches!(number(0, 2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83);
        let date = |month: u32, day: u32| (1..=12).contains(&month) && (1..=31).contains(&day);
        match digits.len() {
            18 => {
                const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
                let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
                // The checksum of GB 11643: 12 minus the sum modulo 11, modulo 11; ten is written as X.
                let checks = digits.last() == Some(&((12 - sum % 11) % 11));
                let born = (1850..=2150).contains(&number(6, 4)) && date(number(10, 2), number(12, 2));
                (region && born && checks).then_some(until)
            }
            15 => (region && date(number(8, 2), number(10, 2))).then_some(until),
            _ => None,
        }
    }

    /// Where a phone's number begins: with a `+` and a country, Chinese mobile and landline numbers, North American ones.
    fn phone(&self) -> Option<usize> {
        let lengths: Vec<usize> = self.groups.iter().map(|it| it.len()).collect();
        if self.text.before(self.from) == Some('+') {
            return (7..=15).contains(&self.digits.len()).then(|| self.from - 1);
        }
        let bare = match self.digits.as_slice() {
            [0, 0, 8, 6, rest @ ..] => rest,
            [8, 6, rest @ ..] if rest.len() == 11 => rest,
            all => all,
        };
        let mobile = matches!(bare, [1, 3..=9, ..]) && bare.len() == 11;
        let american = matches!(lengths.as_slice(), [3, 3, 4]) && matches!(self.digits.first(), Some(2..=9))
            || matches!(lengths.as_slice(), [1, 3, 3, 4]) && self.digits.first() == Some(&1);
        let opened = self.from - usize::from(self.text.before(self.from) == Some('('));
        (mobile || american || is_landline(bare)).then_some(opened)
    }

    /// The numbers of payment cards, by Luhn's checksum and the first digits that are given out.
    fn is_bank_card(&self) -> bool {
        let all_alike = self.digits.windows(2).all(|it| matches!(it, [a, b] if a == b));
        let in_groups = self.groups.len() == 1 || self.groups.iter().rev().skip(1).all(|it| it.len() >= 4);
        let sum: u32 = self
            .digits
            .iter()
            .rev()
            .enumerate()
            .map(|(index, digit)| match (index % 2, digit * 2) {
                (0, _) => *digit,
                (_, double @ 0..=9) => double,
                (_, double) => double - 9,
            })
            .sum();
        let issued = matches!(self.digits.first(), Some(2..=6 | 9));
        (13..=MOST_DIGITS).contains(&self.digits.len()) && issued && in_groups && !all_alike && sum.is_multiple_of(10)
    }
}

/// A Chinese area code with a local number: `010` and `02x` have eight digits after them, others seven or eight.
fn is_landline(digits: &[u32]) -> bool {
    match digits {
        [0, 1, 0, local @ ..] | [0, 2, _, local @ ..] => local.len() == 8 && matches!(local.first(), Some(2..=8)),
        [0, 3..=9, _, _, local @ ..] => (7..=8).contains(&local.len()) && matches!(local.first(), Some(2..=8)),
        _ => false,
    }
}

fn emails(text: &Normal, found: &mut Vec<Found>) {
    let is_local = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '%' | '+' | '-');
    let is_domain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-');
    for (at, _) in text.characters.iter().enumerate().filter(|(_, it)| **it == '@') {
        // RFC 5321: 64 characters before the @, 255 after it.
        let before = text.characters.get(at.saturating_sub(64)..at).unwrap_or_default();
        let local = before.iter().rev().take_while(|it| is_local(**it)).count();
        let mut until = text.skip(at + 1, is_domain).min(at + 256);
        while until > at + 1 && matches!(text.before(until), Some('.' | '-')) {
            until -= 1;
        }
        let domain = text.slice(at + 1, until);
        let top = domain.rsplit('.').next().unwrap_or_default();
        let is_top = top.len() >= 2 && top.bytes().all(|it| it.is_ascii_alphabetic());
        if local > 0 && is_top && domain.contains('.') && !domain.starts_with('.') && !domain.contains("..") {
            found.push((at - local, until, Kind::Email));
        }
    }
}

fn urls(text: &Normal, found: &mut Vec<Found>) {
    let mut index = 0;
    while index < text.len() {
        let starts = |prefix: &str| prefix.chars().enumerate().all(|(offset, it)| text.get(index + offset) == Some(it));
        let fresh = !text.before(index).is_some_and(|it| it.is_ascii_alphanumeric());
        if !fresh || !(starts("http://") || starts("https://") || starts("www.")) {
            index += 1;
            continue;
        }
        let mut until = text.skip(index, |it| it.is_ascii_graphic() && !matches!(it, '"' | '\'' | '<' | '>' | '`'));
        while matches!(text.before(until), Some('.' | ',' | ';' | ':' | '!' | '?' | ')' | ']')) {
            until -= 1;
        }
        found.push((index, until, Kind::Url));
        index = until.max(index + 1);
    }
}

/// Addresses of machines and numbers of Chinese passports: words that are nothing else.
fn words(text: &Normal, kinds: &[Kind], found: &mut Vec<Found>) {
    let mut index = 0;
    while index < text.len() {
        let mut until = text.skip(index, |it| it.is_ascii_alphanumeric() || matches!(it, '.' | ':'));
        let after = until.max(index + 1);
        while until > index && matches!(text.before(until), Some('.')) {
            until -= 1;
        }
        // Longer than an IPv6 address with an IPv4 address in it.
        if (7..=45).contains(&(until - index)) {
            let word = text.slice(index, until);
            let is_ip = word.parse::<Ipv4Addr>().is_ok() || word.parse::<Ipv6Addr>().is_ok();
            if is_ip && kinds.contains(&Kind::Ip) {
                found.push((index, until, Kind::Ip));
            } else if is_passport(&word) && kinds.contains(&Kind::Passport) {
                found.push((index, until, Kind::Passport));
            }
        }
        index = after;
    }
}

/// `E12345678`, `EA1234567`, and the letters of official, diplomatic and Hong Kong ones.
fn is_passport(word: &str) -> bool {
    let all_digits = |it: Option<&str>| it.is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()));
    let letter = word.bytes().next();
    let second = word.as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic);
    word.len() == 9
        && (matches!(letter, Some(b'e' | b'g' | b'd' | b's' | b'p' | b'h' | b'k')) && all_digits(word.get(1..))
            || letter == Some(b'e') && second && all_digits(word.get(2..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let normal = Normal::new(text);
        let mut all = find(&normal, &KINDS);
        all.sort_by_key(|it| it.0);
        all.into_iter()
            .map(|(from, until, kind)| {
                let (start, end) = normal.place(from, until);
                (kind.name(), text.chars().skip(start).take(end - start).collect())
            })
            .collect()
    }

    #[test]
    fn every_kind_is_found_however_it_is_written() {
        for (text, kind, part) in [
            ("打13800138000找我", "phone", "13800138000"),
            ("１３８ ００１３ ８０００", "phone", "１３８ ００１３ ８０００"),
            ("138\u{200B}0013\u{200B}8000", "phone", "138\u{200B}0013\u{200B}8000"),
            ("电话 +86 138-0013-8000。", "phone", "+86 138-0013-8000"),
            ("0086 13800138000", "phone", "0086 13800138000"),
            ("订单 2024 13800138000", "phone", "13800138000"),
            ("座机(010) 62345678", "phone", "(010) 62345678"),
            ("0571-87654321", "phone", "0571-87654321"),
            ("call +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
            ("415-555-2671", "phone", "415-555-2671"),
            ("身份证11010519491231002X", "id_card", "11010519491231002X"),
            ("110105 19491231 002x", "id_card", "110105 19491231 002x"),
            ("110105491231002", "id_card", "110105491231002"),
            ("卡号6222 0212 3456 7890 128", "bank_card", "6222 0212 3456 7890 128"),
            ("4111-1111-1111-1111", "bank_card", "4111-1111-1111-1111"),
            ("写信给a.b+c@mail.example.com。", "email", "a.b+c@mail.example.com"),
            ("ｔｅｓｔ＠example.com", "email", "ｔｅｓｔ＠example.com"),
            ("从192.168.0.1.", "ip", "192.168.0.1"),
            ("2001:db8::1 is it", "ip", "2001:db8::1"),
            ("护照E12345678", "passport", "E12345678"),
            ("见 https://example.com/a?b=1。", "url", "https://example.com/a?b=1"),
        ] {
            assert_eq!(found(text), [(kind, part.to_owned())], "{text}");
        }
    }

    #[test]
    fn ordinary_numbers_are_nothing() {
        for text in [
            "2026-10-01 12:30:45",
            "1759291845000",
            "共 12345678 元",
            "3.14159265358979",
            "12800138000",
            "4111 1111 1111 1112",
            "110105194912310021",
            "SKU13800138000A",
            "v1.2.3",
            "0.13800138000",
            "a@b",
            "0000000000000000",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
