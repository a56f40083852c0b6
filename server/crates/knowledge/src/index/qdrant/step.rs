//! Bringing Qdrant into step with the file: before a version answers, its points are put beside those that do; then the file
//! changes, and one ordered update makes them answer and removes the old ones. Whatever was interrupted, or changed without
//! Qdrant being there, is made up for before the next search. Everything can be said twice.

use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter as Conditions, PointId, PointStruct, PointsIdsList, PointsUpdateOperation,
    UpdateMode, UpsertPointsBuilder, Value as Stored,
    points_selector::PointsSelectorOneOf,
    points_update_operation::{DeletePoints, Operation, SetPayload},
};

use super::QdrantIndex;
use super::collection::Collection;
use super::filter::{is_live, of_base, of_older_versions, of_version, path};
use super::point::{DENSE, GROUPS, LIVE, Place, point, words};
use super::told::{Standing, Told, ToldVersion};
use crate::error::KnowledgeError;
use crate::index::BaseRef;
use crate::index::schema::rows_of;
use crate::index::stage::Staged;
use crate::index::tenant::TenantIndex;
use crate::spec::BaseSpec;

/// Points of one request: with vectors of 4,096 dimensions, 4 MB.
const AT_ONCE: i64 = 256;
/// Points that are deleted by their names in one request.
const DELETED_AT_ONCE: usize = 4096;

impl QdrantIndex {
    /// Where a base's records are, with vectors as long as those that its file has, or as its model makes them.
    pub(super) async fn collection_of(
        &self,
        index: &TenantIndex,
        base: &BaseRef,
    ) -> Result<(Collection, i64), KnowledgeError> {
        let model = match base.embedder.as_deref() {
            None => None,
            Some(embedder) => {
                let stored: Option<i64> = sqlx::query_scalar("SELECT dimensions FROM models WHERE name = $1")
                    .bind(embedder.model())
                    .fetch_optional(&index.readers)
                    .await
                    .map_err(index.failed("read a model's dimensions"))?;
                let stored = stored.and_then(|it| usize::try_from(it).ok()).filter(|it| *it > 0);
                let dimensions = stored.unwrap_or_else(|| embedder.dimensions());
                (dimensions > 0).then(|| (embedder.model().to_owned(), dimensions))
            }
        };
        let collection = Collection::new(&self.server.prefix, model);
        let row = index.told_collection(&self.server.url, &collection).await?;
        Ok((collection, row))
    }

    /// Puts the points of a version that is complete beside those that answer. A version that takes its own number's place
    /// has the same points, so that they wait until it answers.
    pub(super) async fn push_staged(
        &self,
        index: &TenantIndex,
        base: &BaseRef,
        staged: Staged,
    ) -> Result<(), KnowledgeError> {
        match self.push_staged_once(index, base, staged).await {
            Err(_) if self.server.has_lost() => self.push_staged_once(index, base, staged).await,
            pushed => pushed,
        }
    }

    async fn push_staged_once(
        &self,
        index: &TenantIndex,
        base: &BaseRef,
        staged: Staged,
    ) -> Result<(), KnowledgeError> {
        let found: Option<(String, i64, i64, String, Option<i64>)> = sqlx::query_as(
            "SELECT documents.id, versions.number, versions.records, versions.groups, visible.number
             FROM versions JOIN documents ON documents.row = versions.document
             LEFT JOIN versions AS visible ON visible.row = documents.visible WHERE versions.row = $1",
        )
        .bind(staged.version)
        .fetch_optional(&index.readers)
        .await
        .map_err(index.failed("read a version that is complete"))?;
        let Some((document, number, records, groups, visible)) = found else { return Ok(()) };
        if visible.is_some_and(|it| it >= number) {
            return Ok(());
        }
        let (collection, row) = self.collection_of(index, base).await?;
        self.server.prepare(&collection, &base.spec).await?;
        let version = staged.version;
        let standing = Standing { document, version, number, records, stamp: -1, groups, told: None };
        self.push(index, (&collection, row), base, &standing).await
    }

    /// What a search of this base has to know is there; where it is.
    pub(super) async fn bring_into_step(
        &self,
        index: &TenantIndex,
        base: &BaseRef,
        look_again: bool,
    ) -> Result<(Collection, i64), KnowledgeError> {
        match self.bring_into_step_once(index, base, look_again).await {
            Err(_) if self.server.has_lost() => self.bring_into_step_once(index, base, look_again).await,
            brought => brought,
        }
    }

