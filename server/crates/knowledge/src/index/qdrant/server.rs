//! The connection to a Qdrant server: opened when it is first needed, asked again once where it was lost, and every refusal
//! told as an error that names the address and never the key.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use qdrant_client::config::QdrantConfig as ClientConfig;
use qdrant_client::qdrant::{
    CountPointsBuilder, DeletePointsBuilder, Filter, PointsUpdateOperation, QueryBatchPointsBuilder, QueryPoints,
    ScoredPoint, UpdateBatchPointsBuilder, UpsertPointsBuilder,
};
use qdrant_client::{Qdrant, QdrantError};
use tonic::Code;

use crate::error::KnowledgeError;

/// The first version that can keep the statistics of words within a tenant (1.19) and look for a part of a word in a
/// filter (1.20). An older one would take such a query and answer something else.
const OLDEST: (u32, u32) = (1, 20);
/// For one call, also one that waits until a batch of points is applied.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For somebody who looks whether it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a Qdrant server listens.
#[derive(Clone)]
pub struct QdrantConfig {
    /// Its gRPC address, for instance `http://127.0.0.1:6334`; with `https` the system's certificates are trusted.
    pub url: String,
    pub api_key: Option<String>,
    /// What the names of its collections begin with.
    pub prefix: String,
}

impl QdrantConfig {
    pub fn new(url: impl Into<String>, api_key: Option<String>) -> QdrantConfig {
        QdrantConfig { url: url.into(), api_key, prefix: "parlour".to_owned() }
    }
}

impl std::fmt::Debug for QdrantConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let QdrantConfig { url, api_key, prefix } = self;
        write!(f, "QdrantConfig({url}, {prefix}, {})", if api_key.is_some() { "with a key" } else { "without a key" })
    }
}

pub(super) struct Server {
    pub(super) client: Qdrant,
    pub(super) url: String,
    pub(super) prefix: String,
    version: tokio::sync::OnceCell<()>,
    /// Collections that are there, with the fields that they have indexes of. Held while one is made.
    pub(super) collections: tokio::sync::Mutex<HashMap<String, HashSet<String>>>,
    /// Bases of tenants whose points were counted since this process began: by collection.
    counted: Mutex<HashSet<Counted>>,
    /// It did not know a collection that was there: somebody deleted it.
    lost: AtomicBool,
}

/// A collection, a tenant and a base.
type Counted = (String, String, String);

