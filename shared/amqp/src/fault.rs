//! What lapin's errors mean to the operator: what was attempted, where, and what to do.

use std::io;
use std::time::Duration;

use flotilla_core::{Error, ErrorKind};
use lapin::ErrorKind as Lapin;

use crate::ENGINE;
use crate::address::Address;

/// Reply codes of AMQP 0-9-1.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;
const INTERNAL_ERROR: u16 = 541;

/// Why there is no connection. Unlike an [`Error`] it can be told to many callers.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: ErrorKind,
    message: String,
}

impl Fault {
    /// A fault that may pass.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            message: message.into(),
        }
    }

    fn misconfigured(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Misconfigured,
            message: message.into(),
        }
    }

    /// True where waiting alone does not help.
    pub(crate) fn is_misconfigured(&self) -> bool {
        self.kind == ErrorKind::Misconfigured
    }

    /// For the log.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// For a caller.
    pub(crate) fn error(&self) -> Error {
        Error::new(self.kind, ENGINE, self.message.clone())
    }

    /// Opening a connection failed.
    pub(crate) fn connecting(address: &Address, error: &lapin::Error) -> Self {
        match error.kind() {
            Lapin::ProtocolError(refusal) => {
                Self::refused(address, refusal.get_id(), refusal.get_message().as_str())
            }
            Lapin::IOError(error) => Self::network(address, error),
            _ => Self::unavailable(format!("cannot connect to {address}: {error}")),
        }
    }

    /// The network did not let a connection be opened.
    pub(crate) fn network(address: &Address, error: &io::Error) -> Self {
        let advice = Self::advice(address, error.kind());
        Self::unavailable(format!("cannot connect to {address}: {error}. {advice}"))
    }

    /// The broker did not let a connection be opened.
    pub(crate) fn refused(address: &Address, code: u16, text: &str) -> Self {
        match code {
            ACCESS_REFUSED => Self::misconfigured(format!(
                "{address} refused the user or the password: check them in the broker URL"
            )),
            NOT_ALLOWED if text.contains("not found") => Self::misconfigured(format!(
                "{address}: there is no such vhost: create it (`rabbitmqctl add_vhost`) or correct the end of the broker URL"
            )),
            NOT_ALLOWED => Self::misconfigured(format!(
                "{address}: the user may not enter this vhost: grant it (`rabbitmqctl set_permissions`)"
            )),
            _ => Self::unavailable(format!("{address} refused the connection: {text}")),
        }
    }

    fn advice(address: &Address, kind: io::ErrorKind) -> &'static str {
        match kind {
            io::ErrorKind::ConnectionRefused => "Is RabbitMQ running there?",
            io::ErrorKind::TimedOut => "Is the host right, and does a firewall let it through?",
            _ if address.is_tls() => "Does that port speak TLS, with a certificate that this machine trusts?",
            _ => "Is it a plain AMQP 0-9-1 port?",
        }
    }

    /// Opening a connection took too long.
    pub(crate) fn no_handshake(address: &Address, waited: Duration) -> Self {
        Self::unavailable(format!(
            "{address} did not complete the AMQP handshake within {waited:?}. Is it an AMQP port, and is the server healthy?"
        ))
    }
}

/// True where the broker stumbled over itself: it closes the connection, and the same call may well succeed on the next
/// one. 3.10.8 answers so to whoever declares a quorum queue at the moment at which its predecessor of the same name goes.
pub(crate) fn is_stumble(error: &lapin::Error) -> bool {
    matches!(error.kind(), Lapin::ProtocolError(refusal) if refusal.get_id() == INTERNAL_ERROR)
}

/// A call on a channel failed. `what` names the object ("queue x"), `doing` the attempt ("declare").
pub(crate) fn explain(address: &Address, doing: &str, what: &str, error: lapin::Error) -> Error {
    match error.kind() {
        Lapin::ProtocolError(refusal) => refused(
            address,
            doing,
            what,
            refusal.get_id(),
            refusal.get_message().as_str(),
        ),
        _ => Error::unavailable(ENGINE, format!("cannot {doing} {what} at {address}")).because(error),
    }
}

