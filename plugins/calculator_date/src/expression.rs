//! Expressions as people type them: `1,200 × 15%`, `3.5万 + 2亿`, `round(100/3, 2)`, `（单价＋运费）×数量`.

mod functions;
mod reader;

use std::collections::BTreeMap;

use parlour_plugin_sdk::Result;

use crate::number::{Number, wrong};
use functions::FUNCTIONS;
use reader::Token;

const MAX_CHARACTERS: usize = 2_000;
/// Brackets in brackets; the parser calls itself for each.
const MAX_DEPTH: usize = 60;

/// Computes an expression. `variables` are what names in it stand for.
pub(crate) fn compute(text: &str, variables: &BTreeMap<String, Number>) -> Result<Number> {
    let length = text.chars().count();
    if length > MAX_CHARACTERS {
        return wrong(format!("the expression has {length} characters; at most {MAX_CHARACTERS} are computed"));
    }
    let tokens = reader::tokens(text, variables)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, variables };
    let value = parser.sum()?;
    match parser.peek() {
        None => Ok(value),
        Some(Token::Mark(')')) => wrong("there is one `)` too many"),
        Some(token) => wrong(format!("an operator is missing before {}", said(token))),
    }
}

fn said(token: &Token) -> String {
    match token {
        Token::Number(number) => format!("`{}`", number.written().0),
        Token::Name(name) => format!("`{name}`"),
        Token::Mark('m') => "`%`".to_owned(),
        Token::Mark(mark) => format!("`{mark}`"),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    variables: &'a BTreeMap<String, Number>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, marks: &[char]) -> Option<char> {
        let Some(Token::Mark(mark)) = self.peek() else { return None };
        let mark = marks.contains(mark).then_some(*mark)?;
        self.at += 1;
        Some(mark)
    }

    fn sum(&mut self) -> Result<Number> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return wrong(format!("there are brackets in brackets more than {MAX_DEPTH} times"));
        }
        let mut value = self.product()?;
        while let Some(mark) = self.take(&['+', '-']) {
            let other = self.product()?;
            value = if mark == '+' { value.add(&other)? } else { value.subtract(&other)? };
        }
        self.depth -= 1;
        Ok(value)
    }

    fn product(&mut self) -> Result<Number> {
        let mut value = self.signed()?;
        while let Some(mark) = self.take(&['*', '/', 'm']) {
            let other = self.signed()?;
            value = match mark {
                '*' => value.multiply(&other)?,
                '/' => value.divide(&other)?,
                _ => value.modulo(&other)?,
            };
        }
        Ok(value)
    }

    /// A sign binds less than a power: -2^2 is -4.
    fn signed(&mut self) -> Result<Number> {
        let mut negative = false;
        while let Some(mark) = self.take(&['+', '-']) {
            negative ^= mark == '-';
        }
        let value = self.power()?;
        Ok(if negative { value.negative() } else { value })
    }

    fn power(&mut self) -> Result<Number> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return wrong(format!("there are powers of powers more than {MAX_DEPTH} times"));
        }
        let mut value = self.primary()?;
        loop {
            match self.take(&['%', '‰', '!']) {
                Some('%') => value = value.divide(&Number::from(100))?,
                Some('‰') => value = value.divide(&Number::from(1000))?,
                Some(_) => value = value.factorial()?,
                None => break,
            }
        }
        if self.take(&['^']).is_some() {
            let exponent = self.signed()?;
            value = value.power(&exponent)?;
        }
        self.depth -= 1;
        Ok(value)
    }

    fn primary(&mut self) -> Result<Number> {
        let Some(token) = self.peek().cloned() else { return wrong("the expression ends where a number is missing") };
        self.at += 1;
        match token {
            Token::Number(number) => Ok(number),
            Token::Mark('(') => {
                let value = self.sum()?;
                if self.take(&[')']).is_none() {
                    return wrong("a `)` is missing");
                }
                Ok(value)
            }
            Token::Name(name) if matches!(self.peek(), Some(Token::Mark('('))) => {
                self.at += 1;
                let arguments = self.arguments()?;
                functions::call(&name, &arguments)
            }
            // √2
            Token::Name(name) if name == "sqrt" => self.power()?.square_root(),
            Token::Name(name) => self.named(&name),
            Token::Mark(_) => wrong(format!("a number is missing before {}", said(&token))),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Number>> {
        let mut arguments = Vec::new();
        if self.take(&[')']).is_some() {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.sum()?);
            match self.take(&[',', ')']) {
                Some(',') => {}
                Some(_) => return Ok(arguments),
                None => return wrong("a `)` is missing after a function's arguments"),
            }
        }
    }

    fn named(&self, name: &str) -> Result<Number> {
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        match name.to_lowercase().as_str() {
            "pi" | "π" => Number::from(0).by_float(|_| std::f64::consts::PI),
            "e" => Number::from(0).by_float(|_| std::f64::consts::E),
            lower if FUNCTIONS.contains(&lower) => wrong(format!("`{name}` is a function; write `{lower}(…)`")),
            _ if self.variables.is_empty() => wrong(format!("`{name}` is not known; give its value in `variables`")),
            _ => {
                let known: Vec<&str> = self.variables.keys().map(String::as_str).collect();
                wrong(format!("`{name}` is not known; the variables are {}", known.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(text: &str) -> (String, bool) {
        compute(text, &BTreeMap::new()).unwrap_or_else(|error| panic!("{text}: {error}")).written()
    }

    #[test]
    fn arithmetic_is_exact() {
        for (text, expected) in [
            ("0.1 + 0.2", "0.3"),
            ("1 / 3 * 3", "1"),
            ("2 + 3 * 4 - 6 / 2", "11"),
            ("(2 + 3) * 4", "20"),
            ("-2^2", "-4"),
            ("2^3^2", "512"),
            ("2^-2", "0.25"),
            ("2**10", "1024"),
            ("10 % 3", "1"),
            ("-7 % 3", "2"),
            ("7.5 % 2", "1.5"),
            ("1e3 + 1.5e-1", "1000.15"),
            ("99999999999999999999 * 99999999999999999999", "9999999999999999999800000000000000000001"),
            ("19.99 * 3 * (1 - 0.15)", "50.9745"),
            ("5!", "120"),
            ("--3", "3"),
            ("4^0.5", "2"),
            ("(4/9)^1.5", "0.29629629629629629630"),
        ] {
            assert_eq!(result(text).0.trim_end_matches('0'), expected.trim_end_matches('0'), "{text}");
        }
        assert!(result("0.1+0.2").1 && !result("1/3").1 && result("1/3*3").1);
    }

    #[test]
    fn people_write_numbers_in_many_ways() {
        for (text, expected) in [
            ("1,234,567.89 + 0.11", "1234568"),
            ("200 * 15%", "30"),
            ("15% + 5‰", "0.155"),
            ("200的15%", "30"),
            ("50%-10%", "0.4"),
            ("20%的100", "20"),
            ("15% 加 5%", "0.2"),
            ("7 % 三", "1"),
            ("3.5万 + 2亿", "200035000"),
            ("1亿2000万", "120000000"),
            ("1万2345", "12345"),
            ("3万亿", "3000000000000"),
            ("（１２＋３）×４÷２", "30"),
            ("¥1,200.50 × 2", "2401"),
            ("三万五千 加 五百", "35500"),
            ("100 减去 20 除以 4", "95"),
            ("1_000_000", "1000000"),
            ("√16 + √(9)", "7"),
            (".5 + 1.", "1.5"),
        ] {
            assert_eq!(result(text), (expected.to_owned(), true), "{text}");
        }
    }

    #[test]
    fn functions() {
        for (text, expected) in [
            ("round(100/3, 2)", "33.33"),
            ("round(2.5) + round(-2.5)", "0"),
            ("round(1234, -2)", "1200"),
            ("max(1,234, 5) + min(3, 2)", "236"),
            ("sum(1, 2, 3) / avg(1, 2, 3)", "3"),
            ("median(3, 1, 2) + median(1, 2)", "3.5"),
            ("abs(-3) + sign(-2) + floor(-0.5) + ceil(0.2) + trunc(-1.9)", "1"),
            ("sqrt(0.25)", "0.5"),
            ("pow(2, 8) + mod(-1, 3)", "258"),
            ("MAX(1，2)", "2"),
        ] {
            assert_eq!(result(text).0, expected, "{text}");
        }
        assert_eq!(result("sqrt(2)"), ("1.4142135623730950488".to_owned(), false));
        assert_eq!(result("ln(e^2)").0, "2");
        assert_eq!(result("sqrt(2)^500 / 2^250").0, "1");
        assert_eq!(result(&format!("{}1", "sqrt(3) * sqrt(1/3) * ".repeat(80))), ("1".to_owned(), false));
        assert_eq!(result("sin(pi / 6)").0, "0.5");
        assert_eq!(result("2 * pi").0, "6.28318530717959");
        assert_eq!(result("log(1000) + log(8, 2) + log2(2)").0, "7");
    }

    #[test]
    fn variables_stand_for_numbers() {
        let variables =
            BTreeMap::from([("单价".to_owned(), Number::read("19.9").unwrap()), ("n".to_owned(), Number::from(3))]);
        assert_eq!(compute("单价 * n", &variables).unwrap().written().0, "59.7");
        let error = compute("单价 * m", &variables).unwrap_err().to_string();
        assert!(error.contains("`m` is not known; the variables are n, 单价"), "{error}");
        assert_eq!(compute("单价乘n", &variables).unwrap().written().0, "59.7");
        let variables = BTreeMap::from([("加班费".to_owned(), Number::from(100)), ("加".to_owned(), Number::from(5))]);
        assert_eq!(compute("加班费 + 加", &variables).unwrap().written().0, "105");
        let variables =
            BTreeMap::from([("块数（个）".to_owned(), Number::from(4)), ("元".to_owned(), Number::from(9))]);
        assert_eq!(compute("3元 × 块数（个）", &variables).unwrap().written().0, "12");
    }

    #[test]
    fn mistakes_are_told_in_words() {
        for (text, words) in [
            ("", "ends where a number is missing"),
            ("1 +", "ends where a number is missing"),
            ("1 / 0", "divides by zero"),
            ("5 % (1 - 1)", "divides by zero"),
            ("0^-1", "divides by zero"),
            ("(1 + 2", "a `)` is missing"),
            ("1 + 2)", "one `)` too many"),
            ("2 3", "an operator is missing before `3`"),
            ("1,23", "an operator is missing before `,`"),
            ("* 2", "a number is missing before `*`"),
            ("foo(1)", "there is no function `foo`"),
            ("round()", "does not take 0 arguments"),
            ("sqrt(-1)", "no square root"),
            ("(-8)^(1/3)", "no such root"),
            ("ln(0)", "positive number"),
            ("9^9^9", "too large"),
            ("10^9999", "3,000 digits"),
            ("1001!", "0 to 1000"),
            ("x + 1", "`x` is not known; give its value in `variables`"),
            ("max", "is a function"),
            ("1 & 2", "`&` is not known"),
            ("1万5", "two ways"),
        ] {
            let error = compute(text, &BTreeMap::new()).map(|it| it.written()).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let deep = format!("{}1", "(".repeat(500));
        assert!(compute(&deep, &BTreeMap::new()).unwrap_err().to_string().contains("brackets"));
        let powers = format!("{}1", "1^".repeat(500));
        assert!(compute(&powers, &BTreeMap::new()).unwrap_err().to_string().contains("powers"));
        assert!(compute(&"1+".repeat(2_000), &BTreeMap::new()).unwrap_err().to_string().contains("4000 characters"));
    }
}
