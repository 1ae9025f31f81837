//! What travels over the broker. `docs/amqp.md` is the contract for workers in other languages; the types here are it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::ids::{BatchId, ItemIndex, Pool, Space, WorkerId};
use crate::json::Json;
use crate::outcome::{ItemError, Output};
use crate::worker::WorkerStatus;

/// The version of the contract. A message of another version is not touched by this program.
pub const VERSION: u32 = 1;

/// One attempt at one item. Its input is the body; the rest are properties and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemMessage {
    /// The batch.
    pub batch: BatchId,
    /// The item.
    pub index: ItemIndex,
    /// Which attempt this is, from 1.
    pub attempt: u16,
    /// How many there will be at most.
    pub max_attempts: u16,
    /// The most time that this attempt may take.
    pub timeout: Duration,
    /// The tenant.
    pub space: Space,
    /// Which job type handles it.
    pub job_type: String,
    /// Which fleet it is for.
    pub pool: Pool,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The [`Snapshot::epoch`](crate::snapshot::Snapshot::epoch) of the batch when it was dispatched: of a later one, it
    /// is given back unless it has started.
    pub epoch: u32,
    /// Workers were lost with it: it goes through the isolation queue, and runs while nothing else does.
    pub isolated: bool,
    /// Where to complete it, should it have to wait: a URL with a token.
    pub callback: Option<String>,
    /// What the handler gets.
    pub input: Json,
}

impl ItemMessage {
    /// The idempotency key of the item: `{batch}:{index}`, the same for every attempt.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.batch, self.index)
    }

    /// Splits it into a body and headers, for a broker that carries both.
    #[must_use]
    pub fn into_parts(self) -> (Headers, Json) {
        let mut headers = BTreeMap::from([
            (header::VERSION, VERSION.to_string()),
            (header::BATCH, self.batch.to_string()),
            (header::INDEX, self.index.to_string()),
            (header::ATTEMPT, self.attempt.to_string()),
            (header::MAX_ATTEMPTS, self.max_attempts.to_string()),
            (header::TIMEOUT_MS, self.timeout.as_millis().to_string()),
            (header::SPACE, self.space.into()),
            (header::POOL, self.pool.into()),
            (header::JOB_TYPE, self.job_type),
        ]);
        headers.extend(self.traceparent.map(|value| (header::TRACEPARENT, value)));
        headers.extend(self.callback.map(|value| (header::CALLBACK, value)));
        headers.extend((self.epoch > 0).then(|| (header::EPOCH, self.epoch.to_string())));
        headers.extend(self.isolated.then(|| (header::ISOLATED, true.to_string())));
        (headers, self.input)
    }

    /// Reads what [`into_parts`](Self::into_parts) wrote; `get` looks a header up.
    ///
    /// # Errors
    /// Where a header is missing or malformed, the version is another one, or the body is not JSON.
    pub fn from_parts(get: impl Fn(&str) -> Option<String>, body: Vec<u8>) -> Result<Self, Malformed> {
        fn parsed<T: std::str::FromStr>(name: &'static str, text: Option<String>) -> Result<T, Malformed> {
            let text = text.ok_or_else(|| Malformed(format!("header {name} is missing")))?;
            text.parse()
                .map_err(|_| Malformed(format!("header {name} has the value {text:?}")))
        }
        fn optional<T: std::str::FromStr>(
            name: &'static str,
            text: Option<String>,
        ) -> Result<Option<T>, Malformed> {
            text.map(|text| parsed(name, Some(text))).transpose()
        }
        let version: u32 = parsed(header::VERSION, get(header::VERSION))?;
        if version != VERSION {
            let known = |name| short(get(name).as_deref());
            let item = format!("item {}:{}", known(header::BATCH), known(header::INDEX));
            return Err(Malformed::of_version(version, &item));
        }
        Ok(Self {
            batch: parsed(header::BATCH, get(header::BATCH))?,
            index: parsed(header::INDEX, get(header::INDEX))?,
            attempt: parsed(header::ATTEMPT, get(header::ATTEMPT))?,
            max_attempts: parsed(header::MAX_ATTEMPTS, get(header::MAX_ATTEMPTS))?,
            timeout: Duration::from_millis(parsed(header::TIMEOUT_MS, get(header::TIMEOUT_MS))?),
            space: parsed(header::SPACE, get(header::SPACE))?,
            pool: parsed(header::POOL, get(header::POOL))?,
            job_type: parsed(header::JOB_TYPE, get(header::JOB_TYPE))?,
            traceparent: get(header::TRACEPARENT),
            epoch: optional(header::EPOCH, get(header::EPOCH))?.unwrap_or_default(),
            isolated: optional(header::ISOLATED, get(header::ISOLATED))?.unwrap_or_default(),
            callback: get(header::CALLBACK),
            input: Json::parse_bytes(body)
                .map_err(|error| Malformed(format!("the body is not JSON: {error}")))?,
        })
    }
}

