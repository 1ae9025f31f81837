//! Who does something to a batch. The name is taken at its word, and written into the history of the batch.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use flotilla_core::command::Actor;
use utoipa::IntoParams;

use crate::problem::{Kind, Problem};

const HEADER: HeaderName = HeaderName::from_static("x-flotilla-actor");
/// Whoever does not say who they are.
const ANYBODY: &str = "api";

/// Who a request is from.
#[derive(Debug)]
pub(crate) struct By(pub(crate) Actor);

/// The header that every endpoint which changes something takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `By` reads")]
pub(crate) struct ActorHeader {
    /// Who does it, for the history of the batch.
    #[param(rename = "X-Flotilla-Actor", required = false, default = "api", value_type = String, max_length = 100)]
    actor: String,
}

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let invalid =
            |detail: String| Problem::new(Kind::InvalidActor, detail).with("header", "X-Flotilla-Actor");
        let name = match parts.headers.get(HEADER) {
            None => ANYBODY,
            Some(value) => str::from_utf8(value.as_bytes()).map_err(|error| invalid(error.to_string()))?,
        };
        name.parse()
            .map(Self)
            .map_err(|error| invalid(format!("{error}")))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn by(name: &[u8]) -> Result<Actor, Problem> {
        let request = Request::get("/").header(HEADER, name).body(()).unwrap();
        By::from_request_parts(&mut request.into_parts().0, &())
            .await
            .map(|By(actor)| actor)
    }

    #[tokio::test]
    async fn people_have_names_and_nobody_is_the_system() {
        assert_eq!(by("Ann Ö.".as_bytes()).await.unwrap().as_str(), "Ann Ö.");
        for bad in [&b"flotilla"[..], b" ", b"\xff"] {
            assert_eq!(by(bad).await.unwrap_err().kind(), Kind::InvalidActor);
        }
        let mut nobody = Request::get("/").body(()).unwrap().into_parts().0;
        assert_eq!(
            By::from_request_parts(&mut nobody, &()).await.unwrap().0.as_str(),
            "api"
        );
    }
}
