//! The raw limit: what the servers can do when asked for nothing but the bare data path. No batches, fairness, counts,
//! retries or progress.

pub(crate) mod copy;
pub(crate) mod round_trip;
pub(crate) mod throughput;

use anyhow::Result;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio_postgres::{Client, NoTls};

use crate::stage::Stage;

const QUEUE: &str = "limit";
/// Rows per COPY, unconfirmed messages, and outcomes per insert.
const CHUNK: u32 = 1_000;

pub(crate) async fn connect(stage: &Stage) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(&stage.postgres_url(), NoTls).await?;
    #[expect(clippy::disallowed_methods, reason = "ends with its client")]
    tokio::spawn(connection);
    Ok(client)
}

pub(super) async fn channel(stage: &Stage) -> Result<Channel> {
    let connection = Connection::connect(&stage.amqp_url(), ConnectionProperties::default()).await?;
    Ok(connection.create_channel().await?)
}

pub(super) async fn declare(channel: &Channel) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    Ok(())
}
