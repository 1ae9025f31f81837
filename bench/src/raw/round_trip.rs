//! One message on an idle system: stored, published, confirmed, consumed, stored.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use tokio::time::{Instant, sleep};

use super::{QUEUE, channel, connect, declare};
use crate::stage::Stage;

/// How long each took, in milliseconds.
pub(crate) async fn run(stage: &Stage, times: u32, rest: Duration) -> Result<Vec<f64>> {
    let store = connect(stage).await?;
    store
        .batch_execute(
            "CREATE TABLE sent (id int PRIMARY KEY, input text); CREATE TABLE done (id int PRIMARY KEY, output text);",
        )
        .await?;
    let insert = store.prepare("INSERT INTO sent VALUES ($1, $2)").await?;
    let finish = store.prepare("INSERT INTO done VALUES ($1, $2)").await?;
    let (publishing, consuming) = (channel(stage).await?, channel(stage).await?);
    declare(&consuming).await?;
    publishing.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = consuming
        .basic_consume(QUEUE.into(), "".into(), options, none)
        .await?;
    let mut taken = Vec::new();
    for id in 0..i32::try_from(times)? {
        sleep(rest).await;
        let start = Instant::now();
        store.execute(&insert, &[&id, &"{\"n\":1}"]).await?;
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirm = publishing
            .basic_publish("".into(), QUEUE.into(), options, b"{\"n\":1}", persistent)
            .await?;
        ensure!(confirm.await?.is_ack(), "a message was refused");
        let delivery = consumer.next().await.context("the consumer was cancelled")??;
        let output = std::str::from_utf8(&delivery.data)?;
        store.execute(&finish, &[&id, &output]).await?;
        taken.push(start.elapsed().as_secs_f64() * 1e3);
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(taken)
}
