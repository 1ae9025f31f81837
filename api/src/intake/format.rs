//! The formats of an upload.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use crate::problem::{Kind, Problem};

/// What a body consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One object with options and `items`.
    Json,
    /// One item per line; options are in the query.
    Ndjson,
    /// One item per row; options are in the query.
    Csv,
    /// The same with tabs between fields.
    Tsv,
}

/// Every content type that is accepted.
const ACCEPTED: [(&str, Format); 6] = [
    ("application/json", Format::Json),
    ("application/x-ndjson", Format::Ndjson),
    ("application/jsonl", Format::Ndjson),
    ("application/json-lines", Format::Ndjson),
    ("text/csv", Format::Csv),
    ("text/tab-separated-values", Format::Tsv),
];

impl Format {
    /// The format that the headers say.
    ///
    /// # Errors
    /// Where they say another one, or none.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = given
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let known = ACCEPTED
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(essence));
        known.map(|&(_, format)| format).ok_or_else(|| refused(essence))
    }
}

/// The characters that the headers declare: the `charset` of the content type.
pub(crate) fn charset(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = given
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(unquoted.unwrap_or(value))
}

fn refused(essence: &str) -> Problem {
    let accepted = ACCEPTED.map(|(name, _)| name);
    let given: String = match essence {
        "" => "the request has no Content-Type".into(),
        other => format!("{:?} is not accepted", other.chars().take(80).collect::<String>()),
    };
    Problem::new(
        Kind::UnsupportedMediaType,
        format!("{given}; send one of {}", accepted.join(", ")),
    )
    .with("accepted", accepted.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(content_type: &'static str) -> Result<Format, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Format::of(&headers)
    }

    #[test]
    fn parameters_and_case_do_not_matter() {
        assert_eq!(format("application/json").unwrap(), Format::Json);
        assert_eq!(
            format("Text/CSV; charset=utf-8; header=present").unwrap(),
            Format::Csv
        );
        assert_eq!(format("application/jsonl").unwrap(), Format::Ndjson);
        assert_eq!(format("text/tab-separated-values").unwrap(), Format::Tsv);
        let refused = format("application/x-www-form-urlencoded").unwrap_err();
        assert_eq!(refused.kind(), Kind::UnsupportedMediaType);
        assert!(refused.to_string().contains("application/x-ndjson"));
        assert!(Format::of(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_charset_is_a_parameter() {
        let of = |content_type: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            charset(&headers).map(str::to_owned)
        };
        assert_eq!(
            of("text/csv; header=present; Charset = \"Windows-1252\"").as_deref(),
            Some("Windows-1252")
        );
        assert_eq!(of("text/csv;charset=utf-8").as_deref(), Some("utf-8"));
        assert_eq!(of("text/csv; header=charset"), None);
        assert_eq!(of("text/csv"), None);
    }
}
