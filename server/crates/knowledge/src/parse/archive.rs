//! Zip containers of untrusted people: what is in them is counted before it is believed. Names are labels and nothing else;
//! nothing is ever written where a name says.

use std::io::{self, Read, Seek, SeekFrom, Write as _};

use zip::ZipArchive;
use zip::result::ZipError;

use super::format::{Format, encrypted};
use super::source::{ReadSeek, Source};
use crate::error::KnowledgeError;

/// A book has hundreds of files, a workbook with pictures a few thousand.
const MAX_ENTRIES: usize = 20_000;
/// What all members have together when they are unpacked.
const MAX_INFLATED: u64 = 4 << 30;
/// Office files are packed to a tenth, tables of zeros to a hundredth; a thousandth is the most that deflate can do, and
/// nobody does it who means well.
const MAX_RATIO: u64 = 200;
/// Below this, any ratio does no harm.
const HARMLESS: u64 = 64 << 20;
/// A member that is larger is put on disk while it is read.
const IN_MEMORY: u64 = 8 << 20;

pub(crate) struct Archive<'a> {
    zip: ZipArchive<Box<dyn ReadSeek + 'a>>,
    file: &'a str,
    /// Bytes that may still be unpacked.
    left: u64,
}

pub(crate) struct Member {
    pub(crate) index: usize,
    /// As people read it, with `/` between folders.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) is_folder: bool,
    pub(crate) is_encrypted: bool,
}

/// A member that has been unpacked.
pub(crate) enum Unpacked {
    Bytes(Vec<u8>),
    Spooled(std::fs::File, u64),
}

impl Unpacked {
    pub(crate) fn source(&self) -> io::Result<Source<'_>> {
        Ok(match self {
            Unpacked::Bytes(bytes) => Source::Bytes(bytes),
            Unpacked::Spooled(file, length) => Source::Spooled { file: file.try_clone()?, length: *length },
        })
    }
}

fn damaged(file: &str, message: String) -> KnowledgeError {
    KnowledgeError::UnreadableFile {
        file: file.to_owned(),
        message,
        hint:
            "it may not have been copied to its end: open it in the program that made it, save it again, and upload it \
               again"
                .to_owned(),
    }
}

pub(crate) fn too_large(file: &str, message: String) -> KnowledgeError {
    KnowledgeError::TooLarge {
        file: file.to_owned(),
        message,
        hint: "unpack it and upload what is needed of it in smaller pieces".to_owned(),
    }
}

impl<'a> Archive<'a> {
    pub(crate) fn open(source: &'a Source<'_>, file: &'a str) -> Result<Archive<'a>, KnowledgeError> {
        let reader = source.open().map_err(|error| super::source::unreadable(file, &error))?;
        let zip =
            ZipArchive::new(reader).map_err(|error| damaged(file, format!("it is a damaged archive: {error}")))?;
        if zip.len() > MAX_ENTRIES {
            return Err(too_large(
                file,
                format!("there are {} files in it; at most {MAX_ENTRIES} are read", zip.len()),
            ));
        }
        let by_ratio = source.length().saturating_mul(MAX_RATIO).max(HARMLESS);
        Ok(Archive { zip, file, left: by_ratio.min(MAX_INFLATED) })
    }

    pub(crate) fn members(&mut self) -> Result<Vec<Member>, KnowledgeError> {
        let mut members = Vec::with_capacity(self.zip.len());
        for index in 0..self.zip.len() {
            let entry = self
                .zip
                .by_index_raw(index)
                .map_err(|error| damaged(self.file, format!("it is a damaged archive: {error}")))?;
            members.push(Member {
                index,
                name: readable_name(entry.name_raw()),
                size: entry.size(),
                is_folder: entry.is_dir(),
                is_encrypted: entry.encrypted(),
            });
        }
        Ok(members)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// A small part that the format itself needs.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, KnowledgeError> {
        /// Styles, relations, lists of contents.
        const LARGEST: u64 = 32 << 20;
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut reader = self.reader(index)?;
        let read = reader.by_ref().take(LARGEST + 1).read_to_end(&mut bytes);
        drop(reader);
        match read {
            Ok(_) if bytes.len() as u64 > LARGEST => {
                Err(too_large(self.file, format!("`{name}` in it has more than {} MB", LARGEST >> 20)))
            }
            Ok(_) => Ok(Some(bytes)),
            Err(error) => Err(self.failed(&error, name)),
        }
    }

    /// A part as a stream, with every byte counted.
    pub(crate) fn reader(&mut self, index: usize) -> Result<Counted<'_>, KnowledgeError> {
        let file = self.file;
        let entry = self.zip.by_index(index).map_err(|error| {
            if matches!(error, ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) {
                encrypted(file)
            } else {
                damaged(file, format!("it is a damaged archive: {error}"))
            }
        })?;
        Ok(Counted { inner: Box::new(entry), left: &mut self.left })
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.zip.index_for_name(name)
    }

