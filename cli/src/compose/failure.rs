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
    /// What happened.
    pub(crate) error: Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, place, error } = self;
        write!(f, "can't use {} at {place}: {}", port.name, error.chain())?;
        match error.kind() {
            ErrorKind::Unavailable => write!(
                f,
                "\n  Start it, or say where it is with {}. `flotilla up` needs no servers.",
                port.variable
            ),
            ErrorKind::Misconfigured if !error.to_string().contains("flotilla migrate") => write!(
                f,
                "\n  Check {}. If this deployment is new, run `flotilla migrate` first.",
                port.variable
            ),
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
    fn an_adapter_that_says_what_to_run_is_not_repeated() {
        let failure = Failure {
            port: BROKER,
            place: "amqp://mq".into(),
            error: Error::misconfigured(
                "RabbitMQ",
                "queue flotilla.dead.v1 is missing: run `flotilla migrate`",
            ),
        };
        assert_eq!(failure.to_string().matches("flotilla migrate").count(), 1);
    }
}