/// Headers of an item's message, all of them text.
pub type Headers = BTreeMap<&'static str, String>;

/// The names of headers.
pub mod header {
    /// Contract version.
    pub const VERSION: &str = "flotilla-version";
    /// Batch id.
    pub const BATCH: &str = "flotilla-batch";
    /// Item index.
    pub const INDEX: &str = "flotilla-index";
    /// Attempt, from 1.
    pub const ATTEMPT: &str = "flotilla-attempt";
    /// Attempts at most.
    pub const MAX_ATTEMPTS: &str = "flotilla-max-attempts";
    /// Time for this attempt, in milliseconds.
    pub const TIMEOUT_MS: &str = "flotilla-timeout-ms";
    /// Tenant.
    pub const SPACE: &str = "flotilla-space";
    /// Fleet.
    pub const POOL: &str = "flotilla-pool";
    /// Job type. Also the AMQP property `type`.
    pub const JOB_TYPE: &str = "flotilla-job-type";
    /// W3C trace context. Optional, as are the following.
    pub const TRACEPARENT: &str = "traceparent";
    /// The batch's epoch at dispatch, where it is not 0.
    pub const EPOCH: &str = "flotilla-epoch";
    /// `true` where the item runs alone.
    pub const ISOLATED: &str = "flotilla-isolated";
    /// Where to complete the item.
    pub const CALLBACK: &str = "flotilla-callback";
}

/// A message that does not follow the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub String);

impl Malformed {
    /// A message of another version, and what it is about, for the person who has to find out who sent it.
    fn of_version(version: u32, about: &str) -> Self {
        Self(format!(
            "{about} has contract version {version}, and this program speaks {VERSION}"
        ))
    }
}

/// What a worker publishes to a report queue: outcomes of one shard, or a heartbeat, which goes to shard 0. JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub v: u32,
    /// Who reports.
    pub worker: WorkerId,
    /// Items that ended, all of batches of one shard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemReport>,
    /// What the worker does now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<WorkerStatus>,
}

impl Report {
    /// A report of `worker` about `items`.
    #[must_use]
    pub fn of_items(worker: WorkerId, items: Vec<ItemReport>) -> Self {
        Self {
            v: VERSION,
            worker,
            items,
            heartbeat: None,
        }
    }

    /// A heartbeat.
    #[must_use]
    pub fn of_heartbeat(status: WorkerStatus) -> Self {
        Self {
            v: VERSION,
            worker: status.id.clone(),
            items: Vec::new(),
            heartbeat: Some(status),
        }
    }

    /// As the body of a message.
    ///
    /// # Errors
    /// Never in practice: every part has a JSON form.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// Where it is no report, or one of another version.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let malformed = |error: serde_json::Error| Malformed(format!("not a report: {error}"));
        match serde_json::from_slice::<Self>(body) {
            Ok(report) if report.v == VERSION => Ok(report),
            // Another version may well have another shape: say that first.
            other => match serde_json::from_slice::<Versioned>(body) {
                Ok(other) if other.v != VERSION => Err(Malformed::of_version(other.v, &other.about())),
                _ => other.map_err(malformed),
            },
        }
    }
}

