"""A Qdrant server made of Qdrant's own engine: `qdrant-edge-py` behind the gRPC calls that the index makes.

For machines without a Qdrant server. Filters, statistics of words, update modes and scores are the real engine's; only the
transport, and the names and aliases of collections, are written here. Every other call is answered UNIMPLEMENTED.

`RUN_SLOW_TESTS=1 cargo xtask test rust` runs the index's tests on it. By hand, with the packages of `requirements.txt`:
`python server.py 6334`, then `QDRANT_URL=http://127.0.0.1:6334 cargo test --workspace --test it on_qdrant`.
"""

import shutil
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import qdrant_edge as edge
from qdrant_client import grpc as q
from qdrant_client.grpc import collections_service_pb2_grpc, points_service_pb2_grpc, qdrant_pb2_grpc


def word_of(boolean):
    """The Python package takes a boolean that is to be matched for a number, so booleans are words here."""
    return "\0true" if boolean else "\0false"


def value_of(value):
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    if kind == "struct_value":
        return {name: value_of(it) for name, it in value.struct_value.fields.items()}
    if kind == "list_value":
        return [value_of(it) for it in value.list_value.values]
    if kind == "bool_value":
        return word_of(value.bool_value)
    return getattr(value, kind)


def to_value(it):
    if it is None:
        return q.Value(null_value=0)
    if it in ("\0true", "\0false"):
        return q.Value(bool_value=it == "\0true")
    if isinstance(it, int):
        return q.Value(integer_value=it)
    if isinstance(it, float):
        return q.Value(double_value=it)
    if isinstance(it, str):
        return q.Value(string_value=it)
    if isinstance(it, list):
        return q.Value(list_value=q.ListValue(values=[to_value(one) for one in it]))
    return q.Value(struct_value=q.Struct(fields={name: to_value(one) for name, one in it.items()}))


class Unknown(Exception):
    pass


def match_of(match):
    kind = match.WhichOneof("match_value")
    given = getattr(match, kind)
    if kind in ("keyword", "integer"):
        return edge.MatchValue(given)
    if kind == "boolean":
        return edge.MatchValue(word_of(given))
    if kind == "keywords":
        return edge.MatchAny(list(given.strings))
    if kind == "integers":
        return edge.MatchAny(list(given.integers))
    if kind == "substring":
        return edge.MatchSubstring(given)
    raise Unknown(f"match by {kind}")


def condition_of(condition):
    kind = condition.WhichOneof("condition_one_of")
    given = getattr(condition, kind)
    if kind == "filter":
        return filter_of(given)
    if kind == "has_vector":
        return edge.HasVectorCondition(given.has_vector)
    if kind == "is_empty":
        return edge.IsEmptyCondition(given.key)
    if kind == "field":
        if given.HasField("match"):
            return edge.FieldCondition(given.key, match=match_of(given.match))
        if given.HasField("range"):
            bounds = {it: getattr(given.range, it) for it in ("gt", "gte", "lt", "lte") if given.range.HasField(it)}
            return edge.FieldCondition(given.key, range=edge.RangeFloat(**bounds))
    raise Unknown(f"condition {kind}")


def filter_of(given):
    def part(conditions):
        return [condition_of(it) for it in conditions] or None

    if given.HasField("min_should"):
        raise Unknown("min_should")
    return edge.Filter(must=part(given.must), should=part(given.should), must_not=part(given.must_not))


def vector_of(vector):
    kind = vector.WhichOneof("vector")
    if kind == "dense":
        return list(vector.dense.data)
    if kind == "sparse":
        return edge.SparseVector(list(vector.sparse.indices), list(vector.sparse.values))
    raise Unknown(f"vector {kind}")


