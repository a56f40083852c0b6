//! Documents of a knowledge base: files as they arrive, addresses, records; what becomes of them; and their records.

use std::time::Duration;

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{Chunk, Document, DocumentId, DocumentState, Ingestion, KnowledgeBase};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use storage::Page;
use utoipa::ToSchema;

use super::body::{Asked, Body, In, refuse_upload};
use super::knowledge_bases::given;
use super::notice::NoticeView;
use crate::app::accounts::Caller;
use crate::app::chunks::ChunkEdit;
use crate::app::documents::About;
use crate::app::incoming::Incoming;
use crate::app::{App, AppError, Problem, Result};
use crate::error_codes::ErrorCode;
use crate::jobs::document_name;

/// Longer than any proxy waits.
const MAX_WAIT: Duration = Duration::from_secs(300);
const MAX_PAGE: i64 = 200;
/// Nobody looks for more at once.
const MAX_Q_CHARS: usize = 200;
/// A field of the form that is not the file.
const MAX_FIELD_BYTES: usize = 256 << 10;

#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentView {
    id: String,
    name: String,
    /// `queued`, `parsing`, `embedding`, `indexing`, `ready`, `failed` or `cancelled`
    state: String,
    /// Of `total`, in the present state.
    done: i64,
    total: i64,
    /// What `done` and `total` count: `bytes` or `records`.
    unit: String,
    version: i64,
    records: i64,
    size_bytes: i64,
    media_type: Option<String>,
    /// Where it is fetched from.
    source: Option<SourceView>,
    /// Whose visitors may see it; everybody if there are none.
    groups: Vec<String>,
    #[schema(value_type = Object)]
    metadata: Value,
    #[schema(value_type = Object)]
    columns: Value,
    /// Why it failed, or what is missing (for example: not embedded yet).
    reason: Option<String>,
    hint: Option<String>,
    /// What is wrong with the file, with rows and columns.
    errors: Vec<Problem>,
    warnings: Vec<NoticeView>,
    /// Whether a version of it is found by searches, be it an older one.
    answering: bool,
    created_at: i64,
    updated_at: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SourceView {
    url: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentList {
    items: Vec<DocumentView>,
    next_cursor: Option<String>,
}

/// Records, an address or a sitemap instead of a file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDocument {
    /// Of the document with these records; for an address, what it is to be called.
    name: Option<String>,
    #[schema(value_type = Vec<Object>)]
    records: Option<Vec<Map<String, Value>>>,
    /// A page or file to fetch.
    url: Option<String>,
    /// A sitemap, each of whose pages becomes a document.
    sitemap: Option<String>,
    groups: Option<Vec<String>>,
    #[schema(value_type = Object)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentPatch {
    groups: Option<Vec<String>>,
    #[schema(value_type = Object)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
pub(crate) struct Wait {
    /// Seconds.
    wait: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct Listing {
    /// Only what has this text in it.
    q: Option<String>,
    after: Option<String>,
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ChunkView {
    ordinal: i64,
    text: String,
    /// The standard answer, where the text is a question.
    answer: Option<String>,
    #[schema(value_type = Object)]
    fields: Value,
    /// `page`, `headings`, `part`, `row`, `parent`, `overlap`, as far as the format has them.
    #[schema(value_type = Object)]
    position: Value,
    tokens: i64,
    enabled: bool,
    /// Whether a person wrote or changed it.
    edited: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ChunkList {
    items: Vec<ChunkView>,
    next_cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChunkBody {
    text: Option<String>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    answer: Option<Option<String>>,
    #[schema(value_type = Object)]
    fields: Option<Map<String, Value>>,
    /// Records that are switched off are not searched.
    enabled: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ColumnsView {
    /// `table`, `questions` or `text`
    kind: String,
    #[schema(value_type = Vec<Object>)]
    columns: Value,
}

fn document_view(it: Document) -> DocumentView {
    let state = it.state();
    let answering = it.is_answering();
    let progress = it.ingestion.as_ref();
    let (hint, errors) = progress.map(problems_of).unwrap_or_default();
    DocumentView {
        id: it.id.to_string(),
        state: state.as_str().to_owned(),
        done: progress.map_or(it.records, |it| it.done),
        total: progress.map_or(it.records, |it| it.total),
        unit: progress.map_or("records", |it| it.unit.as_str()).to_owned(),
        version: it.version,
        records: it.records,
        size_bytes: progress.map_or(it.size_bytes, |it| it.size_bytes),
        media_type: progress.map_or_else(|| it.media_type.clone(), |it| it.media_type.clone()),
        source: progress.map_or_else(|| it.source.clone(), |it| it.source.clone()).map(|url| SourceView { url }),
        reason: progress.map_or_else(|| it.reason.clone(), |it| it.reason.clone()),
        hint,
        errors,
        warnings: it.warnings.into_iter().map(NoticeView::from).collect(),
        groups: it.groups,
        metadata: it.metadata,
        columns: it.columns,
        answering,
        name: it.name,
        created_at: it.created_at,
        updated_at: progress.map_or(it.updated_at, |it| it.updated_at),
    }
}

fn problems_of(ingestion: &Ingestion) -> (Option<String>, Vec<Problem>) {
    let part = |name: &str| ingestion.problems.get(name).cloned().unwrap_or_default();
    (serde_json::from_value(part("hint")).ok(), serde_json::from_value(part("errors")).unwrap_or_default())
}

/// What a failed document is to whoever waited for it: the API's own code where the first problem has one (a full disk), and
/// otherwise a file that cannot be read.
fn code_of(problems: &[Problem]) -> ErrorCode {
    let of_api = |problem: &Problem| ErrorCode::ALL.iter().copied().find(|it| it.code() == problem.code);
    problems.first().and_then(of_api).unwrap_or(ErrorCode::InvalidDocument)
}

fn chunk_view(it: Chunk) -> ChunkView {
    let Chunk { ordinal, text, answer, fields, position, tokens, enabled, edited, .. } = it;
    ChunkView { ordinal, text, answer, fields, position, tokens, enabled, edited }
}

async fn found(app: &App, caller: &Caller, name: &str, id: DocumentId) -> Result<(KnowledgeBase, Document)> {
    let (base, _) = app.base(caller.tenant.id, name).await?;
    let document = app.document(caller.tenant.id, &base, id).await?;
    Ok((base, document))
}

fn page_size(asked: Option<i64>) -> Result<i64> {
    match asked {
        None => Ok(50),
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        Some(limit) => Err(AppError::invalid(format!("`limit` is {limit}; it goes from 1 to {MAX_PAGE}"))),
    }
}

/// What is looked for; none where that is nothing.
fn looked_for(q: Option<&str>) -> Result<Option<&str>> {
    let q = q.map(str::trim).filter(|it| !it.is_empty());
    if q.is_some_and(|it| it.chars().count() > MAX_Q_CHARS) {
        return Err(AppError::invalid(format!("`q` has more than {MAX_Q_CHARS} characters"))
            .hint("it is found where it stands word for word; `search` takes whole questions"));
    }
    Ok(q)
}

pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Asked(Listing { q, after, limit }): Asked<Listing>,
) -> Result<Json<DocumentList>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    let (q, limit) = (looked_for(q.as_deref())?, page_size(limit)?);
    let Page { items, next_cursor } =
        app.storage().list_documents(caller.tenant.id, base.id, q, (after.as_deref(), limit)).await?;
    Ok(Json(DocumentList { items: items.into_iter().map(document_view).collect(), next_cursor }))
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
) -> Result<Json<DocumentView>> {
    Ok(Json(document_view(found(&app, &caller, &name, id).await?.1)))
}

pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    Asked(Wait { wait }): Asked<Wait>,
    request: Request,
) -> Result<Response> {
    // A base that is not there refuses before a large body is read.
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    let tenant = caller.tenant.id;
    let document = if super::body::is_json(request.headers().get(header::CONTENT_TYPE)) {
        let Body(body): Body<NewDocument> = Body::from_request(request, &app).await?;
        let NewDocument { name: called, records, url, sitemap, groups, metadata } = body;
        let about = About { groups, metadata, ..About::default() };
        match (records, url, sitemap) {
            (Some(records), None, None) => {
                let called = called.ok_or_else(|| AppError::invalid("the records need a `name` for their document"))?;
                let file = if called.ends_with(".json") { called } else { format!("{called}.json") };
                let bytes = serde_json::to_vec(&records).map_err(AppError::internal)?;
                let about = About { media_type: Some("application/json".to_owned()), ..about };
                app.put_document(tenant, &name, (&file, &app.receive_bytes(&bytes).await?), about).await?
            }
            (None, Some(url), None) => put_address(&app, &caller, &name, (called, &url), about).await?,
            (None, None, Some(sitemap)) => {
                let mut items = Vec::new();
                for page in app.sitemap(&sitemap).await? {
                    let document = put_address(&app, &caller, &name, (None, page.as_str()), about.clone()).await?;
                    items.push(document_view(document));
                }
                let list = DocumentList { items, next_cursor: None };
                return Ok((StatusCode::ACCEPTED, Json(list)).into_response());
            }
            _ => {
                return Err(AppError::invalid("exactly one of `records`, `url` and `sitemap` is wanted")
                    .hint("or send a file as multipart/form-data: curl -F file=@manual.pdf …"));
            }
        }
    } else {
        let Form { file, file_name, about } = form(&app, request).await?;
        app.put_document(tenant, &name, (&file_name, &file), about).await?
    };
    let document = match wait {
        Some(seconds) => {
            let time = Duration::from_secs(seconds).min(MAX_WAIT);
            app.document_at_rest(tenant, &base, document.id, time).await?
        }
        None => document,
    };
    if document.state().is_in_progress() {
        return Ok((StatusCode::ACCEPTED, Json(document_view(document))).into_response());
    }
    if document.state() == DocumentState::Failed && wait.is_some() {
        // Whoever waited for it hears it as an error; it stays listed, with a way to try again.
        let (hint, errors) = document.ingestion.as_ref().map(problems_of).unwrap_or_default();
        let reason = document.ingestion.and_then(|it| it.reason).unwrap_or_default();
        return Err(AppError::new(code_of(&errors), reason).maybe_hint(hint).errors(errors));
    }
    Ok(Json(document_view(document)).into_response())
}

async fn put_address(
    app: &App,
    caller: &Caller,
    base: &str,
    (called, url): (Option<String>, &str),
    about: About,
) -> Result<Document> {
    let (name, url) = document_name(url)?;
    let about = About { source: Some(url), ..about };
    app.put_address(caller.tenant.id, base, called.as_deref().unwrap_or(&name), about).await
}

struct Form {
    file: Incoming,
    file_name: String,
    about: About,
}

/// The file goes to the disk as it arrives; the fields beside it may stand before or behind it.
async fn form(app: &App, request: Request) -> Result<Form> {
    let limit = app.config().limits.document_bytes;
    let mut multipart = Multipart::from_request(request, app).await.map_err(|_| {
        AppError::new(ErrorCode::UnsupportedMediaType, "a document comes as multipart/form-data or as JSON")
            .hint("for example: curl -F file=@manual.pdf …, or a JSON body with `records`, `url` or `sitemap`")
    })?;
    let (mut file, mut about) = (None, About::default());
    while let Some(mut field) = multipart.next_field().await.map_err(|error| refuse_upload(&error, limit))? {
        match field.name() {
            Some("file") => {
                // Only the last part of the name counts: a path in it is not ours to follow.
                let name =
                    field.file_name().unwrap_or("upload").rsplit(['/', '\\']).next().unwrap_or("upload").to_owned();
                about.media_type =
                    field.content_type().map(str::to_owned).filter(|it| it != "application/octet-stream");
                let mut arriving = app.receive_file().await?;
                while let Some(bytes) = field.chunk().await.map_err(|error| refuse_upload(&error, limit))? {
                    arriving.write(&bytes).await?;
                }
                file = Some((name, arriving.finish().await?));
            }
            Some("groups") => about.groups = Some(json_field(field).await?),
            Some("metadata") => about.metadata = Some(json_field(field).await?),
            Some("columns") => about.columns = Some(json_field(field).await?),
            Some(_) | None => {}
        }
    }
    let (file_name, file) = file.ok_or_else(|| {
        AppError::invalid("the form has no field `file`").hint("for example: curl -F file=@manual.pdf …")
    })?;
    Ok(Form { file, file_name, about })
}

async fn json_field<T: serde::de::DeserializeOwned>(mut field: Field<'_>) -> Result<T> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut text = Vec::new();
    while let Some(bytes) = field.chunk().await.map_err(|error| refuse_upload(&error, MAX_FIELD_BYTES))? {
        text.extend_from_slice(&bytes);
        if text.len() > MAX_FIELD_BYTES {
            return Err(AppError::new(ErrorCode::TooLarge, format!("`{name}` is larger than {MAX_FIELD_BYTES} bytes")));
        }
    }
    serde_json::from_slice(&text).map_err(|error| {
        AppError::invalid(format!("`{name}` is not what it has to be: {error}"))
            .hint("`groups` is a JSON list of texts; `metadata` and `columns` are JSON objects")
    })
}

pub(super) async fn columns(
    State(app): State<App>,
    caller: Caller,
    In(name): In<String>,
    request: Request,
) -> Result<Json<ColumnsView>> {
    let (_, spec) = app.base(caller.tenant.id, &name).await?;
    let Form { file, file_name, .. } = form(&app, request).await?;
    let read = tokio::task::spawn_blocking(move || knowledge::columns_of(file.path(), &file_name, &spec)).await;
    let columns = read.map_err(AppError::internal)?.map_err(crate::app::knowledge::unreadable)?;
    let mut view = serde_json::to_value(&columns).map_err(AppError::internal)?;
    let part = |view: &mut Value, name: &str| view.get_mut(name).map(Value::take).unwrap_or_default();
    let kind = part(&mut view, "kind").as_str().unwrap_or_default().to_owned();
    Ok(Json(ColumnsView { kind, columns: part(&mut view, "columns") }))
}

pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
    Body(DocumentPatch { groups, metadata }): Body<DocumentPatch>,
) -> Result<Json<DocumentView>> {
    let (base, document) = found(&app, &caller, &name, id).await?;
    app.change_document(caller.tenant.id, &base, &document, &About { groups, metadata, ..About::default() }).await?;
    Ok(Json(document_view(app.document(caller.tenant.id, &base, id).await?)))
}

pub(super) async fn retry(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
) -> Result<Json<DocumentView>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    Ok(Json(document_view(app.read_again(caller.tenant.id, &base, id).await?)))
}

pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
) -> Result<Json<DocumentView>> {
    let (base, _) = app.base(caller.tenant.id, &name).await?;
    Ok(Json(document_view(app.stop_reading(caller.tenant.id, &base, id).await?)))
}

