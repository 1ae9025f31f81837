//! An engine that can't be used, for the person who starts the process.

use std::fmt;

use flotilla_core::{Error, ErrorKind};

/// A port: which setting names its engine, and what the engine is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    /// In a sentence: "the store".
    pub(crate) name: &'static str,
    /// The variable that says where it is.
    pub(crate) variable: &'static str,
}

/// The database.
pub(crate) const STORE: Port = Port {
    name: "the store",
    variable: "FLOTILLA_STORE_URL",
};
/// The message broker.
pub(crate) const BROKER: Port = Port {
    name: "the broker",
    variable: "FLOTILLA_BROKER_URL",
};
/// The live view.
pub(crate) const PROGRESS: Port = Port {
    name: "the live view",
    variable: "FLOTILLA_PROGRESS_URL",
};
/// Object storage.
pub(crate) const OBJECTS: Port = Port {
    name: "object storage",
    variable: "FLOTILLA_OBJECTS_URL",
};

/// An engine that can't be used.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What it was to be used for.
    pub(crate) port: Port,
    /// Where it was looked for, without credentials.
    pub(crate) place: String,
    /// Whether a server is there, rather than this machine's disk.
    pub(crate) is_server: bool,
    /// What happened.
    pub(crate) error: Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            port,
            place,
            is_server,
            error,
        } = self;
        write!(f, "can't use {} at {place}: {}", port.name, error.chain())?;
        if !is_server {
            return Ok(());
        }
        match error.kind() {
            ErrorKind::Unavailable => write!(
                f,
                "\n  Start it, or say where it is with {}. `flotilla up` needs no servers.",
                port.variable
            ),
            ErrorKind::Misconfigured => write!(f, "\n  Check {}.", port.variable),
            _ => Ok(()),
        }
    }
}

// The cause is part of the text already.
impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_where_and_how_to_go_on() {
        let failure = Failure {
            port: STORE,
            place: "postgres://db/fleet".into(),
            is_server: true,
            error: Error::unavailable("PostgreSQL", "can't connect").because("connection refused"),
        };
        let text = failure.to_string();
        assert!(
            text.starts_with(
                "can't use the store at postgres://db/fleet: PostgreSQL: can't connect: connection refused\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("FLOTILLA_STORE_URL") && text.contains("flotilla up"),
            "{text}"
        );
    }

    #[test]
    fn a_refusal_is_not_cured_by_starting_a_server() {
        let failure = Failure {
            port: BROKER,
            place: "amqp://mq".into(),
            is_server: true,
            error: Error::misconfigured("RabbitMQ", "refused the password"),
        };
        assert!(failure.to_string().ends_with("\n  Check FLOTILLA_BROKER_URL."));
    }

    #[test]
    fn a_file_can_not_be_started() {
        let failure = Failure {
            port: STORE,
            place: "sqlite://f.db".into(),
            is_server: false,
            error: Error::unavailable("SQLite", "the disk is full"),
        };
        assert!(!failure.to_string().contains('\n'));
    }
}
