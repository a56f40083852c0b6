//! A file on its way in: written to the data folder as it arrives, so that a large one takes no memory, and from there into
//! the database in pieces. What is left of an upload that broke off goes with its guard, or with the process's folder.

use std::path::Path;

use domain::TenantId;
use sha2::{Digest as _, Sha256};
use storage::FILE_PIECE_BYTES;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{App, AppError, Result};
use crate::error_codes::ErrorCode;

/// A whole file, removed when it is dropped.
pub struct Incoming {
    file: NamedTempFile,
    /// SHA-256, in hexadecimal digits.
    pub hash: String,
    pub size: u64,
}

impl Incoming {
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// A file that is being written.
pub struct Arriving {
    file: NamedTempFile,
    out: tokio::fs::File,
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl Arriving {
    /// # Errors
    /// `TooLarge`, or the disk is full.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(AppError::new(ErrorCode::TooLarge, format!("the file is larger than {} MB", self.limit >> 20))
                .hint("split it, or raise `document_bytes` under `[limits]` of the server's parlour.toml"));
        }
        self.hash.update(bytes);
        self.out.write_all(bytes).await.map_err(not_written)
    }

    /// # Errors
    /// The disk is full.
    pub async fn finish(mut self) -> Result<Incoming> {
        self.out.flush().await.map_err(not_written)?;
        let hash = self.hash.finalize().iter().map(|it| format!("{it:02x}")).collect();
        Ok(Incoming { file: self.file, hash, size: self.size })
    }
}

fn not_written(error: std::io::Error) -> AppError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return AppError::disk_full(error);
    }
    AppError::internal(error)
}

impl App {
    /// # Errors
    /// The data folder cannot be written.
    pub async fn receive_file(&self) -> Result<Arriving> {
        let folder = self.incoming();
        std::fs::create_dir_all(&folder).map_err(not_written)?;
        let file = NamedTempFile::new_in(folder).map_err(not_written)?;
        let out = tokio::fs::File::from_std(file.reopen().map_err(not_written)?);
        let limit = self.config().limits.document_bytes as u64;
        Ok(Arriving { file, out, hash: Sha256::new(), size: 0, limit })
    }

    /// # Errors
    /// As [`Arriving::write`].
    pub async fn receive_bytes(&self, bytes: &[u8]) -> Result<Incoming> {
        let mut arriving = self.receive_file().await?;
        arriving.write(bytes).await?;
        arriving.finish().await
    }

    /// Copies a file into the database.
    pub(crate) async fn keep_file(&self, tenant: TenantId, file: &Incoming) -> Result<()> {
        let mut from = tokio::fs::File::open(file.path()).await.map_err(AppError::internal)?;
        for piece in 0.. {
            let mut bytes = Vec::with_capacity(FILE_PIECE_BYTES);
            (&mut from).take(FILE_PIECE_BYTES as u64).read_to_end(&mut bytes).await.map_err(AppError::internal)?;
            if bytes.is_empty() {
                break;
            }
            self.storage().put_file_piece(tenant, &file.hash, piece, bytes).await?;
        }
        Ok(())
    }

    /// Copies a file out of the database.
    ///
    /// # Errors
    /// It is not there, or the disk is full.
    pub(crate) async fn fetch_file(&self, tenant: TenantId, hash: &str) -> Result<Incoming> {
        let mut arriving = self.receive_file().await?;
        arriving.limit = u64::MAX;
        for piece in 0.. {
            let Some(bytes) = self.storage().file_piece(tenant, hash, piece).await? else { break };
            arriving.write(&bytes).await?;
        }
        let file = arriving.finish().await?;
        if file.hash != hash {
            return Err(AppError::new(ErrorCode::NotFound, "the original file is not kept").hint("upload it once more"));
        }
        Ok(file)
    }
}
