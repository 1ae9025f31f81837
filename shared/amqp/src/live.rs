//! One connection, from the moment it is open until it is given up.

use std::time::Duration;

use flotilla_core::Result;
use lapin::Connection;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ENGINE;
use crate::address::Address;

/// How often to look whether an alarm is over.
const LOOK: Duration = Duration::from_millis(50);
/// How long a polite goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// An open connection. lapin closes it when this and all of its channels are dropped.
#[derive(Debug)]
pub(crate) struct Live {
    connection: Connection,
    address: Address,
    gone: CancellationToken,
}

impl Live {
    pub(crate) fn new(connection: Connection, address: Address) -> Self {
        Self {
            connection,
            address,
            gone: CancellationToken::new(),
        }
    }

    /// lapin's connection.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// True until it ended or was given up.
    pub(crate) fn is_usable(&self) -> bool {
        self.connection.status().connected() && !self.gone.is_cancelled()
    }

    /// Nobody waits on it any more.
    pub(crate) fn give_up(&self) {
        self.gone.cancel();
    }

    /// Ends when it was given up. lapin tells about most ends by itself, but not about a peer that is silent.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// True while an alarm is on: the broker reads nothing of what is sent.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Waits for the end of an alarm. Nothing may be sent before: lapin would keep it in memory, without a bound.
    ///
    /// # Errors
    /// Where that takes until `deadline`.
    pub(crate) async fn unblocked(&self, deadline: Instant) -> Result<()> {
        while self.is_blocked() && self.is_usable() {
            if Instant::now() >= deadline {
                return Err(self.blocked());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// What a publisher is told during an alarm.
    pub(crate) fn blocked(&self) -> flotilla_core::Error {
        let message = format!(
            "{} takes no messages: a memory or disk alarm is on (`rabbitmq-diagnostics alarms`). Publishing goes on by \
             itself when it is over",
            self.address
        );
        flotilla_core::Error::unavailable(ENGINE, message)
    }

    /// Says goodbye, within a bounded time.
    pub(crate) async fn close(&self) {
        self.give_up();
        // The server learns it from the socket otherwise.
        let _ = timeout(GOODBYE, self.connection.close(200, "OK".into())).await;
    }
}
