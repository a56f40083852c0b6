//! Bytes into text. Spreadsheets in China save GBK as often as UTF-8, in Taiwan and Hong Kong Big5, and “Unicode text” is
//! UTF-16. A decoding must be complete: one broken byte refuses a candidate, so that no table is stored half in mojibake.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::KnowledgeError;

pub(super) struct Decoded {
    pub text: String,
    pub encoding: String,
    pub warning: Option<String>,
}

pub(super) fn decode(bytes: &[u8], file: &str) -> Result<Decoded, KnowledgeError> {
    let unknown =
        |message: &str| KnowledgeError::UnknownEncoding { file: file.to_owned(), message: message.to_owned() };
    if let Some((encoding, bom)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(bom..).unwrap_or_default();
        let text = strictly(encoding, rest)
            .ok_or_else(|| unknown(&format!("it begins as {} but does not go on so", encoding.name())))?;
        return Ok(Decoded { text, encoding: encoding.name().to_owned(), warning: None });
    }
    if let Some(encoding) = utf_16_without_mark(bytes) {
        let text = strictly(encoding, bytes).ok_or_else(|| unknown("it looks like UTF-16 but is cut off"))?;
        return Ok(Decoded { text, encoding: encoding.name().to_owned(), warning: None });
    }
    if let Some(at) = bytes.iter().position(|it| *it == 0) {
        return Err(unknown(&format!("there is a zero byte at {at}, so it is not text")));
    }
    if let Some(text) = strictly(UTF_8, bytes) {
        return Ok(Decoded { text, encoding: UTF_8.name().to_owned(), warning: None });
    }
    let (encoding, text) = legacy(bytes)
        .ok_or_else(|| unknown("it is neither UTF-8 nor UTF-16, GB18030, Big5 or another one that was tried"))?;
    // GBK is read by its superset, which also knows the rarer characters.
    let chinese = encoding == GB18030 || encoding == BIG5;
    let warning = (!chinese)
        .then(|| format!("the file was read as {}; if its letters look wrong, save it as UTF-8", encoding.name()));
    let name = if encoding == GB18030 { "GB18030" } else { encoding.name() };
    Ok(Decoded { text, encoding: name.to_owned(), warning })
}

fn strictly(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?.into_owned();
    is_text(&text).then_some(text)
}

/// Control characters other than white space, and private-use ones, are the mark of a wrong guess or of a binary.
fn is_text(text: &str) -> bool {
    text.chars()
        .all(|it| !it.is_control() || matches!(it, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{1a}'))
}

/// Half of the bytes of ASCII text in UTF-16 are zero, and all on the same side.
fn utf_16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    const SAMPLE: usize = 4096;
    let sample = bytes.get(..bytes.len().min(SAMPLE)).unwrap_or_default();
    let zeros = |from: usize| sample.iter().skip(from).step_by(2).filter(|it| **it == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let pairs = sample.len() / 2;
    // A table has at least its delimiters and digits in ASCII: a tenth is far below that and far above chance.
    match (even * 10 > pairs, odd * 10 > pairs) {
        (false, true) => Some(UTF_16LE),
        (true, false) => Some(UTF_16BE),
        (true, true) | (false, false) => None,
    }
}

fn legacy(bytes: &[u8]) -> Option<(&'static Encoding, String)> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let guess = if guess == GBK { GB18030 } else { guess };
    if guess == GB18030 || guess == BIG5 {
        if let Some(text) = strictly(guess, bytes) {
            return Some((guess, text));
        }
        let other = if guess == BIG5 { GB18030 } else { BIG5 };
        return strictly(other, bytes).map(|text| (other, text));
    }
    // Few bytes mislead the detector: a short Chinese header can look like Greek or Korean to it. Text that is wholly made
    // of everyday characters in GB18030 is taken for that.
    if let Some(text) = strictly(GB18030, bytes)
        && mostly_chinese(&text)
    {
        return Some((GB18030, text));
    }
    strictly(guess, bytes).map(|text| (guess, text))
}

fn mostly_chinese(text: &str) -> bool {
    let foreign = text.chars().filter(|it| !it.is_ascii());
    let (mut all, mut common) = (0usize, 0usize);
    for it in foreign {
        all += 1;
        // Everyday simplified characters (GB 2312 level 1) begin with the bytes B0 to D7.
        let mut buffer = [0; 4];
        let (bytes, _, failed) = GBK.encode(it.encode_utf8(&mut buffer));
        let everyday = !failed && bytes.first().is_some_and(|lead| (0xA1..=0xD7).contains(lead)) && bytes.len() == 2;
        common += usize::from(everyday);
    }
    all > 0 && common * 10 >= all * 9
}
