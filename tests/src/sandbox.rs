//! One test's own corner of the servers that all tests share.

use std::env;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use url::Url;

use crate::urls::{self, ServerUrls};
use crate::{Management, sql};

/// How long removing everything may take before it is left to the end of the servers.
const REMOVAL: Duration = Duration::from_secs(30);

/// A vhost, a database, a Redis key prefix and a folder that nobody else uses. All of it is removed on drop.
#[derive(Debug)]
pub struct Sandbox {
    corner: Corner,
    management: Management,
    folder: TempDir,
    removed: bool,
}

/// What it takes to find the sandbox on the servers, and to remove it.
#[derive(Debug, Clone)]
struct Corner {
    name: String,
    urls: ServerUrls,
}

impl Sandbox {
    /// Makes a sandbox on the servers that the environment names.
    ///
    /// # Panics
    ///
    /// Where the environment names no servers, or they refuse.
    pub async fn new() -> Self {
        let urls = ServerUrls::from_env();
        let folder = make_folder().expect("a sandbox has a folder");
        let corner = Corner {
            name: unique_name(&folder),
            urls,
        };
        let management = corner.management().expect("the management URL is valid");
        let sandbox = Self {
            corner,
            management,
            folder,
            removed: false,
        };
        let database = sandbox.corner.create_database();
        let made = tokio::try_join!(sandbox.management.create_vhost(), database);
        made.unwrap_or_else(|error| panic!("cannot make the sandbox {}: {error:#}", sandbox.name()));
        sandbox
    }

    /// The name of the vhost, of the database and of the Redis prefix. It contains the name of the test.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.corner.name
    }

    /// RabbitMQ with the sandbox's vhost.
    #[must_use]
    pub fn amqp_url(&self) -> String {
        self.corner.amqp_url()
    }

    /// PostgreSQL with the sandbox's database.
    #[must_use]
    pub fn postgres_url(&self) -> String {
        self.corner.postgres_url()
    }

    /// Redis, with the sandbox's prefix as the query parameter that the adapter puts before every key and channel.
    #[must_use]
    pub fn redis_url(&self) -> String {
        let mut url = parse(&self.corner.urls.redis);
        url.query_pairs_mut().append_pair("prefix", self.name());
        url.into()
    }

    /// Object storage in the sandbox's folder.
    #[must_use]
    pub fn objects_url(&self) -> String {
        format!("file://{}", self.folder().join("objects").display())
    }

    /// The settings that connect a Flotilla process to the servers of this sandbox.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FLOTILLA_BROKER_URL", self.amqp_url()),
            ("FLOTILLA_STORE_URL", self.postgres_url()),
            ("FLOTILLA_PROGRESS_URL", self.redis_url()),
            ("FLOTILLA_OBJECTS_URL", self.objects_url()),
        ]
    }

    /// A folder for files; it is removed with the sandbox.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// RabbitMQ's management API, limited to the sandbox's vhost.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// A connection to RabbitMQ.
    pub async fn amqp(&self) -> lapin::Connection {
        let properties = lapin::ConnectionProperties::default();
        lapin::Connection::connect(&self.amqp_url(), properties)
            .await
            .expect("RabbitMQ accepts a connection")
    }

    /// A connection to Redis. Commands see all keys: the prefix is the caller's business.
    pub async fn redis(&self) -> MultiplexedConnection {
        self.corner.redis().await.expect("Redis accepts a connection")
    }

    /// Runs one SQL statement in the sandbox's database.
    ///
    /// # Panics
    ///
    /// Where PostgreSQL refuses it.
    pub async fn sql(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        let rows = sql::query(&self.postgres_url(), statement, parameters).await;
        rows.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// The keys in Redis that belong to the sandbox.
    pub async fn redis_keys(&self) -> Vec<String> {
        self.corner.redis_keys().await.expect("Redis lists keys")
    }

    /// Deletes every key of the sandbox, as the loss of Redis would.
    pub async fn lose_redis(&self) {
        self.corner.delete_keys().await.expect("Redis deletes keys");
    }

    /// Removes everything now, and fails the test where that is impossible. Dropping the sandbox does the same quietly.
    pub async fn drop_all(mut self) {
        self.removed = true;
        let removal = timeout(REMOVAL, self.corner.remove()).await;
        removal
            .expect("removing a sandbox takes seconds")
            .expect("a sandbox can be removed");
    }
}

