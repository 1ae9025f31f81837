//! Files that somebody else put into object storage before calling back.

use flotilla_core::Batch;
use flotilla_core::artifact::{self, Artifact};
use flotilla_core::item::Item;
use flotilla_core::job_type::HandlerSpec;
use flotilla_core::ports::Objects;

use super::call::Claimed;
use super::token::Token;
use crate::app::App;
use crate::intake::checks::invalid;
use crate::problem::{Kind, Problem};

/// What is recorded of `claimed`: each has to be there, below the prefix of its item, and all together no larger than those
/// of a handler could be. They are read, in pieces, to know what they are.
pub(super) async fn measured(
    app: &App,
    token: &Token,
    batch: &Batch,
    claimed: &[Claimed],
) -> Result<Vec<Artifact>, Problem> {
    let objects = &app.deps.objects;
    let limit = max_bytes(app, batch);
    let mut total = 0_u64;
    for Claimed { key, .. } in claimed {
        if !Objects::is_artifact_key(&token.space, token.batch, token.index, key) {
            let prefix = Objects::artifact_prefix(&token.space, token.batch, token.index);
            let problem = format!("has the key {:?}, which is not below {prefix}", shown(key));
            return Err(invalid("artifacts", &problem));
        }
        let bytes = objects.artifact_bytes(key).await?;
        total = total.saturating_add(bytes.ok_or_else(|| missing(key))?);
        if total > limit {
            return Err(too_large(limit));
        }
    }
    let mut artifacts = Vec::with_capacity(claimed.len());
    for one in claimed {
        let found = objects.measure_artifact(&one.key).await?;
        let found = found.ok_or_else(|| missing(&one.key))?;
        let media_type = one.media_type.as_deref().and_then(artifact::media_type);
        artifacts.push(Artifact {
            name: one.name.clone(),
            key: one.key.clone(),
            bytes: found.bytes,
            media_type: media_type
                .unwrap_or_else(|| artifact::media_type_of(&one.name))
                .to_owned(),
            sha256: found.sha256,
        });
    }
    Ok(artifacts)
}

/// True where `item` has these files and no others.
pub(super) fn are_recorded(claimed: &[Claimed], item: &Item) -> bool {
    let (mut said, mut known): (Vec<_>, Vec<_>) = (
        claimed.iter().map(|one| (&one.name, &one.key)).collect(),
        item.artifacts.iter().map(|one| (&one.name, &one.key)).collect(),
    );
    said.sort_unstable();
    known.sort_unstable();
    said == known
}

/// How many bytes of files an item of `batch` may have: as many as its handler could have kept.
fn max_bytes(app: &App, batch: &Batch) -> u64 {
    let job_type = app.deps.job_types.get(&batch.spec.job_type);
    let said = match job_type.map(|job_type| &job_type.handler) {
        Some(HandlerSpec::Http(http)) => http.max_artifact_bytes,
        Some(HandlerSpec::Exec(exec)) => exec.max_artifact_bytes,
        _ => None,
    };
    said.unwrap_or(artifact::DEFAULT_MAX_BYTES)
}

fn missing(key: &str) -> Problem {
    let problem = format!(
        "has the key {:?}, where there is nothing: write it before calling back",
        shown(key)
    );
    invalid("artifacts", &problem)
}

fn too_large(limit: u64) -> Problem {
    let detail = format!("the artifacts of an item of this job type may have at most {limit} bytes");
    Problem::new(Kind::OutputTooLarge, detail).with("limit", limit)
}

fn shown(key: &str) -> String {
    key.chars().take(200).collect()
}
