//! What travels over the broker. `docs/amqp.md` is the contract for workers in other languages; the types here are it.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::attempt::Attempt;
use crate::ids::{BatchId, InvalidName, ItemIndex, Pool, Space, WorkerId};
use crate::json::Json;
use crate::outcome::{ItemError, Output};
use crate::worker::WorkerStatus;

/// The version of the contract for items. A message of another version is not touched by this program.
pub const VERSION: u32 = 2;

/// The version of the contract for reports, likewise.
pub const REPORT_VERSION: u32 = 1;

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

    /// Writes the [envelope](header::ENVELOPE): JSON on one line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_envelope(&self, out: impl io::Write) -> serde_json::Result<()> {
        let long = self.job_type.len() > MAX_PROPERTY;
        let envelope = Envelope {
            v: VERSION,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            space: Cow::Borrowed(self.space.as_str()),
            pool: Cow::Borrowed(self.pool.as_str()),
            epoch: self.epoch,
            isolated: self.isolated,
            callback: self.callback.as_deref().map(Cow::Borrowed),
            job_type: long.then_some(Cow::Borrowed(&self.job_type)),
        };
        serde_json::to_writer(out, &envelope)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Where a part is missing or malformed, the version is another one, or the body is not JSON.
    pub fn from_parts(parts: &Parts<'_>, body: Vec<u8>) -> Result<Self, Malformed> {
        let missing = |what: &str| Malformed(format!("{what} is missing"));
        let Some(envelope) = parts.envelope else {
            let about = format!("item {}", short(parts.message_id));
            let older = parts
                .older
                .map(|version| Malformed::of_version(version, &about, VERSION));
            return Err(older.unwrap_or_else(|| missing("header flotilla")));
        };
        let envelope = Envelope::read(envelope, parts.message_id)?;
        let id = parts
            .message_id
            .ok_or_else(|| missing("the property message_id"))?;
        let (batch, index) = id
            .rsplit_once(':')
            .and_then(|(batch, index)| Some((batch.parse().ok()?, index.parse().ok()?)))
            .ok_or_else(|| Malformed(format!("message_id {} is not BATCH:INDEX", short(Some(id)))))?;
        let name = |name: &str, error: InvalidName| Malformed(format!("header flotilla: {name}: {error}"));
        let job_type = envelope.job_type.as_deref().or(parts.job_type);
        Ok(Self {
            batch,
            index,
            attempt: envelope.attempt,
            max_attempts: envelope.max_attempts,
            timeout: Duration::from_millis(envelope.timeout_ms),
            space: envelope.space.parse().map_err(|error| name("space", error))?,
            pool: envelope.pool.parse().map_err(|error| name("pool", error))?,
            job_type: job_type.ok_or_else(|| missing("the property type"))?.to_owned(),
            traceparent: parts.traceparent.map(str::to_owned),
            epoch: envelope.epoch,
            isolated: envelope.isolated,
            callback: envelope.callback.map(Cow::into_owned),
            input: Json::parse_bytes(body)
                .map_err(|error| Malformed(format!("the body is not JSON: {error}")))?,
        })
    }
}

/// The longest text that a property of a message can hold, in bytes: AMQP's short string.
pub const MAX_PROPERTY: usize = 255;

/// What an item's message consists of, beside its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts<'a> {
    /// The property `message_id`: the [key](ItemMessage::key).
    pub message_id: Option<&'a str>,
    /// The property `type`: the job type, unless it is longer than [`MAX_PROPERTY`].
    pub job_type: Option<&'a str>,
    /// The header [`header::ENVELOPE`].
    pub envelope: Option<&'a [u8]>,
    /// The header [`header::TRACEPARENT`].
    pub traceparent: Option<&'a str>,
    /// The header that told the version before there was an envelope.
    pub older: Option<u32>,
}

/// The header [`header::ENVELOPE`], as JSON. One header, because a broker takes every one of them apart: with nine, that
/// was a third of what an item cost it.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<'a> {
    v: u32,
    attempt: u16,
    max_attempts: u16,
    timeout_ms: u64,
    #[serde(borrow)]
    space: Cow<'a, str>,
    #[serde(borrow)]
    pool: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    epoch: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    isolated: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    callback: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    job_type: Option<Cow<'a, str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl<'a> Envelope<'a> {
    fn read(json: &'a [u8], message_id: Option<&str>) -> Result<Self, Malformed> {
        /// As much of it as every version is likely to have.
        #[derive(Deserialize)]
        struct Versioned {
            v: u32,
        }
        match serde_json::from_slice::<Self>(json) {
            Ok(envelope) if envelope.v == VERSION => Ok(envelope),
            // Another version may well have another shape: say that first.
            other => match serde_json::from_slice::<Versioned>(json) {
                Ok(other) if other.v != VERSION => {
                    let about = format!("item {}", short(message_id));
                    Err(Malformed::of_version(other.v, &about, VERSION))
                }
                _ => other.map_err(|error| Malformed(format!("header flotilla: {error}"))),
            },
        }
    }
}

/// The names of headers.
pub mod header {
    /// What is to be known of the attempt, as JSON.
    pub const ENVELOPE: &str = "flotilla";
    /// W3C trace context. Absent where there is none.
    pub const TRACEPARENT: &str = "traceparent";
    /// The version of a message that is older than the envelope.
    pub const OLDER_VERSION: &str = "flotilla-version";
}

/// A message that does not follow the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub String);

impl Malformed {
    /// A message of another version, and what it is about, for the person who has to find out who sent it.
    fn of_version(version: u32, about: &str, spoken: u32) -> Self {
        Self(format!(
            "{about} has contract version {version}, and this program speaks {spoken}"
        ))
    }
}

