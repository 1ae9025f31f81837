//! The figures that were recorded.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::valgrind::Counts;

/// Where they are.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.json");

/// Instructions per item, by path. Of each architecture, because each has instructions of its own.
#[derive(Debug)]
pub(crate) struct Figures(BTreeMap<String, BTreeMap<String, u64>>);

impl Figures {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let figures = serde_json::from_slice(&text).with_context(|| format!("read {}", file.display()))?;
        Ok(Self(figures))
    }

    /// Those of this architecture.
    pub(crate) fn here(&self) -> impl Iterator<Item = (&str, u64)> {
        let here = self.0.get(ARCH).into_iter().flatten();
        here.map(|(path, figure)| (path.as_str(), *figure))
    }

    /// The same with `counts` of this architecture: in place of its others where these are `all`.
    pub(crate) fn with(mut self, counts: Counts, all: bool) -> Self {
        let here = self.0.entry(ARCH.to_owned()).or_default();
        if all {
            here.clear();
        }
        here.extend(counts.into_iter().map(|(path, count)| (path.to_owned(), count)));
        self
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.0)? + "\n";
        fs::write(file, text).with_context(|| format!("write {}", file.display()))
    }
}
