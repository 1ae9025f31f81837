//! Objects, one per line, for programs.

use std::io::Result;

use flotilla_core::result::ErrorGroup;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::lines::Pace;
use super::show::Show;
use crate::client::Reply;
use crate::client::view::{BatchView, ExplainView};
use crate::output::print;

/// Objects on stdout.
#[derive(Default)]
pub(super) struct Json(Pace);

impl Show for Json {
    fn progress(&mut self, batch: &BatchView, _why: Option<&str>) -> Result<()> {
        if !self.0.is_due(batch, Instant::now()) {
            return Ok(());
        }
        write(&json!({"event": "progress", "batch": document(batch)}))
    }

    fn error(&mut self, batch: &BatchView, group: &ErrorGroup) -> Result<()> {
        write(&json!({
            "event": "error", "batch_id": batch.id, "fingerprint": group.fingerprint, "count": group.count,
            "sample": group.sample,
        }))
    }

    fn explain(&mut self, batch: &BatchView, reasons: &ExplainView) -> Result<()> {
        let reasons: Vec<Value> = reasons
            .reasons
            .iter()
            .map(|reason| {
                json!({"code": reason.code, "count": reason.count, "detail": reason.detail, "until": reason.until})
            })
            .collect();
        write(&json!({"event": "explain", "batch_id": batch.id, "reasons": reasons}))
    }

    fn ended(&mut self, batch: &BatchView, result: Option<&Reply>) -> Result<()> {
        self.0.forget(&batch.id);
        let result: Option<Value> = result.and_then(|reply| reply.to().ok());
        write(&json!({"event": "end", "batch": document(batch), "result": result}))
    }

    fn gone(&mut self, id: &str) -> Result<()> {
        write(&json!({"event": "removed", "batch_id": id}))
    }

    /// For people, so it does not belong here.
    fn say(&mut self, text: &str) -> Result<()> {
        crate::output::meter::line(text);
        Ok(())
    }
}

fn write(document: &Value) -> Result<()> {
    print(&document.to_string())
}

fn document(batch: &BatchView) -> Value {
    json!({
        "id": batch.id, "space": batch.space, "name": batch.name, "job_type": batch.job_type, "state": batch.state,
        "counts": batch.counts, "percent": batch.percent, "rate_per_s": batch.rate_per_s, "eta": batch.eta,
        "created_at": batch.created_at, "started_at": batch.started_at, "completed_at": batch.completed_at,
        "error": batch.error,
    })
}
