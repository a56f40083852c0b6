//! The packed streams of a PDF, looked through before the interpreter unpacks them without a bound.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

use crate::error::KnowledgeError;
use crate::parse::archive::too_large;

/// A page's text has kilobytes, an uncompressed picture of a page 100 MB.
const MAX_STREAM: u64 = 256 << 20;
/// Deflate makes at most a thousandth of anything.
const MAX_RATIO: u64 = 1032;

/// Refuses a file with a stream that is packed twice, or that unpacks to more than any page has.
pub(super) fn refuse_bombs(bytes: &[u8], file: &str) -> Result<(), KnowledgeError> {
    let mut from = 0;
    while let Some(at) = find(bytes, b"stream", from) {
        from = at + 6;
        // `endstream` has it in its name.
        if at >= 3 && bytes.get(at - 3..at) == Some(b"end") {
            continue;
        }
        let head = bytes.get(at.saturating_sub(600)..at).unwrap_or_default();
        let head = head.windows(4).rposition(|it| it == b" obj").map_or(head, |it| head.get(it..).unwrap_or_default());
        let filters = count(head, b"/FlateDecode") + count(head, b"/LZWDecode");
        if filters == 0 {
            continue;
        }
        let data_at =
            from + bytes.get(from..).unwrap_or_default().iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
        let end = find(bytes, b"endstream", data_at).unwrap_or(bytes.len());
        let data = bytes.get(data_at..end).unwrap_or_default();
        let bound = (0..filters.min(3)).fold(data.len() as u64, |size, _| size.saturating_mul(MAX_RATIO));
        if bound > MAX_STREAM && (filters > 1 || unpacked(data) > MAX_STREAM) {
            return Err(too_large(
                file,
                format!("a stream in the PDF unpacks to more than {} MB, which no page has", MAX_STREAM >> 20),
            ));
        }
        from = end;
    }
    Ok(())
}

fn unpacked(data: &[u8]) -> u64 {
    let mut reader = ZlibDecoder::new(data).take(MAX_STREAM + 1);
    // A stream that is damaged ends where it is damaged.
    let mut total = 0u64;
    let mut chunk = vec![0; 64 << 10];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) | Err(_) => return total,
            Ok(count) => total += count as u64,
        }
    }
}

fn count(bytes: &[u8], wanted: &[u8]) -> u32 {
    u32::try_from(bytes.windows(wanted.len()).filter(|it| *it == wanted).count()).unwrap_or(u32::MAX)
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        let next = rest.iter().position(|it| *it == first)?;
        if rest.get(next..)?.starts_with(wanted) {
            return Some(at + next);
        }
        at += next + 1;
    }
}
