//! Forgets keys whose time is over.

use flotilla_core::Result;
use jiff::Timestamp;

use crate::error::Failure;
use crate::session::{Client, Operation};

/// Those that are being reserved again at this moment are left alone.
const FORGET: &str = "\
    DELETE FROM item_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM item_keys WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED
    ))";

pub(super) struct ForgetKeys {
    pub(super) limit: u32,
    pub(super) now: Timestamp,
}

impl Operation for ForgetKeys {
    type Output = u32;
    const ATTEMPT: &'static str = "forget keys";

    async fn run(&self, client: &mut Client) -> Result<u32, Failure> {
        let statement = client.prepare_cached(FORGET).await?;
        let gone = client
            .execute(&statement, &[&self.now, &i64::from(self.limit)])
            .await?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}
