//! What time it is.

use flotilla_core::Result;
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::get;
use crate::session::{Client, Operation};

pub(crate) struct Now;

impl Operation for Now {
    type Output = Timestamp;
    const ATTEMPT: &'static str = "ask for the time";

    async fn run(&self, client: &mut Client) -> Result<Timestamp, Failure> {
        let statement = client.prepare_cached("SELECT clock_timestamp() AS now").await?;
        get(&client.query_one(&statement, &[]).await?, "now")
    }
}
