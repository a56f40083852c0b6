//! Collections: one for each embedding model and length of its vectors, for the bases of all tenants, and one for records
//! that have no model. Each is reached by an alias, so that another can be put in its place.

use std::collections::HashSet;

use qdrant_client::QdrantError;
use qdrant_client::qdrant::{
    BoolIndexParamsBuilder, CreateAliasBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Distance,
    FieldType, FloatIndexParamsBuilder, HnswConfigDiffBuilder, IntegerIndexParamsBuilder, KeywordIndexParamsBuilder,
    Modifier, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, VectorParamsBuilder, VectorsConfigBuilder,
    payload_index_params::IndexParams, vectors_config,
};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use super::filter::{Slot, path, slot_of};
use super::point::{BASE, DENSE, DOCUMENT, GROUPS, LEXICAL, LIVE, TENANT, VERSION};
use super::server::Server;
use crate::error::KnowledgeError;
use crate::spec::BaseSpec;

/// Links of a record to its neighbours within its tenant, in the graph that finds the nearest.
const LINKS: u64 = 16;
/// A longer part of a model's name is cut; its hash tells it apart.
const LONGEST_NAME: usize = 80;

/// Where the records of one model are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::index) struct Collection {
    /// Its alias.
    pub(super) name: String,
    /// The model, and how long its vectors are; none for the collection that is searched by words only.
    pub(super) model: Option<(String, usize)>,
}

impl Collection {
    pub(super) fn new(prefix: &str, model: Option<(String, usize)>) -> Collection {
        let name = match &model {
            None => format!("{prefix}_words"),
            Some((name, dimensions)) => format!("{prefix}_{}_{dimensions}", slug(name)),
        };
        Collection { name, model }
    }
}

/// A model's name as a part of a collection's. Where something had to be changed, a hash keeps two models apart.
fn slug(model: &str) -> String {
    let plain: String = model
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() || matches!(it, '-' | '.') { it } else { '-' })
        .take(LONGEST_NAME)
        .collect();
    if plain == model {
        return plain;
    }
    let hash: String = Sha256::digest(model.as_bytes()).iter().take(4).map(|it| format!("{it:02x}")).collect();
    format!("{plain}-{hash}")
}

impl Server {
    /// The collection is there afterwards, with an index of every field that this base is filtered by.
    pub(super) async fn prepare(&self, collection: &Collection, spec: &BaseSpec) -> Result<(), KnowledgeError> {
        let fields = || spec.fields.iter().filter(|it| it.filter).map(|it| (path(it.kind, &it.name), slot_of(it.kind)));
        let mut known = self.collections.lock().await;
        self.look_for_lost(&mut known);
        if known.get(&collection.name).is_some_and(|known| fields().all(|(path, _)| known.contains(&path))) {
            return Ok(());
        }
        self.check_version().await?;
        if !known.contains_key(&collection.name) {
            if !self.is_there(collection).await? {
                self.create(collection).await?;
            }
            known.insert(collection.name.clone(), self.indexed_fields(collection).await?);
        }
        let indexed = known.entry(collection.name.clone()).or_default();
        for (path, slot) in fields() {
            if !indexed.contains(&path) {
                let (kind, parameters) = index_of(slot, true);
                self.index_field(&collection.name, (&path, kind, parameters)).await?;
                indexed.insert(path);
            }
        }
        Ok(())
    }

    async fn is_there(&self, collection: &Collection) -> Result<bool, KnowledgeError> {
        let aliases = self.client.list_aliases().await.map_err(|it| self.failed(it))?;
        Ok(aliases.aliases.iter().any(|it| it.alias_name == collection.name))
    }