/// What a worker publishes to a report queue: outcomes of one shard, or a heartbeat, which goes to shard 0. JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
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
            v: REPORT_VERSION,
            worker,
            items,
            heartbeat: None,
        }
    }

    /// A heartbeat.
    #[must_use]
    pub fn of_heartbeat(status: WorkerStatus) -> Self {
        Self {
            v: REPORT_VERSION,
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
            Ok(report) if report.v == REPORT_VERSION => Ok(report),
            // Another version may well have another shape: say that first.
            other => match serde_json::from_slice::<Versioned>(body) {
                Ok(other) if other.v != REPORT_VERSION => {
                    Err(Malformed::of_version(other.v, &other.about(), REPORT_VERSION))
                }
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
    /// Files that came of it, where it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
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
            artifacts: self.artifacts,
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

    fn envelope(message: &ItemMessage) -> String {
        let mut json = Vec::new();
        message.write_envelope(&mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    fn read(message: &ItemMessage, envelope: &str, body: &str) -> Result<ItemMessage, Malformed> {
        let key = message.key();
        let parts = Parts {
            message_id: Some(&key),
            job_type: Some(&message.job_type)
                .filter(|name| name.len() <= MAX_PROPERTY)
                .map(String::as_str),
            envelope: Some(envelope.as_bytes()),
            traceparent: message.traceparent.as_deref(),
            older: None,
        };
        ItemMessage::from_parts(&parts, body.into())
    }

    #[test]
    fn an_item_reads_back() {
        let long = ItemMessage {
            job_type: "x".repeat(300),
            ..message()
        };
        for message in [message(), long] {
            let json = envelope(&message);
            assert_eq!(read(&message, &json, message.input.as_str()), Ok(message));
        }
    }

    #[test]
    fn the_form_of_an_envelope_does_not_drift() {
        let full = envelope(&message());
        assert_eq!(
            full,
            r#"{"v":2,"attempt":1,"max_attempts":3,"timeout_ms":30000,"space":"default","pool":"default","epoch":3,"isolated":true,"callback":"http://127.0.0.1:7400/v1/callbacks/abc"}"#
        );
        let plain = ItemMessage {
            epoch: 0,
            isolated: false,
            callback: None,
            ..message()
        };
        assert_eq!(
            envelope(&plain),
            r#"{"v":2,"attempt":1,"max_attempts":3,"timeout_ms":30000,"space":"default","pool":"default"}"#
        );
        let more = full.replace("\"v\":2", "\"v\":2,\"colour\":[\"red\"]");
        assert_eq!(
            read(&message(), &more, "{\"path\": \"a.png\"}"),
            Ok(message()),
            "unknown fields are ignored"
        );
    }

    #[test]
    fn a_malformed_item_says_why() {
        let json = envelope(&message());
        let why = |json: &str, body: &str| read(&message(), json, body).unwrap_err().to_string();
        assert!(why(&json, "{").contains("not JSON"));
        let negative = json.replace("\"attempt\":1", "\"attempt\":-1");
        assert!(why(&negative, "{}").contains("header flotilla: invalid value: integer `-1`"));
        let elsewhere = json.replace("\"space\":\"default\"", "\"space\":\"A/B\"");
        assert!(why(&elsewhere, "{}").contains("header flotilla: space"));
        let newer = why(r#"{"v":3,"shape":"round"}"#, "{}");
        assert!(
            newer.contains(&format!("item {} has contract version 3", message().key())),
            "{newer}"
        );
        let missing = |parts: &Parts<'_>| {
            ItemMessage::from_parts(parts, b"{}".to_vec())
                .unwrap_err()
                .to_string()
        };
        let parts = Parts {
            message_id: Some("x:1"),
            envelope: Some(json.as_bytes()),
            ..Parts::default()
        };
        assert!(missing(&parts).contains("message_id x:1 is not BATCH:INDEX"));
        assert!(missing(&Parts::default()).contains("header flotilla is missing"));
        let key = message().key();
        let untyped = Parts {
            message_id: Some(&key),
            ..parts
        };
        assert!(missing(&untyped).contains("the property type is missing"));
        let older = Parts {
            older: Some(1),
            envelope: None,
            ..untyped
        };
        assert!(missing(&older).contains("contract version 1, and this program speaks 2"));
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
            artifacts: Vec::new(),
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
    /// Old and new processes understand each other: without files nothing is new, and what is unknown is ignored.
    #[test]
    fn files_travel_with_the_report_of_an_item() {
        let mut report = ItemReport {
            batch: BatchId(uuid::Uuid::from_u128(7)),
            index: 1,
            attempt: 1,
            verdict: Verdict::Done(Output::Inline(Json::null())),
            started_at: Timestamp::UNIX_EPOCH,
            duration_us: 1,
            traceparent: None,
            artifacts: Vec::new(),
        };
        let plain = serde_json::to_string(&report).unwrap();
        assert!(!plain.contains("artifacts"), "{plain}");
        assert_eq!(serde_json::from_str::<ItemReport>(&plain).unwrap(), report);
        report.artifacts.push(Artifact {
            name: "a/b.png".into(),
            key: "exports/default/7/1/x/a/b.png".into(),
            bytes: 5,
            media_type: "image/png".into(),
            sha256: "00ff".into(),
        });
        let full = serde_json::to_string(&report).unwrap();
        assert!(
            full.ends_with(
                r#","artifacts":[{"name":"a/b.png","key":"exports/default/7/1/x/a/b.png","bytes":5,"media_type":"image/png","sha256":"00ff"}]}"#
            ),
            "{full}"
        );
        assert_eq!(serde_json::from_str::<ItemReport>(&full).unwrap(), report);
        let attempt = report.clone().into_attempt(WorkerId("w-1".into()));
        assert_eq!(attempt.artifacts, report.artifacts);
    }
}