/// A name that somebody else wrote, for a log line.
fn short(text: Option<&str>) -> String {
    text.unwrap_or("?").chars().take(64).collect()
}

/// As much of a report as every version is likely to have.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
    #[serde(default)]
    worker: serde_json::Value,
    #[serde(default)]
    items: serde_json::Value,
}

impl Versioned {
    /// Items that are named at most.
    const NAMED: usize = 3;

    /// Whose report it is, and about which items.
    fn about(&self) -> String {
        let items = self.items.as_array().map_or(&[][..], Vec::as_slice);
        let named = items.iter().take(Self::NAMED).map(|item| {
            format!(
                " {}:{}",
                short(item["batch"].as_str()),
                item["index"].as_u64().unwrap_or(0)
            )
        });
        let more = if items.len() > Self::NAMED { " …" } else { "" };
        let worker = short(self.worker.as_str());
        let named: String = named.collect();
        format!(
            "a report of worker {worker} about {} items{named}{more}",
            items.len()
        )
    }
}

/// What became of one attempt at an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReport {
    /// The batch.
    pub batch: BatchId,
    /// The item.
    pub index: ItemIndex,
    /// Which attempt it was.
    pub attempt: u16,
    /// How it went.
    pub verdict: Verdict,
    /// When it began.
    pub started_at: Timestamp,
    /// How long the handler took, in microseconds.
    pub duration_us: u64,
    /// W3C trace context of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// How an attempt went, decided where it is understood: by the handler, or by the worker around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The handler's answer.
    Done(Output),
    /// The item can't succeed, however often it is attempted.
    Fail(ItemError),
    /// The attempt failed; another one may succeed. The last attempt fails the item.
    Retry {
        /// Why it failed.
        error: ItemError,
        /// Not before so many milliseconds have passed. Without it, the backoff of the batch decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
    /// Something else will complete the item by callback. Told again, it renews the time that it has.
    Waiting(Waiting),
    /// The item takes long: the worker goes on with it while its delivery is settled, and says so again before the time
    /// is over. Then the attempt has failed.
    Leased {
        /// For so many milliseconds.
        ttl_ms: u64,
    },
    /// Stopped, or never begun, because its batch is cancelled.
    Cancelled,
    /// Not begun, and given back: its batch is paused, or was given tighter limits.
    Released,
    /// Not begun: workers were lost with it before. It is dispatched again, as another attempt and to run alone.
    Lost,
}

/// How an item waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// For at most so many milliseconds. Without it, and at most, the callback timeout of the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How far it is, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// What it does, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl From<Result<Json, ItemError>> for Verdict {
    /// What a handler that either answers or fails amounts to.
    fn from(answer: Result<Json, ItemError>) -> Self {
        match answer {
            Ok(output) => Self::Done(Output::Inline(output)),
            Err(error) => Self::Fail(error),
        }
    }
}

