//! Short JSON bodies: an object with a few fields, or nothing at all. A misspelt field is refused rather than ignored.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use flotilla_core::Json;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::intake::checks::{invalid, read, unknown_of};
use crate::problem::{Kind, Problem};

/// The longest body: 100,000 indices fit.
const MAX_BYTES: usize = 1 << 20;

/// The fields of a body, by name.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, Json>);

impl Fields {
    /// Reads the body of `request`, which may have the fields `known`. An empty body has none.
    ///
    /// # Errors
    /// Where it is no JSON object, has other fields, or is too long.
    pub(crate) async fn of(request: Request, known: &[&str]) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, MAX_BYTES, |limit| {
            let detail = format!("a body like this may have at most {limit} bytes");
            Problem::new(Kind::UploadTooLarge, detail).with("limit", limit)
        })
        .await?;
        Self::parse(&parts.headers, &bytes, known)
    }

    /// The same where the body has been read.
    pub(crate) fn parse(headers: &HeaderMap, bytes: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        check_type(headers)?;
        let fields: BTreeMap<String, Json> = serde_json::from_slice(bytes).map_err(|error| {
            let expected = "expected a JSON object";
            Problem::new(Kind::InvalidJson, format!("{error}; {expected}"))
                .with("line", error.line())
                .with("column", error.column())
        })?;
        match fields.keys().find(|field| !known.contains(&field.as_str())) {
            Some(unknown) => Err(unknown_of(unknown, known)),
            None => Ok(Self(fields)),
        }
    }

    /// Checks that there are no others than these, where others are known but do not go with them.
    ///
    /// # Errors
    /// Where there are.
    pub(crate) fn only(&self, fitting: &[&str]) -> Result<(), Problem> {
        match self.0.keys().find(|field| !fitting.contains(&field.as_str())) {
            Some(other) => {
                let detail = format!("does not go with the others; here may be: {}", fitting.join(", "));
                Err(invalid(other, &detail))
            }
            None => Ok(()),
        }
    }

    /// The value of a field; `expected` says what it must be. `null` says nothing.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        field: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        self.checked(field, |value| read(field, value, expected))
    }

    /// The value of a field, as `check` reads it. `null` says nothing.
    pub(crate) fn checked<T>(
        &self,
        field: &'static str,
        check: impl FnOnce(&Json) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        Ok(self.change(field, check)?.flatten())
    }

    /// The same, where `null` means something: `Some(None)`.
    pub(crate) fn change<T>(
        &self,
        field: &'static str,
        check: impl FnOnce(&Json) -> Result<T, Problem>,
    ) -> Result<Option<Option<T>>, Problem> {
        match self.0.get(field) {
            None => Ok(None),
            Some(value) if value.as_str() == "null" => Ok(Some(None)),
            Some(value) => check(value).map(|value| Some(Some(value))),
        }
    }

    /// The value of a field that has a text form.
    pub(crate) fn text<T: std::str::FromStr>(
        &self,
        field: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        self.checked(field, |value| {
            let text: String = read(field, value, expected)?;
            text.parse()
                .map_err(|_| invalid(field, &format!("must be {expected}")))
        })
    }
}

/// `curl -d` without a header sends a form: that is worth an answer of its own.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return Ok(());
    };
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let given: String = essence.chars().take(80).collect();
    Err(Problem::new(
        Kind::UnsupportedMediaType,
        format!("{given:?} is not accepted; send application/json"),
    )
    .with("accepted", vec!["application/json"]))
}

/// The whole of a short body.
pub(crate) async fn read_body(
    body: Body,
    limit: usize,
    too_long: impl FnOnce(usize) -> Problem,
) -> Result<Vec<u8>, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(bytes) => Ok(bytes.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_long(limit)),
        Err(error) => {
            tracing::debug!(%error, "a request broke");
            Err(Problem::disconnected())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Fields, Problem> {
        Fields::parse(&HeaderMap::new(), body.as_bytes(), &["a", "b"])
    }

    #[test]
    fn nothing_null_and_a_value_differ() {
        let a = |body| {
            let fields = parse(body).unwrap();
            fields
                .change("a", |value| read::<u32>("a", value, "a number"))
                .unwrap()
        };
        assert_eq!(a(""), None);
        assert_eq!(a(" {} \n"), None);
        assert_eq!(a(r#"{"a": null}"#), Some(None));
        assert_eq!(a(r#"{"a": 7}"#), Some(Some(7)));
        assert_eq!(
            parse(r#"{"a": null}"#)
                .unwrap()
                .get::<u32>("a", "a number")
                .unwrap(),
            None
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, kind, part) in [
            (r#"{"c": 1}"#, Kind::UnknownField, "known are: a, b"),
            ("[1]", Kind::InvalidJson, "a JSON object"),
            ("{", Kind::InvalidJson, "EOF"),
        ] {
            let problem = parse(body).unwrap_err();
            assert_eq!(problem.kind(), kind);
            assert!(problem.to_string().contains(part), "{problem}");
        }
        let fields = parse(r#"{"a": "x"}"#).unwrap();
        let problem = fields.get::<u32>("a", "a whole number").unwrap_err();
        assert!(
            problem.to_string().contains("`a` must be a whole number"),
            "{problem}"
        );
        let mut form = HeaderMap::new();
        form.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        let problem = Fields::parse(&form, b"{}", &[]).unwrap_err();
        assert_eq!(problem.kind(), Kind::UnsupportedMediaType);
        assert!(Fields::parse(&form, b"", &[]).is_ok(), "nothing is of any type");
    }
}
