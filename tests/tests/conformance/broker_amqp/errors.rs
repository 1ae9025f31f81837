//! What the operator is told.

use std::time::Duration;

use flotilla_amqp::{AmqpBroker, Options};
use flotilla_core::ErrorKind;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::Queue;
use flotilla_tests::conformance::broker::fixture::{
    PATIENCE, consume, item, publish, suspect, take, topology,
};
use flotilla_tests::{Sandbox, free_port};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::net::TcpListener;
use tokio::time::timeout;
use url::Url;

use super::connect;

async fn ping(url: &str) -> (ErrorKind, String) {
    let broker = connect(url);
    let answer = timeout(PATIENCE, broker.ping())
        .await
        .expect("a ping takes bounded time");
    let error = answer.expect_err("there is no such broker");
    broker.close().await.expect("it closes");
    (error.kind(), error.chain())
}

#[tokio::test]
async fn nobody_listens() {
    let port = free_port();
    let (kind, message) = ping(&format!("amqp://user:secret@127.0.0.1:{port}/team")).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(
        message.contains(&format!("127.0.0.1:{port} (vhost \"team\")")),
        "{message}"
    );
    assert!(
        message.contains("Is RabbitMQ running there?") && !message.contains("secret"),
        "{message}"
    );
}

#[tokio::test]
async fn publishing_fails_after_a_bounded_time() {
    let options = Options {
        publish_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let url = format!("amqp://127.0.0.1:{}", free_port())
        .parse()
        .expect("a URL");
    let broker = AmqpBroker::connect(&url, "conformance", options).expect("a URL of a broker");
    let published = timeout(PATIENCE, broker.publish_items(&[item(0)])).await;
    let error = published
        .expect("it takes bounded time")
        .expect_err("there is no broker")
        .error;
    assert!(
        error.is_transient() && error.to_string().contains("Is RabbitMQ running there?"),
        "{error}"
    );
}

#[tokio::test]
async fn somebody_else_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let options = Options {
        connect_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let url = format!("amqp://{address}").parse().expect("a URL");
    let broker = AmqpBroker::connect(&url, "conformance", options).expect("a URL of a broker");
    let error = broker.ping().await.expect_err("nobody answers");
    assert!(
        error
            .to_string()
            .contains("did not complete the AMQP handshake within 300ms"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_password() {
    let sandbox = Sandbox::new().await;
    let mut url = Url::parse(&sandbox.amqp_url()).expect("a URL");
    url.set_password(Some("secret")).expect("it has a host");
    let (kind, message) = ping(url.as_str()).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(
        message.contains("refused the user or the password") && !message.contains("secret"),
        "{message}"
    );
}

#[tokio::test]
async fn a_vhost_that_does_not_exist() {
    let sandbox = Sandbox::new().await;
    let mut url = Url::parse(&sandbox.amqp_url()).expect("a URL");
    url.set_path("nowhere");
    let (kind, message) = ping(url.as_str()).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(
        message.contains("vhost \"nowhere\"") && message.contains("no such vhost"),
        "{message}"
    );
    // Waiting does not help, so publishing does not wait.
    let broker = connect(url.as_str());
    let error = broker
        .publish_items(&[item(0)])
        .await
        .expect_err("there is no such vhost")
        .error;
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn missing_queues() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    let expected = |what: &str| {
        format!(
            "{what} is missing in vhost {:?}: run `flotilla migrate`",
            sandbox.name()
        )
    };
    let error = broker.check(&topology()).await.expect_err("nothing was declared");
    assert!(
        error.to_string().contains(&expected("exchange flotilla.work.v2")),
        "{error}"
    );
    broker.declare(&topology()).await.expect("queues are declared");
    broker.check(&topology()).await.expect("everything is there");
    sandbox.management().delete_queue("flotilla.work.v2.gpu").await;
    let error = broker.check(&topology()).await.expect_err("a queue is missing");
    assert!(
        error
            .to_string()
            .contains(&expected("queue flotilla.work.v2.gpu")),
        "{error}"
    );
}

/// A deployment that was migrated by a version without isolation queues. Migrating it again is all that it takes, and
/// what is in the other queues stays.
#[tokio::test]
async fn missing_isolation_queues() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    publish(&broker, 3).await;
    for queue in topology().queues() {
        if matches!(queue, Queue::Isolate(_)) {
            sandbox.management().delete_queue(&queue.to_string()).await;
        }
    }
    let error = broker.check(&topology()).await.expect_err("queues are missing");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let expected = "queue flotilla.isolate.v2.default is missing";
    let message = error.to_string();
    assert!(
        message.contains(expected) && message.contains("run `flotilla migrate`"),
        "{message}"
    );
    let error = broker
        .publish_items(&[suspect(0)])
        .await
        .expect_err("nobody would get it")
        .error;
    let message = error.to_string();
    assert!(
        message.contains("isolate.default") && message.contains("run `flotilla migrate`"),
        "{message}"
    );
    broker.declare(&topology()).await.expect("queues are declared");
    broker.check(&topology()).await.expect("everything is there");
    broker
        .publish_items(&[suspect(0)])
        .await
        .expect("items are published");
    assert_eq!(take(&mut consume(&broker, 10).await, 3).await.1, [0, 1, 2]);
}

/// A queue of that name with other arguments is left alone: it may hold somebody's messages.
#[tokio::test]
async fn other_arguments() {
    let sandbox = Sandbox::new().await;
    let connection = sandbox.amqp().await;
    let channel = connection.create_channel().await.expect("a channel");
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let name = "flotilla.work.v2.gpu";
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
        .expect("a classic queue");
    let broker = connect(&sandbox.amqp_url());
    let error = broker
        .declare(&topology())
        .await
        .expect_err("it has other arguments");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let message = error.to_string();
    assert!(
        message.contains("queue flotilla.work.v2.gpu exists") && message.contains("other arguments"),
        "{message}"
    );
    let queue = sandbox.management().queue(name).await.expect("it is still there");
    assert_eq!(queue["type"], "classic");
}
