//! What is served, put together once.

use std::sync::LazyLock;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::assets::{ASSETS, Asset, PAGE};

pub(super) struct Site {
    /// The hash of all assets.
    pub(super) version: String,
    /// The page, with the version in the paths of its assets.
    pub(super) page: Bytes,
    pub(super) page_etag: String,
    /// Of every asset: they only change together.
    pub(super) etag: String,
}

/// Constant: it is made of nothing but what is in the binary.
pub(super) fn site() -> &'static Site {
    static SITE: LazyLock<Site> = LazyLock::new(Site::new);
    &SITE
}

impl Site {
    fn new() -> Self {
        let version = digits(
            ASSETS
                .iter()
                .flat_map(|asset| [asset.path.as_bytes(), asset.bytes]),
        );
        let page = PAGE.replace("{version}", &version);
        Self {
            page_etag: format!("\"{}\"", digits([page.as_bytes()])),
            etag: format!("\"{version}\""),
            page: Bytes::from(page),
            version,
        }
    }

    pub(super) fn asset(&self, path: &str) -> Option<&'static Asset> {
        ASSETS.iter().find(|asset| asset.path == path)
    }
}

/// The beginning of a hash: enough to tell versions apart.
fn digits<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let beginning = hash.finalize().into_iter().take(8);
    beginning.map(|byte| format!("{byte:02x}")).collect()
}