/// The bytes as they came, piece by piece.
pub(super) async fn file(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
) -> Result<Response> {
    let (_, document) = found(&app, &caller, &name, id).await?;
    let hash = document.content_hash.clone().or_else(|| document.ingestion.as_ref()?.content_hash.clone());
    let gone = || {
        AppError::new(ErrorCode::NotFound, format!("the original file of `{}` is not kept", document.name))
            .hint("upload it once more")
    };
    let hash = hash.ok_or_else(gone)?;
    let tenant = caller.tenant.id;
    let first = app.storage().file_piece(tenant, &hash, 0).await?.ok_or_else(gone)?;
    let rest = futures::stream::try_unfold((app, 1), move |(app, piece)| {
        let hash = hash.clone();
        async move {
            let bytes = app.storage().file_piece(tenant, &hash, piece).await?;
            Ok::<_, storage::StorageError>(bytes.map(|it| (it, (app, piece + 1))))
        }
    });
    let body = Bytes::from_stream(futures::stream::once(async { Ok(first) }).chain(rest));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    // Never shown in place: what people upload is no page of this site.
    let name = percent_encoded(&document.name);
    let disposition = format!("attachment; filename*=UTF-8''{name}");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// As RFC 5987 wants a file's name.
pub(super) fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    name.bytes().map(|it| if plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
}

pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
) -> Result<StatusCode> {
    app.delete_document(caller.tenant.id, &name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn chunks(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
    Asked(Listing { q, after, limit }): Asked<Listing>,
) -> Result<Json<ChunkList>> {
    found(&app, &caller, &name, id).await?;
    let after: Option<i64> = after.map(|it| it.parse()).transpose().map_err(|_| {
        AppError::invalid("`after` is no number of a record").hint("take `next_cursor` of the page before")
    })?;
    let (q, limit) = (looked_for(q.as_deref())?, page_size(limit)?);
    let mut items = app.storage().chunks(caller.tenant.id, id, q, (after, limit + 1)).await?;
    let more = i64::try_from(items.len()).is_ok_and(|it| it > limit);
    items.truncate(usize::try_from(limit).unwrap_or(0));
    let next_cursor = items.last().filter(|_| more).map(|it| it.ordinal.to_string());
    Ok(Json(ChunkList { items: items.into_iter().map(chunk_view).collect(), next_cursor }))
}

impl ChunkBody {
    fn edit(self) -> ChunkEdit {
        let ChunkBody { text, answer, fields, enabled } = self;
        ChunkEdit { text, answer, fields, enabled }
    }
}

pub(super) async fn add_chunk(
    State(app): State<App>,
    caller: Caller,
    In((name, id)): In<(String, DocumentId)>,
    Body(body): Body<ChunkBody>,
) -> Result<Json<ChunkView>> {
    let (base, document) = found(&app, &caller, &name, id).await?;
    Ok(Json(chunk_view(app.add_chunk(caller.tenant.id, &base, &document, body.edit()).await?)))
}

pub(super) async fn change_chunk(
    State(app): State<App>,
    caller: Caller,
    In((name, id, ordinal)): In<(String, DocumentId, i64)>,
    Body(body): Body<ChunkBody>,
) -> Result<Json<ChunkView>> {
    let (base, _) = found(&app, &caller, &name, id).await?;
    Ok(Json(chunk_view(app.change_chunk(caller.tenant.id, &base, (id, ordinal), body.edit()).await?)))
}

pub(super) async fn remove_chunk(
    State(app): State<App>,
    caller: Caller,
    In((name, id, ordinal)): In<(String, DocumentId, i64)>,
) -> Result<StatusCode> {
    let (base, _) = found(&app, &caller, &name, id).await?;
    app.delete_chunk(caller.tenant.id, &base, (id, ordinal)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A document with its records as they are exported.
pub(super) fn exported(document: &Document) -> Value {
    json!({
        "id": document.id.to_string(),
        "name": document.name,
        "media_type": document.media_type,
        "source": document.source,
        "groups": document.groups,
        "metadata": document.metadata,
        "columns": document.columns,
        "records": document.records,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    })
}
