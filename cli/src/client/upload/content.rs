//! What a file consists of, and how the server is to read it.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use clap::ValueEnum;
use flate2::Compression;
use flate2::write::GzEncoder;

/// What a file consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A row of names, then an item per row
    Csv,
    /// The same with tabs between fields
    Tsv,
    /// An item per line, each a JSON value
    Ndjson,
    /// One array of items
    Json,
    /// An item per line, each a plain text
    Text,
}

impl Format {
    /// The format that a file name says, packed or not; lines of JSON where it says none.
    pub(crate) fn of_name(path: &Path) -> Self {
        let name = match Packing::of_name(path) {
            Packing::None => path.to_owned(),
            Packing::Gzip | Packing::Zstd => path.with_extension(""),
        };
        match extension(&name).as_deref() {
            Some("csv") => Self::Csv,
            Some("tsv" | "tab") => Self::Tsv,
            Some("json") => Self::Json,
            Some("txt" | "list") => Self::Text,
            _ => Self::Ndjson,
        }
    }

    /// Its name in the flags.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    /// True for rows with columns.
    pub(crate) fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// How a file is packed. It is sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Packing {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Packing {
    /// The packing that a file name says.
    pub(crate) fn of_name(path: &Path) -> Self {
        match extension(path).as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Its name in HTTP.
    pub(super) fn coding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// A text that stands before or behind what is packed like this: packed by itself, because members and frames may
    /// follow one another.
    pub(super) fn pack(self, text: String) -> io::Result<Bytes> {
        Ok(match self {
            Self::None => text.into(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(text.as_bytes())?;
                encoder.finish()?.into()
            }
            Self::Zstd => zstd::encode_all(text.as_bytes(), 1)?.into(),
        })
    }
}

fn extension(path: &Path) -> Option<String> {
    path.extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase)
}

/// A body, apart from its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) format: Format,
    pub(crate) packing: Packing,
    /// What a table is written in, where that is not UTF-8.
    pub(crate) charset: Option<String>,
    /// What is done with it, as parameters of the query.
    pub(crate) parameters: Vec<(&'static str, String)>,
}

impl Content {
    /// Something of this format, in the ordinary way.
    pub(crate) fn of(format: Format) -> Self {
        Self {
            format,
            packing: Packing::None,
            charset: None,
            parameters: Vec::new(),
        }
    }

    /// Says something where there is something to say.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        self.parameters.extend(value.map(|value| (name, value.into())));
        self
    }

    pub(super) fn media_type(&self) -> String {
        let essence = match self.format {
            Format::Csv => "text/csv",
            Format::Tsv => "text/tab-separated-values",
            Format::Ndjson | Format::Text => "application/x-ndjson",
            Format::Json => "application/json",
        };
        match &self.charset {
            Some(charset) => format!("{essence}; charset={charset}"),
            None => essence.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_the_format() {
        let both = |name: &str| {
            (
                Format::of_name(Path::new(name)),
                Packing::of_name(Path::new(name)),
            )
        };
        assert_eq!(both("a.CSV"), (Format::Csv, Packing::None));
        assert_eq!(both("a.tsv"), (Format::Tsv, Packing::None));
        assert_eq!(both("a.json"), (Format::Json, Packing::None));
        assert_eq!(both("a.jsonl"), (Format::Ndjson, Packing::None));
        assert_eq!(both("urls.txt"), (Format::Text, Packing::None));
        assert_eq!(both("a"), (Format::Ndjson, Packing::None));
        assert_eq!(both("a.b.csv.gz"), (Format::Csv, Packing::Gzip));
        assert_eq!(both("a.json.ZST"), (Format::Json, Packing::Zstd));
        assert_eq!(both("a.gz"), (Format::Ndjson, Packing::Gzip));
    }

    #[test]
    fn the_content_type_has_the_charset() {
        let content = Content {
            charset: Some("windows-1252".to_owned()),
            ..Content::of(Format::Csv)
        };
        assert_eq!(content.media_type(), "text/csv; charset=windows-1252");
        assert_eq!(Content::of(Format::Text).media_type(), "application/x-ndjson");
    }
}
