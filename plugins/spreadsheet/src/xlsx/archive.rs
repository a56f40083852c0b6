//! Zip archives, as XLSX files use them: stored or deflated parts, found by the directory at the end.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use parlour_plugin_sdk::{Error, Result};

/// A part that becomes longer is refused: the plugin has 64 MiB of memory, and a part is there twice while it is read.
const MAX_PART_BYTES: usize = 16 << 20;
const END: [u8; 4] = *b"PK\x05\x06";
const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// The end record, and the longest comment after it.
const END_BYTES: usize = 22;
const MAX_COMMENT: usize = 65_535;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The level that most programs use.
const LEVEL: u8 = 6;
/// The first of January 1980, where zip's time begins: the same input gives the same file.
const NO_DATE: u16 = (1 << 5) | 1;

pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    method: u16,
    compressed: usize,
    /// Of the local header.
    offset: usize,
}

fn damaged<T>(what: &str) -> Result<T> {
    Err(Error::InvalidInput(format!("the file is damaged: {what}")))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

impl<'a> Archive<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self> {
        let from = bytes.len().saturating_sub(END_BYTES + MAX_COMMENT);
        let tail = bytes.get(from..).unwrap_or_default();
        let Some(end) = tail.windows(END.len()).rposition(|window| window == END) else {
            return damaged("its directory is missing");
        };
        let end = tail.get(end..).unwrap_or_default();
        let (Some(count), Some(mut at)) = (u16_at(end, 10), u32_at(end, 16)) else {
            return damaged("its directory is cut off");
        };
        let mut entries = Vec::new();
        for _ in 0..count {
            let Some((entry, next)) = entry(bytes, at) else { return damaged("its directory is cut off") };
            entries.push(entry);
            at = next;
        }
        Ok(Self { bytes, entries })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// A part as text; none if there is none of that name.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(entry) = self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let header = self.bytes.get(entry.offset..).unwrap_or_default();
        let (Some(name_length), Some(extra)) = (u16_at(header, 26), u16_at(header, 28)) else {
            return damaged("a part of it is cut off");
        };
        let start = 30 + usize::from(name_length) + usize::from(extra);
        let Some(data) =
            header.get(start..start.saturating_add(entry.compressed)).filter(|_| header.starts_with(&LOCAL))
        else {
            return damaged("a part of it is cut off");
        };
        let bytes = match entry.method {
            STORED if data.len() <= MAX_PART_BYTES => data.to_vec(),
            STORED => return too_large(name),
            DEFLATED => match decompress_to_vec_with_limit(data, MAX_PART_BYTES) {
                Ok(bytes) => bytes,
                Err(error) if error.status == miniz_oxide::inflate::TINFLStatus::HasMoreOutput => {
                    return too_large(name);
                }
                Err(_) => return damaged("a part of it cannot be unpacked"),
            },
            _ => return damaged("a part of it is packed in a way that spreadsheets do not use"),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => damaged("a part of it is not UTF-8"),
        }
    }
}

fn too_large<T>(name: &str) -> Result<T> {
    Err(Error::InvalidInput(format!("`{name}` in the file has more than {MAX_PART_BYTES} bytes")))
}

fn entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let record = bytes.get(at..).filter(|record| record.starts_with(&DIRECTORY))?;
    let length = |at: usize| u16_at(record, at).map(usize::from);
    let (name_length, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let name = String::from_utf8_lossy(record.get(46..46 + name_length)?).replace('\\', "/");
    let entry =
        Entry { name, method: u16_at(record, 10)?, compressed: u32_at(record, 20)?, offset: u32_at(record, 42)? };
    Some((entry, at + 46 + name_length + extra + comment))
}

/// An archive of these parts, in this order.
pub(crate) fn pack(parts: &[(String, String)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in parts {
        let packed = compress_to_vec(text.as_bytes(), LEVEL);
        // The fields that the local header and the directory share.
        let mut fields = Vec::new();
        // Version 2.0, names in UTF-8, method, time, date.
        for field in [20, 0x800, DEFLATED, 0, NO_DATE] {
            fields.extend(field.to_le_bytes());
        }
        for field in [checksum(text.as_bytes()), length(packed.len()), length(text.len())] {
            fields.extend(field.to_le_bytes());
        }
        fields.extend([length(name.len()) as u16, 0].map(u16::to_le_bytes).concat());
        directory.extend(DIRECTORY);
        directory.extend(20_u16.to_le_bytes());
        directory.extend(&fields);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(length(file.len()).to_le_bytes());
        directory.extend(name.as_bytes());
        file.extend(LOCAL);
        file.extend(&fields);
        file.extend(name.as_bytes());
        file.extend(packed);
    }
    let start = length(file.len());
    let count = length(parts.len()) as u16;
    file.extend(&directory);
    file.extend(END);
    file.extend([0; 4]);
    file.extend([count, count].map(u16::to_le_bytes).concat());
    file.extend([length(directory.len()), start].map(u32::to_le_bytes).concat());
    file.extend([0; 2]);
    file
}

/// What is written here is far below four gigabytes.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// CRC-32 as zip has it, a bit at a time: there is little to check, and a table would be longer than this.
fn checksum(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let long = "long ".repeat(10_000);
        let file = pack(&[("a.xml".to_owned(), "<a/>".to_owned()), ("xl/b.xml".to_owned(), long.clone())]);
        assert!(file.len() < 1_000);
        let archive = Archive::open(&file).unwrap();
        assert_eq!(archive.text("A.xml"), Ok(Some("<a/>".to_owned())));
        assert_eq!(archive.text("xl/b.xml"), Ok(Some(long)));
        assert_eq!(archive.text("c.xml"), Ok(None));
    }

    #[test]
    fn damaged_files_and_bombs_are_refused() {
        let file = pack(&[("a".to_owned(), "x".repeat(17 << 20))]);
        assert!(
            matches!(Archive::open(&file).unwrap().text("a"), Err(Error::InvalidInput(text)) if text.contains("16777216 bytes"))
        );
        let file = pack(&[("a".to_owned(), "text".repeat(100))]);
        for cut in 0..file.len() {
            // Whatever is missing, there is an error or there is the text, and no panic.
            if let Ok(archive) = Archive::open(&file[..cut]) {
                let _ = archive.text("a");
            }
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0xff;
            if let Ok(archive) = Archive::open(&changed) {
                let _ = archive.text("a");
            }
        }
    }
}
