//! A live view and a broker that are away.

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Report};
use flotilla_core::ports::broker::{Depth, Queue, Subscription, Topology, Unpublished};
use flotilla_core::ports::progress::{Heard, Incarnation, Scope};
use flotilla_core::ports::{Broker, Progress};
use flotilla_core::shard::Shard;
use flotilla_core::snapshot::{Snapshot, Steering};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, Error, Pool, Result, Space, WorkerId};
use futures_util::stream::BoxStream;

/// Nobody answers.
pub(crate) struct Absent;

fn away<T>() -> Result<T> {
    Err(Error::unavailable("a server", "10.1.2.3 does not answer"))
}

#[async_trait]
impl Progress for Absent {
    async fn publish(&self, _: &[Snapshot]) -> Result<()> {
        away()
    }
    async fn read(&self, _: &[BatchId]) -> Result<Vec<Option<Snapshot>>> {
        away()
    }
    async fn steering(&self, _: &[BatchId]) -> Result<Vec<Option<Steering>>> {
        away()
    }
    async fn forget(&self, _: &Space, _: BatchId) -> Result<()> {
        away()
    }
    async fn active(&self, _: &Space) -> Result<Vec<BatchId>> {
        away()
    }
    async fn subscribe(&self, _: Scope) -> Result<BoxStream<'static, Heard>> {
        away()
    }
    async fn heartbeat(&self, _: &WorkerStatus, _: Duration) -> Result<()> {
        away()
    }
    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        away()
    }
    async fn tell_to_drain(&self, _: &WorkerId, _: bool) -> Result<()> {
        away()
    }
    async fn told_to_drain(&self, _: &[WorkerId]) -> Result<Vec<bool>> {
        away()
    }
    async fn incarnation(&self) -> Result<Incarnation> {
        away()
    }
    async fn ping(&self) -> Result<()> {
        away()
    }
}

#[async_trait]
impl Broker for Absent {
    async fn declare(&self, _: &Topology) -> Result<()> {
        away()
    }
    async fn check(&self, _: &Topology) -> Result<()> {
        away()
    }
    async fn publish_items(&self, items: &[ItemMessage]) -> Result<(), Unpublished> {
        away().map_err(|error| Unpublished::all(items.len(), error))
    }
    async fn publish_report(&self, _: Shard, _: &Report) -> Result<()> {
        away()
    }
    async fn consume_items(&self, _: &Pool, _: u16) -> Result<Subscription<ItemMessage>> {
        away()
    }
    async fn consume_isolated(&self, _: &Pool) -> Result<Subscription<ItemMessage>> {
        away()
    }
    async fn consume_reports(&self, _: Shard, _: u16) -> Result<Subscription<Report>> {
        away()
    }
    async fn consume_dead(&self, _: u16) -> Result<Subscription<ItemMessage>> {
        away()
    }
    async fn depth(&self, _: &Queue) -> Result<Depth> {
        away()
    }
    async fn parked(&self) -> Result<u32> {
        away()
    }
    fn is_volatile(&self) -> bool {
        false
    }
    async fn ping(&self) -> Result<()> {
        away()
    }
}
