//! Servers of a test's own: killed, frozen and started again.

use std::time::Duration;

use flotilla_tests::servers::{Folder, Postgres, RabbitMq, Redis, Server};
use flotilla_tests::{Management, sql};
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

#[tokio::test]
async fn redis_comes_back_empty_on_the_same_port() {
    let folder = Folder::create().unwrap();
    let mut server = Server::<Redis>::launch(&folder).await.unwrap();
    let url = server.url();
    let () = redis::cmd("SET")
        .arg("key")
        .arg(1)
        .query_async(&mut connect(&url).await.unwrap())
        .await
        .unwrap();
    let pid = server.pid();
    server.kill().await.unwrap();
    assert_eq!(server.pid(), None);
    assert!(connect(&url).await.is_err());
    server.start().await.unwrap();
    assert_eq!(server.url(), url);
    assert_ne!(server.pid(), pid);
    let keys: u64 = redis::cmd("DBSIZE")
        .query_async(&mut connect(&url).await.unwrap())
        .await
        .unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_frozen_server_is_silent_until_it_is_thawed() {
    let folder = Folder::create().unwrap();
    let server = Server::<Redis>::launch(&folder).await.unwrap();
    server.freeze().await;
    assert!(
        timeout(Duration::from_millis(300), ping(&server.url()))
            .await
            .map_or(true, |answer| answer.is_err())
    );
    server.thaw();
    ping(&server.url()).await.unwrap();
    server.freeze().await;
    let path = folder.path().to_owned();
    drop((server, folder));
    assert!(
        !path.exists(),
        "a frozen server does not keep its folder from going away"
    );
}

#[tokio::test]
async fn postgres_keeps_what_it_committed() {
    let folder = Folder::create().unwrap();
    let mut server = Server::<Postgres>::launch(&folder).await.unwrap();
    let url = server.url();
    sql::query(&url, "CREATE TABLE kept (id int)", &[]).await.unwrap();
    for kill in [true, false] {
        sql::query(&url, "INSERT INTO kept VALUES (1)", &[])
            .await
            .unwrap();
        let stopped = if kill {
            server.kill().await
        } else {
            server.stop().await
        };
        stopped.unwrap();
        assert!(sql::query(&url, "SELECT 1", &[]).await.is_err());
        server.start().await.unwrap();
    }
    let rows = sql::query(&url, "SELECT id FROM kept", &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn rabbitmq_comes_back_right_after_a_kill() {
    let folder = Folder::create().unwrap();
    let mut server = Server::<RabbitMq>::launch(&folder).await.unwrap();
    let management = || Management::new(&server.engine().management_url(), "kept").unwrap();
    management().create_vhost().await.unwrap();
    server.kill().await.unwrap();
    server.start().await.unwrap();
    let management = Management::new(&server.engine().management_url(), "kept").unwrap();
    assert!(management.vhost_exists().await.unwrap());
    let connection = lapin::Connection::connect(&format!("{}/kept", server.url()), Default::default())
        .await
        .unwrap();
    connection.close(200, "bye".into()).await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn servers_end_with_their_values() {
    let folder = Folder::create().unwrap();
    let (one, other) = tokio::join!(Server::<Redis>::launch(&folder), Server::<Redis>::launch(&folder));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.url(), other.url());
    let url = one.url();
    drop(one);
    assert!(connect(&url).await.is_err());
    ping(&other.url()).await.unwrap();
}

async fn connect(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

async fn ping(url: &str) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connect(url).await?).await
}
