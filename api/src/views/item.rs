//! An item.

use flotilla_core::Json;
use flotilla_core::attempt::Tried;
use flotilla_core::item_line::{ItemLine, LineError};
use flotilla_core::outcome::ItemError;
use flotilla_core::place::{Lease, Place};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// An item and what became of it: in the same form as in every file that has items.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ItemView(pub(crate) ItemLine);

impl PartialSchema for ItemView {
    fn schema() -> RefOr<Schema> {
        ItemFields::schema()
    }
}

impl ToSchema for ItemView {
    fn name() -> std::borrow::Cow<'static, str> {
        ItemFields::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ItemFields::schemas(schemas);
    }
}

/// An item and what became of it.
#[derive(ToSchema)]
#[schema(as = Item)]
#[expect(dead_code, reason = "describes `ItemLine` of the domain")]
struct ItemFields {
    /// Its position in the batch, from 0.
    index: u32,
    /// The producer's own name for it.
    custom_id: Option<String>,
    /// Where it stands. All items on their way or running read as `queued`.
    #[schema(value_type = ItemStateName)]
    state: &'static str,
    /// How often it was attempted, including an attempt under way.
    attempts: u16,
    /// As submitted. Null where the batch's inputs were removed: see `expired`.
    #[schema(value_type = Value)]
    input: Json,
    /// What its handler answered. Null, too, where the batch's outputs were removed.
    #[schema(value_type = Value)]
    output: Option<Json>,
    /// Files that came of it.
    #[schema(required = false)]
    artifacts: Vec<ArtifactView>,
    /// True where there are too many files for a list: read the item alone.
    #[schema(required = false)]
    artifacts_left_out: bool,
    /// Why it failed.
    error: Option<ErrorView>,
    /// When its last attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it reached its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// How long its last attempt took, in milliseconds.
    duration_ms: Option<f64>,
}

/// A file that came of an item.
#[derive(ToSchema)]
#[schema(as = Artifact)]
#[expect(dead_code, reason = "describes `LineArtifact` of the domain")]
struct ArtifactView {
    /// Its name. Slashes mean folders.
    name: String,
    /// Its length.
    bytes: u64,
    /// What it is.
    media_type: String,
    /// Its SHA-256, in hexadecimal.
    sha256: String,
    /// Where it is downloaded, from the root of this API.
    url: String,
}

/// Where an item stands.
#[derive(ToSchema)]
#[schema(as = ItemState, rename_all = "snake_case")]
#[expect(dead_code, reason = "describes `ItemState` of the domain")]
pub(crate) enum ItemStateName {
    Pending,
    Queued,
    Processing,
    Retrying,
    Waiting,
    Succeeded,
    Failed,
    Cancelled,
}

/// Why an item failed.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemError)]
pub(crate) struct ErrorView {
    /// What kind of failure: `handler`, `timeout`, `output`, `unreachable`, `invalid` or `worker_lost`.
    kind: &'static str,
    /// What happened.
    message: String,
}

/// A page of items, in input order.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemPage {
    /// The items.
    pub(crate) items: Vec<ItemView>,
    /// The `cursor` of the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// An item with everything that is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemDetail)]
pub(crate) struct ItemDetail {
    #[serde(flatten)]
    item: ItemView,
    /// The last attempt that it gets.
    last_attempt: u16,
    /// How many workers were lost with it. Where it is not 0, it runs alone.
    losses: u16,
    /// Until when something else may complete it, or the worker that runs it for long has to say so again: then the
    /// attempt has failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    lease_until: Option<Timestamp>,
    /// How far it is, 0 to 100, where that was said.
    progress: Option<u8>,
    /// What it does, where that was said.
    message: Option<String>,
    /// Who runs it, where a worker runs it for long.
    worker: Option<String>,
    /// The attempts that failed and were followed by another, oldest first.
    history: Vec<TriedView>,
}

/// An attempt that failed and was followed by another.
#[derive(Serialize, ToSchema)]
#[schema(as = Tried)]
pub(crate) struct TriedView {
    /// Which attempt it was, from 1.
    attempt: u16,
    /// Why it failed.
    error: ErrorView,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// How long it took, in milliseconds.
    duration_ms: f64,
    /// Who ran it.
    worker: Option<String>,
}

impl ItemDetail {
    pub(crate) fn new(item: ItemView, place: Option<(Place, Option<Lease>)>, tried: Vec<Tried>) -> Self {
        let (place, lease) = place.unzip();
        let lease = lease.flatten();
        Self {
            last_attempt: place.map_or(item.0.attempts, |place| place.last_attempt),
            losses: place.map_or(0, |place| place.losses),
            item,
            lease_until: lease.as_ref().map(|lease| lease.until),
            progress: lease.as_ref().and_then(|lease| lease.progress),
            message: lease.as_ref().and_then(|lease| lease.message.clone()),
            worker: lease
                .and_then(|lease| lease.worker)
                .map(|worker| worker.to_string()),
            history: tried.into_iter().map(TriedView::from).collect(),
        }
    }
}

impl From<Tried> for TriedView {
    fn from(tried: Tried) -> Self {
        Self {
            attempt: tried.attempt,
            error: tried.error.into(),
            started_at: tried.started_at,
            duration_ms: millis(tried.duration_us),
            worker: tried.worker.map(|worker| worker.to_string()),
        }
    }
}

impl From<LineError> for ErrorView {
    fn from(error: LineError) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
        }
    }
}

impl From<ItemError> for ErrorView {
    fn from(error: ItemError) -> Self {
        Self {
            kind: error.kind.as_str(),
            message: error.message,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
pub(super) fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}
