//! The page of a batch says why it does not move: every reason, as somebody meets it who has never seen the page.

use flotilla_core::explain::Code;
use flotilla_tests::eventually_ok;
use serde_json::{Value, json};

use crate::accessible::{READY, violations};
use crate::browser::Browser;
use crate::fleet::STARTUP;
use crate::stage::{Place, Stage};

/// What stands beside a reason.
enum Remedy {
    /// There is nothing to do but wait.
    None,
    /// A button that lets the batch go on, and where it stands then.
    Button(&'static str, &'static str),
    /// A button that leads to a field of the page.
    Field(&'static str),
    /// A link, and where it leads.
    Link(&'static str, &'static str),
}

fn headline(code: Code) -> &'static str {
    match code {
        Code::Uploading => "Still being uploaded",
        Code::NotSealed => "Open for more items",
        Code::Paused => "Paused",
        Code::Cancelling => "Being stopped",
        Code::NotStarted => "Not started yet",
        Code::Canary => "Waiting for a first look",
        Code::ConcurrencyLimit => "At its own limit",
        Code::RateLimit => "At its own rate",
        Code::SpaceLimit => "At the limit of its space",
        Code::JobTypeLimit => "At the limit of its job type",
        Code::TenantShare => "Waiting for its turn",
        Code::FleetBusy => "All workers are busy",
        Code::NoWorker => "No worker is there",
        Code::Backoff => "Resting before another attempt",
        Code::WaitingForCallbacks => "Waiting for somebody else",
        Code::Ready => "About to be sent",
        Code::Queued => "On the way to a worker",
        Code::Running => "Running",
    }
}

/// What it is, and what comes next or would help.
fn sentences(code: Code) -> [&'static str; 2] {
    match code {
        Code::Uploading => [
            "the request that creates it has not ended",
            "when all of it is here",
        ],
        Code::NotSealed => ["it takes more items, and starts when it is sealed.", "Seal it"],
        Code::Paused => ["paused by ann, since", "until it is resumed"],
        Code::Cancelling => [
            "what is left of it is being stopped",
            "when the grace time is over",
        ],
        Code::NotStarted => ["it starts at", "That is in 12 h"],
        Code::Canary => ["until somebody has looked at them", "Then resume it"],
        Code::ConcurrencyLimit => ["3 of at most 3 items are in flight", "can be raised now"],
        Code::RateLimit => [
            "at most 0.01 items are dispatched per second",
            "The next one goes in",
        ],
        Code::SpaceLimit => [
            "2 of at most 2 items of all batches of the space trial",
            "as those end",
        ],
        Code::JobTypeLimit => [
            "2 of at most 2 items of all batches of the job type geocode",
            "as those end",
        ],
        Code::TenantShare => ["spaces and batches take turns", "more workers would help"],
        Code::FleetBusy => [
            "the workers run 2 at once; more workers would help",
            "go as others end",
        ],
        Code::NoWorker => [
            "no worker of the pool gpu is there",
            "flotilla worker --pools gpu",
        ],
        Code::Backoff => ["rest until the next one", "The first of them is due in"],
        Code::WaitingForCallbacks => ["wait for something else to call back", "until when it waits"],
        Code::Ready => ["the live view does not answer", "an engine may be away"],
        Code::Queued => ["wait there until it has room", ""],
        Code::Running => ["workers run them", ""],
    }
}

/// How many items it holds. `None` where that is a matter of chance: as many as the API says.
fn items(code: Code) -> Option<u64> {
    match code {
        Code::Uploading | Code::FleetBusy | Code::Ready => None,
        Code::Cancelling => Some(2),
        Code::NotSealed | Code::TenantShare => Some(3),
        Code::Running => Some(4),
        Code::WaitingForCallbacks => Some(6),
        Code::Queued => Some(7),
        Code::NoWorker | Code::Backoff => Some(8),
        Code::Paused | Code::NotStarted => Some(12),
        Code::RateLimit => Some(19),
        Code::SpaceLimit => Some(23),
        Code::JobTypeLimit => Some(28),
        Code::ConcurrencyLimit => Some(37),
        Code::Canary => Some(48),
    }
}

fn remedy(code: Code) -> Remedy {
    match code {
        Code::Uploading => Remedy::None,
        Code::NotSealed => Remedy::Button("Seal", "completed"),
        Code::Paused => Remedy::Button("Resume", "pending"),
        Code::NotStarted => Remedy::Button("Run now", "completed"),
        Code::ConcurrencyLimit => Remedy::Field("concurrency"),
        Code::RateLimit => Remedy::Field("rate"),
        Code::Canary => Remedy::Link("First items", "/items"),
        Code::SpaceLimit => Remedy::Link("Batches of the space", "#/batches?space=trial&state=processing"),
        Code::JobTypeLimit => Remedy::Link("Job types", "#/job-types"),
        Code::Backoff => Remedy::Link("Resting items", "/items?state=retrying"),
        Code::WaitingForCallbacks => Remedy::Link("Waiting items", "/items?state=waiting"),
        Code::Queued => Remedy::Link("Queued items", "/items?state=queued"),
        Code::Cancelling
        | Code::TenantShare
        | Code::FleetBusy
        | Code::NoWorker
        | Code::Ready
        | Code::Running => Remedy::Link("Workers", "#/workers"),
    }
}

