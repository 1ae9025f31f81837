//! What a client has already. Pure: RFC 9110, section 13.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_NONE_MATCH, IF_RANGE};

/// True where the client has what `etag` stands for.
pub(crate) fn is_fresh(headers: &HeaderMap, etag: &str) -> bool {
    values(headers, &IF_NONE_MATCH).any(|value| {
        value.trim() == "*"
            || value
                .split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == etag)
    })
}

/// False where the client has a part of something else: then a part would be of no use to it.
pub(crate) fn is_same(headers: &HeaderMap, etag: &str) -> bool {
    // Only a strong tag says so; there are no dates here.
    values(headers, &IF_RANGE).all(|value| value.trim() == etag)
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        // What can't be read is no tag of ours.
        .map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn tags_are_compared() {
        let fresh = |value: &str| is_fresh(&headers(IF_NONE_MATCH, value), "\"a\"");
        assert!(fresh("\"a\"") && fresh("*") && fresh("\"x\", W/\"a\""));
        assert!(!fresh("\"b\"") && !fresh("a") && !is_fresh(&HeaderMap::new(), "\"a\""));
        let same = |value: &str| is_same(&headers(IF_RANGE, value), "\"a\"");
        assert!(same("\"a\"") && is_same(&HeaderMap::new(), "\"a\""));
        assert!(!same("W/\"a\"") && !same("\"b\"") && !same("Sun, 22 Nov 2026 16:00:00 GMT"));
    }
}
