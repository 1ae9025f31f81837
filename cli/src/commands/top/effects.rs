//! Asks the server.

use anyhow::Result;
use serde_json::{Value, json};

use super::state::{Message, Wish};
use crate::client::Client;
use crate::client::view::{BatchView, Retried};
use crate::output::number;

/// Asks, and brings the answer.
pub(super) async fn ask(client: &Client, wish: Wish) -> Message {
    match wish {
        Wish::Workers => Message::Workers(client.workers().await.ok()),
        Wish::Reasons(id) => {
            let reasons = client.reasons(&id).await.ok();
            Message::Reasons(id, reasons)
        }
        Wish::Errors(id) => {
            let errors = client.errors(&id).await.ok();
            Message::Errors(id, errors)
        }
        Wish::Act { id, action } => done(act(client, &id, action).await),
        Wish::Limit { id, concurrency } => done(limit(client, &id, concurrency).await),
    }
}

fn done(done: Result<(BatchView, String)>) -> Message {
    Message::Done(
        done.map(|(batch, said)| (Box::new(batch), said))
            .map_err(|error| {
                let text = format!("{error:#}");
                text.lines().next().unwrap_or_default().to_owned()
            }),
    )
}

async fn act(client: &Client, id: &str, action: &str) -> Result<(BatchView, String)> {
    let reply = client.act(id, action, &Value::Null).await?;
    if action == "retry" {
        let retried: Retried = reply.to()?;
        let said = format!("running again: {}", number::items(retried.items.into()));
        return Ok((retried.batch, said));
    }
    let batch: BatchView = reply.to()?;
    let said = format!("the batch is {}", batch.state);
    Ok((batch, said))
}

async fn limit(client: &Client, id: &str, concurrency: u32) -> Result<(BatchView, String)> {
    let reply = client.change(id, &json!({"concurrency": concurrency})).await?;
    let said = format!("at most {} in flight", number::items(concurrency.into()));
    Ok((reply.to()?, said))
}
