//! Files that come of items: what is recorded of them, and which names and types they may have.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::ids::{BatchId, ItemIndex, Space};

/// A file that came of an item. It is in object storage; this is recorded with the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is called among the files of its item. Slashes mean folders.
    pub name: String,
    /// Where it is in object storage.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// What it is, as in `content-type`.
    pub media_type: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The most files of an item.
pub const MAX_FILES: usize = 1_000;
/// The most bytes of all files of an item, where nothing else is said: 1 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 1 << 30;
/// The most that can be said: object storage takes 10,000 parts, and parts are what is held in memory.
pub const LARGEST_MAX_BYTES: u64 = 48 << 30;
/// The longest part of a name between slashes, in bytes: that of file systems.
pub const MAX_PART: usize = 255;
/// The longest name, in bytes: names and keys of a thousand of them are still a message and a row.
pub const MAX_NAME: usize = 800;
/// A longer list, in bytes of JSON, is only there where an item is read alone: a page of many items stays bounded.
pub const MAX_LISTED_BYTES: usize = 16 << 10;

/// What nobody knows the type of.
pub const UNKNOWN_TYPE: &str = "application/octet-stream";

/// A name that no file may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the artifact {name:?} {why}")]
pub struct BadName {
    name: String,
    why: &'static str,
}

impl Artifact {
    /// About how long it is as JSON.
    #[must_use]
    pub fn size(&self) -> usize {
        /// Punctuation, names of fields, the length and the hash.
        const REST: usize = 160;
        REST + self.name.len() + self.key.len() + self.media_type.len()
    }
}

/// About how long all of them are as JSON.
#[must_use]
pub fn size(artifacts: &[Artifact]) -> usize {
    artifacts.iter().map(Artifact::size).sum()
}

/// Checks a name: parts between single slashes, none of which leads elsewhere, is too long, or can't be shown.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let why = if name.is_empty() {
        "has no name"
    } else if name.len() > MAX_NAME {
        "has a name of more than 800 bytes"
    } else if name.starts_with('/') {
        "has an absolute path"
    } else if name.chars().any(char::is_control) {
        "has a control character in its name"
    } else if name.split('/').any(str::is_empty) {
        "has an empty part in its name"
    } else if name.split('/').any(|part| matches!(part, "." | "..")) {
        "has \".\" or \"..\" in its name"
    } else if name.split('/').any(|part| part.len() > MAX_PART) {
        "has more than 255 bytes between two slashes of its name"
    } else {
        return Ok(());
    };
    // The name may be long, and this is read by people.
    let name = name.chars().take(100).collect();
    Err(BadName { name, why })
}

/// `text` as the type of a file, where it may stand in a header.
#[must_use]
pub fn media_type(text: &str) -> Option<&str> {
    let text = text.trim();
    let shown = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (shown && text.contains('/') && text.len() <= 255).then_some(text)
}

/// What a file called `name` is, by how its name ends.
#[must_use]
pub fn media_type_of(name: &str) -> &'static str {
    let last = name.rsplit('/').next().unwrap_or(name);
    let extension = last.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or(UNKNOWN_TYPE, |(_, media_type)| media_type)
}

/// How the name of a file of this type ends: with nothing where nobody knows.
#[must_use]
pub fn extension_of(media_type: &str) -> &'static str {
    let bare = media_type.split(';').next().unwrap_or(media_type).trim();
    let known = TYPES.iter().find(|(_, known)| {
        let known = known.split(';').next().unwrap_or(known);
        known.eq_ignore_ascii_case(bare)
    });
    known.map_or("", |(extension, _)| extension)
}

/// The first of several extensions is the one that is given.
const TYPES: [(&str, &str); 45] = [
    ("txt", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("xml", "application/xml"),
    ("xml", "text/xml"),
    ("json", "application/json"),
    ("ndjson", "application/x-ndjson"),
    ("jsonl", "application/x-ndjson"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("svg", "image/svg+xml"),
    ("tiff", "image/tiff"),
    ("tif", "image/tiff"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("tar", "application/x-tar"),
    ("zst", "application/zstd"),
    ("parquet", "application/vnd.apache.parquet"),
    ("sqlite", "application/vnd.sqlite3"),
    ("wasm", "application/wasm"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("glb", "model/gltf-binary"),
    ("bin", UNKNOWN_TYPE),
];

/// Whose files they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The tenant.
    pub space: Space,
    /// The batch.
    pub batch: BatchId,
}

impl Owner {
    /// Where a file of an item is downloaded, from the root of the API.
    #[must_use]
    pub fn url(&self, index: ItemIndex, name: &str) -> String {
        let name = percent_encoded(name, b"/");
        let url = format!("/v1/batches/{}/items/{index}/artifacts/{name}", self.batch);
        if self.space == Space::default() {
            url
        } else {
            format!("{url}?space={}", self.space)
        }
    }
}

/// `text` with everything encoded but letters, digits, `-`, `.`, `_`, `~`, and `kept`.
#[must_use]
pub fn percent_encoded(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_whose_file_it_is() {
        let owner = |space: &str| Owner {
            space: space.parse().unwrap(),
            batch: BatchId(uuid::Uuid::nil()),
        };
        let path = "/v1/batches/00000000-0000-0000-0000-000000000000/items/7/artifacts/a%20b/%C3%BC%3F%23";
        assert_eq!(owner("default").url(7, "a b/ü?#"), path);
        assert_eq!(owner("team").url(7, "a b/ü?#"), format!("{path}?space=team"));
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let long = "x".repeat(255);
        for good in [
            "a",
            "a/b.txt",
            "..a",
            "a b",
            ".hidden",
            "ü/ñ",
            "C:\\x",
            long.as_str(),
        ] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let wide = "x".repeat(256);
        let deep = "x/".repeat(401) + "x";
        for (bad, why) in [
            ("", "no name"),
            ("/etc/passwd", "absolute"),
            ("../x", "\"..\""),
            ("a/../b", "\"..\""),
            ("a/./b", "\".\""),
            ("a//b", "empty part"),
            ("a/", "empty part"),
            ("a\nb", "control"),
            ("a\u{85}b", "control"),
            ("a\0b", "control"),
            (wide.as_str(), "255 bytes"),
            (deep.as_str(), "800 bytes"),
        ] {
            let error = check_name(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_type_has_an_extension_and_the_other_way_round() {
        assert_eq!(media_type_of("a/b.PNG"), "image/png");
        assert_eq!(media_type_of("a.png/b"), UNKNOWN_TYPE);
        assert_eq!(media_type_of("README"), UNKNOWN_TYPE);
        assert_eq!(extension_of("image/jpeg"), "jpg");
        assert_eq!(extension_of("Text/HTML; charset=latin1"), "html");
        assert_eq!(extension_of("application/x-nobody-knows"), "");
        assert_eq!(media_type(" image/png "), Some("image/png"));
        for bad in ["", "png", "a/b\r\nx: y", "ü/x"] {
            assert_eq!(media_type(bad), None, "{bad:?}");
        }
    }
}
