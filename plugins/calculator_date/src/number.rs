//! Numbers without rounding: fractions of whole numbers of any size. Only roots and the functions of analysis leave them, and a
//! number remembers how many of its digits are then worth showing.

use num_bigint::BigInt;
use num_integer::Integer as _;
use num_rational::BigRational;
use num_traits::{One as _, Signed as _, ToPrimitive as _, Zero as _};
use parlour_plugin_sdk::{Error, Result};

/// A longer number is a mistake, or an attack; bits of numerator and denominator each (about 3,000 digits).
const MAX_BITS: u64 = 10_000;
/// Digits of a fraction that does not end.
const SHOWN_DIGITS: usize = 20;
/// Bits from which on a number that is not exact is rounded, and the digits that are kept then: more than are right.
const MAX_INEXACT_BITS: u64 = 1_000;
const KEPT_DIGITS: i32 = 60;
/// Digits of a root.
const ROOT_DIGITS: usize = 40;
/// Digits of a floating-point function that are certain.
const FLOAT_DIGITS: usize = 15;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) value: BigRational,
    /// How many digits are right; none for all of them.
    digits: Option<usize>,
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::exactly(BigRational::from_integer(value.into()))
    }
}

/// What cannot be computed is the caller's mistake.
pub(crate) fn wrong<T>(message: impl std::fmt::Display) -> Result<T> {
    Err(Error::invalid_input(message))
}

impl Number {
    pub(crate) fn exactly(value: BigRational) -> Self {
        Self { value, digits: None }
    }

    fn with(value: BigRational, digits: Option<usize>) -> Result<Self> {
        // What is not exact anyway need not grow with every step.
        let size = value.numer().bits().max(value.denom().bits());
        let value = if digits.is_some() && (MAX_INEXACT_BITS..=4 * MAX_BITS).contains(&size) {
            let scale = power_of_ten(KEPT_DIGITS - magnitude(&value));
            (value * &scale).round() / scale
        } else {
            value
        };
        if value.numer().bits() > MAX_BITS || value.denom().bits() > MAX_BITS {
            return wrong("a number on the way has more than 3,000 digits");
        }
        Ok(Self { value, digits })
    }

