//! Choosing dead letters, and deciding about them batch by batch.

use std::str::FromStr;

use axum::extract::Request;
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::{BatchId, ItemIndex, Space};
use utoipa::ToSchema;

use crate::app::App;
use crate::config::Config;
use crate::fields::Fields;
use crate::intake::checks::invalid;
use crate::params;
use crate::problem::{Kind, Problem};
use crate::views::Decided;

/// Batches that one request decides about.
const BATCHES: u32 = 1_000;

/// Which dead letters to list, as a query says it.
pub(crate) struct Which {
    pub(crate) batch: Option<String>,
    pub(crate) job_type: Option<String>,
    pub(crate) fingerprint: Option<String>,
}

/// The end of a page: a batch and an index.
struct Cursor(BatchId, ItemIndex);

impl FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (batch, index) = text.split_once(':').ok_or(())?;
        Ok(Self(batch.parse().map_err(drop)?, index.parse().map_err(drop)?))
    }
}

impl Which {
    pub(crate) fn filter(self, cursor: Option<&str>) -> Result<DeadFilter, Problem> {
        let after: Option<Cursor> = params::text("cursor", cursor, "expected a `next_cursor` of this list")?;
        Ok(DeadFilter {
            batch: params::text("batch", self.batch.as_deref(), "expected the id of a batch")?,
            indices: None,
            job_type: self.job_type,
            fingerprint: self.fingerprint,
            after: after.map(|Cursor(batch, index)| (batch, index)),
        })
    }
}

/// How many dead letters may be read at once, if all were as large as items may be.
pub(crate) fn page_step(config: &Config) -> u32 {
    let fit = 2 * config.page_bytes / config.max_item_bytes.max(1);
    u32::try_from(fit).unwrap_or(u32::MAX).clamp(1, params::MAX_LIMIT)
}

/// Which dead letters to decide about: those that fit all that is said.
#[derive(ToSchema)]
#[schema(as = DeadLetterChoice)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct ChosenBody {
    /// Those of this batch.
    #[schema(format = "uuid")]
    batch: Option<String>,
    /// These items of the batch.
    indices: Option<Vec<u32>>,
    /// Those of this job type.
    job_type: Option<String>,
    /// Those with this error.
    #[schema(example = "9c1185a5c5e9")]
    fingerprint: Option<String>,
    /// Only counts them.
    #[schema(required = false, default = false)]
    dry_run: bool,
    /// Must be true where nothing else says which: every dead letter of the space.
    #[schema(required = false, default = false)]
    all: bool,
}

/// Dead letters to decide about.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) filter: DeadFilter,
    pub(crate) dry_run: bool,
}

impl Chosen {
    /// As the body of `request` says.
    ///
    /// # Errors
    /// Where it says nothing, or something that is not valid.
    pub(crate) async fn of(request: Request) -> Result<Self, Problem> {
        let known = ["batch", "indices", "job_type", "fingerprint", "dry_run", "all"];
        let fields = Fields::of(request, &known).await?;
        let filter = DeadFilter {
            batch: fields.text("batch", "the id of a batch")?,
            indices: fields.get("indices", "a list of whole numbers")?,
            job_type: fields.get("job_type", "a text")?,
            fingerprint: fields.get("fingerprint", "a text")?,
            after: None,
        };
        if filter.indices.is_some() && filter.batch.is_none() {
            return Err(invalid("indices", "needs a `batch`"));
        }
        let all = fields.get("all", "true or false")?.unwrap_or(false);
        if filter == DeadFilter::default() && !all {
            let detail =
                "say which: `batch`, `indices`, `job_type`, `fingerprint`, or `\"all\": true` for every one";
            return Err(Problem::new(Kind::MissingField, detail).with("field", "all"));
        }
        Ok(Self {
            filter,
            dry_run: fields.get("dry_run", "true or false")?.unwrap_or(false),
        })
    }
}

/// Batches of which dead letters were chosen, how many of each, and whether there are more.
pub(crate) async fn chosen_batches(
    app: &App,
    space: &Space,
    chosen: &Chosen,
) -> Result<(Vec<(BatchId, u32)>, Decided), Problem> {
    let store = &app.deps.store;
    let mut found = store.dead_batches(space, &chosen.filter, BATCHES + 1).await?;
    let more = found.len() > BATCHES as usize;
    found.truncate(BATCHES as usize);
    Ok((found, Decided::new(chosen.dry_run, more)))
}