impl ItemReport {
    /// What `worker` tells the ledger with it.
    #[must_use]
    pub fn into_attempt(self, worker: WorkerId) -> Attempt {
        Attempt {
            batch: self.batch,
            index: self.index,
            attempt: self.attempt,
            verdict: self.verdict,
            started_at: self.started_at,
            duration_us: self.duration_us,
            worker: Some(worker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::ItemErrorKind;

    fn message() -> ItemMessage {
        ItemMessage {
            batch: BatchId(uuid::Uuid::from_u128(7)),
            index: 12,
            attempt: 1,
            max_attempts: 3,
            timeout: Duration::from_secs(30),
            space: Space::default(),
            job_type: "thumb nail".into(),
            pool: Pool::default(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            epoch: 3,
            isolated: true,
            callback: Some("http://127.0.0.1:7400/v1/callbacks/abc".into()),
            input: Json::parse(r#"{"path": "a.png"}"#).unwrap(),
        }
    }

    #[test]
    fn an_item_reads_back() {
        let (headers, body) = message().into_parts();
        let read =
            ItemMessage::from_parts(|name| headers.get(name).cloned(), body.into_string().into_bytes());
        assert_eq!(read, Ok(message()));
    }

    #[test]
    fn a_malformed_item_says_why() {
        let (mut headers, _) = message().into_parts();
        let read = |headers: &Headers, body: &str| {
            ItemMessage::from_parts(|name| headers.get(name).cloned(), body.into())
                .unwrap_err()
                .to_string()
        };
        assert!(read(&headers, "{").contains("not JSON"));
        headers.insert(header::INDEX, "-1".into());
        assert!(read(&headers, "{}").contains("flotilla-index has the value \"-1\""));
        headers.insert(header::INDEX, "1".into());
        headers.insert(header::EPOCH, "last".into());
        assert!(read(&headers, "{}").contains("flotilla-epoch has the value \"last\""));
        headers.insert(header::VERSION, "2".into());
        let other = read(&headers, "{}");
        assert!(
            other.contains("contract version 2") && other.contains(&format!("{}:1", message().batch)),
            "{other}"
        );
    }

    #[test]
    fn the_form_of_a_report_does_not_drift() {
        let item = |index, verdict| ItemReport {
            batch: BatchId(uuid::Uuid::from_u128(7)),
            index,
            attempt: 1,
            verdict,
            started_at: Timestamp::UNIX_EPOCH,
            duration_us: 1_500,
            traceparent: None,
        };
        let report = Report::of_items(
            WorkerId("w-1".into()),
            vec![
                item(
                    0,
                    Verdict::Done(Output::Inline(Json::parse("{\"a\": 1}").unwrap())),
                ),
                item(
                    1,
                    Verdict::Fail(ItemError::new(ItemErrorKind::Timeout, "took over 30 s")),
                ),
            ],
        );
        let verdicts = [
            Verdict::Retry {
                error: ItemError::new(ItemErrorKind::Handler, "HTTP 503"),
                after_ms: Some(2_000),
            },
            Verdict::Waiting(Waiting::default()),
            Verdict::Leased { ttl_ms: 90_000 },
            Verdict::Cancelled,
            Verdict::Released,
            Verdict::Lost,
        ];
        assert_eq!(
            serde_json::to_string(&verdicts).unwrap(),
            r#"[{"retry":{"error":{"kind":"handler","message":"HTTP 503"},"after_ms":2000}},{"waiting":{}},{"leased":{"ttl_ms":90000}},"cancelled","released","lost"]"#
        );
        let body = String::from_utf8(report.encode().unwrap()).unwrap();
        let base = r#""batch":"00000000-0000-0000-0000-000000000007""#;
        let tail = r#""started_at":"1970-01-01T00:00:00Z","duration_us":1500"#;
        assert_eq!(
            body,
            format!(
                r#"{{"v":1,"worker":"w-1","items":[{{{base},"index":0,"attempt":1,"verdict":{{"done":{{"inline":{{"a": 1}}}}}},{tail}}},{{{base},"index":1,"attempt":1,"verdict":{{"fail":{{"kind":"timeout","message":"took over 30 s"}}}},{tail}}}]}}"#
            )
        );
        assert_eq!(Report::decode(body.as_bytes()), Ok(report));
        let other = |body: &str| Report::decode(body.as_bytes()).unwrap_err().to_string();
        assert!(other(r#"{"v":9,"new":true}"#).contains("version 9"));
        assert_eq!(
            other(r#"{"v":2,"worker":"w-1","items":[{"batch":"b","index":7,"how":1}]}"#),
            "malformed message: a report of worker w-1 about 1 items b:7 has contract version 2, and this program speaks 1"
        );
        assert!(Report::decode(b"rubbish").is_err());
    }
}
