//! Numbers in Chinese characters: 三、十五、二十、一百零五、三万五千、二〇二六、两亿、三点一四.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero as _;

use crate::number::power_of_ten;

pub(crate) fn digit(character: char) -> Option<u32> {
    Some(match character {
        '零' | '〇' | '○' => 0,
        '一' | '壹' => 1,
        '二' | '两' | '贰' => 2,
        '三' | '叁' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' => 6,
        '七' | '柒' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

/// The power of ten of a unit.
pub(crate) fn unit(character: char) -> Option<i32> {
    Some(match character {
        '十' | '拾' => 1,
        '百' | '佰' => 2,
        '千' | '仟' => 3,
        '万' | '萬' => 4,
        '亿' | '億' => 8,
        _ => return None,
    })
}

/// How many bytes at the start of a text are a number in characters.
pub(crate) fn length(text: &str) -> usize {
    text.find(|character| digit(character).is_none() && unit(character).is_none()).unwrap_or(text.len())
}

/// Reads a whole number; none for what is none, such as 十十 or 万.
pub(crate) fn read(text: &str) -> Option<BigRational> {
    let ten = |exponent: i32| power_of_ten(exponent).to_integer();
    let characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return None;
    }
    // 二〇二六: digits one after the other, as years and numbers of rooms are said.
    if let Some(digits) = characters.iter().map(|it| digit(*it)).collect::<Option<Vec<u32>>>() {
        let value = digits.iter().fold(BigInt::zero(), |value, digit| value * 10 + *digit);
        return Some(BigRational::from_integer(value));
    }
    let (mut total, mut section, mut pending) = (BigInt::zero(), BigInt::zero(), None::<u32>);
    // The unit that a last digit without one belongs below: 三万五 is 35,000, but 三万零五 is 30,005.
    let (mut last_unit, mut after_zero) = (None::<i32>, false);
    let mut small_unit = i32::MAX;
    for character in characters {
        if let Some(value) = digit(character) {
            if pending.is_some_and(|pending| pending != 0) {
                return None;
            }
            after_zero = value == 0;
            pending = Some(value);
            if value == 0 {
                last_unit = None;
            }
            continue;
        }
        let exponent = unit(character)?;
        if exponent < 4 {
            // 十五 is fifteen; no other unit stands alone, and they go down.
            let value = pending.filter(|value| *value != 0).or((exponent == 1).then_some(1))?;
            if exponent >= small_unit {
                return None;
            }
            small_unit = exponent;
            section += ten(exponent) * value;
        } else {
            section += pending.unwrap_or(0);
            if section.is_zero() && total.is_zero() {
                return None;
            }
            // 一万亿 is 10^12: what is there so far counts in the larger unit.
            if exponent == 8 {
                total = (total + section) * ten(8);
            } else {
                total += section * ten(4);
            }
            section = BigInt::zero();
            small_unit = i32::MAX;
        }
        pending = None;
        last_unit = Some(exponent);
        after_zero = false;
    }
    if let Some(value) = pending {
        let below = last_unit.filter(|unit| *unit > 1 && !after_zero);
        section += ten(below.map_or(0, |unit| unit - 1)) * value;
    }
    Some(BigRational::from_integer(total + section))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_read_as_they_are_said() {
        for (text, expected) in [
            ("三", "3"),
            ("两", "2"),
            ("十", "10"),
            ("十五", "15"),
            ("二十", "20"),
            ("九十九", "99"),
            ("一百零五", "105"),
            ("一百五", "150"),
            ("两千三百", "2300"),
            ("三万五", "35000"),
            ("三万零五", "30005"),
            ("三万五千", "35000"),
            ("一亿两千万", "120000000"),
            ("一万亿", "1000000000000"),
            ("二〇二六", "2026"),
            ("十二万三千四百五十六", "123456"),
        ] {
            assert_eq!(read(text).map(|it| it.to_string()).as_deref(), Some(expected), "{text}");
        }
        for wrong in ["", "万", "百", "十十", "一十百", "x", "五三十"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(length("三点"), "三".len());
    }
}
