//! `listen`, `listen_public`: where the API can be reached.

use std::net::SocketAddr;

use super::Invalid;

/// Where the API listens by default.
const DEFAULT: &str = "127.0.0.1:7400";

/// Where the API listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen {
    /// The address.
    pub(crate) address: SocketAddr,
    /// Whether it was said that others may reach it.
    pub(crate) public: bool,
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// By `up`.
    #[error(
        "refusing to listen on {0}: there is no TLS and no authentication, and job types may run commands. \
         `flotilla up` listens on a loopback address only (127.0.0.1 or [::1]); put a proxy in front of it"
    )]
    Up(SocketAddr),
    /// By `api`.
    #[error(
        "refusing to listen on {0}: there is no TLS and no authentication. Listen on a loopback address, or, where only \
         a trusted network or a proxy can reach it, set `listen_public = true` (FLOTILLA_LISTEN_PUBLIC=true, --listen-public)"
    )]
    Api(SocketAddr),
}

impl Listen {
    pub(super) fn validate(address: Option<&str>, public: Option<bool>) -> Result<Self, Invalid> {
        let text = address.unwrap_or(DEFAULT);
        // `localhost:7400` is what people write; resolving other names would bind to whatever DNS says today.
        let numeric = text.replacen("localhost", "127.0.0.1", 1);
        let address = numeric.parse().map_err(|_| {
            Invalid::new(
                "listen",
                format!("{text:?} is no address with a port; expected something like {DEFAULT:?}"),
            )
        })?;
        Ok(Self {
            address,
            public: public.unwrap_or(false),
        })
    }

    /// The address for `flotilla up`: loopback only.
    pub(crate) fn for_up(self) -> Result<SocketAddr, Refused> {
        if self.address.ip().is_loopback() {
            Ok(self.address)
        } else {
            Err(Refused::Up(self.address))
        }
    }

    /// The address for `flotilla api`: loopback, unless it was said to be public.
    pub(crate) fn for_api(self) -> Result<SocketAddr, Refused> {
        if self.public || self.address.ip().is_loopback() {
            Ok(self.address)
        } else {
            Err(Refused::Api(self.address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_explicit_setting_opens_the_api() {
        let everywhere = |public| Listen::validate(Some("0.0.0.0:7400"), public).unwrap();
        assert!(everywhere(None).for_api().is_err());
        assert!(everywhere(Some(true)).for_api().is_ok());
        assert!(everywhere(Some(true)).for_up().is_err());
        assert!(Listen::validate(None, None).unwrap().for_up().is_ok());
        assert!(
            Listen::validate(Some("[::1]:7400"), None)
                .unwrap()
                .for_up()
                .is_ok()
        );
    }

    #[test]
    fn names_are_not_resolved() {
        assert!(Listen::validate(Some("localhost:1"), None).is_ok());
        assert!(Listen::validate(Some("example.com:1"), None).is_err());
        assert!(Listen::validate(Some("7400"), None).is_err());
    }
}
