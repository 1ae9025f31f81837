//! How to use a PostgreSQL server.

use std::time::Duration;

/// The size of the pool, and how long to wait for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// The most connections that this process opens.
    pub pool_size: usize,
    /// The most time for a new connection, TLS and authentication included.
    pub connect_timeout: Duration,
    /// The most time to wait for a connection while all of them are in use.
    pub pool_timeout: Duration,
    /// The server cancels statements that take longer.
    pub statement_timeout: Duration,
    /// The server cancels statements that wait longer for a lock.
    pub lock_timeout: Duration,
    /// The server ends transactions that do nothing for longer: their client is gone.
    pub idle_in_transaction_timeout: Duration,
    /// The most time for one call, all of its statements included. Ends what the server can't end, because it is gone.
    pub call_timeout: Duration,
    /// What the server's `pg_stat_activity` shows.
    pub application_name: String,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            pool_size: 16,
            connect_timeout: Duration::from_secs(5),
            pool_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            application_name: "flotilla".to_owned(),
        }
    }
}

impl PostgresOptions {
    /// What a new session starts with.
    ///
    /// Queries here look rows up by key, or walk along a key in order until a page is full. But statistics never know the
    /// batch that was uploaded a minute ago: the planner takes it for small and would rather collect all of its rows and
    /// sort them, which bitmap scans are for. Nor do they know the table that was empty a minute ago: it would rather be
    /// read whole, for each row that is looked up. Plans are kept, see [`session`](crate::session). No statement repays the compilation of its expressions, and none is worth
    /// more than one processor. A session whose client went away is to end although it waits for a lock.
    pub(crate) fn session_settings(&self) -> String {
        let ms = |duration: Duration| duration.as_millis();
        format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
             -c client_connection_check_interval=2000 -c enable_bitmapscan=off \
             -c enable_seqscan=off -c jit=off -c plan_cache_mode=force_generic_plan \
             -c max_parallel_workers_per_gather=0",
            ms(self.statement_timeout),
            ms(self.lock_timeout),
            ms(self.idle_in_transaction_timeout),
        )
    }
}
