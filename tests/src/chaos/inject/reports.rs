//! Reports that come twice, late, in another order, or say the contrary.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Scene;

const EXCHANGE: &str = "flotilla.reports.v1";
const SHARDS: [&str; 2] = ["0", "1"];
pub(crate) const SPY: &str = "chaos.reports";
const STEP: Duration = Duration::from_millis(20);

/// A report, and the shard that it is for.
type Report = (String, Vec<u8>);

/// A queue that gets a copy of every report.
struct Spy {
    channel: Channel,
    _connection: Connection,
}

impl Spy {
    async fn place(connection: Connection) -> Result<Self> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        channel.queue_declare(SPY.into(), options, arguments).await?;
        for shard in SHARDS {
            let (options, none) = (QueueBindOptions::default(), FieldTable::default());
            channel
                .queue_bind(SPY.into(), EXCHANGE.into(), shard.into(), options, none)
                .await?;
        }
        Ok(Self {
            channel,
            _connection: connection,
        })
    }

    /// Takes what is there.
    async fn take(&self) -> Result<Vec<Report>> {
        let mut reports = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(got) = self.channel.basic_get(SPY.into(), options).await? {
            let BasicGetMessage { delivery, .. } = got;
            reports.push((delivery.routing_key.to_string(), delivery.data));
        }
        Ok(reports)
    }

    /// To the shard's own queue, so that the spy does not see it again.
    async fn send(&self, (shard, body): &Report) -> Result<()> {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into());
        let queue = format!("flotilla.reports.v1.{shard}");
        let options = BasicPublishOptions::default();
        let confirm = self
            .channel
            .basic_publish("".into(), queue.into(), options, body, properties)
            .await?;
        ensure!(confirm.await?.is_ack(), "a report was not taken");
        Ok(())
    }

    async fn remove(self) -> Result<()> {
        self.channel
            .queue_delete(SPY.into(), lapin::options::QueueDeleteOptions::default())
            .await?;
        Ok(())
    }

    /// Whether reports go to their own queues, too.
    async fn divert(&self, divert: bool) -> Result<()> {
        for shard in SHARDS {
            let queue = format!("flotilla.reports.v1.{shard}");
            let none = FieldTable::default();
            if divert {
                self.channel
                    .queue_unbind(queue.into(), EXCHANGE.into(), shard.into(), none)
                    .await?;
            } else {
                let options = QueueBindOptions::default();
                self.channel
                    .queue_bind(queue.into(), EXCHANGE.into(), shard.into(), options, none)
                    .await?;
            }
        }
        Ok(())
    }
}

impl Scene<'_> {
    pub(super) async fn repeat_reports(&mut self, time: Duration) -> Result<()> {
        let spy = Spy::place(self.rig.amqp().await?).await?;
        let end = Instant::now() + time;
        let mut seen = Vec::new();
        while Instant::now() < end {
            let reports = spy.take().await?;
            for report in &reports {
                spy.send(report).await?;
            }
            seen.extend(reports);
            self.hold(STEP).await;
        }
        // Once more, long after.
        seen.shuffle(self.rng);
        for report in &seen {
            spy.send(report).await?;
        }
        spy.remove().await?;
        ensure!(!seen.is_empty(), "there was no report to repeat");
        Ok(())
    }

    pub(super) async fn shuffle_reports(&mut self, time: Duration) -> Result<()> {
        let spy = Spy::place(self.rig.amqp().await?).await?;
        spy.divert(true).await?;
        self.hold(time).await;
        spy.divert(false).await?;
        let mut reports = spy.take().await?;
        reports.extend_from_within(..);
        reports.shuffle(self.rng);
        for report in &reports {
            spy.send(report).await?;
        }
        spy.remove().await?;
        ensure!(!reports.is_empty(), "there was no report to shuffle");
        Ok(())
    }

    /// The contrary comes after the truth, which is on the queue when the spy has its copy.
    pub(super) async fn contradict_reports(&mut self, time: Duration) -> Result<()> {
        let spy = Spy::place(self.rig.amqp().await?).await?;
        let end = Instant::now() + time;
        let mut contradicted = 0;
        while Instant::now() < end {
            for (shard, body) in spy.take().await? {
                let report: Value = serde_json::from_slice(&body).context("a report is JSON")?;
                if let Some(contrary) = contrary(report) {
                    contradicted += 1;
                    spy.send(&(shard, contrary.to_string().into_bytes())).await?;
                }
            }
            self.hold(STEP).await;
        }
        spy.remove().await?;
        ensure!(contradicted > 0, "there was no report to contradict");
        Ok(())
    }
}

/// The same report with every verdict turned around; `None` for one without items.
fn contrary(mut report: Value) -> Option<Value> {
    let items = report.get_mut("items")?.as_array_mut()?;
    for item in items.iter_mut() {
        let verdict = &mut item["verdict"];
        *verdict = if verdict.get("done").is_some() {
            json!({ "fail": { "kind": "handler", "message": "the contrary" } })
        } else if verdict.get("fail").is_some() {
            json!({ "done": { "inline": "the contrary" } })
        } else {
            continue;
        };
    }
    (!items.is_empty()).then_some(report)
}
