//! An expression's characters as numbers, names and operators.

use std::collections::BTreeMap;

use parlour_plugin_sdk::Result;

use crate::chinese;
use crate::number::{Number, power_of_ten, wrong};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(Number),
    Name(String),
    /// One of `+-*/^()!,`, `%` for percent, `m` for the rest of a division, `‰`.
    Mark(char),
}

/// Full-width and typographic characters as those of a keyboard.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|character| !matches!(character, '¥' | '￥' | '$' | '€' | '元' | '块'))
        .map(|character| match character {
            '×' | '✕' | '·' | '∙' => '*',
            '÷' => '/',
            '−' | '–' | '—' => '-',
            '，' | '、' => ';',
            '【' | '[' => '(',
            '】' | ']' => ')',
            '\u{ff01}'..='\u{ff5e}' => {
                let ascii = u32::from(character) - 0xfee0;
                char::from_u32(ascii).unwrap_or(character)
            }
            '\u{3000}' => ' ',
            other => other,
        })
        .collect()
}

/// The tokens of a text.
pub(super) fn tokens(text: &str, variables: &BTreeMap<String, Number>) -> Result<Vec<Token>> {
    Reader { text: &plain(text), at: 0, brackets: Vec::new(), variables }.tokens()
}

/// Words for operators, the longer ones first.
const WORDS: &[(&str, char)] = &[
    ("乘以", '*'),
    ("除以", '/'),
    ("加上", '+'),
    ("减去", '-'),
    ("乘", '*'),
    ("加", '+'),
    ("减", '-'),
    ("的", '*'),
    ("**", '^'),
];

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether each open bracket belongs to a function: there a comma separates arguments, elsewhere thousands.
    brackets: Vec<bool>,
    variables: &'a BTreeMap<String, Number>,
}

