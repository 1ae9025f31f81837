//! Items as whoever takes them away reads them: in the API, in downloads, in archives and in the results that a follow-up
//! is given. One form for all of them.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::artifact::{self, Artifact, Owner};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::ids::ItemIndex;
use crate::item::Item;
use crate::json::Json;
use crate::outcome::{ItemError, ItemErrorKind, Output};
use crate::ports::Objects;
use crate::retention::Part;

/// Objects that are read at once.
const READS: usize = 8;

/// An item and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ItemLine {
    /// Its position in the batch, from 0.
    pub index: u32,
    /// The producer's own name for it.
    pub custom_id: Option<String>,
    /// Where it stands.
    pub state: &'static str,
    /// How often it was attempted, including an attempt under way.
    pub attempts: u16,
    /// As submitted. Null where inputs were removed.
    pub input: Json,
    /// What its handler answered. Null where outputs were removed, too.
    pub output: Option<Json>,
    /// Files that came of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<LineArtifact>,
    /// True where there are too many files for a list: they are shown where the item is read alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub artifacts_left_out: bool,
    /// Why it failed.
    pub error: Option<LineError>,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it reached its end.
    pub finished_at: Option<Timestamp>,
    /// How long its last attempt took, in milliseconds.
    pub duration_ms: Option<f64>,
}

/// Why an item failed.
#[derive(Debug, Clone, Serialize)]
pub struct LineError {
    /// What kind of failure.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
}

/// A file that came of an item.
#[derive(Debug, Clone, Serialize)]
pub struct LineArtifact {
    /// Its name. Slashes mean folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub media_type: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Where it is downloaded, from the root of the API.
    pub url: String,
}

impl LineArtifact {
    fn new(artifact: Artifact, owner: &Owner, index: ItemIndex) -> Self {
        Self {
            url: owner.url(index, &artifact.name),
            name: artifact.name,
            bytes: artifact.bytes,
            media_type: artifact.media_type,
            sha256: artifact.sha256,
        }
    }
}

impl From<ItemError> for LineError {
    fn from(error: ItemError) -> Self {
        Self {
            kind: error.kind.as_str(),
            message: error.message,
        }
    }
}

impl ItemLine {
    /// `item` of `owner`, with the output itself wherever it was kept, or why it can't be had.
    #[must_use]
    pub fn new(item: Item, owner: &Owner, output: std::result::Result<Option<Json>, ItemError>) -> Self {
        let (output, lost) = match output {
            Ok(output) => (output, None),
            Err(error) => (None, Some(error)),
        };
        Self {
            index: item.index,
            custom_id: item.custom_id,
            state: item.state.as_str(),
            attempts: item.attempts,
            input: item.input,
            output,
            artifacts: item
                .artifacts
                .into_iter()
                .map(|artifact| LineArtifact::new(artifact, owner, item.index))
                .collect(),
            artifacts_left_out: item.artifacts_left_out,
            error: item.error.or(lost).map(LineError::from),
            started_at: item.started_at,
            finished_at: item.finished_at,
            duration_ms: item.duration_us.map(millis),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// Each of `items` as JSON and a line feed.
///
/// # Errors
/// Where one has no JSON form.
pub fn ndjson(items: &[impl Serialize]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for item in items {
        let start = lines.len();
        serde_json::to_writer(&mut lines, item)
            .map_err(|error| Error::corrupt("an item", "it has no JSON form").because(error))?;
        // Inputs and outputs are kept as they came, which may be in several lines. Inside of JSON's strings there are no
        // line breaks, so these mean nothing.
        for byte in &mut lines[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        lines.push(b'\n');
    }
    Ok(lines)
}

/// How many items of `batch` may be read at once, if all inputs were as long as the longest.
#[must_use]
pub fn affordable(batch: &Batch, bytes: usize) -> u32 {
    let longest = (batch.max_input_bytes as usize).max(1);
    u32::try_from(bytes / longest).unwrap_or(u32::MAX - 1).max(1)
}

/// How many of `items` fit into `bytes`; at least one.
#[must_use]
pub fn fitting(items: &[Item], bytes: usize) -> usize {
    let mut left = bytes as u64;
    let fits = items
        .iter()
        .take_while(|item| match left.checked_sub(size(item)) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
    fits.count().max(1)
}

fn size(item: &Item) -> u64 {
    let output = match &item.output {
        Some(Output::Inline(json)) => json.len() as u64,
        Some(Output::Stored { bytes, .. }) => *bytes,
        None => 0,
    };
    item.input.len() as u64 + output + artifact::size(&item.artifacts) as u64
}

/// Takes out of `items` what is being removed of `batch`: all of it goes at once for readers, although it goes row by row.
pub fn hide_expiring(batch: &Batch, items: &mut [Item]) {
    let (inputs, outputs) = (
        batch.expiring.contains(&Part::Inputs),
        batch.expiring.contains(&Part::Outputs),
    );
    // The files are removed, and what was recorded of them stays with the outcome.
    let gone = batch.expiring.contains(&Part::Artifacts) || batch.expired.contains(&Part::Artifacts);
    for item in items {
        if gone {
            item.artifacts.clear();
        }
        if inputs {
            item.input = Json::null();
        }
        if outputs {
            item.output = None;
        }
    }
}

/// Items of `batch` as they are read, in the same order.
///
/// # Errors
/// Where object storage is needed and does not answer.
pub async fn with_outputs(objects: &Objects, batch: &Batch, items: Vec<Item>) -> Result<Vec<ItemLine>> {
    let owner = Owner {
        space: batch.space.clone(),
        batch: batch.id,
    };
    let lines = items.into_iter().map(|item| with_output(objects, &owner, item));
    stream::iter(lines).buffered(READS).try_collect().await
}

async fn with_output(objects: &Objects, owner: &Owner, mut item: Item) -> Result<ItemLine> {
    let output = match item.output.take() {
        None => Ok(None),
        Some(Output::Inline(json)) => Ok(Some(json)),
        Some(Output::Stored { key, .. }) => fetch(objects, &key).await?.map(Some),
    };
    Ok(ItemLine::new(item, owner, output))
}

/// The output under `key`. One that is not there (any more) is a fault of this item, not of its page.
async fn fetch(objects: &Objects, key: &str) -> Result<std::result::Result<Json, ItemError>> {
    let lost = |what: &str| {
        tracing::error!(key, "an output is {what}");
        ItemError::new(
            ItemErrorKind::Output,
            format!("the output was stored as {key}, which is {what}"),
        )
    };
    Ok(match objects.get(key).await? {
        None => Err(lost("gone")),
        Some(bytes) => Json::parse_bytes(bytes).map_err(|_| lost("not JSON")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::ItemState;

    fn item(input: usize, stored: u64) -> Item {
        Item {
            index: 0,
            custom_id: None,
            state: ItemState::Succeeded,
            attempts: 1,
            input: Json::string(&"x".repeat(input - 2)),
            output: Some(Output::Stored {
                key: "k".into(),
                bytes: stored,
            }),
            error: None,
            artifacts: Vec::new(),
            artifacts_left_out: false,
            started_at: None,
            finished_at: None,
            duration_us: None,
        }
    }

    #[test]
    fn a_page_is_bounded_and_never_empty() {
        let items = [item(10, 90), item(50, 50), item(10, 1)];
        assert_eq!(fitting(&items, 1_000), 3);
        assert_eq!(fitting(&items, 200), 2);
        assert_eq!(fitting(&items, 199), 1);
        assert_eq!(fitting(&items, 5), 1);
    }
}
