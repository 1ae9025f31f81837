//! A Redis server for one test: to be flushed, reconfigured, frozen and stopped.

use std::time::Duration;

use flotilla_redis::{Options, RedisProgress};
use flotilla_tests::servers::{Folder, Redis, Server};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;

/// Shorter than in production, so that outages are over sooner; long enough for a busy machine.
pub(super) const OPTIONS: Options = Options {
    connect: Duration::from_millis(1500),
    response: Duration::from_millis(750),
    silence: Duration::from_millis(200),
};
/// The most that a call may take with them, and a little for the machine.
pub(super) const CALL: Duration = Duration::from_millis(1500 + 750 + 1000);

/// A server of its own.
pub(super) struct Private {
    pub(super) server: Server<Redis>,
    // The last field: the folder goes when the server has stopped.
    _folder: Folder,
}

impl Private {
    pub(super) async fn launch() -> Self {
        let folder = Folder::create().expect("a folder is made");
        let server = Server::launch(&folder).await.expect("Redis starts");
        Self {
            server,
            _folder: folder,
        }
    }

    /// `host:port`.
    pub(super) fn place(&self) -> String {
        let url = self.server.url();
        url.trim_start_matches("redis://")
            .trim_end_matches('/')
            .to_owned()
    }

    /// An adapter, as the user `who`: empty, or `name:password@`.
    pub(super) fn progress_as(&self, who: &str) -> RedisProgress {
        let url = format!("redis://{who}{}", self.place());
        RedisProgress::connect(&url.parse().expect("a URL"), OPTIONS).expect("the URL is understood")
    }

    /// An adapter.
    pub(super) fn progress(&self) -> RedisProgress {
        self.progress_as("")
    }

    /// A connection as the default user.
    pub(super) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.server.url()).expect("a URL");
        client
            .get_multiplexed_async_connection()
            .await
            .expect("Redis accepts a connection")
    }

    /// Runs a command as an administrator: words, separated by blanks.
    pub(super) async fn admin<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap_or_default());
        words.for_each(|word| {
            cmd.arg(word);
        });
        cmd.query_async(&mut self.connection().await)
            .await
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The id of the one connection that listens to events.
    pub(super) async fn listener_id(&self) -> Option<String> {
        let list: String = self.admin("CLIENT LIST TYPE pubsub").await;
        let mut ids = list
            .lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned);
        let id = ids.next();
        assert!(
            ids.next().is_none(),
            "an adapter listens on one connection:\n{list}"
        );
        id
    }
}