    /// Two servers may do this at the same time: what is there already stays.
    async fn create(&self, collection: &Collection) -> Result<(), KnowledgeError> {
        let real = format!("{}-1", collection.name);
        // Searches are always within a tenant, so that records are linked within theirs only.
        let graph = HnswConfigDiffBuilder::default().m(0).payload_m(LINKS);
        let mut words = SparseVectorsConfigBuilder::default();
        words.add_named_vector_params(LEXICAL, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
        let mut request = CreateCollectionBuilder::new(&real).hnsw_config(graph).sparse_vectors_config(words);
        if let Some((_, dimensions)) = &collection.model {
            let mut vectors = VectorsConfigBuilder::default();
            let size = u64::try_from(*dimensions).unwrap_or(u64::MAX);
            vectors.add_named_vector_params(DENSE, VectorParamsBuilder::new(size, Distance::Cosine));
            request = request.vectors_config(vectors);
        }
        match self.client.create_collection(request).await {
            Ok(_) => tracing::info!(qdrant.collection = real, "a collection was made"),
            Err(QdrantError::ResponseError { status }) if is_there_already(&status) => {}
            Err(error) => return Err(self.failed(error)),
        }
        let word = |is_tenant: bool, links: bool| {
            let it = KeywordIndexParamsBuilder::default().is_tenant(is_tenant).enable_hnsw(links);
            (FieldType::Keyword, IndexParams::from(it))
        };
        for (name, (kind, parameters)) in [
            (TENANT, word(true, true)),
            (BASE, word(false, true)),
            (DOCUMENT, word(false, false)),
            (GROUPS, word(false, false)),
            (LIVE, index_of(Slot::Boolean, false)),
            (VERSION, index_of(Slot::Date, false)),
        ] {
            self.index_field(&real, (name, kind, parameters)).await?;
        }
        let alias = CreateAliasBuilder::new(&real, &collection.name);
        self.client.create_alias(alias).await.map_err(|it| self.failed(it))?;
        Ok(())
    }

    async fn index_field(
        &self,
        collection: &str,
        (path, kind, parameters): (&str, FieldType, IndexParams),
    ) -> Result<(), KnowledgeError> {
        let request =
            CreateFieldIndexCollectionBuilder::new(collection, path, kind).field_index_params(parameters).wait(true);
        self.client.create_field_index(request).await.map_err(|it| self.failed(it))?;
        Ok(())
    }

    /// Refuses a collection that somebody else made for something else.
    async fn indexed_fields(&self, collection: &Collection) -> Result<HashSet<String>, KnowledgeError> {
        let info = self.client.collection_info(&collection.name).await.map_err(|it| self.failed(it))?;
        let info = info.result.unwrap_or_default();
        let parameters = info.config.and_then(|it| it.params);
        let dense =
            parameters.as_ref().and_then(|it| it.vectors_config.as_ref()).and_then(|it| match it.config.as_ref()? {
                vectors_config::Config::ParamsMap(it) => it.map.get(DENSE).map(|it| it.size),
                vectors_config::Config::Params(_) => None,
            });
        let words = parameters
            .as_ref()
            .and_then(|it| it.sparse_vectors_config.as_ref())
            .and_then(|it| it.map.get(LEXICAL))
            .and_then(|it| it.modifier);
        let wanted = collection.model.as_ref().and_then(|(_, size)| u64::try_from(*size).ok());
        if dense != wanted || words != Some(i32::from(Modifier::Idf)) {
            return Err(KnowledgeError::IndexUnavailable {
                reason: format!(
                    "the collection `{}` of Qdrant at {} is not one of this server's",
                    collection.name, self.url
                ),
                hint: "delete it there, or take its alias away; then it is made anew".to_owned(),
            });
        }
        Ok(info.payload_schema.into_keys().collect())
    }
}

fn index_of(slot: Slot, links: bool) -> (FieldType, IndexParams) {
    match slot {
        Slot::Word => (FieldType::Keyword, KeywordIndexParamsBuilder::default().enable_hnsw(links).into()),
        Slot::Number => (FieldType::Float, FloatIndexParamsBuilder::default().enable_hnsw(links).into()),
        Slot::Boolean => (FieldType::Bool, BoolIndexParamsBuilder::default().enable_hnsw(links).into()),
        Slot::Date => (FieldType::Integer, IntegerIndexParamsBuilder::new(true, true).enable_hnsw(links).into()),
    }
}

/// Older servers say it as a refused argument.
fn is_there_already(status: &tonic::Status) -> bool {
    status.code() == Code::AlreadyExists
        || status.code() == Code::InvalidArgument && status.message().contains("already exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_named_by_model_and_length() {
        let named = |model: &str, dimensions| Collection::new("parlour", Some((model.to_owned(), dimensions))).name;
        assert_eq!(named("multilingual-e5-small", 384), "parlour_multilingual-e5-small_384");
        assert_eq!(Collection::new("parlour", None).name, "parlour_words");
        let (one, other) = (named("BAAI/bge-m3", 1024), named("BAAI:bge-m3", 1024));
        assert!(one.starts_with("parlour_BAAI-bge-m3-") && one.ends_with("_1024"), "{one}");
        assert_ne!(one, other);
        assert!(named(&"长".repeat(400), 8).len() < 120);
    }
}
