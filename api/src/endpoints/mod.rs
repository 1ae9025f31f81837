//! One endpoint per file.

pub(crate) mod batch_result;
pub(crate) mod create_batch;
pub(crate) mod get_batch;
pub(crate) mod get_item;
pub(crate) mod healthz;
pub(crate) mod job_types;
pub(crate) mod list_batches;
pub(crate) mod list_items;
pub(crate) mod readyz;
