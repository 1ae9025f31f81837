//! Folders of embedded engines.

use std::path::Path;

use flotilla_core::{Error, Result};

/// Makes `folder`.
pub(super) fn create(folder: &Path, engine: &'static str) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Error::misconfigured(
            engine,
            format!(
                "can't create the folder {}; choose another with --data",
                folder.display()
            ),
        )
        .because(error)
    })
}
