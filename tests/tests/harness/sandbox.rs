//! Sandboxes: the servers answer, tests do not see each other, nothing stays behind.

use std::time::Duration;

use flotilla_tests::urls::ServerUrls;
use flotilla_tests::{Management, Sandbox, eventually, sql};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};

const STATISTICS: Duration = Duration::from_secs(20);

#[tokio::test]
async fn redis_and_postgres_answer() {
    let sandbox = Sandbox::new().await;
    let answer: String = redis::cmd("PING")
        .query_async(&mut sandbox.redis().await)
        .await
        .unwrap();
    assert_eq!(answer, "PONG");
    let row = &sandbox.sql("SELECT 1, current_database()::text", &[]).await[0];
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (1, sandbox.name()));
    sandbox.drop_all().await;
}

#[tokio::test]
async fn postgres_is_as_durable_as_in_production() {
    let sandbox = Sandbox::new().await;
    let query = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'max_connections', 'synchronous_commit')";
    let rows = sandbox.sql(&format!("{query} ORDER BY name"), &[]).await;
    let settings: Vec<(&str, &str)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        settings,
        [
            ("fsync", "on"),
            ("max_connections", "300"),
            ("synchronous_commit", "on")
        ]
    );
}

#[tokio::test]
async fn rabbitmq_counts_what_passes_through() {
    let sandbox = Sandbox::new().await;
    let connection = sandbox.amqp().await;
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "work").await;
    publish(&channel, "work").await;
    let management = sandbox.management();
    let published = || async { (management.published_to("work").await == 1).then_some(()) };
    eventually("the message to be counted as published", STATISTICS, published).await;
    assert_eq!(management.delivered("work").await, 0);
    let message = channel
        .basic_get("work".into(), BasicGetOptions::default())
        .await
        .unwrap()
        .unwrap();
    message.delivery.ack(BasicAckOptions::default()).await.unwrap();
    let settled = || async {
        let counts = (management.delivered("work").await, management.acked("work").await);
        (counts == (1, 1) && management.depth("work").await == 0).then_some(())
    };
    eventually(
        "the message to be counted as delivered and acknowledged",
        STATISTICS,
        settled,
    )
    .await;
    assert_eq!(management.redelivered("work").await, 0);
    let connected = || async { (management.connections().await.len() == 1).then_some(()) };
    eventually("the connection to be listed", STATISTICS, connected).await;
    management.close_connections().await;
    let closed = || async { (!connection.status().connected()).then_some(()) };
    eventually("the connection to be closed", STATISTICS, closed).await;
    management.delete_queue("work").await;
    assert_eq!(management.queue("work").await, None);
}

#[tokio::test]
async fn two_sandboxes_do_not_see_each_other() {
    let (one, other) = tokio::join!(Sandbox::new(), Sandbox::new());
    assert_ne!(one.name(), other.name());
    assert_ne!(one.folder(), other.folder());

    let connection = one.amqp().await;
    declare(&connection.create_channel().await.unwrap(), "work").await;
    assert!(one.management().queue("work").await.is_some());
    assert!(other.management().queue("work").await.is_none());
    assert!(other.management().queues().await.is_empty());

    one.sql("CREATE TABLE here (id int)", &[]).await;
    let table = "SELECT to_regclass('here') IS NOT NULL";
    assert!(one.sql(table, &[]).await[0].get::<_, bool>(0));
    assert!(!other.sql(table, &[]).await[0].get::<_, bool>(0));

    set_key(&one, "a").await;
    set_key(&other, "b").await;
    one.lose_redis().await;
    assert!(one.redis_keys().await.is_empty());
    assert_eq!(other.redis_keys().await, [format!("{}:b", other.name())]);
}

#[tokio::test]
async fn nothing_stays_behind() {
    let (explicit, dropped) = tokio::join!(Sandbox::new(), Sandbox::new());
    let mut names = Vec::new();
    for sandbox in [&explicit, &dropped] {
        // A sandbox in use, with a connection and a session that are still open, goes away all the same.
        std::mem::forget(sandbox.amqp().await);
        declare(&sandbox.amqp().await.create_channel().await.unwrap(), "work").await;
        set_key(sandbox, "a").await;
        std::fs::write(sandbox.folder().join("file"), "content").unwrap();
        names.push((sandbox.name().to_owned(), sandbox.folder().to_owned()));
        assert_eq!(what_is_left(sandbox.name()).await, ["vhost", "database", "keys"]);
    }
    explicit.drop_all().await;
    drop(dropped);
    for (name, folder) in names {
        assert!(what_is_left(&name).await.is_empty());
        assert!(!folder.exists());
    }
}

#[tokio::test]
async fn the_settings_name_the_sandbox() {
    let sandbox = Sandbox::new().await;
    let name = sandbox.name();
    assert!(name.starts_with("t_the_settings_name_the_sandbox_"), "{name}");
    assert!(sandbox.amqp_url().ends_with(&format!("/{name}")));
    assert!(sandbox.postgres_url().ends_with(&format!("/{name}")));
    assert!(sandbox.redis_url().ends_with(&format!("?prefix={name}")));
    assert_eq!(sandbox.env().len(), 4);
}

async fn declare(channel: &Channel, queue: &str) {
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        lapin::types::AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(queue.into(), options, arguments)
        .await
        .unwrap();
}

async fn publish(channel: &Channel, queue: &str) {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm = channel
        .basic_publish("".into(), queue.into(), options, b"{}", properties)
        .await
        .unwrap();
    assert!(confirm.await.unwrap().is_ack());
}

async fn set_key(sandbox: &Sandbox, key: &str) {
    let key = format!("{}:{key}", sandbox.name());
    let () = redis::cmd("SET")
        .arg(key)
        .arg(1)
        .query_async(&mut sandbox.redis().await)
        .await
        .unwrap();
}

async fn what_is_left(name: &str) -> Vec<&'static str> {
    let urls = ServerUrls::from_env();
    let vhost = Management::new(&urls.management, name)
        .unwrap()
        .vhost_exists()
        .await
        .unwrap();
    let database = "SELECT 1 FROM pg_database WHERE datname = $1";
    let database = !sql::query(&urls.postgres, database, &[&name])
        .await
        .unwrap()
        .is_empty();
    let client = redis::Client::open(urls.redis).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{name}*"))
        .query_async(&mut redis)
        .await
        .unwrap();
    let left = [
        ("vhost", vhost),
        ("database", database),
        ("keys", !keys.is_empty()),
    ];
    left.into_iter()
        .filter(|(_, left)| *left)
        .map(|(what, _)| what)
        .collect()
}
