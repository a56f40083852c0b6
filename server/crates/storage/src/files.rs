//! The files that documents were read from, in pieces: a large one is written and read without anybody waiting for it.

use domain::TenantId;

use crate::columns::Stored;
use crate::database::{Row, query};
use crate::error::Operation;
use crate::{Result, Storage};

/// Bytes of one piece, for whoever writes a file.
pub const FILE_PIECE_BYTES: usize = 1 << 20;
/// Pieces removed in one transaction.
const PIECES_AT_ONCE: i64 = 32;

struct Piece(Vec<u8>);

impl Stored for Piece {
    fn read(row: &Row) -> Result<Piece, sqlx::Error> {
        Ok(Piece(row.try_get("bytes")?))
    }
}

impl Storage {
    /// Stores one piece of the file with this hash. The same again changes nothing. The file is whole when
    /// [`Storage::begin_ingestion`] takes it.
    ///
    /// # Errors
    /// `NotFound` when there is no such tenant.
    pub async fn put_file_piece(&self, tenant: TenantId, hash: &str, piece: i64, bytes: Vec<u8>) -> Result<()> {
        const PUT: Operation = Operation::new("store a file").missing("tenant");
        let hash = hash.to_owned();
        self.write(PUT, move |connection| {
            Box::pin(async move {
                query("insert into file_pieces (tenant, hash, piece, bytes) values ($1, $2, $3, $4) on conflict do nothing")
                    .bind(tenant.to_string())
                    .bind(hash)
                    .bind(piece)
                    .bind(bytes)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// One piece, from 0; none behind the last one.
    pub async fn file_piece(&self, tenant: TenantId, hash: &str, piece: i64) -> Result<Option<Vec<u8>>> {
        let query = query("select bytes from file_pieces where tenant = $1 and hash = $2 and piece = $3")
            .bind(tenant.to_string())
            .bind(hash.to_owned())
            .bind(piece);
        let found: Option<Piece> = self.first("read a file", query).await?;
        Ok(found.map(|Piece(bytes)| bytes))
    }

    /// Removes files that no document and no ingestion of the tenant counts. An upload that is not complete loses its
    /// pieces to this, notices, and writes them again.
    pub async fn purge_files(&self, tenant: TenantId) -> Result<()> {
        const PURGE: Operation = Operation::new("remove files that no document has");
        loop {
            let removed = self
                .write(PURGE, move |connection| {
                    Box::pin(async move {
                        let done = query(
                            "delete from file_pieces where tenant = $1 and (hash, piece) in (select f.hash, f.piece \
                             from file_pieces f where f.tenant = $1 and not exists (select 1 from documents d \
                             where d.tenant = $1 and d.content_hash = f.hash) and not exists (select 1 from ingestions i \
                             where i.tenant = $1 and i.content_hash = f.hash) limit $2)",
                        )
                        .bind(tenant.to_string())
                        .bind(PIECES_AT_ONCE)
                        .execute(connection)
                        .await?;
                        Ok(done)
                    })
                })
                .await?;
            if removed == 0 {
                return Ok(());
            }
        }
    }
}
