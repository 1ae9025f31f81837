//! `public_url`: where the API is reached by those who call back.

use std::net::SocketAddr;

use url::Url;

use super::Invalid;

/// Where the API is reached from outside, where that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PublicUrl(Option<Url>);

impl PublicUrl {
    pub(super) fn validate(given: Option<&str>) -> Result<Self, Invalid> {
        let Some(text) = given else {
            return Ok(Self(None));
        };
        let example = "expected something like \"https://flotilla.example.com\"";
        let invalid = |reason: String| Invalid::new("public_url", format!("{reason}; {example}"));
        let url: Url = text
            .parse()
            .map_err(|error| invalid(format!("not a URL ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("must be an http:// or https:// URL".to_owned()));
        }
        // Handlers see it, and the path of a callback is put behind it.
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain {
            return Err(invalid("must have no user, query or fragment".to_owned()));
        }
        Ok(Self(Some(url)))
    }

    /// What was set, or the address that the API listens on.
    pub(crate) fn or_address(&self, address: SocketAddr) -> String {
        self.0
            .as_ref()
            .map_or_else(|| format!("http://{address}"), Url::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_where_the_api_listens_unless_set() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 7400));
        let shown = |given| PublicUrl::validate(given).unwrap().or_address(listen);
        assert_eq!(shown(None), "http://127.0.0.1:7400");
        assert_eq!(shown(Some("https://x.example/fleet")), "https://x.example/fleet");
        for bad in ["x.example", "ftp://x", "https://ann:pw@x", "http://x/?a=b"] {
            assert!(PublicUrl::validate(Some(bad)).is_err(), "{bad}");
        }
    }
}
