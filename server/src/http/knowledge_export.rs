//! All of a knowledge base as one zip: what it is, its documents, their records, its tests, and the original files. Written
//! to the disk first, so that a large one takes no memory, and removed when it has been sent.

use std::io::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use domain::{Chunk, Document, TenantId};
use serde_json::json;
use tokio_util::io::ReaderStream;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::body::In;
use super::documents::exported;
use crate::app::accounts::Caller;
use crate::app::incoming::Incoming;
use crate::app::{App, AppError, Result};

const CHUNKS_AT_ONCE: i64 = 1_000;

type Zip = ZipWriter<std::fs::File>;

pub(super) async fn export(State(app): State<App>, caller: Caller, In(name): In<String>) -> Result<Response> {
    let tenant = caller.tenant.id;
    app.base(tenant, &name).await?;
    // Compressing is work for a thread that nobody else waits for.
    let (here, base) = (tokio::runtime::Handle::current(), name.clone());
    let written = tokio::task::spawn_blocking(move || here.block_on(write(&app, tenant, &base))).await;
    let place = written.map_err(AppError::internal)??;
    let file = tokio::fs::File::open(place.path()).await.map_err(AppError::internal)?;
    // The file goes when it has been sent.
    let body = Body::from_stream(futures::StreamExt::map(ReaderStream::new(file), move |it| {
        let _kept = &place;
        it
    }));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.zip\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

async fn write(app: &App, tenant: TenantId, name: &str) -> Result<Incoming> {
    let (base, spec) = app.base(tenant, name).await?;
    let documents = app.documents(tenant, base.id).await?;
    let tests = app.storage().retrieval_tests(tenant, base.id).await?;
    let place = app.receive_file().await?.finish().await?;
    let mut zip = ZipWriter::new(std::fs::File::create(place.path()).map_err(AppError::internal)?);
    begin(&mut zip, "knowledge.yaml")?;
    // JSON is YAML as well, and a project reads it.
    let yaml = serde_json::to_string_pretty(&spec).map_err(AppError::internal)?;
    zip.write_all(yaml.as_bytes()).map_err(AppError::internal)?;
    begin(&mut zip, "documents.jsonl")?;
    for document in &documents {
        writeln!(zip, "{}", exported(document)).map_err(AppError::internal)?;
    }
    begin(&mut zip, "chunks.jsonl")?;
    for document in &documents {
        write_chunks(app, tenant, document, &mut zip).await?;
    }
    begin(&mut zip, "tests.jsonl")?;
    for test in tests {
        let line = json!({ "query": test.query, "filter": test.filter, "expected": test.expected });
        writeln!(zip, "{line}").map_err(AppError::internal)?;
    }
    for document in &documents {
        write_file(app, tenant, document, &mut zip).await?;
    }
    zip.finish().map_err(AppError::internal)?;
    Ok(place)
}

fn begin(zip: &mut Zip, name: &str) -> Result<()> {
    let options = SimpleFileOptions::default().large_file(true);
    zip.start_file(name, options).map_err(AppError::internal)
}

async fn write_chunks(app: &App, tenant: TenantId, document: &Document, zip: &mut Zip) -> Result<()> {
    let mut after = None;
    loop {
        let chunks = app.storage().chunks(tenant, document.id, None, (after, CHUNKS_AT_ONCE)).await?;
        let Some(last) = chunks.last() else { return Ok(()) };
        after = Some(last.ordinal);
        for Chunk { ordinal, text, answer, fields, position, enabled, edited, .. } in chunks {
            let line = json!({
                "document": document.name, "ordinal": ordinal, "text": text, "answer": answer, "fields": fields,
                "position": position, "enabled": enabled, "edited": edited,
            });
            writeln!(zip, "{line}").map_err(AppError::internal)?;
        }
    }
}

/// Names are the documents' own, which may look like paths: they become one flat name each.
async fn write_file(app: &App, tenant: TenantId, document: &Document, zip: &mut Zip) -> Result<()> {
    let Some(hash) = &document.content_hash else { return Ok(()) };
    let Some(mut bytes) = app.storage().file_piece(tenant, hash, 0).await? else { return Ok(()) };
    let name: String = document.name.chars().map(|it| if matches!(it, '/' | '\\' | ':') { '_' } else { it }).collect();
    let id = document.id.to_string();
    begin(zip, &format!("files/{}-{name}", id.get(..8).unwrap_or(&id)))?;
    for piece in 1.. {
        zip.write_all(&bytes).map_err(AppError::internal)?;
        let Some(next) = app.storage().file_piece(tenant, hash, piece).await? else { break };
        bytes = next;
    }
    Ok(())
}
