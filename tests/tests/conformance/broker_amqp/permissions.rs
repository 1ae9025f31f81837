//! The permissions that `docs/amqp.md` gives each role are enough for it, and not enough for another.

use flotilla_core::ports::Broker;
use flotilla_tests::Sandbox;
use flotilla_tests::conformance::broker::fixture::{SHARD, item, report, topology};
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use url::Url;

use super::connect;

/// The patterns of a role: configure, write, read.
fn documented(role: &str) -> [&'static str; 3] {
    let docs = include_str!("../../../../docs/amqp.md");
    let command = docs
        .lines()
        .find(|line| line.starts_with("rabbitmqctl set_permissions") && line.contains(&format!(" {role} ")))
        .unwrap_or_else(|| panic!("the permissions of {role} are documented"));
    let mut patterns = command.split('\'').skip(1).step_by(2);
    [(); 3].map(|()| patterns.next().expect("three patterns"))
}

/// What somebody might try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Declare,
    Delete,
    PublishItem,
    PublishSuspect,
    PublishReport,
    /// To a queue itself, around the exchanges.
    PublishDirectly,
    ConsumeItems,
    ConsumeIsolated,
    ConsumeReports,
    ConsumeDead,
}

impl Attempt {
    const ALL: [Self; 10] = [
        Self::Declare,
        Self::Delete,
        Self::PublishItem,
        Self::PublishSuspect,
        Self::PublishReport,
        Self::PublishDirectly,
        Self::ConsumeItems,
        Self::ConsumeIsolated,
        Self::ConsumeReports,
        Self::ConsumeDead,
    ];

    /// True where the broker lets it happen.
    async fn succeeds(self, connection: &Connection) -> bool {
        let channel = connection.create_channel().await.expect("a channel");
        let tried = match self {
            Self::Declare => {
                let (options, arguments) = (QueueDeclareOptions::default(), FieldTable::default());
                channel
                    .queue_declare("flotilla.new".into(), options, arguments)
                    .await
                    .map(drop)
            }
            Self::Delete => {
                let name = "flotilla.work.v2.gpu".into();
                channel
                    .queue_delete(name, QueueDeleteOptions::default())
                    .await
                    .map(drop)
            }
            Self::PublishItem => publish(&channel, "flotilla.work.v2", "default").await,
            Self::PublishSuspect => publish(&channel, "flotilla.work.v2", "isolate.default").await,
            Self::PublishReport => publish(&channel, "flotilla.reports.v1", "0").await,
            Self::PublishDirectly => publish(&channel, "", "flotilla.work.v2.default").await,
            Self::ConsumeItems => consume(&channel, "flotilla.work.v2.default").await,
            Self::ConsumeIsolated => consume(&channel, "flotilla.isolate.v2.default").await,
            Self::ConsumeReports => consume(&channel, "flotilla.reports.v1.1").await,
            Self::ConsumeDead => consume(&channel, "flotilla.dead.v1").await,
        };
        match tried {
            Ok(()) => true,
            Err(error) if error.to_string().contains("ACCESS_REFUSED") => false,
            Err(error) => panic!("{self:?}: {error}"),
        }
    }
}

async fn publish(channel: &Channel, exchange: &str, key: &str) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let confirm = channel
        .basic_publish(exchange.into(), key.into(), options, b"{}", properties)
        .await?;
    confirm.await.map(drop)
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    channel
        .basic_consume(queue.into(), "".into(), options, arguments)
        .await
        .map(drop)
}

/// A user with the permissions of a role, for the length of a test.
async fn user(sandbox: &Sandbox, role: &str) -> (String, String) {
    let name = format!("{}_{role}", sandbox.name());
    let made = sandbox
        .management()
        .create_user(&name, "password", documented(role))
        .await;
    made.expect("a user can be created");
    let mut url = Url::parse(&sandbox.amqp_url()).expect("a URL");
    url.set_username(&name).expect("it has a host");
    url.set_password(Some("password")).expect("it has a host");
    (name, url.into())
}

/// Makes exactly `allowed` succeed for `role`.
async fn expect(role: &str, allowed: &[Attempt]) {
    let sandbox = Sandbox::new().await;
    connect(&sandbox.amqp_url())
        .declare(&topology())
        .await
        .expect("queues are declared");
    let (name, url) = user(&sandbox, role).await;
    let connection = Connection::connect(&url, ConnectionProperties::default())
        .await
        .expect("the user may connect");
    for attempt in Attempt::ALL {
        let succeeds = attempt.succeeds(&connection).await;
        assert_eq!(succeeds, allowed.contains(&attempt), "{role}: {attempt:?}");
    }
    sandbox
        .management()
        .delete_user(&name)
        .await
        .expect("a user can be deleted");
}

#[tokio::test]
async fn the_api_publishes_items() {
    expect("flotilla-api", &[Attempt::PublishItem, Attempt::PublishSuspect]).await;
}

#[tokio::test]
async fn a_worker_consumes_items_and_publishes_reports() {
    expect(
        "flotilla-worker",
        &[
            Attempt::PublishReport,
            Attempt::ConsumeItems,
            Attempt::ConsumeIsolated,
        ],
    )
    .await;
}

#[tokio::test]
async fn the_scheduler_consumes_reports_and_dead_letters() {
    expect(
        "flotilla-scheduler",
        &[Attempt::ConsumeReports, Attempt::ConsumeDead],
    )
    .await;
}

/// And it is told what it may not.
#[tokio::test]
async fn the_permissions_suffice() {
    let sandbox = Sandbox::new().await;
    let (migrate, url) = user(&sandbox, "flotilla-migrate").await;
    connect(&url)
        .declare(&topology())
        .await
        .expect("queues are declared");
    let (api, url) = user(&sandbox, "flotilla-api").await;
    let broker = connect(&url);
    broker.check(&topology()).await.expect("everything is there");
    broker
        .publish_items(&[item(0)])
        .await
        .expect("items are published");
    let error = broker
        .publish_report(SHARD, &report(0))
        .await
        .expect_err("that is a worker's");
    assert!(
        error
            .to_string()
            .contains("the user may not publish to exchange flotilla.reports.v1"),
        "{error}"
    );
    let error = broker
        .declare(&topology())
        .await
        .expect_err("that is for migrate");
    assert!(
        error.to_string().contains("the user may not declare exchange"),
        "{error}"
    );
    for name in [migrate, api] {
        sandbox
            .management()
            .delete_user(&name)
            .await
            .expect("a user can be deleted");
    }
}
