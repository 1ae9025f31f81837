//! Rows of items into a table by COPY: nothing is parsed, nobody is answered.

use std::pin::pin;

use anyhow::Result;
use futures_util::SinkExt;
use tokio::time::Instant;

use super::{CHUNK, connect};
use crate::stage::Stage;

/// Rows per second.
pub(crate) async fn run(stage: &Stage, items: &[String]) -> Result<f64> {
    let store = connect(stage).await?;
    store
        .batch_execute(
            "DROP TABLE IF EXISTS copied;
             CREATE TABLE copied (batch uuid, index int, custom_id text, input text, PRIMARY KEY (batch, index));",
        )
        .await?;
    let start = Instant::now();
    let mut index = 0;
    for chunk in items.chunks(CHUNK as usize) {
        let mut text = String::new();
        for item in chunk {
            let input = item.replace('\\', "\\\\");
            text.push_str(&format!(
                "00000000-0000-0000-0000-000000000001\t{index}\t\\N\t{input}\n"
            ));
            index += 1;
        }
        let mut sink = pin!(store.copy_in("COPY copied FROM STDIN").await?);
        sink.send(std::io::Cursor::new(text.into_bytes())).await?;
        sink.close().await?;
    }
    Ok(f64::from(index) / start.elapsed().as_secs_f64())
}
