//! Bytes into text. Spreadsheets in China save GBK as often as UTF-8, in Taiwan and Hong Kong Big5, and “Unicode text” is
//! UTF-16. A decoding must be complete: the whole file is looked through once before anything of it is used, and one broken
//! byte refuses a candidate, so that no table is stored half in mojibake. Nothing but a few buffers is held in memory.

use std::io::{self, BufRead, BufReader, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, CoderResult, Decoder, DecoderResult, Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

use super::source::{Meter, Source, unreadable};
use crate::error::KnowledgeError;
use crate::notice::{Notice, notice};

/// What the detector is given: from the first byte on that is not ASCII.
const SAMPLE: usize = 1 << 20;
const CHUNK: usize = 64 << 10;

/// In which character set a file is written.
pub(crate) struct Charset {
    pub(crate) encoding: &'static Encoding,
    mark: usize,
    pub(crate) warning: Option<Notice>,
}

impl Charset {
    pub(crate) fn name(&self) -> &'static str {
        // GBK is read by its superset, which also knows the rarer characters.
        if self.encoding == GB18030 { "GB18030" } else { self.encoding.name() }
    }

    /// The text as UTF-8. Bytes are metered as they are in the file.
    pub(crate) fn reader<'a>(&self, source: &'a Source<'_>, meter: &Meter) -> io::Result<Box<dyn BufRead + 'a>> {
        let mut raw = source.open()?;
        io::copy(&mut raw.by_ref().take(self.mark as u64), &mut io::sink())?;
        let raw = meter.reader(raw);
        if self.encoding == UTF_8 {
            return Ok(Box::new(BufReader::with_capacity(CHUNK, raw)));
        }
        let decoding = Decoding {
            raw,
            decoder: self.encoding.new_decoder_without_bom_handling(),
            input: vec![0; CHUNK],
            from: 0,
            to: 0,
            at_end: false,
            finished: false,
        };
        Ok(Box::new(BufReader::with_capacity(CHUNK, decoding)))
    }
}

/// Recognises the character set of a whole file.
pub(crate) fn recognise(source: &Source<'_>, file: &str) -> Result<Charset, KnowledgeError> {
    let unknown = |message: String| KnowledgeError::UnknownEncoding { file: file.to_owned(), message };
    let read = |error: io::Error| unreadable(file, &error);
    let head = source.head(SAMPLE).map_err(read)?;
    if let Some((encoding, mark)) = Encoding::for_bom(&head) {
        return match check(source, encoding, mark).map_err(read)? {
            Ok(()) => Ok(Charset { encoding, mark, warning: None }),
            Err(_) => Err(unknown(format!("it begins as {} but does not go on so", encoding.name()))),
        };
    }
    if let Some(encoding) = utf_16_without_mark(&head) {
        return match check(source, encoding, 0).map_err(read)? {
            Ok(()) => Ok(Charset { encoding, mark: 0, warning: None }),
            Err(_) => Err(unknown("it looks like UTF-16 but is cut off".to_owned())),
        };
    }
    if let Some(at) = head.iter().position(|it| *it == 0) {
        return Err(unknown(format!("there is a zero byte at {at}, so it is not text")));
    }
    let broken = match check(source, UTF_8, 0).map_err(read)? {
        Ok(()) => return Ok(Charset { encoding: UTF_8, mark: 0, warning: None }),
        Err(at) => at,
    };
    let encoding = legacy(source).map_err(read)?.ok_or_else(|| {
        unknown(format!(
            "it is neither UTF-8 (its byte {broken} does not fit) nor UTF-16, GB18030, Big5 or another one that was tried"
        ))
    })?;
    let chinese = encoding == GB18030 || encoding == BIG5;
    let warning = (!chinese).then(|| {
        notice!(
            "guessed_encoding",
            "the file was read as {encoding}; if its letters look wrong, save it as UTF-8",
            encoding = encoding.name(),
        )
    });
    Ok(Charset { encoding, mark: 0, warning })
}

/// For web pages, where one broken byte is no reason to read nothing: what the page says of itself, or what it looks like.
pub(crate) fn recognise_leniently(source: &Source<'_>, file: &str) -> Result<Charset, KnowledgeError> {
    if let Ok(charset) = recognise(source, file) {
        return Ok(charset);
    }
    let head = source.head(SAMPLE).map_err(|error| unreadable(file, &error))?;
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&head, true);
    let guess = declared(&head).unwrap_or_else(|| detector.guess(None, Utf8Detection::Allow));
    let encoding = if guess == GBK { GB18030 } else { guess };
    let warning = notice!(
        "broken_letters",
        "some of its letters are broken; it was read as {encoding}",
        encoding = encoding.name(),
    );
    Ok(Charset { encoding, mark: 0, warning: Some(warning) })
}

