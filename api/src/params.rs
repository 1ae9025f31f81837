//! Query parameters, with a misspelt one refused rather than ignored.

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::problem::{Kind, Problem};

/// The parameters of an endpoint, without `space`, which [`Caller`](crate::space::Caller) reads. `T` should deny
/// unknown fields.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let own = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "space");
    let rest = form_urlencoded::Serializer::for_suffix("/?".to_owned(), 2)
        .extend_pairs(own)
        .finish();
    let uri: Uri = rest
        .parse()
        .map_err(|_| Problem::new(Kind::InvalidParameter, "the query can't be read"))?;
    let Query(params) = Query::try_from_uri(&uri).map_err(|rejection| {
        let error = std::error::Error::source(&rejection).map(ToString::to_string);
        Problem::new(
            Kind::InvalidParameter,
            error.unwrap_or_else(|| rejection.body_text()),
        )
    })?;
    Ok(params)
}

/// The size of a page.
///
/// # Errors
/// Outside of 1 to [`MAX_LIMIT`].
pub(crate) fn limit(given: Option<u32>, default: u32) -> Result<u32, Problem> {
    match given {
        None => Ok(default),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::new(
            Kind::InvalidParameter,
            format!("`limit` must be between 1 and {MAX_LIMIT}, not {limit}"),
        )
        .with("parameter", "limit")),
    }
}

/// The most entries of a page.
pub(crate) const MAX_LIMIT: u32 = 1_000;

/// A parameter that has a text form.
///
/// # Errors
/// Where `given` is none; `expected` says what would be.
pub(crate) fn text<T: std::str::FromStr>(
    name: &'static str,
    given: Option<&str>,
    expected: &str,
) -> Result<Option<T>, Problem> {
    let Some(given) = given else {
        return Ok(None);
    };
    given.parse().map(Some).map_err(|_| {
        let given: String = given.chars().take(80).collect();
        Problem::new(
            Kind::InvalidParameter,
            format!("`{name}` can't be {given:?}: {expected}"),
        )
        .with("parameter", name)
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<u32>,
    }

    #[test]
    fn misspelt_parameters_are_named() {
        assert_eq!(parse::<Page>("space=a&limit=7").unwrap().limit, Some(7));
        let error = parse::<Page>("limt=7").unwrap_err().to_string();
        assert!(error.contains("limt") && error.contains("`limit`"), "{error}");
        let error = parse::<Page>("limit=many").unwrap_err().to_string();
        assert!(
            error.contains("limit") && error.contains("invalid digit"),
            "{error}"
        );
    }

    #[test]
    fn limits_have_limits() {
        assert_eq!(limit(None, 50).unwrap(), 50);
        assert_eq!(limit(Some(1_000), 50).unwrap(), 1_000);
        assert!(limit(Some(0), 50).is_err() && limit(Some(1_001), 50).is_err());
    }
}