    /// `123`, `1.5`, `.5`, `1e-3`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || exponent.unsigned_abs() > 3_000 {
            return None;
        }
        let scale = exponent - i32::try_from(fraction.len()).ok()?;
        let value = BigRational::from_integer(digits.parse().ok()?) * power_of_ten(scale);
        Self::with(value, None).ok()
    }

    fn of_float(value: f64) -> Result<Self> {
        match BigRational::from_float(value) {
            Some(value) => Self::with(value, Some(FLOAT_DIGITS)),
            None => wrong("this has no finite value"),
        }
    }

    pub(crate) fn to_float(&self) -> f64 {
        self.value.to_f64().unwrap_or(f64::NAN)
    }

    /// How many of both numbers' digits are right.
    fn digits_with(&self, other: &Self) -> Option<usize> {
        match (self.digits, other.digits) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        }
    }

    pub(crate) fn add(&self, other: &Self) -> Result<Self> {
        Self::with(&self.value + &other.value, self.digits_with(other))
    }

    pub(crate) fn subtract(&self, other: &Self) -> Result<Self> {
        Self::with(&self.value - &other.value, self.digits_with(other))
    }

    pub(crate) fn multiply(&self, other: &Self) -> Result<Self> {
        Self::with(&self.value * &other.value, self.digits_with(other))
    }

    pub(crate) fn divide(&self, other: &Self) -> Result<Self> {
        if other.value.is_zero() {
            return wrong("this divides by zero");
        }
        Self::with(&self.value / &other.value, self.digits_with(other))
    }

    /// What is left of a division, with the sign of the divisor, as in spreadsheets.
    pub(crate) fn modulo(&self, other: &Self) -> Result<Self> {
        if other.value.is_zero() {
            return wrong("this divides by zero");
        }
        let quotient = (&self.value / &other.value).floor();
        Self::with(&self.value - quotient * &other.value, self.digits_with(other))
    }

    pub(crate) fn negative(&self) -> Self {
        Self { value: -self.value.clone(), digits: self.digits }
    }

    pub(crate) fn absolute(&self) -> Self {
        Self { value: self.value.abs(), digits: self.digits }
    }

    /// Exact for whole exponents, and for roots that come out.
    pub(crate) fn power(&self, exponent: &Self) -> Result<Self> {
        if exponent.value.is_integer() {
            let Some(times) = exponent.value.to_i32().filter(|times| times.unsigned_abs() <= 10_000) else {
                return wrong("the exponent is too large");
            };
            if self.value.is_zero() && times < 0 {
                return wrong("this divides by zero");
            }
            let bits = self.value.numer().bits().max(self.value.denom().bits());
            // 1 may be raised as often as one likes; anything else grows by so many bits each time.
            if bits > 1 && bits.saturating_mul(u64::from(times.unsigned_abs())) > 2 * MAX_BITS {
                if self.digits.is_some() {
                    return self.inexact_power(times);
                }
                return wrong("the power has more than 3,000 digits");
            }
            return Self::with(self.value.pow(times), self.digits_with(exponent));
        }
        if *exponent.value.denom() == BigInt::from(2) {
            let root = self.square_root()?;
            return root.power(&Self {
                value: BigRational::from_integer(exponent.value.numer().clone()),
                digits: exponent.digits,
            });
        }
        if self.value.is_negative() {
            return wrong("a negative number has no such root");
        }
        Self::of_float(self.to_float().powf(exponent.to_float()))
    }

    /// By squares, each of which is rounded.
    fn inexact_power(&self, times: i32) -> Result<Self> {
        let mut power = Self { value: BigRational::one(), digits: self.digits };
        let (mut square, mut left) = (self.clone(), times.unsigned_abs());
        while left > 0 {
            if left % 2 == 1 {
                power = power.multiply(&square)?;
            }
            left /= 2;
            if left > 0 {
                square = square.multiply(&square)?;
            }
        }
        if times < 0 { Self::from(1).divide(&power) } else { Ok(power) }
    }

    pub(crate) fn square_root(&self) -> Result<Self> {
        if self.value.is_negative() {
            return wrong("a negative number has no square root");
        }
        let (numerator, denominator) = (self.value.numer().sqrt(), self.value.denom().sqrt());
        if &(&numerator * &numerator) == self.value.numer() && &(&denominator * &denominator) == self.value.denom() {
            return Self::with(BigRational::new(numerator, denominator), self.digits);
        }
        // √(n/d) = √(n·d·10^2k) / (d·10^k); k is what small numbers need as well.
        let room = self.value.denom().bits().saturating_sub(self.value.numer().bits()) / 3;
        let places =
            u32::try_from(room).unwrap_or(u32::MAX).saturating_add(u32::try_from(ROOT_DIGITS).unwrap_or(0)).min(2_000);
        let scale = BigInt::from(10).pow(places);
        let root = (self.value.numer() * self.value.denom() * &scale * &scale).sqrt();
        Self::with(
            BigRational::new(root, self.value.denom() * scale),
            Some(self.digits.unwrap_or(ROOT_DIGITS).min(ROOT_DIGITS)),
        )
    }

    /// A function of analysis, by floating point.
    pub(crate) fn by_float(&self, function: impl Fn(f64) -> f64) -> Result<Self> {
        Self::of_float(function(self.to_float()))
    }

    /// To so many decimal places (tens and hundreds where that is negative); halves go away from zero, as people round.
    pub(crate) fn rounded(&self, places: i32) -> Self {
        let scale = power_of_ten(places);
        Self::exactly((&self.value * &scale).round() / scale)
    }

    pub(crate) fn floor(&self) -> Self {
        Self::exactly(self.value.floor())
    }

    pub(crate) fn ceiling(&self) -> Self {
        Self::exactly(self.value.ceil())
    }

    pub(crate) fn truncated(&self) -> Self {
        Self::exactly(self.value.trunc())
    }

    pub(crate) fn factorial(&self) -> Result<Self> {
        let Some(number) =
            self.value.is_integer().then(|| self.value.to_u32()).flatten().filter(|number| *number <= 1_000)
        else {
            return wrong("a factorial is that of a whole number from 0 to 1000");
        };
        Self::with(
            BigRational::from_integer((1..=number).fold(BigInt::one(), |product, factor| product * factor)),
            None,
        )
    }

    /// In 万 or 亿 where it is as large, to two decimal places.
    pub(crate) fn in_units(&self) -> Result<String> {
        let size = magnitude(&self.value);
        let (power, unit) = match size {
            12.. => (12, "万亿"),
            8..=11 => (8, "亿"),
            4..=7 => (4, "万"),
            _ => (0, ""),
        };
        let value = self.divide(&Self::exactly(power_of_ten(power)))?.rounded(2);
        Ok(value.written().0 + unit)
    }

    /// In full, as a decimal number; and whether that is all of it.
    pub(crate) fn written(&self) -> (String, bool) {
        if let (None, Some(places)) = (self.digits, decimal_places(self.value.denom())) {
            return (self.decimal(places), true);
        }
        let digits = self.digits.unwrap_or(SHOWN_DIGITS).min(SHOWN_DIGITS);
        // So many places that this many digits are left, whichever size the number has.
        let places = i32::try_from(digits).unwrap_or(0) - 1 - magnitude(&self.value);
        let rounded = self.rounded(places);
        (rounded.decimal(u32::try_from(places).unwrap_or(0)), false)
    }

    /// With so many decimal places, and no zeros at their end.
    fn decimal(&self, places: u32) -> String {
        let scaled = (self.value.abs() * power_of_ten(i32::try_from(places).unwrap_or(0))).round().to_integer();
        let digits = scaled.to_string();
        let places = usize::try_from(places).unwrap_or(0);
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at_checked(padded.len() - places).unwrap_or((&padded, ""));
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.value.is_negative() && !scaled.is_zero() { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

pub(crate) fn power_of_ten(exponent: i32) -> BigRational {
    let power = BigInt::from(10).pow(exponent.unsigned_abs());
    if exponent < 0 { BigRational::new(BigInt::one(), power) } else { BigRational::from_integer(power) }
}

/// How many decimal places a fraction of this denominator has; none if it never ends.
fn decimal_places(denominator: &BigInt) -> Option<u32> {
    let mut left = denominator.clone();
    let mut count = |factor: u32| {
        let factor = BigInt::from(factor);
        let mut times = 0;
        loop {
            let (quotient, rest) = left.div_rem(&factor);
            if !rest.is_zero() {
                return times;
            }
            left = quotient;
            times += 1;
        }
    };
    let (twos, fives) = (count(2), count(5));
    left.is_one().then(|| twos.max(fives))
}

/// The power of ten of its first digit: 0 for 1 to 9, -1 for 0.1.
fn magnitude(value: &BigRational) -> i32 {
    let (numerator, denominator) = (value.numer().abs(), value.denom());
    if numerator.is_zero() {
        return 0;
    }
    let length = |number: &BigInt| i32::try_from(number.to_string().len()).unwrap_or(i32::MAX);
    let guess = length(&numerator) - length(denominator);
    // The lengths leave two possibilities.
    if value.abs() < power_of_ten(guess) { guess - 1 } else { guess }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        let written = |text: &str| Number::read(text).unwrap().written();
        for (text, expected) in
            [("1.50", "1.5"), ("0", "0"), (".005", "0.005"), ("1e3", "1000"), ("12.5E-3", "0.0125"), ("007", "7")]
        {
            assert_eq!(written(text), (expected.to_owned(), true), "{text}");
        }
        let third = Number::from(-1).divide(&Number::from(3)).unwrap();
        assert_eq!(third.written(), ("-0.33333333333333333333".to_owned(), false));
        let large = Number::from(20_000_000).divide(&Number::from(3)).unwrap();
        assert_eq!(large.written().0, "6666666.6666666666667");
        for wrong in ["", ".", "e5", "1e", "1e9999", "1.2.3", "1a"] {
            assert_eq!(Number::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_digit_is_found() {
        for (text, expected) in
            [("1", 0), ("9.99", 0), ("10", 1), ("0.1", -1), ("0.099", -2), ("12345", 4), ("1e-30", -30)]
        {
            assert_eq!(magnitude(&Number::read(text).unwrap().value), expected, "{text}");
        }
    }
}
