//! A small Qdrant server for tests: real gRPC, the calls that the index makes, exact answers from memory. Every other call is
//! answered `unimplemented`.

mod filter;
mod store;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use ::qdrant_client::qdrant::collections_server::{Collections, CollectionsServer};
use ::qdrant_client::qdrant::points_server::{Points, PointsServer};
use ::qdrant_client::qdrant::qdrant_server::{Qdrant, QdrantServer as RootServer};
use ::qdrant_client::qdrant::*;
use tokio::sync::oneshot;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

pub(crate) use store::Store;

#[derive(Default)]
struct State {
    store: Mutex<Store>,
    key: Option<String>,
    version: String,
    /// So many calls are answered before it breaks down; then none, until it is mended.
    calls_left: Mutex<Option<usize>>,
}

#[derive(Clone)]
struct Service(Arc<State>);

impl Service {
    /// The key and the breakdowns come before every call.
    fn perform<Q, A>(
        &self,
        request: Request<Q>,
        answer: impl FnOnce(&mut Store, Q) -> Result<A, Status>,
    ) -> Result<Response<A>, Status> {
        if let Some(key) = &self.0.key
            && request.metadata().get("api-key").and_then(|it| it.to_str().ok()) != Some(key)
        {
            return Err(Status::unauthenticated("Invalid API key or JWT"));
        }
        if let Some(left) = &mut *self.0.calls_left.lock().unwrap() {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Err(Status::unavailable("the server is going down")),
            }
        }
        answer(&mut self.0.store.lock().unwrap(), request.into_inner()).map(Response::new)
    }
}

/// A service of which some calls are answered.
macro_rules! service {
    ($service:ident,
     answered { $($name:ident($request:ty) -> $response:ty = $answer:expr;)* }
     unimplemented { $($refused:ident($asked:ty) -> $told:ty;)* }) => {
        #[tonic::async_trait]
        impl $service for Service {
            $(async fn $name(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                self.perform(request, $answer)
            })*
            $(async fn $refused(&self, _: Request<$asked>) -> Result<Response<$told>, Status> {
                Err(Status::unimplemented(concat!("the test server does not know `", stringify!($refused), "`")))
            })*
        }
    };
}

service! { Points,
    answered {
    upsert(UpsertPoints) -> PointsOperationResponse = Store::upsert;
    delete(DeletePoints) -> PointsOperationResponse = Store::delete;
    create_field_index(CreateFieldIndexCollection) -> PointsOperationResponse = Store::index_field;
    count(CountPoints) -> CountResponse = Store::count;
    update_batch(UpdateBatchPoints) -> UpdateBatchResponse = Store::update_batch;
    query_batch(QueryBatchPoints) -> QueryBatchResponse = Store::query_batch;
    }
    unimplemented {
    get(GetPoints) -> GetResponse;
    update_vectors(UpdatePointVectors) -> PointsOperationResponse;
    delete_vectors(DeletePointVectors) -> PointsOperationResponse;
    set_payload(SetPayloadPoints) -> PointsOperationResponse;
    overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
    delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
    clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
    delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
    create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
    delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
    search(SearchPoints) -> SearchResponse;
    search_batch(SearchBatchPoints) -> SearchBatchResponse;
    search_groups(SearchPointGroups) -> SearchGroupsResponse;
    scroll(ScrollPoints) -> ScrollResponse;
    recommend(RecommendPoints) -> RecommendResponse;
    recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
    recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
    discover(DiscoverPoints) -> DiscoverResponse;
    discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
    query(QueryPoints) -> QueryResponse;
    query_groups(QueryPointGroups) -> QueryGroupsResponse;
    facet(FacetCounts) -> FacetResponse;
    search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
    search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
    }
}

service! { Collections,
    answered {
    get(GetCollectionInfoRequest) -> GetCollectionInfoResponse = Store::info;
    create(CreateCollection) -> CollectionOperationResponse = Store::create;
    delete(DeleteCollection) -> CollectionOperationResponse = Store::delete_collection;
    update_aliases(ChangeAliases) -> CollectionOperationResponse = Store::change_aliases;
    list_aliases(ListAliasesRequest) -> ListAliasesResponse = Store::aliases;
    }
    unimplemented {
    list(ListCollectionsRequest) -> ListCollectionsResponse;
    update(UpdateCollection) -> CollectionOperationResponse;
    list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
    collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
    collection_exists(CollectionExistsRequest) -> CollectionExistsResponse;
    update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse;
    create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
    delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
    list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
    }
}

#[tonic::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckReply>, Status> {
        let version = self.0.version.clone();
        Ok(Response::new(HealthCheckReply { title: "a test server".to_owned(), version, commit: None }))
    }
}

/// It listens until it is stopped or dropped.
pub(crate) struct TestServer {
    pub(crate) url: String,
    address: SocketAddr,
    state: Arc<State>,
    running: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
}

impl TestServer {
    pub(crate) async fn start() -> TestServer {
        TestServer::with(None, "1.20.0").await
    }

    pub(crate) async fn with(key: Option<&str>, version: &str) -> TestServer {
        let state = State { key: key.map(str::to_owned), version: version.to_owned(), ..State::default() };
        let mut server = TestServer {
            url: String::new(),
            address: "127.0.0.1:0".parse().unwrap(),
            state: Arc::new(state),
            running: None,
        };
        server.resume().await;
        server.url = format!("http://{}", server.address);
        server
    }

    /// Listens, again at the same address.
    pub(crate) async fn resume(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let service = Service(self.state.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tonic::transport::Server::builder()
            .add_service(PointsServer::new(service.clone()))
            .add_service(CollectionsServer::new(service.clone()))
            .add_service(RootServer::new(service))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), async {
                let _ = stopped.await;
            });
        self.running = Some((stop, tokio::spawn(async { serving.await.unwrap() })));
    }

    /// Nobody listens any more; what it holds stays.
    pub(crate) async fn stop(&mut self) {
        let (stop, serving) = self.running.take().unwrap();
        drop(stop);
        serving.await.unwrap();
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.state.store.lock().unwrap()
    }

    /// After so many calls, it answers none any more.
    pub(crate) fn break_down_after(&self, calls: usize) {
        *self.state.calls_left.lock().unwrap() = Some(calls);
    }

    pub(crate) fn mend(&self) {
        *self.state.calls_left.lock().unwrap() = None;
    }
}
