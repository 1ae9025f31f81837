//! What people do meanwhile.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use tokio::time::sleep;

use super::Scene;

impl Scene<'_> {
    pub(super) async fn break_off(&mut self, uploads: u32) -> Result<()> {
        for number in 0..uploads {
            let items = self.rng.random_range(1..4_000);
            let plan = self.crowd.plan(self.rng, items, 0..=0);
            self.crowd.producer.break_off(number as usize, &plan).await?;
        }
        Ok(())
    }

    /// Most batches have ended, or not begun, when they are cancelled; some are right at their end.
    pub(super) async fn cancel_race(&mut self, batches: u32) -> Result<()> {
        for _ in 0..batches {
            let items = self.rng.random_range(1..60);
            let plan = self.crowd.plan(self.rng, items, 0..=5);
            let mut promise = self.crowd.producer.upload(plan, &[]).await?;
            promise.cancelled = true;
            let id = promise.id.clone();
            self.crowd.promised(promise);
            sleep(Duration::from_millis(self.rng.random_range(0..150))).await;
            self.crowd.act(&id, "cancel").await?;
        }
        Ok(())
    }

    pub(super) async fn pause_and_resume(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            let ids = self.crowd.ids();
            if ids.is_empty() {
                break;
            }
            let id = &ids[self.rng.random_range(0..ids.len())];
            self.crowd.act(id, "pause").await?;
            let rest = self.rng.random_range(50..800);
            self.hold(Duration::from_millis(rest)).await;
            self.crowd.act(id, "resume").await?;
        }
        Ok(())
    }
}