impl Reader<'_> {
    /// The variable that the text goes on with, and how many bytes of it: 加班费 is one, although 加 is an operator.
    fn variable(&self) -> Option<(String, usize)> {
        let begins = |name: &String| {
            // The text has been made plain, so a name is compared as it would look there.
            let shown = plain(name);
            let after = self.rest().strip_prefix(shown.as_str()).map(|after| after.chars().next());
            let ends = after?.is_none_or(|next| !(next.is_ascii_alphanumeric() || next == '_'));
            (ends && !shown.is_empty()).then_some((name.clone(), shown.len()))
        };
        self.variables.keys().filter_map(begins).max_by_key(|(_, length)| *length)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn goes_on_with_a_number(&self) -> bool {
        let ahead = Reader { text: self.rest().trim_start(), at: 0, brackets: Vec::new(), variables: self.variables };
        let is_word = WORDS.iter().any(|(word, _)| ahead.text.starts_with(word));
        ahead.variable().is_some()
            || (!is_word && ahead.text.starts_with(|it: char| it.is_alphanumeric() || "(.√".contains(it)))
    }

    fn tokens(mut self) -> Result<Vec<Token>> {
        let mut tokens: Vec<Token> = Vec::new();
        loop {
            let skipped = self.rest().len() - self.rest().trim_start().len();
            self.at += skipped;
            let Some(first) = self.rest().chars().next() else { return Ok(tokens) };
            let word = WORDS.iter().find(|(word, _)| self.rest().starts_with(word));
            if let Some((name, length)) = self.variable() {
                self.at += length;
                tokens.push(Token::Name(name));
            } else if first.is_ascii_digit()
                || (first == '.'
                    && self.rest().get(1..2).is_some_and(|it| it.as_bytes().first().is_some_and(u8::is_ascii_digit)))
            {
                let number = self.number()?;
                tokens.push(Token::Number(number));
            } else if let Some((word, mark)) = word {
                self.at += word.len();
                tokens.push(Token::Mark(*mark));
            } else if chinese::length(self.rest()) > 0 {
                let characters = self.rest().get(..chinese::length(self.rest())).unwrap_or_default().to_owned();
                self.at += characters.len();
                let Some(value) = chinese::read(&characters) else {
                    return wrong(format!("`{characters}` is no number"));
                };
                tokens.push(Token::Number(Number::exactly(value)));
            } else if first.is_alphabetic() || first == '_' {
                let end =
                    self.rest().find(|it: char| !(it.is_alphanumeric() || it == '_')).unwrap_or(self.rest().len());
                let end = WORDS.iter().filter_map(|(word, _)| self.rest().get(..end)?.find(word)).min().unwrap_or(end);
                let name = self.rest().get(..end).unwrap_or_default().to_owned();
                self.at += name.len();
                tokens.push(Token::Name(name));
            } else {
                self.at += first.len_utf8();
                self.mark(first, &mut tokens)?;
            }
        }
    }

    fn mark(&mut self, first: char, tokens: &mut Vec<Token>) -> Result<()> {
        let mark = match first {
            '(' => {
                self.brackets.push(matches!(tokens.last(), Some(Token::Name(_))));
                '('
            }
            ')' => {
                self.brackets.pop();
                ')'
            }
            ',' | ';' => ',',
            // Before something that could be a number it is the rest of a division, else a percentage.
            '%' if self.goes_on_with_a_number() => 'm',
            '+' | '-' | '*' | '/' | '^' | '%' | '!' | '‰' => first,
            '√' => {
                tokens.push(Token::Name("sqrt".to_owned()));
                return Ok(());
            }
            other => return wrong(format!("`{other}` is not known here")),
        };
        tokens.push(Token::Mark(mark));
        Ok(())
    }

    /// `1234.5`, `1,234.5`, `1e5`, `3.5万`, `1亿2000万`.
    fn number(&mut self) -> Result<Number> {
        let mut total = Number::from(0);
        let mut below: Option<i32> = None;
        loop {
            let digits = self.digits();
            let Some(value) = Number::read(&digits) else { return wrong(format!("`{digits}` is no number")) };
            let mut exponent = 0;
            while let Some(unit) = self.rest().chars().next().and_then(|it| chinese::unit(it).map(|unit| (it, unit))) {
                self.at += unit.0.len_utf8();
                exponent += unit.1;
            }
            if below.is_some_and(|below| {
                exponent >= below || (exponent == 0 && digits.len() != usize::try_from(below).unwrap_or(0))
            }) {
                return wrong(format!(
                    "`{digits}` after the unit before it can be read in two ways; write the number out"
                ));
            }
            total = total.add(&value.multiply(&Number::exactly(power_of_ten(exponent)))?)?;
            below = Some(exponent).filter(|exponent| *exponent > 0);
            if below.is_none() || !self.rest().starts_with(|it: char| it.is_ascii_digit()) {
                return Ok(total);
            }
        }
    }

    /// The digits of one number, without separators.
    fn digits(&mut self) -> String {
        let thousands = !self.brackets.contains(&true);
        let mut digits = String::new();
        let mut characters = self.rest().char_indices().peekable();
        let mut end = 0;
        while let Some((at, character)) = characters.next() {
            let after = self.rest().get(at + character.len_utf8()..).unwrap_or_default();
            let is_digit = |index: usize| after.as_bytes().get(index).is_some_and(u8::is_ascii_digit);
            match character {
                '0'..='9' => digits.push(character),
                '_' if is_digit(0) => {}
                ',' if thousands
                    && !digits.contains(['.', 'e'])
                    && is_digit(0)
                    && is_digit(1)
                    && is_digit(2)
                    && !is_digit(3) => {}
                '.' if !digits.contains(['.', 'e']) => digits.push('.'),
                'e' | 'E'
                    if !digits.contains('e') && (is_digit(0) || (after.starts_with(['+', '-']) && is_digit(1))) =>
                {
                    digits.push('e');
                    if let Some((_, sign)) = characters.next_if(|(_, next)| matches!(next, '+' | '-')) {
                        digits.push(sign);
                    }
                }
                _ => break,
            }
            end = characters.peek().map_or(self.rest().len(), |(next, _)| *next);
        }
        self.at += end;
        digits
    }
}
