//! What an archive says about itself, as its last entry.

use flotilla_core::{Batch, Error};
use jiff::Timestamp;
use serde::Serialize;

use super::archive::{Archive, Entry};

/// Its name in the archive.
pub(super) const NAME: &str = "manifest.json";

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    bytes: u64,
    sha256: String,
    crc32: String,
}

/// All that comes before the list of entries. `began` is when the download did.
pub(super) fn head(batch: &Batch, state: Option<&str>, began: Timestamp) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Head<'a> {
        batch_id: String,
        space: &'a str,
        name: Option<&'a str>,
        job_type: &'a str,
        /// Of the batch, when the download began.
        state: &'a str,
        /// Items may have ended in the middle of it.
        running: bool,
        only: Option<&'a str>,
        created_at: Timestamp,
    }
    let head = Head {
        batch_id: batch.id.to_string(),
        space: batch.space.as_str(),
        name: batch.spec.name.as_deref(),
        job_type: &batch.spec.job_type,
        state: batch.state.as_str(),
        running: !batch.state.is_final(),
        only: state,
        created_at: began,
    };
    let mut text = serde_json::to_string(&head).map_err(no_form)?;
    text.truncate(text.len() - 1);
    text.push_str(",\"entries\":[");
    Ok(text)
}

/// The line of the entry at `at`.
pub(super) fn line(archive: &Archive, at: usize) -> Result<String, Error> {
    let Some(entry) = archive.entry(at) else {
        return Ok(String::new());
    };
    let Entry {
        name, bytes, crc32, ..
    } = entry;
    let listed = Listed {
        name,
        bytes,
        sha256: hex(entry.sha256),
        crc32: format!("{crc32:08x}"),
    };
    let listed = serde_json::to_string(&listed).map_err(no_form)?;
    Ok(format!("{}\n{listed}", if at == 0 { "" } else { "," }))
}

/// All that comes after it.
pub(super) const TAIL: &str = "\n]}\n";

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_form(error: serde_json::Error) -> Error {
    Error::corrupt("a download", "its manifest has no JSON form").because(error)
}
