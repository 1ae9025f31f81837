//! A [`Snapshot`] as the fields of its hash: the table in `docs/redis.md`.

use flotilla_core::BatchId;
use flotilla_core::batch::Counts;
use flotilla_core::forecast::Eta;
use flotilla_core::snapshot::{Snapshot, Steering};

use crate::fields::{Fields, Unreadable, Written, decimal, push_some};

/// The fields of `snapshot`. Those that have no value are absent.
pub(crate) fn write(snapshot: &Snapshot) -> Written {
    let counts = &snapshot.counts;
    let mut fields = vec![
        ("total", counts.total.to_string()),
        ("pending", counts.pending.to_string()),
        ("queued", counts.queued.to_string()),
        ("processing", counts.processing.to_string()),
        ("retrying", counts.retrying.to_string()),
        ("waiting", counts.waiting.to_string()),
        ("succeeded", counts.succeeded.to_string()),
        ("failed", counts.failed.to_string()),
        ("cancelled", counts.cancelled.to_string()),
        ("percent", decimal(snapshot.percent)),
        ("rate", decimal(snapshot.rate_per_s)),
        ("state", snapshot.state.to_string()),
        ("epoch", snapshot.epoch.to_string()),
        ("version", snapshot.version.to_string()),
        ("space", snapshot.space.to_string()),
        ("job_type", snapshot.job_type.clone()),
        ("created_at", snapshot.created_at.to_string()),
        ("updated_at", snapshot.updated_at.to_string()),
    ];
    push_some(
        &mut fields,
        "eta_low_s",
        snapshot.eta.map(|eta| decimal(eta.low_s)),
    );
    push_some(
        &mut fields,
        "eta_high_s",
        snapshot.eta.map(|eta| decimal(eta.high_s)),
    );
    push_some(&mut fields, "name", snapshot.name.as_ref());
    push_some(&mut fields, "started_at", snapshot.started_at);
    push_some(&mut fields, "completed_at", snapshot.completed_at);
    fields
}

/// The snapshot of `batch` that `fields` hold.
pub(crate) fn read(batch: BatchId, fields: &Fields) -> Result<Snapshot, Unreadable> {
    let low_s = fields.optional("eta_low_s")?;
    let high_s = fields.optional("eta_high_s")?;
    Ok(Snapshot {
        batch,
        space: fields.get("space")?,
        name: fields.optional("name")?,
        job_type: fields.get("job_type")?,
        state: fields.get("state")?,
        counts: counts(fields)?,
        percent: fields.get("percent")?,
        rate_per_s: fields.get("rate")?,
        eta: low_s.zip(high_s).map(|(low_s, high_s)| Eta { low_s, high_s }),
        epoch: epoch(fields)?,
        version: fields.get("version")?,
        created_at: fields.get("created_at")?,
        started_at: fields.optional("started_at")?,
        completed_at: fields.optional("completed_at")?,
        updated_at: fields.get("updated_at")?,
    })
}

/// The fields that [`steering`] reads.
pub(crate) const STEERING: [&str; 2] = ["state", "epoch"];

/// What workers need to know of a batch.
pub(crate) fn steering(fields: &Fields) -> Result<Steering, Unreadable> {
    Ok(Steering {
        state: fields.get("state")?,
        epoch: epoch(fields)?,
    })
}

/// Absent where a version of Flotilla wrote it that did not know of it.
fn epoch(fields: &Fields) -> Result<u32, Unreadable> {
    Ok(fields.optional("epoch")?.unwrap_or_default())
}

fn counts(fields: &Fields) -> Result<Counts, Unreadable> {
    Ok(Counts {
        total: fields.get("total")?,
        pending: fields.get("pending")?,
        queued: fields.get("queued")?,
        processing: fields.get("processing")?,
        retrying: fields.get("retrying")?,
        waiting: fields.get("waiting")?,
        succeeded: fields.get("succeeded")?,
        failed: fields.get("failed")?,
        cancelled: fields.get("cancelled")?,
    })
}

#[cfg(test)]
mod tests {
    use flotilla_core::BatchState;
    use jiff::Timestamp;

    use super::*;

    fn fields(written: &Written) -> Fields {
        Fields(
            written
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn a_missing_field_is_named() {
        let batch = BatchId(uuid::Uuid::nil());
        let snapshot = Snapshot {
            batch,
            space: "a".parse().unwrap(),
            name: Some(String::new()),
            job_type: "noop".into(),
            state: BatchState::Processing,
            counts: Counts {
                total: 3,
                queued: 3,
                ..Counts::default()
            },
            percent: 0.0,
            rate_per_s: 0.1 + 0.2,
            eta: Some(Eta {
                low_s: 1e-7,
                high_s: 1e21,
            }),
            epoch: u32::MAX,
            version: u64::MAX,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: Some(Timestamp::MAX),
            completed_at: None,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let written = write(&snapshot);
        assert_eq!(steering(&fields(&written)), Ok(snapshot.steering()));
        assert_eq!(read(batch, &fields(&written)), Ok(snapshot.clone()));
        let mut early = fields(&written);
        early.0.remove("epoch");
        assert_eq!(read(batch, &early), Ok(Snapshot { epoch: 0, ..snapshot }));
        let mut broken = fields(&written);
        broken.0.insert("state".into(), "asleep".into());
        assert_eq!(read(batch, &broken), Err(Unreadable::Malformed("state")));
        broken.0.remove("space");
        assert_eq!(read(batch, &broken), Err(Unreadable::Missing("space")));
    }
}
