//! What the server or the network said, in words for the operator.

use std::time::Duration;

use flotilla_core::{Error, ErrorKind};
use redis::{RedisError, ServerErrorKind};

/// The engine's name in errors.
pub(crate) const ENGINE: &str = "Redis";

/// That `what` could not be done at `place`: which kind of failure, and what to do about it.
pub(crate) fn failed(what: &str, place: &str, error: &RedisError) -> Error {
    let (kind, advice) = judge(error);
    let message = format!("can't {what} at {place}: {}. {advice}", describe(error));
    Error::new(kind, ENGINE, message)
}

/// No answer in `patience`.
pub(crate) fn silence(patience: Duration) -> RedisError {
    let text = format!("no answer within {patience:?}");
    std::io::Error::new(std::io::ErrorKind::TimedOut, text).into()
}

/// True where the connection is of no use any more: it is cut, silent, not authenticated, or leads to a replica.
pub(crate) fn is_lost(error: &RedisError) -> bool {
    let code = code(error);
    error.is_io_error() || error.is_unrecoverable_error() || ["READONLY", "NOAUTH"].contains(&code.as_str())
}

fn judge(error: &RedisError) -> (ErrorKind, &'static str) {
    use ErrorKind::{Corrupt, Misconfigured, Unavailable};
    if error.is_io_error() {
        return (
            Unavailable,
            "Check that it runs and that the progress URL names it",
        );
    }
    let code = code(error);
    match code.as_str() {
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "NOREPLICAS" => {
            (Unavailable, "It will be tried again")
        }
        "READONLY" => (
            Unavailable,
            "This is a replica: the progress URL must lead to the primary",
        ),
        "OOM" | "MISCONF" => (Unavailable, "It refuses writes until an administrator makes room"),
        "ERR" if describe(error).contains("max number of clients") => {
            (Unavailable, "Raise its maxclients, or connect fewer processes")
        }
        "WRONGTYPE" => (
            Corrupt,
            "Something else uses a key of Flotilla: choose another prefix in the progress URL",
        ),
        "NOPERM" => (Misconfigured, "Grant the user what docs/redis.md lists"),
        "MOVED" | "ASK" | "CROSSSLOT" => (
            Misconfigured,
            "Redis Cluster is not supported: use a single primary",
        ),
        "NOAUTH" | "WRONGPASS" => (
            Misconfigured,
            "Check the user and the password in the progress URL",
        ),
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => (
            Misconfigured,
            "Check the user and the password in the progress URL",
        ),
        _ => (Misconfigured, "Check that it is Redis 6 or later, or Valkey"),
    }
}

fn code(error: &RedisError) -> String {
    let inner = error.clone().into_server_errors();
    let first = inner.as_deref().and_then(<[_]>::first);
    let known = error.code().map(str::to_owned);
    first
        .map(|(_, error)| error.code().to_owned())
        .or(known)
        .unwrap_or_default()
}

/// The server's own words, without what it quotes of a command: that may be somebody's data.
fn describe(error: &RedisError) -> String {
    let Some(errors) = error.clone().into_server_errors() else {
        return error.to_string();
    };
    let Some((_, first)) = errors.first() else {
        return error.to_string();
    };
    let details = first.details().unwrap_or_default();
    let own = details
        .split(", with args")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    format!("{} {own}", first.code()).trim_end().to_owned()
}

/// True where the server does not have a script: it was restarted, or an administrator flushed them.
pub(crate) fn is_no_script(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn errors_say_where_and_what_to_do_and_quote_no_data() {
        let unknown = server(
            "ERR",
            "unknown command 'EVALSHA', with args beginning with: 'secret' ",
        );
        let text = failed("publish progress", "cache:6379", &unknown).chain();
        assert!(
            text.starts_with("Redis: can't publish progress at cache:6379: ERR unknown command"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
        let full = server("ERR", "max number of clients reached");
        assert!(failed("ping", "cache:6379", &full).is_transient());
        let denied = failed(
            "ping",
            "cache:6379",
            &server("NOAUTH", "Authentication required."),
        );
        assert_eq!(denied.kind(), ErrorKind::Misconfigured);
    }

    #[test]
    fn a_cut_connection_is_lost_and_a_refused_command_is_not() {
        assert!(is_lost(&silence(Duration::from_secs(1))));
        assert!(is_lost(&server(
            "READONLY",
            "You can't write against a read only replica."
        )));
        assert!(!is_lost(&server(
            "OOM",
            "command not allowed when used memory > 'maxmemory'."
        )));
    }
}
