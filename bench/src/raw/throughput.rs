//! Throughput: everything at once, in chunks.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt, future};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use tokio::time::Instant;
use tokio_postgres::Client;

use super::{CHUNK, QUEUE, channel, connect, declare};
use crate::report::Run;
use crate::stage::Stage;
use crate::usage::Usage;

/// Nothing here may hang.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn run(stage: &Stage, items: u32) -> Result<Run> {
    let store = connect(stage).await?;
    store
        .batch_execute(
            "CREATE TABLE items (batch bigint, index int, input text, PRIMARY KEY (batch, index));
             CREATE TABLE outcomes (batch bigint, index int, output text, PRIMARY KEY (batch, index));",
        )
        .await?;
    let consuming = channel(stage).await?;
    declare(&consuming).await?;
    let publishing = channel(stage).await?;
    publishing.confirm_select(ConfirmSelectOptions::default()).await?;

    let before = usage(stage)?;
    let start = Instant::now();
    // As the product does it: the upload comes first, then everything else at once.
    let work = async {
        copy_in(&store, items).await?;
        tokio::try_join!(
            publish(&publishing, items),
            consume(&consuming, connect(stage).await?, items)
        )
    };
    tokio::time::timeout(PATIENCE, work)
        .await
        .context("the raw limit took too long")??;
    let time = start.elapsed();
    let after = usage(stage)?;

    let counted: i64 = store
        .query_one("SELECT count(*) FROM outcomes", &[])
        .await?
        .get(0);
    if counted != i64::from(items) {
        bail!("{counted} outcomes of {items} items");
    }
    Ok(Run::new(items, time, before, after))
}

fn usage(stage: &Stage) -> Result<Vec<(String, Usage)>> {
    let program = ("program".to_owned(), Usage::of_process(std::process::id()));
    Ok([vec![program], stage.usage()?].concat())
}

async fn copy_in(store: &Client, items: u32) -> Result<()> {
    for first in (0..items).step_by(CHUNK as usize) {
        let sink = store
            .copy_in("COPY items (batch, index, input) FROM STDIN")
            .await?;
        let mut text = String::new();
        for index in first..(first + CHUNK).min(items) {
            text.push_str(&format!("1\t{index}\t{{\"n\":{index}}}\n"));
        }
        let mut sink = std::pin::pin!(sink);
        sink.send(std::io::Cursor::new(text.into_bytes())).await?;
        sink.close().await?;
    }
    Ok(())
}

async fn publish(channel: &Channel, items: u32) -> Result<()> {
    let persistent = BasicProperties::default().with_delivery_mode(2);
    for first in (0..items).step_by(CHUNK as usize) {
        let written = (first..(first + CHUNK).min(items)).map(|index| {
            let properties = persistent.clone().with_message_id(format!("1:{index}").into());
            async move {
                let body = format!("{{\"n\":{index}}}");
                let options = BasicPublishOptions {
                    mandatory: true,
                    ..BasicPublishOptions::default()
                };
                channel
                    .basic_publish("".into(), QUEUE.into(), options, body.as_bytes(), properties)
                    .await
            }
        });
        let confirms = future::try_join_all(written).await?;
        for confirmation in future::try_join_all(confirms).await? {
            if !confirmation.is_ack() {
                bail!("a message was refused");
            }
        }
    }
    Ok(())
}

async fn consume(channel: &Channel, store: Client, items: u32) -> Result<()> {
    channel
        .basic_qos(CHUNK as u16 * 2, BasicQosOptions::default())
        .await?;
    let consumer = channel
        .basic_consume(
            QUEUE.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let insert = store
        .prepare("INSERT INTO outcomes SELECT 1, i, o FROM unnest($1::int[], $2::text[]) AS t(i, o) ON CONFLICT DO NOTHING")
        .await?;
    let mut chunks = consumer.ready_chunks(CHUNK as usize);
    let mut seen = 0;
    while seen < items {
        let chunk = chunks.next().await.context("the consumer was cancelled")?;
        let (mut indices, mut outputs, mut last) = (Vec::new(), Vec::new(), None);
        for delivery in chunk {
            let delivery = delivery?;
            let id = delivery
                .properties
                .message_id()
                .as_ref()
                .context("no message id")?
                .to_string();
            indices.push(
                id.split_once(':')
                    .context("a strange message id")?
                    .1
                    .parse::<i32>()?,
            );
            outputs.push(String::from_utf8(delivery.data.clone())?);
            last = Some(delivery);
        }
        seen += indices.len() as u32;
        store.execute(&insert, &[&indices, &outputs]).await?;
        let all = BasicAckOptions { multiple: true };
        last.context("an empty chunk")?.ack(all).await?;
    }
    Ok(())
}