impl Drop for Sandbox {
    /// A thread with a runtime of its own, because the test's runtime cannot be waited for from here.
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        let corner = self.corner.clone();
        let removal = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(async { timeout(REMOVAL, corner.remove()).await }))
        });
        match removal.join() {
            Ok(Ok(Ok(Ok(())))) => {}
            problem => eprintln!(
                "the sandbox {} was not removed completely: {problem:?}",
                self.name()
            ),
        }
    }
}

impl Corner {
    fn amqp_url(&self) -> String {
        with_path(&self.urls.amqp, &self.name)
    }

    fn postgres_url(&self) -> String {
        with_path(&self.urls.postgres, &self.name)
    }

    fn management(&self) -> Result<Management> {
        Management::new(&self.urls.management, &self.name)
    }

    async fn create_database(&self) -> Result<()> {
        // template0 cannot be connected to, so nobody can stand in the way of copying it.
        let statement = format!("CREATE DATABASE {} TEMPLATE template0", self.name);
        sql::query(&self.urls.postgres, &statement, &[]).await.map(drop)
    }

    async fn drop_database(&self) -> Result<()> {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        sql::query(&self.urls.postgres, &statement, &[]).await.map(drop)
    }

    async fn redis(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(self.urls.redis.as_str()).context("the Redis URL")?;
        client
            .get_multiplexed_async_connection()
            .await
            .context("connecting to Redis")
    }

    async fn redis_keys(&self) -> Result<Vec<String>> {
        let mut redis = self.redis().await?;
        let mut keys = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(format!("{}*", self.name))
                .arg("COUNT")
                .arg(10_000);
            let (next, page): (u64, Vec<String>) = scan.query_async(&mut redis).await?;
            keys.extend(page);
            if next == 0 {
                return Ok(keys);
            }
            cursor = next;
        }
    }

    async fn delete_keys(&self) -> Result<()> {
        let keys = self.redis_keys().await?;
        let mut redis = self.redis().await?;
        for some in keys.chunks(1000) {
            let () = redis::cmd("UNLINK").arg(some).query_async(&mut redis).await?;
        }
        Ok(())
    }

    /// Every part is tried, whatever happened to the parts before.
    async fn remove(&self) -> Result<()> {
        let management = self.management()?;
        let (vhost, database, keys) = tokio::join!(
            management.delete_vhost(),
            self.drop_database(),
            self.delete_keys()
        );
        vhost.and(database).and(keys)
    }
}

/// A folder within the one of the servers where there is one, so that it goes away even where the test is killed.
fn make_folder() -> Result<TempDir> {
    let parent = env::var_os(urls::FOLDER).map_or_else(env::temp_dir, Into::into);
    tempfile::Builder::new()
        .prefix("sandbox-")
        .rand_bytes(10)
        .tempdir_in(&parent)
        .with_context(|| format!("making a folder in {}", parent.display()))
}

/// The test's name, so that a leftover tells where it is from, and the folder's random part.
///
/// Lower-case letters, digits and `_` only: valid, without quotes, in SQL, in URLs and in Redis patterns.
fn unique_name(folder: &TempDir) -> String {
    let random = folder.path().to_string_lossy();
    let random = random.rsplit('-').next().unwrap_or_default().to_ascii_lowercase();
    let current = thread::current();
    let test = current
        .name()
        .unwrap_or("test")
        .rsplit("::")
        .next()
        .unwrap_or_default();
    let test: String = test.to_ascii_lowercase().chars().take(40).map(plain).collect();
    format!("t_{test}_{random}")
}

fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() {
        character
    } else {
        '_'
    }
}

fn with_path(url: &str, path: &str) -> String {
    let mut url = parse(url);
    url.set_path(path);
    url.into()
}

fn parse(url: &str) -> Url {
    Url::parse(url)
        .unwrap_or_else(|error| panic!("the environment names a server that is no URL, {url}: {error}"))
}