    async fn bring_into_step_once(
        &self,
        index: &TenantIndex,
        base: &BaseRef,
        look_again: bool,
    ) -> Result<(Collection, i64), KnowledgeError> {
        let (collection, row) = self.collection_of(index, base).await?;
        self.server.prepare(&collection, &base.spec).await?;
        let uncounted = || self.server.is_uncounted(&collection.name, &index.tenant, &base.id);
        let is_in_step = |it: &Option<(i64, Option<i64>)>| match it {
            Some((generation, told)) => *told == Some(*generation) && !look_again && !uncounted(),
            // Nothing was ever put into it.
            None => true,
        };
        let fields = fields_of(&base.spec);
        if is_in_step(&index.told_generation(row, &base.id, &fields).await?) {
            return Ok((collection, row));
        }
        let _one = index.telling.lock().await;
        if is_in_step(&index.told_generation(row, &base.id, &fields).await?) {
            return Ok((collection, row));
        }
        index.note_fields(row, &base.id, &fields).await?;
        self.sweep(index).await?;
        if uncounted() {
            self.compare_counts(index, (&collection, row), &base.id).await?;
        }
        let (generation, all) = {
            let mut reading = index.begin_reading().await?;
            let generation: Option<i64> = sqlx::query_scalar("SELECT generation FROM bases WHERE id = $1")
                .bind(&base.id)
                .fetch_optional(&mut *reading)
                .await
                .map_err(index.failed("read a knowledge base"))?;
            (generation, index.standing(&mut reading, row, &base.id).await?)
        };
        for standing in all.iter().filter(|it| !it.is_in_step(look_again)) {
            self.bring(index, (&collection, row), base, standing).await?;
        }
        if let Some(generation) = generation {
            index.note_generation(row, (&base.id, &fields), generation).await?;
            index.leave_words(row, &base.id).await?;
        }
        // What the new ones replaced could not go before.
        self.sweep(index).await?;
        Ok((collection, row))
    }

    /// Qdrant may have lost what it was told of, or have it from a server that was here before.
    async fn compare_counts(
        &self,
        index: &TenantIndex,
        (collection, row): (&Collection, i64),
        base: &str,
    ) -> Result<(), KnowledgeError> {
        let mut live = of_base(&index.tenant, base);
        live.push(is_live(true));
        let there = self.server.count(&collection.name, Conditions::must(live)).await?;
        let told = index.told_points(row, base).await?;
        if there != told {
            tracing::info!(
                tenant.id = index.tenant,
                knowledge.base = base,
                points = there,
                expected = told,
                "Qdrant has not what it was told of, and is told again"
            );
            index.forget_told(row, base).await?;
        }
        self.server.note_counted(&collection.name, &index.tenant, base);
        Ok(())
    }

    /// Makes one document's answering version answer there.
    async fn bring(
        &self,
        index: &TenantIndex,
        (collection, row): (&Collection, i64),
        base: &BaseRef,
        standing: &Standing,
    ) -> Result<(), KnowledgeError> {
        let place =
            Place { tenant: &index.tenant, base: &base.id, document: &standing.document, number: standing.number };
        self.push(index, (collection, row), base, standing).await?;
        for part in index.told_and_gone(row, standing.version).await?.chunks(DELETED_AT_ONCE) {
            let first = rows_of(standing.version).0;
            let ids: Vec<PointId> = part
                .iter()
                .filter_map(|it| u32::try_from(it - first).ok())
                .map(|ordinal| place.id(ordinal).into())
                .collect();
            self.server.delete(DeletePointsBuilder::new(&collection.name).points(PointsIdsList { ids })).await?;
            index.note_gone(row, part).await?;
        }
        let stands = standing.told.as_ref().is_some_and(|it| it.live && it.groups == standing.groups);
        if !stands {
            let groups = index.groups(&standing.groups)?;
            let answers = std::collections::HashMap::from([
                (LIVE.to_owned(), Stored::from(true)),
                (GROUPS.to_owned(), words(groups.into_iter())),
            ]);
            let operations = vec![
                Operation::SetPayload(SetPayload {
                    payload: answers,
                    points_selector: Some(selector(of_version(place)).into()),
                    ..SetPayload::default()
                }),
                Operation::DeletePoints(DeletePoints {
                    points: Some(selector(of_older_versions(place)).into()),
                    ..DeletePoints::default()
                }),
            ];
            let operations = operations.into_iter().map(|it| PointsUpdateOperation { operation: Some(it) }).collect();
            self.server.update(&collection.name, operations).await?;
        }
        index.note_standing(row, &base.id, standing).await
    }

