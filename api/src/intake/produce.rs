//! More items for a batch that stays open, from a producer with a name: what is stored stays, and whoever comes back under
//! that name goes on behind it.

use std::time::Duration;

use flotilla_core::ports::store::{Portion, Portioned};
use flotilla_core::{Batch, Space, crash};
use tokio::time::{Instant, sleep};

use super::admission::Admission;
use super::append::{busy, not_open};
use super::body::BodyReader;
use super::receive::{Incoming, start_parser};
use super::writes::{self, repeat};
use super::{Chunk, Limits, Options};
use crate::app::{App, unknown_batch};
use crate::live;
use crate::problem::{Kind, Problem};

/// Between two looks whether an append has ended.
const REST: Duration = Duration::from_millis(200);

/// The longest name of a producer, in bytes.
const MAX_NAME: usize = 200;

/// What a producer sends.
pub(crate) struct Production {
    pub(crate) space: Space,
    pub(crate) batch: Batch,
    pub(crate) incoming: Incoming,
    pub(crate) producer: String,
    /// Where the body begins in all that this producer sends.
    pub(crate) offset: u32,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Produced {
    pub(crate) items: u32,
    pub(crate) skipped: u32,
    /// What was sent before, or the space has already.
    pub(crate) deduplicated: u32,
    /// How many items the batch has.
    pub(crate) total: u32,
    /// Where the producer is.
    pub(crate) offset: u32,
}

/// The name of a producer.
///
/// # Errors
/// Where it can't be one.
pub(crate) fn name(text: &str) -> Result<(), Problem> {
    let fine = |byte: u8| byte.is_ascii_graphic();
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fine) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::InvalidParameter,
        format!("`producer` must be 1 to {MAX_NAME} visible ASCII characters without blanks"),
    )
    .with("parameter", "producer"))
}

/// Appends `body`. Runs as a task of its own. A problem says in `offset` where the producer is.
pub(crate) async fn produce(app: App, production: Production, body: BodyReader) -> Result<Produced, Problem> {
    let mut producing = Producing {
        patience: Instant::now() + app.config.upload_wait,
        app: app.clone(),
        produced: Produced {
            total: production.batch.counts.total,
            ..Produced::default()
        },
    };
    let shutdown = app.deps.tasks.shutdown();
    let ended = match shutdown.until_aborting(producing.run(production, body)).await {
        Some(ended) => ended,
        None => Err(Problem::new(
            Kind::ShuttingDown,
            "the server is stopping; go on from `offset`",
        )),
    };
    let produced = producing.produced;
    ended
        .map(|()| produced)
        .map_err(|problem| problem.with("offset", produced.offset))
}

struct Producing {
    app: App,
    produced: Produced,
    /// So long it waits for an append to end.
    patience: Instant,
}

impl Producing {
    async fn run(&mut self, production: Production, body: BodyReader) -> Result<(), Problem> {
        let Production {
            space,
            batch,
            incoming,
            producer,
            offset,
        } = production;
        let (app, deps) = (self.app.clone(), self.app.deps.clone());
        let find = || deps.store.producer_position(&space, batch.id, &producer);
        let found = repeat("look how far a producer is", find).await.0?;
        let position = found.ok_or_else(|| unknown_batch(&space, &batch.id.to_string()))?;
        self.produced.offset = position;
        let Some(known) = position.checked_sub(offset) else {
            return Err(ahead(offset, position));
        };
        let options = Options::of_items(&deps, &batch.spec, deps.clock.now());
        let limits = Limits {
            held: batch.counts.total,
            known,
            ..Limits::from(&app.config)
        };
        let admission = Admission {
            app: &app,
            space: &space,
            batch: batch.id,
            on_invalid: incoming.terms.on_invalid,
        };
        let stream = Stream {
            admission,
            producer,
            offset,
        };
        let (mut chunks, parsing) = start_parser(incoming, options, limits, body, None);
        while let Some(chunk) = chunks.recv().await {
            self.store(&stream, chunk).await?;
        }
        let parsed = parsing
            .await
            .map_err(|error| Problem::internal(&format!("the parser of an upload: {error}")))??;
        // What was sent again, as far as it came.
        let sent = parsed.rest.position + parsed.rest.read;
        self.produced.deduplicated += known.min(sent);
        self.store(&stream, parsed.rest).await
    }

    /// Stores a chunk, or what of it another request of this producer has not stored since.
    async fn store(&mut self, stream: &Stream<'_>, mut chunk: Chunk) -> Result<(), Problem> {
        let (admission, deps) = (&stream.admission, &self.app.deps);
        let (store, clock) = (&*deps.store, &*deps.clock);
        let mut by_key = admission.deduplicate(&mut chunk).await?;
        while chunk.read > 0 {
            let position = stream.offset + chunk.position;
            let portion = Portion {
                producer: stream.producer.clone(),
                position,
                read: chunk.read,
                items: chunk.items.clone(),
                skipped: chunk.skipped.clone(),
            };
            let portioned = writes::portion(store, clock, admission.space, admission.batch, &portion).await?;
            match portioned {
                Portioned::Done(batch) => {
                    crash::point("api.upload.chunk");
                    self.advance(&portion, by_key, &batch);
                    live::show(&self.app, &batch).await;
                    return Ok(());
                }
                // A request before this one got further than it could tell, or an answer of the store was lost.
                Portioned::Elsewhere(found) if found > position => {
                    let end = position + chunk.read;
                    self.produced.deduplicated += found.min(end) - position;
                    self.produced.offset = found;
                    chunk.drop_before(found - stream.offset);
                    by_key = 0;
                }
                Portioned::Elsewhere(found) => return Err(ahead(position, found)),
                Portioned::Named { first, namesakes } => admission.without(&mut chunk, &namesakes, first)?,
                Portioned::Busy if Instant::now() < self.patience => sleep(REST).await,
                Portioned::Busy => return Err(busy()),
                Portioned::NotOpen(batch) => return Err(not_open(&batch)),
                Portioned::Unknown => {
                    return Err(unknown_batch(admission.space, &admission.batch.to_string()));
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self, portion: &Portion, by_key: u32, batch: &Batch) {
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        self.produced.items += count(portion.items.len());
        self.produced.skipped += count(portion.skipped.len());
        self.produced.deduplicated += by_key;
        self.produced.total = batch.counts.total;
        self.produced.offset = portion.position + portion.read;
        // From here on it is waited for anew.
        self.patience = Instant::now() + self.app.config.upload_wait;
    }
}

/// What does not change from chunk to chunk.
struct Stream<'a> {
    admission: Admission<'a>,
    producer: String,
    offset: u32,
}

fn ahead(offset: u32, position: u32) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!(
            "this producer has sent {position} so far, so the next one is not {offset}; go on from `offset`"
        ),
    )
}
