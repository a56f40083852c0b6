//! What the test server holds: collections with points, in memory, and each call as a change of them.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::{
    AliasDescription, BatchResult, ChangeAliases, CollectionConfig, CollectionInfo, CollectionOperationResponse,
    CollectionParams, CountPoints, CountResponse, CountResult, CreateCollection, CreateFieldIndexCollection,
    DeleteCollection, DeletePoints, Filter, GetCollectionInfoRequest, GetCollectionInfoResponse, ListAliasesRequest,
    ListAliasesResponse, Modifier, PayloadSchemaInfo, PointId, PointStruct, PointsOperationResponse, PointsSelector,
    QueryBatchPoints, QueryBatchResponse, QueryPoints, ScoredPoint, UpdateBatchPoints, UpdateBatchResponse, UpdateMode,
    UpsertPoints, Value, Vector, alias_operations::Action, point_id::PointIdOptions,
    points_selector::PointsSelectorOneOf, points_update_operation::Operation, query::Variant, vector, vector_input,
    vectors::VectorsOptions, vectors_config, with_payload_selector::SelectorOptions,
};
use tonic::Status;

use super::filter::passes;

#[derive(Clone, Debug)]
pub(super) enum Stored {
    Dense(Vec<f32>),
    Sparse(BTreeMap<u32, f32>),
}

#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) payload: HashMap<String, Value>,
    pub(super) vectors: HashMap<String, Stored>,
}

impl Point {
    pub(crate) fn has_vector(&self, name: &str) -> bool {
        self.vectors.contains_key(name)
    }
}

#[derive(Default)]
struct Collection {
    parameters: CollectionParams,
    fields: HashMap<String, PayloadSchemaInfo>,
    points: BTreeMap<String, Point>,
}

#[derive(Default)]
pub(crate) struct Store {
    collections: BTreeMap<String, Collection>,
    aliases: BTreeMap<String, String>,
    /// Every query that was asked.
    pub(crate) queries: Vec<QueryPoints>,
    /// Points that were sent.
    pub(crate) upserted: usize,
}

fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