impl Server {
    /// Nothing is asked of the server yet.
    pub(super) fn new(config: &QdrantConfig) -> Result<Server, KnowledgeError> {
        let QdrantConfig { url, api_key, prefix } = config;
        let refuse = |message: String, hint: &str| KnowledgeError::InvalidRequest { message, hint: hint.to_owned() };
        let example = "write for instance http://127.0.0.1:6334, the port that Qdrant speaks gRPC on";
        let parsed = reqwest::Url::parse(url)
            .map_err(|error| refuse(format!("the address of Qdrant cannot be read: {error}"), example))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
            return Err(refuse(format!("`{url}` is not an address of Qdrant"), example));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refuse(
                "the address of Qdrant holds a name or a password".to_owned(),
                "the key goes into PARLOUR_QDRANT_API_KEY",
            ));
        }
        let plain = |key: &String| !key.is_empty() && key.bytes().all(|it| it.is_ascii_graphic());
        if api_key.as_ref().is_some_and(|it| !plain(it)) {
            return Err(refuse(
                "the key of Qdrant has characters that cannot be sent".to_owned(),
                "PARLOUR_QDRANT_API_KEY holds letters, digits and signs, without spaces",
            ));
        }
        let client = Qdrant::new(ClientConfig {
            uri: url.clone(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            keep_alive_while_idle: true,
            api_key: api_key.clone(),
            compression: None,
            // Asked for below, without a thread of its own and without printing.
            check_compatibility: false,
            check_connection: false,
            pool_size: 2,
            custom_headers: Vec::new(),
        })
        .map_err(|error| refuse(format!("`{url}` is not an address of Qdrant: {error}"), example))?;
        Ok(Server {
            client,
            url: url.clone(),
            prefix: prefix.clone(),
            version: tokio::sync::OnceCell::new(),
            collections: tokio::sync::Mutex::default(),
            counted: Mutex::default(),
            lost: AtomicBool::new(false),
        })
    }

    fn unavailable(&self, what: &str, hint: &str) -> KnowledgeError {
        KnowledgeError::IndexUnavailable { reason: format!("Qdrant at {} {what}", self.url), hint: hint.to_owned() }
    }

    pub(super) fn failed(&self, error: QdrantError) -> KnowledgeError {
        let status = match &error {
            QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => status,
            QdrantError::ConversionError(_)
            | QdrantError::InvalidUri(_)
            | QdrantError::NoSnapshotFound(_)
            | QdrantError::Io(_) => {
                return self.unavailable(&format!("cannot be asked: {error}"), "check PARLOUR_QDRANT_URL");
            }
        };
        let message = cause(status.message());
        if status.code() == Code::NotFound {
            self.lost.store(true, Ordering::Relaxed);
        }
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => self.unavailable(
                "refuses the key",
                "check PARLOUR_QDRANT_API_KEY; it must be allowed to write and to make collections",
            ),
            Code::Cancelled | Code::DeadlineExceeded => {
                self.unavailable("did not answer in time", "see whether it is overloaded, and try again")
            }
            Code::Unavailable | Code::Internal | Code::Unknown => self.unavailable(
                &format!("cannot be reached: {message}"),
                "start it, or check PARLOUR_QDRANT_URL; the port is that of gRPC, usually 6334",
            ),
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss => self.unavailable(
                &format!("refused a request: {message}"),
                "see Qdrant's own log; a collection that is damaged can be deleted there, and is then filled again",
            ),
        }
    }

    /// Refuses a server that is too old, once.
    pub(super) async fn check_version(&self) -> Result<(), KnowledgeError> {
        self.version
            .get_or_try_init(|| async {
                let told = self.client.health_check().await.map_err(|it| self.failed(it))?.version;
                let mut numbers = told.split('.').map(|it| it.parse::<u32>().ok());
                let version = numbers.next().flatten().zip(numbers.next().flatten());
                if version.is_some_and(|it| it >= OLDEST) {
                    tracing::info!(qdrant.url = self.url, qdrant.version = told, "knowledge is found by Qdrant");
                    return Ok(());
                }
                let (major, minor) = OLDEST;
                Err(self.unavailable(
                    &format!("is version {told}, which is too old"),
                    &format!("use Qdrant {major}.{minor} or newer: it keeps the statistics of words within a tenant"),
                ))
            })
            .await
            .copied()
    }

    /// Why it does not answer now; none if it does.
    pub(super) async fn problem(&self) -> Option<String> {
        match tokio::time::timeout(PATIENCE, self.client.health_check()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(self.failed(error).to_string()),
            Err(_) => Some(self.unavailable("did not answer in time", "").to_string()),
        }
    }

    /// True the first time that a base's points are asked about.
    pub(super) fn is_uncounted(&self, collection: &str, tenant: &str, base: &str) -> bool {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        !counted.contains(&(collection.to_owned(), tenant.to_owned(), base.to_owned()))
    }

    pub(super) fn note_counted(&self, collection: &str, tenant: &str, base: &str) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.insert((collection.to_owned(), tenant.to_owned(), base.to_owned()));
    }

    /// Whether a collection was deleted there since it was looked for.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// If a collection was deleted there: all are looked for again, made where they are not there, and filled.
    pub(super) fn look_for_lost(&self, collections: &mut HashMap<String, HashSet<String>>) {
        if self.lost.swap(false, Ordering::Relaxed) {
            collections.clear();
            self.counted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    pub(super) async fn count(&self, collection: &str, filter: Filter) -> Result<u64, KnowledgeError> {
        let request = CountPointsBuilder::new(collection).filter(filter).exact(true);
        let counted = self.client.count(request).await.map_err(|it| self.failed(it))?;
        Ok(counted.result.map_or(0, |it| it.count))
    }

    pub(super) async fn upsert(&self, request: UpsertPointsBuilder) -> Result<(), KnowledgeError> {
        self.client.upsert_points(request).await.map_err(|it| self.failed(it))?;
        Ok(())
    }

    /// Waits until it is done.
    pub(super) async fn delete(&self, request: DeletePointsBuilder) -> Result<(), KnowledgeError> {
        self.client.delete_points(request.wait(true)).await.map_err(|it| self.failed(it))?;
        Ok(())
    }

    /// One after the other; waits until all are done.
    pub(super) async fn update(
        &self,
        collection: &str,
        operations: Vec<PointsUpdateOperation>,
    ) -> Result<(), KnowledgeError> {
        let request = UpdateBatchPointsBuilder::new(collection, operations).wait(true);
        self.client.update_points_batch(request).await.map_err(|it| self.failed(it))?;
        Ok(())
    }

    /// A list for each query; none where the collection is not there.
    pub(super) async fn query(
        &self,
        collection: &str,
        queries: Vec<QueryPoints>,
    ) -> Result<Option<Vec<Vec<ScoredPoint>>>, KnowledgeError> {
        let asked = queries.len();
        let answer = match self.client.query_batch(QueryBatchPointsBuilder::new(collection, queries)).await {
            Ok(answer) => answer,
            Err(QdrantError::ResponseError { status }) if status.code() == Code::NotFound => {
                self.lost.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(error) => return Err(self.failed(error)),
        };
        if answer.result.len() != asked {
            return Err(self.unavailable(
                &format!("gave {} lists for {asked} queries", answer.result.len()),
                "see whether a proxy stands between",
            ));
        }
        Ok(Some(answer.result.into_iter().map(|it| it.result).collect()))
    }
}

/// Of what a transport error says of its own insides, the last cause.
fn cause(message: &str) -> &str {
    let quoted = message.rsplit_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    quoted.map_or_else(|| message.lines().next().unwrap_or_default(), |(cause, _)| cause)
}