    /// Sends what Qdrant does not have of a version as it is here, in batches that are kept as they arrive.
    async fn push(
        &self,
        index: &TenantIndex,
        (collection, row): (&Collection, i64),
        base: &BaseRef,
        standing: &Standing,
    ) -> Result<(), KnowledgeError> {
        let Standing { document, version, number, records, stamp: _, groups, told } = standing;
        let place = Place { tenant: &index.tenant, base: &base.id, document, number: *number };
        let model = collection.model.as_ref().map(|it| it.0.as_str());
        let live = match told {
            Some(ToldVersion { live, stamp: _, groups: _, embedded: _ }) => *live,
            None => {
                index.begin_telling((row, &base.id), standing).await?;
                self.find(index, (collection, row), place, (*version, *records)).await?
            }
        };
        let groups = index.groups(groups)?;
        let mut after = rows_of(*version).0 - 1;
        loop {
            let waiting = index.take_waiting((row, model), *version, (after, AT_ONCE)).await?;
            let Some(last) = waiting.last() else { return index.note_sent(row, standing).await };
            after = last.row;
            let mut whole = Batch::default();
            let mut without = Batch::default();
            let mut unknown = Batch::default();
            for it in waiting {
                // Another server may have put the vector there that this one has not made.
                let batch = match (it.written.vector.is_some(), it.unknown) {
                    (true, _) => &mut whole,
                    (false, false) => &mut without,
                    (false, true) => &mut unknown,
                };
                batch.rows.push(it.row);
                batch.points.push(point(place, (&groups, live), &base.spec, it.written)?);
            }
            for (batch, mode, told) in [
                (whole, UpdateMode::Upsert, Told::With),
                (without, UpdateMode::Upsert, Told::Without),
                (unknown, UpdateMode::InsertOnly, Told::Without),
            ] {
                if batch.points.is_empty() {
                    continue;
                }
                let request = UpsertPointsBuilder::new(&collection.name, batch.points).wait(true).update_mode(mode);
                self.server.upsert(request).await?;
                index.note_arrived(row, &batch.rows, told).await?;
            }
        }
    }

    /// What another server has put there of this version need not be sent again. True if it answers already.
    async fn find(
        &self,
        index: &TenantIndex,
        (collection, row): (&Collection, i64),
        place: Place<'_>,
        (version, records): (i64, i64),
    ) -> Result<bool, KnowledgeError> {
        let records = u64::try_from(records).unwrap_or(0);
        let counted = async |also: Option<Condition>| {
            let all = of_version(place).into_iter().chain(also);
            self.server.count(&collection.name, Conditions::must(all)).await
        };
        let there = counted(None).await?;
        if there == 0 {
            return Ok(false);
        }
        if there == records {
            let whole = collection.model.is_some() && counted(Some(Condition::has_vector(DENSE))).await? == there;
            index.note_found(row, version, if whole { Told::With } else { Told::Without }).await?;
        }
        Ok(counted(Some(is_live(true))).await? > 0)
    }

    /// Removes the points of versions, documents and bases that are not there any more.
    pub(super) async fn sweep(&self, index: &TenantIndex) -> Result<(), KnowledgeError> {
        for (collection, name, base) in index.leaving_bases(&self.server.url).await? {
            let all = of_base(&index.tenant, &base);
            self.server.delete(DeletePointsBuilder::new(&name).points(Conditions::must(all))).await?;
            index.forget_told(collection, &base).await?;
        }
        let mut gone: Vec<(i64, String)> = Vec::new();
        for it in index.leaving(&self.server.url).await? {
            if it.base_is_gone {
                if !gone.contains(&(it.collection, it.base.clone())) {
                    let all = of_base(&index.tenant, &it.base);
                    self.server.delete(DeletePointsBuilder::new(&it.name).points(Conditions::must(all))).await?;
                    index.forget_told(it.collection, &it.base).await?;
                    gone.push((it.collection, it.base));
                }
                continue;
            }
            if !it.replaced {
                let place = Place { tenant: &index.tenant, base: &it.base, document: &it.document, number: it.number };
                let mut all = of_version(place);
                if !it.live {
                    // Another server may have made it answer.
                    all.push(is_live(false));
                }
                self.server.delete(DeletePointsBuilder::new(&it.name).points(Conditions::must(all))).await?;
            }
            let mut writing = index.begin_writing().await?;
            index.forget_version(&mut writing, it.collection, it.version).await?;
            writing.commit().await.map_err(index.failed("forget what Qdrant was told of"))?;
        }
        Ok(())
    }
}

/// The fields that points have, for comparing.
fn fields_of(spec: &BaseSpec) -> String {
    let mut all: Vec<String> = spec.fields.iter().filter(|it| it.filter).map(|it| path(it.kind, &it.name)).collect();
    all.sort_unstable();
    all.join(" ")
}

#[derive(Default)]
struct Batch {
    rows: Vec<i64>,
    points: Vec<PointStruct>,
}

fn selector(all: Vec<Condition>) -> PointsSelectorOneOf {
    PointsSelectorOneOf::Filter(Conditions::must(all))
}
