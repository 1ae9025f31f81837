//! Files that came of items, on their way to clients.

mod conditions;
mod disposition;
mod range;

use bytes::Bytes;
use flotilla_core::artifact::{Artifact, Owner};
use flotilla_core::ports::Objects;
use flotilla_core::{Error, ItemIndex};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

pub(crate) use conditions::{is_fresh, is_same};
pub(crate) use disposition::attachment;
pub(crate) use range::{Asked, asked};

/// The bytes of `artifact`, which came of an item of `owner`, or those in `range`. `None` where it is not there any more.
///
/// # Errors
/// Where the storage can't be reached, or what is recorded is not a file of this item: whoever reports may be mistaken, or
/// lie.
pub(crate) async fn open(
    owner: &Owner,
    objects: &Objects,
    index: ItemIndex,
    artifact: &Artifact,
    range: Option<std::ops::Range<u64>>,
) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
    if !Objects::is_artifact_key(&owner.space, owner.batch, index, &artifact.key) {
        let what = format!("an artifact of {}:{index} is recorded elsewhere", owner.batch);
        return Err(Error::corrupt("object storage", what));
    }
    let asked = range
        .as_ref()
        .map_or(artifact.bytes, |range| range.end - range.start);
    let pieces = objects.read_artifact(&artifact.key, range).await?;
    Ok(pieces.map(|pieces| exactly(pieces, asked).boxed()))
}

/// `pieces`, which must have `bytes` altogether: what was replaced since is not what was asked for.
fn exactly(
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    bytes: u64,
) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    futures_util::stream::try_unfold((pieces, bytes), |(mut pieces, left)| async move {
        let piece = pieces.next().await.transpose()?;
        let left = match &piece {
            Some(piece) => left.checked_sub(piece.len() as u64),
            None => (left == 0).then_some(0),
        };
        match (piece, left) {
            (Some(piece), Some(left)) => Ok(Some((piece, (pieces, left)))),
            (None, Some(_)) => Ok(None),
            (_, None) => Err(Error::corrupt(
                "object storage",
                "an artifact does not have the length that is recorded",
            )),
        }
    })
}
