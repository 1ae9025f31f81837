//! Keeping the items of a batch before its retention removes them.

use flotilla_core::ports::Objects;
use flotilla_core::retention::Part;
use flotilla_core::{Batch, Result};

use crate::Deps;
use crate::items_file::{self, Packing};

/// Archives `batch` where that has to be done before `part` of it goes. True where `part` may go then: what was archived is
/// durable. False where the batch runs again, or somebody else was faster.
pub(crate) async fn before(deps: &Deps, batch: &Batch, part: Part) -> Result<bool> {
    if !batch.needs_archive(part) {
        return Ok(true);
    }
    let key = Objects::archive_key(&batch.space, batch.id, batch.revision);
    let written = items_file::write(deps, batch, &key, Packing::Gzip).await?;
    if written.is_none() {
        return Ok(false);
    }
    let noted = deps.store.archived(batch.id, batch.revision).await?;
    if noted {
        tracing::info!(batch = %batch.id, key, "archived a batch before some of it is removed");
    }
    Ok(noted)
}
