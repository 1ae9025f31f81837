//! What a request says about how its body is to be taken: in the query and the content type, apart from what the batch is
//! to do.

use axum::http::HeaderMap;

use super::options::checks::invalid;
use super::{Dialect, Format, format};
use crate::problem::{Kind, Problem};

/// The parameters.
pub(crate) const TERMS: [&str; 4] = ["on_invalid", "dry_run", "delimiter", "map"];

/// How a body is taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// What becomes of items that can't be taken.
    pub(crate) on_invalid: OnInvalid,
    /// Only check, and store nothing.
    pub(crate) dry_run: bool,
    /// How a table is written.
    pub(crate) dialect: Dialect,
}

/// What becomes of items that can't be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    /// Nothing is accepted.
    #[default]
    Reject,
    /// They are left out, and listed.
    Skip,
}

/// The parameters as texts.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) on_invalid: Option<&'a str>,
    pub(crate) dry_run: Option<&'a str>,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) map: Option<&'a str>,
}

impl Terms {
    /// Understands what was said about a body of this format.
    ///
    /// # Errors
    /// Where a value is none of those that are known, or says something about a table that is none.
    pub(crate) fn new(said: &Said<'_>, format: Format, headers: &HeaderMap) -> Result<Self, Problem> {
        let on_invalid = match said.on_invalid {
            None | Some("reject") => OnInvalid::Reject,
            Some("skip") => OnInvalid::Skip,
            Some(_) => return Err(invalid("on_invalid", "must be `reject` or `skip`")),
        };
        let dry_run = match said.dry_run {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(invalid("dry_run", "must be `true` or `false`")),
        };
        let dialect = if matches!(format, Format::Csv | Format::Tsv) {
            Dialect::new(format::charset(headers), said.delimiter, said.map)?
        } else {
            for (parameter, value) in [("delimiter", said.delimiter), ("map", said.map)] {
                if value.is_some() {
                    return Err(of_tables(parameter));
                }
            }
            Dialect::default()
        };
        Ok(Self {
            on_invalid,
            dry_run,
            dialect,
        })
    }

    /// Finds them in a query; the other parameters are somebody else's.
    ///
    /// # Errors
    /// Also where one comes twice.
    pub(crate) fn of_query(query: &str, format: Format, headers: &HeaderMap) -> Result<Self, Problem> {
        let find = |name: &str| -> Result<Option<String>, Problem> {
            let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(field, _)| field == name);
            let value = found.next().map(|(_, value)| value.into_owned());
            match found.next() {
                Some(_) => Err(invalid(name, "is given more than once")),
                None => Ok(value),
            }
        };
        let (on_invalid, dry_run) = (find("on_invalid")?, find("dry_run")?);
        let (delimiter, map) = (find("delimiter")?, find("map")?);
        let said = Said {
            on_invalid: on_invalid.as_deref(),
            dry_run: dry_run.as_deref(),
            delimiter: delimiter.as_deref(),
            map: map.as_deref(),
        };
        Self::new(&said, format, headers)
    }
}

fn of_tables(parameter: &str) -> Problem {
    Problem::new(
        Kind::InvalidParameter,
        format!("`{parameter}` is for text/csv and text/tab-separated-values"),
    )
    .with("parameter", parameter)
}
