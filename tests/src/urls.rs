//! Where the servers are: the environment variables between the `servers` program and the tests.

use std::env;

/// `amqp://…` of RabbitMQ, without a vhost.
pub const AMQP: &str = "FLOTILLA_TEST_AMQP_URL";
/// `http://user:password@…` of RabbitMQ's management API.
pub const MANAGEMENT: &str = "FLOTILLA_TEST_AMQP_MANAGEMENT_URL";
/// `redis://…` of Redis.
pub const REDIS: &str = "FLOTILLA_TEST_REDIS_URL";
/// `postgres://…` of PostgreSQL, as a user who may create databases.
pub const POSTGRES: &str = "FLOTILLA_TEST_POSTGRES_URL";
/// The folder of the servers, where tests keep their files and record their processes, so that both go away with it.
pub const FOLDER: &str = "FLOTILLA_TEST_FOLDER";

/// The addresses of the servers that tests share.
#[derive(Debug, Clone)]
pub struct ServerUrls {
    /// See [`AMQP`].
    pub amqp: String,
    /// See [`MANAGEMENT`].
    pub management: String,
    /// See [`REDIS`].
    pub redis: String,
    /// See [`POSTGRES`].
    pub postgres: String,
}

impl ServerUrls {
    /// Reads the addresses from the environment.
    ///
    /// # Panics
    ///
    /// Where one is missing, with a message that says how to run the tests.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            amqp: read(AMQP),
            management: read(MANAGEMENT),
            redis: read(REDIS),
            postgres: read(POSTGRES),
        }
    }
}

fn read(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set, so this test has no server to talk to. Run `scripts/test`, or `cargo run -p \
             flotilla-tests --bin servers -- cargo test …`, which start private servers and stop them afterwards."
        )
    })
}