impl Store {
    fn collection(&mut self, name: &str) -> Result<&mut Collection, Status> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.collections
            .get_mut(name)
            .ok_or_else(|| Status::not_found(format!("Not found: Collection `{name}` doesn't exist!")))
    }

    /// Of the collection behind an alias.
    pub(crate) fn points(&mut self, name: &str) -> Vec<Point> {
        self.collection(name).map(|it| it.points.values().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.aliases.keys().cloned().collect()
    }

    pub(crate) fn indexed_fields(&mut self, name: &str) -> Vec<String> {
        let mut fields: Vec<String> =
            self.collection(name).map(|it| it.fields.keys().cloned().collect()).unwrap_or_default();
        fields.sort();
        fields
    }

    /// As after somebody threw its data away.
    pub(crate) fn lose_everything(&mut self) {
        self.collections.clear();
        self.aliases.clear();
    }

    pub(super) fn create(&mut self, asked: CreateCollection) -> Result<CollectionOperationResponse, Status> {
        let CreateCollection { collection_name: name, vectors_config, sparse_vectors_config, .. } = asked;
        if self.collections.contains_key(&name) {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        let parameters = CollectionParams { vectors_config, sparse_vectors_config, ..CollectionParams::default() };
        self.collections.insert(name, Collection { parameters, ..Collection::default() });
        Ok(CollectionOperationResponse { result: true, time: 0.0 })
    }

    pub(super) fn delete_collection(&mut self, asked: DeleteCollection) -> Result<CollectionOperationResponse, Status> {
        let result = self.collections.remove(&asked.collection_name).is_some();
        self.aliases.retain(|_, it| *it != asked.collection_name);
        Ok(CollectionOperationResponse { result, time: 0.0 })
    }

    pub(super) fn info(&mut self, asked: GetCollectionInfoRequest) -> Result<GetCollectionInfoResponse, Status> {
        let it = self.collection(&asked.collection_name)?;
        let config = CollectionConfig { params: Some(it.parameters.clone()), ..CollectionConfig::default() };
        let result = Some(CollectionInfo {
            config: Some(config),
            payload_schema: it.fields.clone(),
            ..CollectionInfo::default()
        });
        Ok(GetCollectionInfoResponse { result, time: 0.0 })
    }

    pub(super) fn change_aliases(&mut self, asked: ChangeAliases) -> Result<CollectionOperationResponse, Status> {
        for action in asked.actions {
            match action.action {
                Some(Action::CreateAlias(it)) => {
                    self.collection(&it.collection_name)?;
                    self.aliases.insert(it.alias_name, it.collection_name);
                }
                other => return Err(Status::unimplemented(format!("the test server does not know {other:?}"))),
            }
        }
        Ok(CollectionOperationResponse { result: true, time: 0.0 })
    }

    pub(super) fn aliases(&mut self, _: ListAliasesRequest) -> Result<ListAliasesResponse, Status> {
        let described = |(alias, collection): (&String, &String)| AliasDescription {
            alias_name: alias.clone(),
            collection_name: collection.clone(),
        };
        Ok(ListAliasesResponse { aliases: self.aliases.iter().map(described).collect(), time: 0.0 })
    }

    pub(super) fn index_field(&mut self, asked: CreateFieldIndexCollection) -> Result<PointsOperationResponse, Status> {
        let info = PayloadSchemaInfo {
            data_type: asked.field_type.ok_or_else(|| invalid("no field type"))?,
            params: asked.field_index_params,
            points: None,
        };
        self.collection(&asked.collection_name)?.fields.insert(asked.field_name, info);
        Ok(PointsOperationResponse::default())
    }

    pub(super) fn upsert(&mut self, asked: UpsertPoints) -> Result<PointsOperationResponse, Status> {
        if asked.update_filter.is_some() || asked.shard_key_selector.is_some() {
            return Err(Status::unimplemented("the test server has no conditional updates and no shards"));
        }
        self.upserted += asked.points.len();
        let mode = asked.update_mode();
        let collection = self.collection(&asked.collection_name)?;
        for point in asked.points {
            let (id, point) = collection.checked(point)?;
            match mode {
                UpdateMode::Upsert => {
                    collection.points.insert(id, point);
                }
                UpdateMode::InsertOnly => {
                    collection.points.entry(id).or_insert(point);
                }
                UpdateMode::UpdateOnly => return Err(Status::unimplemented("the test server has no `update_only`")),
            }
        }
        Ok(PointsOperationResponse::default())
    }

    pub(super) fn delete(&mut self, asked: DeletePoints) -> Result<PointsOperationResponse, Status> {
        let collection = self.collection(&asked.collection_name)?;
        for id in collection.selected(asked.points)? {
            collection.points.remove(&id);
        }
        Ok(PointsOperationResponse::default())
    }

    pub(super) fn update_batch(&mut self, asked: UpdateBatchPoints) -> Result<UpdateBatchResponse, Status> {
        let collection = self.collection(&asked.collection_name)?;
        for operation in asked.operations {
            match operation.operation {
                Some(Operation::SetPayload(it)) => {
                    for id in collection.selected(it.points_selector)? {
                        if let Some(point) = collection.points.get_mut(&id) {
                            point.payload.extend(it.payload.clone());
                        }
                    }
                }
                Some(Operation::DeletePoints(it)) => {
                    for id in collection.selected(it.points)? {
                        collection.points.remove(&id);
                    }
                }
                other => return Err(Status::unimplemented(format!("the test server does not know {other:?}"))),
            }
        }
        Ok(UpdateBatchResponse::default())
    }

    pub(super) fn count(&mut self, asked: CountPoints) -> Result<CountResponse, Status> {
        let collection = self.collection(&asked.collection_name)?;
        let count = collection.passing(asked.filter.as_ref())?.len();
        Ok(CountResponse { result: Some(CountResult { count: u64::try_from(count).unwrap() }), ..Default::default() })
    }

    pub(super) fn query_batch(&mut self, asked: QueryBatchPoints) -> Result<QueryBatchResponse, Status> {
        let mut result = Vec::new();
        for query in asked.query_points {
            self.queries.push(query.clone());
            let collection = self.collection(&asked.collection_name)?;
            result.push(BatchResult { result: collection.query(query)? });
        }
        Ok(QueryBatchResponse { result, ..Default::default() })
    }
}

impl Collection {
    fn dense_size(&self, name: &str) -> Option<usize> {
        match self.parameters.vectors_config.as_ref()?.config.as_ref()? {
            vectors_config::Config::ParamsMap(it) => usize::try_from(it.map.get(name)?.size).ok(),
            vectors_config::Config::Params(_) => None,
        }
    }

    fn sparse_modifier(&self, name: &str) -> Option<Modifier> {
        Some(self.parameters.sparse_vectors_config.as_ref()?.map.get(name)?.modifier())
    }

    /// As the real server checks a point before it takes it.
    fn checked(&self, point: PointStruct) -> Result<(String, Point), Status> {
        let PointStruct { id, payload, vectors } = point;
        let id = uuid_of(id)?;
        let Some(VectorsOptions::Vectors(named)) = vectors.and_then(|it| it.vectors_options) else {
            return Err(invalid("Expected some named vectors"));
        };
        let checked = named.vectors.into_iter().map(|(name, it)| Ok((name.clone(), self.checked_vector(&name, it)?)));
        Ok((id, Point { payload, vectors: checked.collect::<Result<_, Status>>()? }))
    }

    fn checked_vector(&self, name: &str, vector: Vector) -> Result<Stored, Status> {
        match vector.vector {
            Some(vector::Vector::Dense(it)) => {
                let size = self.dense_size(name);
                if size != Some(it.data.len()) {
                    let got = it.data.len();
                    return Err(invalid(format!("Vector dimension error: expected dim: {size:?}, got {got}")));
                }
                let length = it.data.iter().map(|it| it * it).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
                Ok(Stored::Dense(it.data.into_iter().map(|it| it / length).collect()))
            }
            Some(vector::Vector::Sparse(it)) => {
                self.sparse_modifier(name)
                    .ok_or_else(|| invalid(format!("Wrong input: Not existing vector name error: {name}")))?;
                let count = it.indices.len();
                let values: BTreeMap<u32, f32> = it.indices.into_iter().zip(it.values).collect();
                if values.len() != count {
                    return Err(invalid("Validation error: indices: must be unique"));
                }
                Ok(Stored::Sparse(values))
            }
            other => Err(Status::unimplemented(format!("the test server does not know {other:?}"))),
        }
    }

    fn passing(&self, filter: Option<&Filter>) -> Result<Vec<(&String, &Point)>, Status> {
        let mut found = Vec::new();
        for (id, point) in &self.points {
            if filter.map_or(Ok(true), |it| passes(it, point))? {
                found.push((id, point));
            }
        }
        Ok(found)
    }

    fn selected(&self, selector: Option<PointsSelector>) -> Result<Vec<String>, Status> {
        match selector.and_then(|it| it.points_selector_one_of) {
            Some(PointsSelectorOneOf::Points(it)) => it.ids.into_iter().map(|it| uuid_of(Some(it))).collect(),
            Some(PointsSelectorOneOf::Filter(it)) => {
                Ok(self.passing(Some(&it))?.into_iter().map(|it| it.0.clone()).collect())
            }
            None => Err(invalid("No points selector provided")),
        }
    }

    fn query(&self, asked: QueryPoints) -> Result<Vec<ScoredPoint>, Status> {
        let QueryPoints { query, using, filter, params, limit, with_payload, .. } = asked;
        let name = using.unwrap_or_default();
        let Some(Variant::Nearest(nearest)) = query.and_then(|it| it.variant) else {
            return Err(Status::unimplemented("the test server only looks for the nearest"));
        };
        let score: Box<Score> = match nearest.variant {
            Some(vector_input::Variant::Dense(it)) => {
                if self.dense_size(&name) != Some(it.data.len()) {
                    return Err(invalid("Wrong input: Vector dimension error"));
                }
                let length = it.data.iter().map(|it| it * it).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
                Box::new(move |stored| match stored {
                    Stored::Dense(values) => {
                        Some(values.iter().zip(&it.data).map(|(a, b)| a * b).sum::<f32>() / length)
                    }
                    Stored::Sparse(_) => None,
                })
            }
            Some(vector_input::Variant::Sparse(it)) => {
                let corpus = params.and_then(|it| it.idf).and_then(|it| it.corpus);
                let mut weights: Vec<(u32, f32)> = it.indices.into_iter().zip(it.values).collect();
                if self.sparse_modifier(&name) == Some(Modifier::Idf) {
                    let all: Vec<&BTreeMap<u32, f32>> = self
                        .passing(corpus.as_ref())?
                        .into_iter()
                        .filter_map(|(_, it)| match it.vectors.get(&name) {
                            Some(Stored::Sparse(it)) => Some(it),
                            Some(Stored::Dense(_)) | None => None,
                        })
                        .collect();
                    for (index, weight) in &mut weights {
                        let having = all.iter().filter(|it| it.contains_key(index)).count() as f32;
                        *weight *= (1.0 + (all.len() as f32 - having + 0.5) / (having + 0.5)).ln();
                    }
                }
                Box::new(move |stored| match stored {
                    Stored::Sparse(values) => {
                        let shared: Vec<f32> =
                            weights.iter().filter_map(|(index, weight)| Some(values.get(index)? * weight)).collect();
                        (!shared.is_empty()).then(|| shared.iter().sum())
                    }
                    Stored::Dense(_) => None,
                })
            }
            other => return Err(Status::unimplemented(format!("the test server does not know {other:?}"))),
        };
        let Some(SelectorOptions::Include(shown)) = with_payload.and_then(|it| it.selector_options) else {
            return Err(Status::unimplemented("the test server shows what is named of a payload"));
        };
        let mut found: Vec<ScoredPoint> = self
            .passing(filter.as_ref())?
            .into_iter()
            .filter_map(|(id, point)| {
                let payload = point.payload.iter().filter(|(name, _)| shown.fields.contains(name));
                Some(ScoredPoint {
                    id: Some(id.clone().into()),
                    payload: payload.map(|(name, value)| (name.clone(), value.clone())).collect(),
                    score: score(point.vectors.get(&name)?)?,
                    ..ScoredPoint::default()
                })
            })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(usize::try_from(limit.unwrap_or(10)).unwrap());
        Ok(found)
    }
}

/// How near a stored vector is; none where it is of another kind, or shares nothing.
type Score = dyn Fn(&Stored) -> Option<f32>;

fn uuid_of(id: Option<PointId>) -> Result<String, Status> {
    match id.and_then(|it| it.point_id_options) {
        Some(PointIdOptions::Uuid(it)) if uuid::Uuid::parse_str(&it).is_ok() => Ok(it),
        other => Err(invalid(format!("Unable to parse UUID: {other:?}"))),
    }
}
