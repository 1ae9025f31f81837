//! What is wrong with the settings, for the person who wrote them.

use std::path::Path;

use figment::error::Kind;
use figment::{Metadata, Profile};

use super::keys;

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Problem(String);

impl Problem {
    /// A problem in words.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What a section found wrong with one of its values. Where the value came from is added by whoever knows the layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// Which setting.
    pub(super) path: &'static str,
    /// Why it can't be.
    pub(super) reason: String,
}

impl Invalid {
    /// `path` can't be, because of `reason`.
    pub(crate) fn new(path: &'static str, reason: impl Into<String>) -> Self {
        Self {
            path,
            reason: reason.into(),
        }
    }
}

/// Where a value was written: a file, a variable, a flag.
pub(super) fn origin(metadata: &Metadata, path: &str) -> String {
    match metadata.source.as_ref().and_then(|source| source.file_path()) {
        Some(_) => metadata
            .source
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        None => {
            let parts: Vec<&str> = path.split('.').collect();
            metadata.interpolate(&Profile::Default, &parts)
        }
    }
}

/// A value of the wrong type, or an unknown key inside a job type.
pub(super) fn explain(error: &figment::Error) -> Problem {
    let path = error.path.join(".");
    let place = match &error.metadata {
        Some(metadata) => format!("{}: ", origin(metadata, &path)),
        None => String::new(),
    };
    let text = match &error.kind {
        Kind::UnknownField(field, known) => {
            let hint = match keys::nearest(field, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            format!("there is no setting `{path}.{field}`; {hint}")
        }
        Kind::UnknownVariant(given, known) => {
            format!("`{path}` can't be {given:?}; known are {}", known.join(", "))
        }
        Kind::MissingField(field) => format!("`{path}` needs `{field}`"),
        Kind::InvalidType(given, expected) => format!("`{path}` must be {expected}, not {given}"),
        other => format!("`{path}`: {other}"),
    };
    Problem(place + &text)
}

/// A file that is not TOML.
pub(super) fn explain_file(error: &figment::Error, file: &Path) -> Problem {
    Problem(format!("{} is not valid: {}", file.display(), error.kind))
}