/// The element that tells it, in JavaScript.
fn row_of(code: Code) -> String {
    format!("document.querySelector('[data-reason={code}]')")
}

async fn explained(stage: &Stage, place: &Place) -> Value {
    let path = format!("/v1/batches/{}/explain?space={}", place.id, place.space);
    stage.client().json(&path).await["reasons"].take()
}

/// Waits until the page tells the reason, with as many items as the API says.
pub(crate) async fn sees_reason(browser: &Browser, stage: &Stage, place: &Place, code: Code) {
    let shown = format!("return {}?.textContent", row_of(code));
    let [detail, help] = sentences(code);
    eventually_ok(&format!("the page to tell {code}"), STARTUP, || async {
        let reasons = explained(stage, place).await;
        let count = reasons
            .as_array()
            .into_iter()
            .flatten()
            .filter(|reason| reason["code"] == code.as_str())
            .find_map(|reason| reason["count"].as_u64());
        let as_meant = count.is_some() && items(code).is_none_or(|items| Some(items) == count);
        let many = format!("{} item", thousands(count.unwrap_or_default()));
        let row = browser.script(&shown, json!([])).await?;
        let row = row.as_str().unwrap_or_default();
        let parts = [headline(code), &many, detail, help];
        if as_meant && parts.iter().all(|part| row.contains(part)) {
            return Ok(());
        }
        Err(format!("{row:?} for {reasons} on {}", browser.text().await))
    })
    .await;
}

/// As the page writes numbers.
fn thousands(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        _ => format!("{},{:03}", n / 1_000, n % 1_000),
    }
}

/// What stands beside the reason does what it says.
async fn remedy_helps(browser: &Browser, code: Code) {
    let (css, row) = (format!("[data-reason={code}]"), row_of(code));
    match remedy(code) {
        Remedy::None => {
            browser
                .until(&format!("{row}.querySelector('a, button') === null"))
                .await;
        }
        Remedy::Button(name, then) => {
            browser
                .until(&format!("{row}.querySelector('button').textContent === '{name}'"))
                .await;
            browser.click(&format!("{css} button")).await;
            becomes(browser, then).await;
        }
        Remedy::Field(id) => {
            browser.click(&format!("{css} button")).await;
            browser
                .until(&format!("document.activeElement.id === '{id}'"))
                .await;
        }
        Remedy::Link(name, place) => {
            browser
                .until(&format!("{row}.querySelector('a').textContent === '{name}'"))
                .await;
            browser.click(&format!("{css} a")).await;
            // The space may stand between them.
            let (path, query) = place.split_once('?').unwrap_or((place, ""));
            browser
                .until(&format!(
                    "['{path}', '{query}'].every((part) => location.hash.includes(part))"
                ))
                .await;
        }
    }
}

async fn becomes(browser: &Browser, state: &str) {
    browser
        .until(&format!(
            "document.querySelector('.sub .state')?.textContent === '{state}'"
        ))
        .await;
}

/// The command in the reason is taken as it is told, and helps.
async fn what_it_says_to_run_helps(browser: &Browser, stage: &Stage, place: &Place) {
    let reasons = explained(stage, place).await;
    let detail = reasons[0]["detail"].as_str().expect("a sentence");
    let (_, command) = detail.split_once(": flotilla ").expect("a command");
    let arguments: Vec<&str> = command.split(' ').collect();
    browser.open(&place.hash()).await;
    let worker = stage.system.hire(&arguments, "gpu").await;
    becomes(browser, "completed").await;
    drop(worker);
}

/// The overview names the first reason in the same words.
async fn overview_agrees(browser: &Browser, place: &Place, code: Code) {
    browser.open(&format!("#/?space={}", place.space)).await;
    let row = format!(".attention li:has(a[href*=\"{}\"]) .why b", place.id);
    let told = headline(code);
    browser
        .until(&format!(
            "document.querySelector('{row}')?.textContent === '{told}'"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_why_a_batch_does_not_move() {
    let mut stage = Stage::set().await;
    let browser = Browser::start(&stage.client().server).await;
    let mut found = Vec::new();
    for code in Stage::order() {
        let place = stage.bring_about(code).await;
        if code == Code::Paused {
            overview_agrees(&browser, &place, code).await;
        }
        browser.open(&place.hash()).await;
        sees_reason(&browser, &stage, &place, code).await;
        browser.until(READY).await;
        let violations = violations(&browser).await;
        found.extend(violations.as_array().into_iter().flatten().map(Value::to_string));
        remedy_helps(&browser, code).await;
        if code == Code::NoWorker {
            what_it_says_to_run_helps(&browser, &stage, &place).await;
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    browser.end().await;
    stage.end().await;
}
