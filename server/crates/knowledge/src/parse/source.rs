//! The bytes of a document: a file, bytes in memory, or a member of an archive. Whatever they are, they can be read from the
//! beginning again, so that a character set is known for certain before the first record is made.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use crate::error::KnowledgeError;

pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

pub(crate) enum Source<'a> {
    File {
        path: &'a Path,
        length: u64,
    },
    Bytes(&'a [u8]),
    /// A nameless file that vanishes with its handle.
    Spooled {
        file: File,
        length: u64,
    },
}

impl<'a> Source<'a> {
    pub(crate) fn of_file(path: &'a Path) -> io::Result<Source<'a>> {
        let length = std::fs::metadata(path)?.len();
        Ok(Source::File { path, length })
    }

    pub(crate) fn length(&self) -> u64 {
        match self {
            Source::File { length, .. } | Source::Spooled { length, .. } => *length,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// From the beginning. One reader at a time.
    pub(crate) fn open(&self) -> io::Result<Box<dyn ReadSeek + '_>> {
        Ok(match self {
            Source::File { path, .. } => Box::new(BufReader::with_capacity(BUFFER, File::open(path)?)),
            Source::Bytes(bytes) => Box::new(Cursor::new(*bytes)),
            Source::Spooled { file, .. } => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Box::new(BufReader::with_capacity(BUFFER, file))
            }
        })
    }

    pub(crate) fn head(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.open()?.take(most as u64).read_to_end(&mut head)?;
        Ok(head)
    }
}

const BUFFER: usize = 256 << 10;

pub(crate) fn unreadable(file: &str, error: &io::Error) -> KnowledgeError {
    KnowledgeError::UnreadableFile {
        file: file.to_owned(),
        message: error.to_string(),
        hint: "save it again in the program that made it, and upload it again".to_owned(),
    }
}

/// How much has been read, and how much may be read before the next record is complete: a quote that is never closed would
/// otherwise take the rest of the file into memory.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    read: Rc<Cell<u64>>,
    record_began: Rc<Cell<u64>>,
}

/// The longest single row, line or object.
pub(crate) const MAX_ROW_BYTES: u64 = 16 << 20;

impl Meter {
    pub(crate) fn done(&self) -> u64 {
        self.read.get()
    }

    pub(crate) fn begin_record(&self) {
        self.record_began.set(self.read.get());
    }

    pub(crate) fn reader<R: Read>(&self, inner: R) -> Metered<R> {
        Metered { inner, meter: self.clone() }
    }
}

pub(crate) struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.read.get() - self.meter.record_began.get() > MAX_ROW_BYTES {
            let text = format!("one row or object has more than {} MB; is a quote not closed?", MAX_ROW_BYTES >> 20);
            return Err(io::Error::other(text));
        }
        let count = self.inner.read(buffer)?;
        self.meter.read.set(self.meter.read.get() + count as u64);
        Ok(count)
    }
}
