//! What the tests share.

pub(crate) mod broker;
pub(crate) mod flaky;
pub(crate) mod fleet;
pub(crate) mod progress;

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use flotilla_core::job_type::ExecSpec;
use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::{BatchId, Json, Pool, Shutdown, Space};
use flotilla_worker::{Handler, ItemContext, attempt};

/// Long enough for a slow machine, short enough to fail a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An item with `input`, whose attempt may take `timeout`.
pub(crate) fn message(index: u32, input: &str, timeout: Duration) -> ItemMessage {
    ItemMessage {
        batch: BatchId(uuid::Uuid::from_u128(7)),
        index,
        attempt: 2,
        max_attempts: 3,
        timeout,
        space: Space::default(),
        job_type: "test".into(),
        pool: Pool::default(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        epoch: 0,
        isolated: false,
        callback: None,
        input: Json::parse(input).unwrap(),
    }
}

/// Makes an attempt as a worker does.
pub(crate) async fn judge(handler: &dyn Handler, message: &ItemMessage) -> Verdict {
    let (item, shutdown) = (ItemContext::new(message), Shutdown::new());
    let attempt = attempt(handler, &item, &message.input, pending(), &shutdown);
    attempt.await.unwrap()
}

/// The output of an attempt, or its error, whether or not another attempt may help.
pub(crate) async fn run_within(
    handler: &dyn Handler,
    input: &str,
    timeout: Duration,
) -> Result<String, ItemError> {
    match judge(handler, &message(12, input, timeout)).await {
        Verdict::Done(Output::Inline(output)) => Ok(output.as_str().to_owned()),
        Verdict::Fail(error) | Verdict::Retry { error, .. } => Err(error),
        other => panic!("unexpected {other:?}"),
    }
}

/// The same, with a timeout that only a hanging handler reaches.
pub(crate) async fn run(handler: &dyn Handler, input: &str) -> Result<String, ItemError> {
    run_within(handler, input, PATIENCE).await
}

/// True where another attempt at an item with `input` may help; it must fail.
pub(crate) async fn may_pass(handler: &dyn Handler, input: &str) -> bool {
    match judge(handler, &message(12, input, PATIENCE)).await {
        Verdict::Retry { .. } => true,
        Verdict::Fail(_) => false,
        other => panic!("unexpected {other:?}"),
    }
}

/// The message of an attempt that must fail in this way.
pub(crate) fn failure(answer: Result<String, ItemError>, kind: ItemErrorKind) -> String {
    let error = answer.expect_err("should have failed");
    assert_eq!(error.kind, kind, "{}", error.message);
    error.message
}

/// `script` as a job type's shell command, run in `dir`.
pub(crate) fn shell(dir: &Path, script: &str) -> ExecSpec {
    ExecSpec {
        shell: true,
        dir: Some(dir.to_owned()),
        ..ExecSpec::new(vec![script.to_owned()])
    }
}

/// The process id that a script has written to `file`.
pub(crate) async fn pid(file: &Path) -> i32 {
    eventually("a script to write its process id", || {
        let text = std::fs::read_to_string(file).ok()?;
        text.strip_suffix('\n')?.trim().parse().ok()
    })
    .await
}

/// True while process `pid` runs: a zombie that init has not reaped yet does not.
pub(crate) fn runs(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .starts_with(['Z', 'X'])
    })
}

/// Waits until `check` answers something.
pub(crate) async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            match check() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, poll)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