class Collection:
    def __init__(self, request):
        self.folder = tempfile.mkdtemp(prefix="qdrant-edge-")
        self.config, self.fields = request, {}
        vectors = {
            name: edge.EdgeVectorParams(size=it.size, distance=edge.Distance.Cosine)
            for name, it in request.vectors_config.params_map.map.items()
        }
        sparse = {
            name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf if it.modifier == q.Modifier.Idf else None)
            for name, it in request.sparse_vectors_config.map.items()
        }
        asked = request.hnsw_config
        hnsw = edge.HnswIndexConfig(m=asked.m, ef_construct=100, full_scan_threshold=10_000, payload_m=asked.payload_m)
        config = edge.EdgeConfig(vectors=vectors or None, sparse_vectors=sparse, hnsw_config=hnsw)
        self.shard = edge.EdgeShard.create(self.folder, config)

    def selected(self, selector, by_ids, by_filter):
        kind = selector.WhichOneof("points_selector_one_of")
        if kind == "points":
            return by_ids([it.uuid for it in selector.points.ids])
        if kind == "filter":
            return by_filter(filter_of(selector.filter))
        raise ValueError("No points selector provided")

    def upsert(self, request):
        modes = [edge.UpdateMode.Upsert, edge.UpdateMode.InsertOnly, edge.UpdateMode.UpdateOnly]
        points = [
            edge.Point(
                it.id.uuid,
                {name: vector_of(vector) for name, vector in it.vectors.vectors.vectors.items()},
                {name: value_of(value) for name, value in it.payload.items()},
            )
            for it in request.points
        ]
        self.shard.update(edge.UpdateOperation.upsert_points(points, None, modes[request.update_mode]))

    def delete(self, selector):
        operations = edge.UpdateOperation
        self.shard.update(self.selected(selector, operations.delete_points, operations.delete_points_by_filter))

    def set_payload(self, it):
        payload = {name: value_of(value) for name, value in it.payload.items()}
        operations = edge.UpdateOperation
        self.shard.update(
            self.selected(
                it.points_selector,
                lambda ids: operations.set_payload(ids, payload),
                lambda filter: operations.set_payload_by_filter(filter, payload),
            )
        )

    def index(self, request):
        kind = q.FieldType.Name(request.field_type).removeprefix("FieldType")
        given = request.field_index_params
        if kind == "Keyword":
            it = given.keyword_index_params
            schema = edge.KeywordIndexParams(is_tenant=it.is_tenant, enable_hnsw=it.enable_hnsw)
        else:
            schema = getattr(edge.PayloadSchemaType, "Keyword" if kind == "Bool" else kind)
        self.shard.update(edge.UpdateOperation.create_field_index(request.field_name, schema))
        self.fields[request.field_name] = q.PayloadSchemaInfo(data_type=q.PayloadSchemaType.Value(kind), params=given)

    def query(self, request):
        nearest = request.query.nearest
        kind = nearest.WhichOneof("variant")
        if kind == "dense":
            vector = list(nearest.dense.data)
        elif kind == "sparse":
            vector = edge.SparseVector(list(nearest.sparse.indices), list(nearest.sparse.values))
        else:
            raise Unknown(f"query {kind}")
        params = None
        if request.params.HasField("idf"):
            params = edge.SearchParams(idf=edge.IdfParams(corpus=filter_of(request.params.idf.corpus)))
        shown = list(request.with_payload.include.fields)
        found = self.shard.query(
            edge.QueryRequest(
                limit=request.limit,
                query=edge.Query.Nearest(vector, using=request.using),
                filter=filter_of(request.filter),
                params=params,
                with_payload=edge.PayloadSelector.Include(shown),
            )
        )
        return [
            q.ScoredPoint(
                id=q.PointId(uuid=str(it.id)),
                score=it.score,
                payload={name: to_value(value) for name, value in (it.payload or {}).items()},
            )
            for it in found
        ]

    def close(self):
        self.shard.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Store:
    def __init__(self):
        self.collections, self.aliases, self.lock = {}, {}, threading.RLock()

    def named(self, name):
        name = self.aliases.get(name, name)
        if name not in self.collections:
            raise KeyError(f"Not found: Collection `{name}` doesn't exist!")
        return self.collections[name]


STORE = Store()


