//! The broker: RabbitMQ, or queues in this process.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use flotilla_amqp::AmqpBroker;
use flotilla_core::Result;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::PARKED;
use flotilla_embedded::broker::{BrokerOptions, EmbeddedBroker};
use url::Url;

use super::Place;
use super::scheme::{self, BadUrl};

const KNOWN: &str = "amqp://user@host/vhost, amqps:// and embedded:";

/// `broker_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BrokerUrl {
    /// A server.
    Amqp(Url),
    /// This process.
    Embedded,
}

impl FromStr for BrokerUrl {
    type Err = BadUrl;
    fn from_str(text: &str) -> std::result::Result<Self, BadUrl> {
        match scheme::split(text, KNOWN)? {
            ("amqp" | "amqps", _) => scheme::with_host(text).map(Self::Amqp),
            ("embedded", _) => Ok(Self::Embedded),
            (given, _) => Err(BadUrl::Unknown {
                given: given.to_owned(),
                known: KNOWN,
            }),
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amqp(url) => f.write_str(&scheme::shown(url)),
            Self::Embedded => f.write_str("embedded:"),
        }
    }
}

impl Place for BrokerUrl {
    fn is_server(&self) -> bool {
        matches!(self, Self::Amqp(_))
    }
}

impl BrokerUrl {
    /// Where a server keeps what nobody understands. Nothing but people look at it, so it is no part of the topology.
    pub(crate) fn parking_queue(&self) -> Option<&'static str> {
        match self {
            Self::Amqp(_) => Some(PARKED),
            Self::Embedded => None,
        }
    }

    /// Connects to it. `name` is how the connection is listed on the server.
    pub(crate) fn connect(&self, name: &str) -> Result<Arc<dyn Broker>> {
        Ok(match self {
            Self::Amqp(url) => Arc::new(AmqpBroker::connect(url, name, flotilla_amqp::Options::default())?),
            Self::Embedded => Arc::new(EmbeddedBroker::new(BrokerOptions::default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_the_engine() {
        let broker = |text: &str| text.parse::<BrokerUrl>();
        assert_eq!(broker("embedded:"), Ok(BrokerUrl::Embedded));
        let amqp = broker("amqps://u:p@mq:5671/fleet").unwrap();
        assert!(amqp.is_server());
        assert_eq!(amqp.to_string(), "amqps://mq:5671/fleet");
        let error = broker("kafka://mq").unwrap_err().to_string();
        assert!(error.contains("kafka") && error.contains("amqp://"), "{error}");
    }
}
