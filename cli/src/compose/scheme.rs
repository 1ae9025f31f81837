//! What the ports have in common about URLs: the scheme chooses the engine, and credentials are never shown.

use url::Url;

/// Why a URL can't be used. Never contains more of it than its scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadUrl {
    /// There is no engine for its scheme.
    #[error("there is no engine for {given:?} URLs; known are {known}")]
    Unknown {
        /// The scheme.
        given: String,
        /// Those that exist, with an example each.
        known: &'static str,
    },
    /// It has no scheme.
    #[error("is not a URL: it has no scheme; known are {0}")]
    NoScheme(&'static str),
    /// It is incomplete or malformed.
    #[error("is not a valid {scheme} URL: {reason}")]
    Malformed {
        /// The scheme.
        scheme: String,
        /// What is wrong.
        reason: String,
    },
}

/// The scheme of `text`, and what follows its colon.
pub(super) fn split<'a>(text: &'a str, known: &'static str) -> Result<(&'a str, &'a str), BadUrl> {
    text.split_once(':')
        .filter(|(scheme, _)| !scheme.is_empty())
        .ok_or(BadUrl::NoScheme(known))
}

/// `text` as a URL with a host.
pub(super) fn with_host(text: &str) -> Result<Url, BadUrl> {
    let malformed = |reason: String| BadUrl::Malformed {
        scheme: text.split(':').next().unwrap_or_default().to_owned(),
        reason,
    };
    let url: Url = text
        .parse()
        .map_err(|error: url::ParseError| malformed(error.to_string()))?;
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err(malformed("it names no host".to_owned())),
    }
}

/// The path in what follows the colon of a `file:` or `sqlite:` URL: `//relative`, `///absolute`, or without slashes.
pub(super) fn path(rest: &str) -> Result<std::path::PathBuf, BadUrl> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() {
        return Err(BadUrl::Malformed {
            scheme: "file".to_owned(),
            reason: "it names no path".to_owned(),
        });
    }
    Ok(path.into())
}

/// A URL for people: without user, password and parameters, which may hold secrets too.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both refuse URLs that can't have credentials, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let url = with_host("postgres://ann:s3cret@db:5432/fleet?password=s3cret&sslmode=require").unwrap();
        assert_eq!(shown(&url), "postgres://db:5432/fleet");
        let error = with_host("amqp://ann:s3cret@").unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