/// `<meta charset="gbk">`, `charset=gb2312` in a content type, or `encoding="…"` of XML.
fn declared(head: &[u8]) -> Option<&'static Encoding> {
    const LOOKED_AT: usize = 2048;
    let text = String::from_utf8_lossy(head.get(..head.len().min(LOOKED_AT))?).to_ascii_lowercase();
    let (_, rest) = text.split_once("charset=").or_else(|| text.split_once("encoding="))?;
    let label: String = rest
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | ':'))
        .collect();
    Encoding::for_label(label.as_bytes())
}

/// Reads everything as this encoding; the byte where it breaks, if it does.
fn check(source: &Source<'_>, encoding: &'static Encoding, mark: usize) -> io::Result<Result<(), u64>> {
    let mut raw = source.open()?;
    io::copy(&mut raw.by_ref().take(mark as u64), &mut io::sink())?;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut input = vec![0u8; CHUNK];
    let mut output = vec![0u8; CHUNK * 3 + 16];
    let mut done = mark as u64;
    loop {
        let count = raw.read(&mut input)?;
        let last = count == 0;
        let bytes = input.get(..count).unwrap_or_default();
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut output, last);
        let text = output.get(..written).unwrap_or_default();
        if !is_text(text) {
            return Ok(Err(done));
        }
        match result {
            DecoderResult::InputEmpty => {}
            DecoderResult::OutputFull | DecoderResult::Malformed(..) => return Ok(Err(done + read as u64)),
        }
        done += count as u64;
        if last {
            return Ok(Ok(()));
        }
    }
}

/// Control characters other than white space are the mark of a wrong guess or of a binary. In UTF-8 they are below
/// space, the byte 7F, or C2 followed by 80 to 9F; a character is never cut between two calls.
fn is_text(text: &[u8]) -> bool {
    let mut last = 0;
    text.iter().all(|it| {
        let is_control = match *it {
            b'\n' | b'\r' | b'\t' | 0x0B | 0x0C | 0x1A => false,
            0..=0x1F | 0x7F => true,
            0x80..=0x9F => last == 0xC2 && *it != 0x85,
            _ => false,
        };
        last = *it;
        !is_control
    })
}

/// Half of the bytes of ASCII text in UTF-16 are zero, and all on the same side.
fn utf_16_without_mark(head: &[u8]) -> Option<&'static Encoding> {
    const LOOKED_AT: usize = 4096;
    let sample = head.get(..head.len().min(LOOKED_AT)).unwrap_or_default();
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

fn legacy(source: &Source<'_>) -> io::Result<Option<&'static Encoding>> {
    let sample = sample(source)?;
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&sample, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let guess = if guess == GBK { GB18030 } else { guess };
    let fits = |encoding| Ok::<bool, io::Error>(check(source, encoding, 0)?.is_ok());
    if guess == GB18030 || guess == BIG5 {
        if fits(guess)? {
            return Ok(Some(guess));
        }
        let other = if guess == BIG5 { GB18030 } else { BIG5 };
        return Ok(fits(other)?.then_some(other));
    }
    // Few bytes mislead the detector: a short Chinese header can look like Greek or Korean to it. Text that is wholly made
    // of everyday characters in GB18030 is taken for that.
    let (text, _) = GB18030.decode_without_bom_handling(&sample);
    if mostly_chinese(&text) && fits(GB18030)? {
        return Ok(Some(GB18030));
    }
    Ok(fits(guess)?.then_some(guess))
}

/// From the line on in which the first byte lies that is not ASCII.
fn sample(source: &Source<'_>) -> io::Result<Vec<u8>> {
    let mut raw = source.open()?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = raw.read(&mut chunk)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if let Some(at) = bytes.iter().position(|it| !it.is_ascii()) {
            let line = bytes.get(..at).and_then(|it| it.iter().rposition(|it| *it == b'\n')).map_or(0, |it| it + 1);
            let mut sample = bytes.get(line..).unwrap_or_default().to_vec();
            raw.take(SAMPLE as u64).read_to_end(&mut sample)?;
            return Ok(sample);
        }
        if count == 0 {
            return Ok(Vec::new());
        }
    }
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

/// Decodes while it is read. What cannot be decoded becomes a replacement character: whoever minds has checked before.
struct Decoding<R> {
    raw: R,
    decoder: Decoder,
    input: Vec<u8>,
    from: usize,
    to: usize,
    at_end: bool,
    finished: bool,
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.finished {
            return Ok(0);
        }
        // The decoder writes whole characters only.
        if buffer.len() < 16 {
            return Err(io::Error::other("the buffer is too small to decode into"));
        }
        loop {
            if self.from == self.to && !self.at_end {
                self.to = self.raw.read(&mut self.input)?;
                self.from = 0;
                self.at_end = self.to == 0;
            }
            let bytes = self.input.get(self.from..self.to).unwrap_or_default();
            let (result, read, written, _) = self.decoder.decode_to_utf8(bytes, buffer, self.at_end);
            self.from += read;
            self.finished = self.at_end && result == CoderResult::InputEmpty;
            if written > 0 || self.finished {
                return Ok(written);
            }
        }
    }
}
