//! What becomes of a call: it is taken where its attempt is under way, and known again where it was taken before.

use flotilla_core::artifact::Artifact;
use flotilla_core::attempt::Attempt;
use flotilla_core::item::{Item, ItemState};
use flotilla_core::job_type::HandlerSpec;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::place::{Lease, Place, Whereabouts};
use flotilla_core::ports::Objects;
use flotilla_core::{Batch, Json};
use jiff::Timestamp;

use super::artifacts::{are_recorded, measured};
use super::call::{Call, Claimed, millis};
use super::token::Token;
use crate::app::App;
use crate::intake::writes::repeat;
use crate::live;
use crate::problem::{Kind, Problem};
use crate::views::CallAnswer;

/// The longest output where no handler says otherwise.
const MAX_OUTPUT_BYTES: u64 = 1 << 20;

/// The batch of a token, where it is still there.
pub(crate) async fn batch_of(app: &App, token: &Token) -> Result<Batch, Problem> {
    let batch = app.deps.store.batch(&token.space, token.batch).await?;
    batch.ok_or_else(|| gone("the batch was deleted"))
}

/// How long an output of `batch` may be: as long as its handler's answer could have been.
pub(crate) fn max_output_bytes(app: &App, batch: &Batch) -> usize {
    let job_type = app.deps.job_types.get(&batch.spec.job_type);
    let most = match job_type.map(|job_type| &job_type.handler) {
        Some(HandlerSpec::Http(http)) => http.max_response_bytes,
        Some(HandlerSpec::Exec(exec)) => exec.max_output_bytes,
        _ => MAX_OUTPUT_BYTES,
    };
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Does what `call` says. Repeated, it answers the same and changes nothing.
pub(crate) async fn complete(
    app: &App,
    token: &Token,
    batch: &Batch,
    call: Call,
) -> Result<CallAnswer, Problem> {
    let deps = &app.deps;
    let said = Said::new(app, token, call);
    let now = deps.clock.now();
    let place = deps.store.place(token.batch, token.index).await?;
    if place.is_some_and(|(place, lease)| is_open(&place, lease.as_ref(), token, &said, now)) {
        said.keep(&deps.objects).await?;
        let artifacts = said.artifacts(app, token, batch).await?;
        // Looking at files takes time, and this is when it is done.
        let attempt = said.attempt(token, batch, artifacts, deps.clock.now());
        let record = || deps.store.record(vec![attempt.clone()], deps.clock.now());
        let changed = repeat("record a callback", record).await.0?;
        deps.wake.notify_one();
        for batch in &changed {
            live::show(app, batch).await;
        }
    }
    said.answer(app, token).await
}

/// True where what a caller says about the attempt can count.
fn is_open(place: &Place, lease: Option<&Lease>, token: &Token, said: &Said, now: Timestamp) -> bool {
    if place.attempt != token.attempt || token.expires_at <= now {
        return false;
    }
    match place.at {
        Whereabouts::Dispatched | Whereabouts::Leased => true,
        // Over is over, whether or not somebody has looked.
        Whereabouts::Waiting => lease.is_none_or(|lease| lease.until > now),
        // It is to run again; but the work is done.
        Whereabouts::Returned => matches!(said, Said::Done { .. }),
        Whereabouts::Pending | Whereabouts::Retrying | Whereabouts::Settled => false,
    }
}

/// A call as the ledger takes it.
enum Said {
    Done {
        output: Output,
        text: Option<String>,
        artifacts: Vec<Claimed>,
    },
    Failed(Verdict),
    Running(Verdict),
}

impl Said {
    fn new(app: &App, token: &Token, call: Call) -> Self {
        match call {
            Call::Succeeded { output, artifacts } if output.len() > app.config.inline_output_bytes => {
                let Token {
                    space,
                    batch,
                    index,
                    attempt,
                    ..
                } = token;
                let key = Objects::called_back_key(space, *batch, *index, *attempt, output.as_str());
                let bytes = output.len() as u64;
                Self::Done {
                    output: Output::Stored { key, bytes },
                    text: Some(output.into_string()),
                    artifacts,
                }
            }
            Call::Succeeded { output, artifacts } => Self::Done {
                output: Output::Inline(output),
                text: None,
                artifacts,
            },
            Call::Failed {
                error,
                permanent: true,
                ..
            } => Self::Failed(Verdict::Fail(error)),
            Call::Failed { error, after, .. } => Self::Failed(Verdict::Retry {
                error,
                after_ms: after.map(millis),
            }),
            Call::Running(waiting) => Self::Running(Verdict::Waiting(waiting)),
        }
    }

    /// Puts a long output where it belongs, before anybody is told of it.
    async fn keep(&self, objects: &Objects) -> Result<(), Problem> {
        if let Self::Done {
            output: Output::Stored { key, .. },
            text: Some(text),
            ..
        } = self
        {
            objects.put_called_back(key, text.clone()).await?;
        }
        Ok(())
    }

    /// The files that it says there are, once each of them was looked at.
    async fn artifacts(&self, app: &App, token: &Token, batch: &Batch) -> Result<Vec<Artifact>, Problem> {
        match self {
            Self::Done { artifacts, .. } if !artifacts.is_empty() => {
                measured(app, token, batch, artifacts).await
            }
            _ => Ok(Vec::new()),
        }
    }

    fn attempt(&self, token: &Token, batch: &Batch, artifacts: Vec<Artifact>, now: Timestamp) -> Attempt {
        // To the second; an item does not begin before its batch.
        let published = super::published_at(batch.spec.timeout, token.expires_at);
        let started_at = published
            .max(batch.started_at.unwrap_or(batch.created_at))
            .min(now);
        let took = now.duration_since(started_at).as_micros();
        Attempt {
            batch: token.batch,
            index: token.index,
            attempt: token.attempt,
            verdict: match self {
                Self::Done { output, .. } => Verdict::Done(output.clone()),
                Self::Failed(verdict) | Self::Running(verdict) => verdict.clone(),
            },
            started_at,
            duration_us: u64::try_from(took).unwrap_or(0),
            worker: None,
            artifacts,
        }
    }

    /// Where the item stands, as long as it stands there because of what was said.
    async fn answer(&self, app: &App, token: &Token) -> Result<CallAnswer, Problem> {
        let store = &app.deps.store;
        let Some((place, lease)) = store.place(token.batch, token.index).await? else {
            return Err(gone("the item was deleted"));
        };
        let own = place.attempt == token.attempt;
        let answer = |state, until| Ok(CallAnswer { state, until });
        match (self, place.at) {
            (Self::Running(_), Whereabouts::Waiting) if own => {
                let until = lease.map(|lease| lease.until);
                if until.is_none_or(|until| until > app.deps.clock.now()) {
                    return answer("waiting", until);
                }
            }
            (Self::Done { .. } | Self::Failed(_), Whereabouts::Settled) if own => {
                let item = app.item(&token.space, token.batch, token.index).await?;
                if let Some(state) = item.as_ref().and_then(|item| self.settled(item)) {
                    return answer(state, None);
                }
            }
            (Self::Failed(Verdict::Retry { error, .. }), _) => {
                let tried = store.tried(&token.space, token.batch, token.index).await?;
                let was_told = |tried: &flotilla_core::attempt::Tried| {
                    tried.attempt == token.attempt && tried.error == *error
                };
                if tried.iter().any(was_told) {
                    return answer("retrying", None);
                }
            }
            _ => {}
        }
        Err(gone(&self.why_not(&place, token, app.deps.clock.now())))
    }

    /// The state of a settled item, where what was said is what it was settled with.
    fn settled(&self, item: &Item) -> Option<&'static str> {
        match (self, item.state) {
            (
                Self::Done {
                    output, artifacts, ..
                },
                ItemState::Succeeded,
            ) if item.output.as_ref() == Some(output) && are_recorded(artifacts, item) => Some("succeeded"),
            (Self::Failed(Verdict::Fail(error) | Verdict::Retry { error, .. }), ItemState::Failed)
                if item.error.as_ref() == Some(error) =>
            {
                Some("failed")
            }
            // Its batch was cancelled: nobody tries again.
            (Self::Failed(_), ItemState::Cancelled) => Some("cancelled"),
            _ => None,
        }
    }

    fn why_not(&self, place: &Place, token: &Token, now: Timestamp) -> String {
        if place.attempt > token.attempt {
            return format!(
                "attempt {} is over; the item is at attempt {}",
                token.attempt, place.attempt
            );
        }
        match place.at {
            Whereabouts::Settled => "the item has ended otherwise".into(),
            _ if token.expires_at <= now => format!("this URL has expired at {}", token.expires_at),
            Whereabouts::Waiting => "the time that the item had to wait is over".into(),
            _ => "the attempt is not under way".into(),
        }
    }
}

fn gone(detail: &str) -> Problem {
    Problem::new(Kind::CallbackGone, detail)
}

/// What is too long for an output.
pub(crate) fn too_long(limit: usize) -> Problem {
    Problem::new(
        Kind::OutputTooLarge,
        format!("the output of this job type may have at most {limit} bytes; put large data elsewhere"),
    )
    .with("limit", limit)
}

/// Checks the length of an output.
pub(crate) fn check_length(call: &Call, limit: usize) -> Result<(), Problem> {
    let output = match call {
        Call::Succeeded { output, .. } => output,
        Call::Failed { .. } | Call::Running(_) => &Json::null(),
    };
    if output.len() > limit {
        return Err(too_long(limit));
    }
    Ok(())
}
