//! Whose request it is. Every query is scoped by what this module says, and by nothing else.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use flotilla_core::Space;
use url::form_urlencoded;
use utoipa::IntoParams;

use crate::problem::{Kind, Problem};

/// The caller of an endpoint.
///
/// The space is taken at the caller's word, from the query. The one place to change when requests carry credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The tenant.
    pub(crate) space: Space,
}

/// The query parameter that every endpoint under `/v1/batches` takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Caller` reads")]
pub(crate) struct SpaceParam {
    /// The space (tenant). Whatever belongs to another one does not exist.
    #[param(required = false, default = "default", value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,62}$")]
    space: String,
}

/// The space that a query names, if it does.
fn named(query: &str) -> Result<Option<Space>, Problem> {
    let mut spaces = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "space");
    let Some((_, text)) = spaces.next() else {
        return Ok(None);
    };
    let invalid = |detail: String| Problem::new(Kind::InvalidParameter, detail).with("parameter", "space");
    if spaces.next().is_some() {
        return Err(invalid("`space` is given more than once".into()));
    }
    let space = text
        .parse::<Space>()
        .map_err(|error| invalid(error.to_string()))?;
    Ok(Some(space))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let space = named(parts.uri.query().unwrap_or_default())?.unwrap_or_default();
        Ok(Self { space })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// `None` where the request leaves the space open, so that its body may say it.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        let space = named(parts.uri.query().unwrap_or_default())?;
        Ok(space.map(|space| Self { space }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_named_once_or_not_at_all() {
        assert_eq!(named("limit=3").unwrap(), None);
        assert_eq!(
            named("space=team-a&limit=3").unwrap(),
            Some("team-a".parse().unwrap())
        );
        for bad in ["space=", "space=Team%20A", "space=a&space=a", "space=a%2Fb"] {
            assert_eq!(named(bad).unwrap_err().kind(), Kind::InvalidParameter, "{bad}");
        }
    }
}
