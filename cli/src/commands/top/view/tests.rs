use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::time::Instant;

use super::*;
use crate::client::view::BatchView;
use crate::commands::follow::{Update, sample};
use crate::commands::top::keys::Command;
use crate::commands::top::state::Message;

fn batch(id: &str, state: &str, name: &str, change: impl FnOnce(&mut BatchView)) -> BatchView {
    let mut batch = sample(id, state, 312);
    batch.name = Some(name.to_owned());
    batch.percent = 39.0;
    change(&mut batch);
    batch
}

/// A space with something of everything.
fn model() -> (Model, Instant) {
    let now = Instant::now();
    let mut model = Model::new("http://127.0.0.1:7400".to_owned(), "default".to_owned(), now);
    let batches = [
        batch("019a-1", "processing", "nightly import", |b| {
            b.counts.failed = 12;
            b.counts.processing = 80;
            b.rate_per_s = 48.1;
            b.eta = serde_json::from_str(r#"{"low_s": 170, "high_s": 290}"#).unwrap();
        }),
        batch(
            "019a-2",
            "paused",
            "evil \u{1b}[31mname that goes on and on",
            |b| {
                let by = r#"{"reason": "requested", "by": "ann@host", "at": "x"}"#;
                b.paused = serde_json::from_str(by).unwrap();
            },
        ),
        batch("019a-3", "failed", "broken", |b| {
            b.error = Some("51 of 800 items failed".to_owned());
        }),
    ];
    for batch in batches {
        model.update(Message::Feed(Update::Batch(Box::new(batch))), now);
    }
    let workers = r#"{"workers": [
        {"id": "host-4711-a1b2c3", "pools": ["default"], "concurrency": 16, "running": 9, "held": 12, "started_at": "x",
         "version": "0", "doing": [{"batch_id": "019a-1", "job_type": "thumbnail"}, {"batch_id": "019a-1", "job_type": "thumbnail"}]},
        {"id": "host-4712-d4e5f6", "pools": ["default"], "concurrency": 16, "running": 0, "held": 0, "draining": true,
         "started_at": "x", "version": "0"}]}"#;
    model.update(Message::Workers(serde_json::from_str(workers).ok()), now);
    model.update(Message::Tick, now);
    (model, now)
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| -> String { (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>() };
    (0..height)
        .map(|y| line(y).trim_end().to_owned() + "\n")
        .collect()
}

#[tokio::test]
async fn all_of_it_fits_into_80_by_24() {
    let (model, _) = model();
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[tokio::test]
async fn a_wide_screen_says_why_beside_each_batch() {
    let (model, _) = model();
    insta::assert_snapshot!(screen(&model, 140, 24));
}

#[tokio::test]
async fn details_show_what_holds_it_up_and_how_items_failed() {
    let (mut model, now) = model();
    model.update(Message::Command(Command::Details), now);
    let id = model.selected.clone().unwrap();
    let reasons = r#"{"reasons": [{"code": "rate_limit", "count": 400, "detail": "at most 100 items are dispatched per second"}]}"#;
    model.update(
        Message::Reasons(id.clone(), serde_json::from_str(reasons).ok()),
        now,
    );
    let errors = r#"{"errors": [{"fingerprint": "a", "count": 12, "sample": "took longer than 30s"}]}"#;
    model.update(Message::Errors(id, serde_json::from_str(errors).ok()), now);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[tokio::test]
async fn a_question_a_filter_and_a_lost_server_are_seen() {
    let (mut model, now) = model();
    model.update(Message::Command(Command::Cancel), now);
    assert!(screen(&model, 80, 24).contains("cancel nightly import, for good? y/n"));
    model.update(Message::Command(Command::Close), now);
    model.update(Message::Command(Command::Filter), now);
    model.update(Message::Command(Command::Type('x')), now);
    let filtered = screen(&model, 80, 24);
    assert!(filtered.contains("filter: x▏") && filtered.contains("no batch fits the filter"));
    model.update(Message::Command(Command::Close), now);
    model.update(
        Message::Feed(Update::Lost("can't reach http://h".to_owned())),
        now,
    );
    let lost = screen(&model, 80, 24);
    assert!(lost.contains("can't reach http://h: trying again"));
    assert!(lost.contains("nightly"), "what is known stays");
    model.update(Message::Command(Command::Help), now);
    assert!(screen(&model, 80, 24).contains("cancel it, for good (asks)"));
}

/// Whatever the size, nothing panics, and whoever sends names does not steer the terminal.
#[tokio::test]
async fn any_size_will_do() {
    let (mut model, now) = model();
    for details in [false, true] {
        model.shows_details = details;
        for (width, height) in [(1, 1), (5, 3), (20, 8), (79, 19), (80, 24), (200, 60), (400, 100)] {
            for command in [Command::Help, Command::Close, Command::Filter, Command::Close] {
                model.update(Message::Command(command), now);
                assert!(!screen(&model, width, height).contains('\u{1b}'));
            }
            model.shows_details = details;
        }
    }
}

#[test]
fn a_bar_is_full_only_when_all_is_done() {
    assert_eq!(bar(0, 0, 4), "────");
    assert_eq!(bar(0, 100, 4), "────");
    assert_eq!(bar(1, 100, 4), "━───");
    assert_eq!(bar(99, 100, 4), "━━━─");
    assert_eq!(bar(100, 100, 4), "━━━━");
}
