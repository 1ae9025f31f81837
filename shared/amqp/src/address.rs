//! Where the broker is: what lapin needs, and what people may see of it.

use std::fmt;

use flotilla_core::{Error, Result};
use lapin::uri::{AMQPScheme, AMQPUri};
use url::{Host, Url};

use crate::{ENGINE, Options};

/// A broker's address. It shows host, port and vhost, never the credentials.
#[derive(Clone)]
pub(crate) struct Address(AMQPUri);

impl Address {
    /// Reads an `amqp://` or `amqps://` URL.
    pub(crate) fn parse(url: &Url, options: &Options) -> Result<Self> {
        // The parser's own message would quote the URL, password included.
        let invalid = || {
            Error::misconfigured(
                ENGINE,
                "the broker URL must look like amqp://user:password@host:5672/vhost",
            )
        };
        let mut uri: AMQPUri = url.as_str().parse().map_err(|_| invalid())?;
        // The parser would take any IPv6 address for localhost.
        match url.host() {
            Some(Host::Ipv6(address)) => uri.authority.host = address.to_string(),
            Some(_) => {}
            None => return Err(invalid()),
        }
        // Strictly, a lone slash is the vhost with the empty name. Nobody has one; everybody types the slash.
        if uri.vhost.is_empty() {
            uri.vhost = "/".into();
        }
        let query = &mut uri.query;
        query.heartbeat = query
            .heartbeat
            .or(u16::try_from(options.heartbeat.as_secs()).ok());
        // Otherwise a thread of lapin's waits as long as the operating system does, minutes.
        let timeout = u64::try_from(options.connect_timeout.as_millis()).ok();
        query.connection_timeout = query.connection_timeout.or(timeout);
        Ok(Self(uri))
    }

    /// For lapin.
    pub(crate) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }

    /// The vhost's name.
    pub(crate) fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// True where the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = &self.0.authority;
        write!(
            f,
            "{}:{} (vhost {:?})",
            authority.host, authority.port, self.0.vhost
        )
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        let parsed = Address::parse(&url.parse().unwrap(), &Options::default());
        parsed.map_or_else(|error| error.to_string(), |address| address.to_string())
    }

    #[test]
    fn an_address_shows_everything_but_the_credentials() {
        assert_eq!(
            shown("amqp://user:secret@rabbit:5673/a%2Fb"),
            "rabbit:5673 (vhost \"a/b\")"
        );
        assert_eq!(shown("amqp://rabbit"), "rabbit:5672 (vhost \"/\")");
        assert_eq!(shown("amqps://u:secret@rabbit/"), "rabbit:5671 (vhost \"/\")");
        assert_eq!(shown("amqp://u:secret@[::1]:7/x"), "::1:7 (vhost \"x\")");
        let url = "amqp://u:secret@rabbit/x?heartbeat=soon".parse().unwrap();
        let error = Address::parse(&url, &Options::default()).unwrap_err().chain();
        assert!(
            error.contains("amqp://user:password@host") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn the_url_may_set_the_heartbeat() {
        let heartbeat = |url: &str| {
            Address::parse(&url.parse().unwrap(), &Options::default())
                .unwrap()
                .0
                .query
                .heartbeat
        };
        assert_eq!(heartbeat("amqp://h"), Some(15));
        assert_eq!(heartbeat("amqp://h?heartbeat=5"), Some(5));
    }
}
