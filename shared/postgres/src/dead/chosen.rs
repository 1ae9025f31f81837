//! Which dead letters, as SQL.

use flotilla_core::Space;
use flotilla_core::dead_letter::DeadFilter;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::rows::integer;

/// The rows of `dead_letters l` that a filter chooses; see [`Chosen::parameters`]. Batches that are being removed have
/// none. A bound that is always there lets every plan start at the right end of the index.
macro_rules! chosen {
    () => {
        "l.space = $1
         AND ($2::uuid IS NULL OR l.batch_id = $2)
         AND ($3::integer[] IS NULL OR l.index = ANY($3))
         AND ($4::text IS NULL OR l.job_type = $4)
         AND ($5::text IS NULL OR l.fingerprint = $5)
         AND l.batch_id <= $6 AND (l.batch_id < $6 OR l.index > $7)
         AND (SELECT b.deleted_at IS NULL FROM batches b WHERE b.id = l.batch_id)"
    };
}

pub(super) use chosen;

/// A filter as parameters.
pub(super) struct Chosen {
    space: String,
    batch: Option<Uuid>,
    indices: Option<Vec<i32>>,
    job_type: Option<String>,
    fingerprint: Option<String>,
    after_batch: Uuid,
    after_index: i32,
    limit: i64,
}

impl Chosen {
    pub(super) fn by(space: &Space, filter: &DeadFilter, limit: u32) -> Self {
        let batch = filter.batch.map(|batch| batch.0);
        // Before all of them, where no page came before.
        let (after_batch, after_index) = filter
            .after
            .map_or((Uuid::max(), -1), |(batch, index)| (batch.0, integer(index)));
        Self {
            space: space.as_str().to_owned(),
            batch,
            // Indexes of no batch in particular say nothing.
            indices: filter
                .indices
                .as_ref()
                .filter(|_| batch.is_some())
                .map(|indices| indices.iter().copied().map(integer).collect()),
            job_type: filter.job_type.clone(),
            fingerprint: filter.fingerprint.clone(),
            after_batch,
            after_index,
            limit: limit.into(),
        }
    }

    /// The first seven are those of [`chosen`]; the eighth is the limit.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 8] {
        [
            &self.space,
            &self.batch,
            &self.indices,
            &self.job_type,
            &self.fingerprint,
            &self.after_batch,
            &self.after_index,
            &self.limit,
        ]
    }
}