    pub(crate) fn failed(&self, error: &io::Error, name: &str) -> KnowledgeError {
        if self.is_exhausted() {
            return too_large(
                self.file,
                format!(
                    "unpacked, it has more than {} times its size or more than {} GB, which no document has",
                    MAX_RATIO,
                    MAX_INFLATED >> 30
                ),
            );
        }
        damaged(self.file, format!("`{name}` in it is damaged: {error}"))
    }

    /// Whether something ended because too much was unpacked.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn unpack(&mut self, member: &Member) -> Result<Unpacked, KnowledgeError> {
        let spooled = |error: io::Error| damaged(&member.name, format!("it cannot be unpacked: {error}"));
        let mut bytes = Vec::new();
        let mut reader = self.reader(member.index)?;
        let mut result = reader.by_ref().take(IN_MEMORY).read_to_end(&mut bytes).map(|it| it as u64);
        let mut disk = None;
        if result.as_ref().is_ok_and(|it| *it == IN_MEMORY) {
            let mut file = tempfile::tempfile().map_err(spooled)?;
            file.write_all(&bytes).map_err(spooled)?;
            bytes = Vec::new();
            result = io::copy(&mut reader, &mut file).map(|it| it + IN_MEMORY);
            disk = Some(file);
        }
        drop(reader);
        match (result, disk) {
            (Err(error), _) => Err(self.failed(&error, &member.name)),
            (Ok(_), None) => Ok(Unpacked::Bytes(bytes)),
            (Ok(length), Some(mut file)) => {
                file.seek(SeekFrom::Start(0)).map_err(spooled)?;
                Ok(Unpacked::Spooled(file, length))
            }
        }
    }

    /// Unpacks everything to nowhere: for readers that unpack by themselves and believe what they are told.
    pub(crate) fn check_all(&mut self) -> Result<(), KnowledgeError> {
        for index in 0..self.zip.len() {
            let mut reader = self.reader(index)?;
            let copied = io::copy(&mut reader, &mut io::sink());
            drop(reader);
            // A damaged picture is no reason not to read a table; too much is.
            if let Err(error) = copied
                && self.left == 0
            {
                return Err(self.failed(&error, "a part"));
            }
        }
        Ok(())
    }
}

pub(crate) struct Counted<'a> {
    inner: Box<dyn Read + 'a>,
    left: &'a mut u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        *self.left = self.left.saturating_sub(count as u64);
        if *self.left == 0 && count > 0 {
            return Err(io::Error::other("too much is unpacked"));
        }
        Ok(count)
    }
}

/// Names are UTF-8; what Windows packs in China is GBK and does not say so.
fn readable_name(raw: &[u8]) -> String {
    let name = match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(raw).0.into_owned(),
    };
    name.replace('\\', "/").chars().map(|it| if it.is_control() { '\u{FFFD}' } else { it }).collect()
}

/// What a zip is, by the parts that its format must have.
pub(crate) fn kind_of_zip(source: &Source<'_>, file: &str) -> Result<Format, KnowledgeError> {
    let mut archive = Archive::open(source, file)?;
    let office = [
        ("word/document.xml", Format::Docx),
        ("ppt/presentation.xml", Format::Pptx),
        ("xl/workbook.xml", Format::Xlsx),
        ("xl/workbook.bin", Format::Xlsb),
        ("META-INF/container.xml", Format::Epub),
    ];
    if let Some((_, format)) = office.iter().find(|(part, _)| archive.has(part)) {
        return Ok(*format);
    }
    let media_type = archive.part("mimetype").ok().flatten().unwrap_or_default();
    let media_type = String::from_utf8_lossy(&media_type);
    match media_type.trim() {
        "application/epub+zip" => Ok(Format::Epub),
        "application/vnd.oasis.opendocument.spreadsheet" => Ok(Format::Ods),
        "application/vnd.oasis.opendocument.text" => Err(refused(file, "odt")),
        "application/vnd.oasis.opendocument.presentation" => Err(refused(file, "odp")),
        _ => Ok(Format::Zip),
    }
}

fn refused(file: &str, ending: &str) -> KnowledgeError {
    super::format::refusal_of(ending).map_or_else(|| encrypted(file), |it| it(file))
}
