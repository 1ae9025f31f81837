//! What can be tuned. Tests shorten the times; a deployment has no reason to change them.

use std::time::Duration;

/// Tuning of an [`AmqpBroker`](crate::AmqpBroker).
#[derive(Debug, Clone)]
pub struct Options {
    /// Interval of AMQP heartbeats, in whole seconds. A peer that is silent for two of them is gone. A `heartbeat` in
    /// the URL wins.
    pub heartbeat: Duration,
    /// The most time that opening a connection, a channel or a consumer may take.
    pub connect_timeout: Duration,
    /// The most time for anything that is answered at once: declaring, checking, a queue's depth, a ping.
    pub call_timeout: Duration,
    /// The most time that publishing may take, waiting for a connection and for the end of an alarm included.
    pub publish_timeout: Duration,
    /// The longest pause between two attempts to connect or to subscribe.
    pub max_pause: Duration,
    /// How often a connection that looks alive is asked whether it is.
    pub probe_interval: Duration,
    /// How long it may take to answer.
    pub probe_timeout: Duration,
    /// How long a subscription may be quiet, with nothing to settle, before it is made anew: some ends of a consumer
    /// show in no other way.
    pub max_idle: Duration,
    /// Calls that publish at the same time, each on a channel of its own. More have to wait.
    pub publishers: usize,
    /// Messages of one call that are on their way and not confirmed.
    pub window: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(30),
            max_pause: Duration::from_secs(5),
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(10),
            max_idle: Duration::from_secs(30),
            publishers: 4,
            window: 1_000,
        }
    }
}
