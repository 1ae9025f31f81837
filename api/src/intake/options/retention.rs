//! The option that says how long what a batch leaves stays after its end.

use flotilla_core::Json;
use flotilla_core::retention::Retention;

use super::checks::{invalid, invalid_because};
use crate::problem::Problem;

pub(super) fn retention(value: &Json) -> Result<Retention, Problem> {
    let retention: Retention = value.to().map_err(|error| {
        let detail = format!(
            "`retention` must be an object like {{\"inputs\": \"30d\", \"outputs\": \"7d\", \"artifacts\": \"7d\", \"dead_letters\": \"30d\", \"results\": \"90d\", \"archive\": true}}: {error}"
        );
        invalid_because("retention", &detail)
    })?;
    retention.validate().map_err(|why| invalid("retention", &why))?;
    Ok(retention)
}