/// The same for a reply of the broker.
pub(crate) fn refused(address: &Address, doing: &str, what: &str, code: u16, text: &str) -> Error {
    let vhost = address.vhost();
    match code {
        NOT_FOUND => missing(address, what),
        PRECONDITION_FAILED if doing == "declare" => Error::misconfigured(
            ENGINE,
            format!(
                "{what} exists in vhost {vhost:?} with other arguments than this version declares, and they can't be \
                 changed. Nothing was touched. Drain and delete it, or use another vhost, then run `flotilla migrate` \
                 again. The broker says: {text}"
            ),
        ),
        ACCESS_REFUSED => Error::misconfigured(
            ENGINE,
            format!(
                "the user may not {doing} {what} in vhost {vhost:?}: docs/amqp.md lists the permissions of each role"
            ),
        ),
        _ => Error::unavailable(
            ENGINE,
            format!("cannot {doing} {what} at {address}: {text} ({code})"),
        ),
    }
}

/// What a publisher is told during an alarm.
pub(crate) fn blocked(address: &Address) -> Error {
    let message = format!(
        "{address} takes no messages: a memory or disk alarm is on (`rabbitmq-diagnostics alarms`). Publishing goes on by \
         itself when it is over"
    );
    Error::unavailable(ENGINE, message)
}

/// Something that `flotilla migrate` makes is not there.
pub(crate) fn missing(address: &Address, what: &str) -> Error {
    let vhost = address.vhost();
    Error::misconfigured(
        ENGINE,
        format!("{what} is missing in vhost {vhost:?}: run `flotilla migrate`"),
    )
}

/// The broker did not answer in time.
pub(crate) fn no_answer(address: &Address, doing: &str, what: &str) -> Error {
    Error::unavailable(
        ENGINE,
        format!("{address} did not answer in time: {doing} {what}"),
    )
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;
    use crate::Options;

    fn address() -> Address {
        Address::parse(
            &"amqp://u:secret@rabbit/team".parse().unwrap(),
            &Options::default(),
        )
        .unwrap()
    }

    fn protocol(code: u16, text: &str) -> lapin::Error {
        Lapin::ProtocolError(AMQPError::from_id(code, text.into()).unwrap()).into()
    }

    #[test]
    fn connection_errors_say_where_and_what_to_do() {
        let cases = [
            (
                protocol(403, "ACCESS_REFUSED - Login was refused"),
                "refused the user or the password",
            ),
            (
                protocol(530, "NOT_ALLOWED - vhost team not found"),
                "no such vhost",
            ),
            (
                protocol(530, "NOT_ALLOWED - access to vhost 'team' refused for user 'u'"),
                "may not enter",
            ),
            (
                io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                "Is RabbitMQ running there?",
            ),
        ];
        for (error, expected) in cases {
            let shown = Fault::connecting(&address(), &error).error().to_string();
            assert!(
                shown.contains(expected) && shown.contains("rabbit:5672 (vhost \"team\")"),
                "{shown}"
            );
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_stumble_of_the_broker_passes() {
        let stumble = || protocol(541, "INTERNAL_ERROR");
        assert!(is_stumble(&stumble()));
        assert!(explain(&address(), "declare", "queue q", stumble()).is_transient());
        assert!(!is_stumble(&protocol(406, "PRECONDITION_FAILED")));
    }

    #[test]
    fn channel_errors_say_what_to_do() {
        let shown = |code, text| explain(&address(), "declare", "queue q", protocol(code, text)).to_string();
        assert!(
            shown(404, "NOT_FOUND").contains("queue q is missing in vhost \"team\": run `flotilla migrate`")
        );
        assert!(shown(406, "inequivalent arg 'x-a'").contains("other arguments"));
        assert!(shown(403, "ACCESS_REFUSED").contains("may not declare queue q"));
    }
}
