//! How a file is to be read: the flags of everything that uploads one.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::client::upload::{Content, Format, Packing};

/// How the file is to be read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What the file is")]
pub(super) struct Reading {
    /// What the file consists of [default: by its name, also with .gz or .zst behind it, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// CSV: a field that is called otherwise than its column, or is put together: name=Customer, 'to={Name} <{E-Mail}>';
    /// may be repeated
    #[arg(long, value_name = "FIELD=COLUMN_OR_TEMPLATE", value_parser = field)]
    map: Vec<(String, String)>,
    /// CSV: what stands between fields: comma, semicolon, tab, pipe or a character [default: what the first row has most of]
    #[arg(long, value_name = "NAME")]
    delimiter: Option<String>,
    /// CSV: the characters, for example windows-1252, which Excel writes [default: utf-8, or as a byte order mark says]
    #[arg(long, value_name = "NAME", value_parser = charset)]
    charset: Option<String>,
    /// What happens to items that the job type's schema does not allow: nothing is taken in, or they are left out
    #[arg(long, value_enum, value_name = "WHAT")]
    on_invalid: Option<OnInvalid>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnInvalid {
    /// Refuse the upload
    Reject,
    /// Leave them out; `flotilla skipped` has them
    Skip,
}

impl OnInvalid {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Skip => "skip",
        }
    }
}

impl Reading {
    /// What is in `file`.
    ///
    /// # Errors
    /// Where flags don't go with its format, or with each other.
    pub(super) fn content(&self, file: &Path) -> Result<Content> {
        let format = self.format.unwrap_or_else(|| Format::of_name(file));
        let packing = Packing::of_name(file);
        let says_table = !self.map.is_empty() || self.delimiter.is_some() || self.charset.is_some();
        anyhow::ensure!(
            format.is_table() || !says_table,
            "--map, --delimiter and --charset are for CSV; {} is read as {}, see --format",
            file.display(),
            format.as_str()
        );
        anyhow::ensure!(
            format != Format::Text || packing == Packing::None,
            "lines of plain text can't be sent packed; unpack {} and pipe it into - with --format text",
            file.display()
        );
        let content = Content::of(format)
            .with("delimiter", self.delimiter.clone())
            .with("map", self.map()?)
            .with("on_invalid", self.on_invalid.map(OnInvalid::as_str));
        Ok(Content {
            packing,
            charset: self.charset.clone(),
            ..content
        })
    }

    fn map(&self) -> Result<Option<String>> {
        let mut map = Map::new();
        for (field, source) in &self.map {
            let before = map.insert(field.clone(), Value::from(source.as_str()));
            anyhow::ensure!(
                before.is_none(),
                "--map says two things about the field {field:?}"
            );
        }
        Ok((!map.is_empty()).then(|| Value::Object(map).to_string()))
    }

    /// The same flags as words of a command.
    pub(super) fn words(&self) -> Vec<String> {
        let flags = [
            ("--format", self.format.map(|format| format.as_str().to_owned())),
            ("--delimiter", self.delimiter.clone()),
            ("--charset", self.charset.clone()),
            (
                "--on-invalid",
                self.on_invalid.map(|what| what.as_str().to_owned()),
            ),
        ];
        let flags = flags.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let maps = self
            .map
            .iter()
            .map(|(field, source)| ("--map", format!("{field}={source}")));
        flags
            .chain(maps)
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, source)) if !field.is_empty() => Ok((field.to_owned(), source.to_owned())),
        _ => Err("expected FIELD=COLUMN, or FIELD=TEMPLATE with {COLUMN} in it".to_owned()),
    }
}

/// It goes into a header, so it must not end it.
fn charset(text: &str) -> Result<String, String> {
    let is_label = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    if text.is_empty() || !text.chars().all(is_label) {
        return Err("expected a name like windows-1252".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        reading: Reading,
    }

    fn content(file: &str, flags: &[&str]) -> Result<Content> {
        let line = Line::try_parse_from([&["x"], flags].concat())?;
        line.reading.content(Path::new(file))
    }

    #[test]
    fn flags_become_parameters() {
        let flags = [
            "--map",
            "name=Customer",
            "--map",
            "to={Name}=<{E-Mail}>",
            "--delimiter",
            "semicolon",
            "--charset",
            "windows-1252",
            "--on-invalid",
            "skip",
        ];
        let content = content("a.csv.gz", &flags).unwrap();
        assert_eq!((content.format, content.packing), (Format::Csv, Packing::Gzip));
        assert_eq!(content.charset.as_deref(), Some("windows-1252"));
        assert_eq!(
            content.parameters,
            [
                ("delimiter", "semicolon".to_owned()),
                (
                    "map",
                    r#"{"name":"Customer","to":"{Name}=<{E-Mail}>"}"#.to_owned()
                ),
                ("on_invalid", "skip".to_owned()),
            ]
        );
        let words = Line::try_parse_from([&["x"][..], &flags].concat())
            .unwrap()
            .reading
            .words();
        let again = Line::try_parse_from(["x".to_owned()].into_iter().chain(words)).unwrap();
        assert_eq!(
            again.reading.content(Path::new("a.csv")).unwrap().parameters,
            content.parameters
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused_here() {
        assert!(content("a.csv", &[]).unwrap().parameters.is_empty());
        assert!(content("a.dat", &["--format", "tsv", "--charset", "utf-16le"]).is_ok());
        for (file, flags) in [
            ("a.ndjson", &["--delimiter", "tab"][..]),
            ("a.json", &["--map", "a=b"]),
            ("-", &["--charset", "utf-16le"]),
            ("a.txt.gz", &[]),
            ("a.csv", &["--map", "a"]),
            ("a.csv", &["--map", "=a"]),
            ("a.csv", &["--map", "a=b", "--map", "a=c"]),
            ("a.csv", &["--charset", "utf-8; x=y"]),
        ] {
            assert!(content(file, flags).is_err(), "{file} {flags:?}");
        }
    }
}
