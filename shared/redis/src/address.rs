//! Where the server is, and which keys on it are ours.

use flotilla_core::{Error, Result};
use redis::{Client, IntoConnectionInfo};
use url::Url;

use crate::errors::ENGINE;

/// The prefix of keys and channels where the URL names none.
pub const DEFAULT_PREFIX: &str = "flotilla";
/// The query parameter of the URL that names another.
const PREFIX: &str = "prefix";
const SCHEMES: [&str; 4] = ["redis", "rediss", "valkey", "valkeys"];

/// A URL, understood.
#[derive(Debug)]
pub(crate) struct Address {
    /// Makes connections.
    pub(crate) client: Client,
    /// What every key and channel begins with.
    pub(crate) prefix: String,
    /// `host:port`, for people: nothing secret.
    pub(crate) place: String,
}

impl Address {
    /// Understands `url`, and refuses what it would have to ignore.
    pub(crate) fn parse(url: &Url) -> Result<Self> {
        let place = place(url);
        let refuse = |why: String| Error::misconfigured(ENGINE, format!("the URL of {place} {why}"));
        if !SCHEMES.contains(&url.scheme()) {
            return Err(refuse(format!(
                "begins with {}:, not with one of {SCHEMES:?}",
                url.scheme()
            )));
        }
        let mut prefix = DEFAULT_PREFIX.to_owned();
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                PREFIX => prefix = value.into_owned(),
                "protocol" => {}
                _ => {
                    return Err(refuse(format!(
                        "has an unknown parameter {name:?}: there is only {PREFIX:?}"
                    )));
                }
            }
        }
        if !is_plain(&prefix) {
            let rule = "1 to 100 letters, digits or any of _ - . :";
            return Err(refuse(format!(
                "asks for the key prefix {prefix:?}, which must be {rule}"
            )));
        }
        let info = without_prefix(url).into_connection_info();
        let client = info.and_then(Client::open);
        // The library's texts are fixed ones, about hosts, database numbers and encodings: no credentials in them.
        let client = client.map_err(|error| refuse("can't be used".to_owned()).because(error.to_string()))?;
        Ok(Self {
            client,
            prefix,
            place,
        })
    }
}

/// No character that means something in a pattern: subscriptions match channels by pattern.
fn is_plain(prefix: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"_-.:".contains(&c);
    (1..=100).contains(&prefix.len()) && prefix.bytes().all(plain)
}

fn place(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or("(no host)"),
        url.port().unwrap_or(6379)
    )
}

fn without_prefix(url: &Url) -> Url {
    let mut rest = url.clone();
    rest.query_pairs_mut()
        .clear()
        .extend_pairs(url.query_pairs().filter(|(name, _)| name != PREFIX));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address> {
        Address::parse(&url.parse().unwrap())
    }

    #[test]
    fn the_prefix_is_taken_out_of_the_url() {
        let address = parse("rediss://u:p%40@cache.example:7000/3?prefix=team-a&protocol=resp3").unwrap();
        assert_eq!(
            (address.prefix.as_str(), address.place.as_str()),
            ("team-a", "cache.example:7000")
        );
        let info = address.client.get_connection_info();
        let redis = info.redis_settings();
        assert_eq!(
            (redis.db(), redis.username(), redis.password()),
            (3, Some("u"), Some("p@"))
        );
        assert_eq!(parse("valkey://localhost").unwrap().prefix, "flotilla");
        assert_eq!(parse("redis://[::1]").unwrap().place, "[::1]:6379");
    }

    #[test]
    fn what_can_t_be_obeyed_is_refused_without_showing_secrets() {
        for (url, says) in [
            ("http://u:hunter2@h", "begins with http:"),
            ("redis://u:hunter2@h?prefx=a", "unknown parameter \"prefx\""),
            ("redis://u:hunter2@h?prefix=", "key prefix \"\""),
            ("redis://u:hunter2@h?prefix=a*", "key prefix \"a*\""),
            ("redis://u:hunter2@h:1/none", "h:1"),
            ("redis://u:hunter2@0.0.0.0", "wildcard"),
        ] {
            let text = parse(url).unwrap_err().chain();
            assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
        }
    }
}