def answering(method):
    """One call at a time, with the errors that the real server has."""

    def call(self, request, context):
        try:
            with STORE.lock:
                return method(self, request)
        except KeyError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, error.args[0])
        except FileExistsError as error:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, str(error))
        except Unknown as error:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the bridge does not know {error}")
        except Exception as error:  # noqa: BLE001, what the engine refuses
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return call


class Points(points_service_pb2_grpc.PointsServicer):
    @answering
    def Upsert(self, request):
        STORE.named(request.collection_name).upsert(request)
        return q.PointsOperationResponse()

    @answering
    def Delete(self, request):
        STORE.named(request.collection_name).delete(request.points)
        return q.PointsOperationResponse()

    @answering
    def CreateFieldIndex(self, request):
        STORE.named(request.collection_name).index(request)
        return q.PointsOperationResponse()

    @answering
    def Count(self, request):
        filter = filter_of(request.filter) if request.HasField("filter") else None
        count = STORE.named(request.collection_name).shard.count(edge.CountRequest(exact=True, filter=filter))
        return q.CountResponse(result=q.CountResult(count=count))

    @answering
    def UpdateBatch(self, request):
        collection = STORE.named(request.collection_name)
        for it in request.operations:
            kind = it.WhichOneof("operation")
            if kind == "set_payload":
                collection.set_payload(it.set_payload)
            elif kind == "delete_points":
                collection.delete(it.delete_points.points)
            else:
                raise Unknown(f"operation {kind}")
        return q.UpdateBatchResponse()

    @answering
    def QueryBatch(self, request):
        collection = STORE.named(request.collection_name)
        return q.QueryBatchResponse(result=[q.BatchResult(result=collection.query(it)) for it in request.query_points])


class Collections(collections_service_pb2_grpc.CollectionsServicer):
    @answering
    def Get(self, request):
        it = STORE.named(request.collection_name)
        vectors, sparse = it.config.vectors_config, it.config.sparse_vectors_config
        params = q.CollectionParams(vectors_config=vectors, sparse_vectors_config=sparse)
        info = q.CollectionInfo(config=q.CollectionConfig(params=params), payload_schema=it.fields)
        return q.GetCollectionInfoResponse(result=info)

    @answering
    def Create(self, request):
        if request.collection_name in STORE.collections:
            raise FileExistsError(f"Wrong input: Collection `{request.collection_name}` already exists!")
        STORE.collections[request.collection_name] = Collection(request)
        return q.CollectionOperationResponse(result=True)

    @answering
    def Delete(self, request):
        it = STORE.collections.pop(request.collection_name, None)
        for alias in [a for a, name in STORE.aliases.items() if name == request.collection_name]:
            del STORE.aliases[alias]
        if it:
            it.close()
        return q.CollectionOperationResponse(result=it is not None)

    @answering
    def UpdateAliases(self, request):
        for action in request.actions:
            if action.WhichOneof("action") != "create_alias":
                raise Unknown(f"alias action {action}")
            it = action.create_alias
            STORE.named(it.collection_name)
            STORE.aliases[it.alias_name] = it.collection_name
        return q.CollectionOperationResponse(result=True)

    @answering
    def ListAliases(self, request):
        described = [q.AliasDescription(alias_name=it, collection_name=name) for it, name in STORE.aliases.items()]
        return q.ListAliasesResponse(aliases=described)


class Root(qdrant_pb2_grpc.QdrantServicer):
    def HealthCheck(self, request, context):
        return q.HealthCheckReply(title="qdrant-edge", version="1.20.0")


def main():
    asked = sys.argv[1] if len(sys.argv) > 1 else "0"
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(8), options=unlimited)
    points_service_pb2_grpc.add_PointsServicer_to_server(Points(), server)
    collections_service_pb2_grpc.add_CollectionsServicer_to_server(Collections(), server)
    qdrant_pb2_grpc.add_QdrantServicer_to_server(Root(), server)
    port = server.add_insecure_port(f"127.0.0.1:{asked}")
    server.start()
    print(f"http://127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
