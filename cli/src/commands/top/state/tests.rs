use super::*;
use crate::commands::follow::sample;

fn batch(id: &str, state: &str, change: impl FnOnce(&mut BatchView)) -> BatchView {
    let mut batch = sample(id, state, 100);
    change(&mut batch);
    batch
}

/// A model with these batches.
fn model(batches: Vec<BatchView>) -> (Model, Instant) {
    let now = Instant::now();
    let mut model = Model::new("http://h:1".to_owned(), "default".to_owned(), now);
    for batch in batches {
        let effects = model.update(Message::Feed(Update::Batch(Box::new(batch))), now);
        assert_eq!(effects, []);
    }
    (model, now)
}

fn ids(model: &Model) -> Vec<&str> {
    model.visible().iter().map(|row| row.batch.id.as_str()).collect()
}

fn press(model: &mut Model, now: Instant, command: Command) -> Vec<Effect> {
    model.update(Message::Command(command), now)
}

#[tokio::test]
async fn active_ones_come_first_in_the_order_that_is_chosen() {
    let (mut model, now) = model(vec![
        sample("b-1", "processing", 1),
        batch("b-2", "processing", |b| b.counts.failed = 3),
        batch("b-3", "completed", |b| b.rate_per_s = 9.0),
        batch("b-4", "paused", |b| b.rate_per_s = 2.0),
    ]);
    assert_eq!(ids(&model), ["b-4", "b-2", "b-1", "b-3"], "newest");
    press(&mut model, now, Command::Sort);
    assert_eq!(ids(&model), ["b-4", "b-2", "b-1", "b-3"], "rate");
    press(&mut model, now, Command::Sort);
    assert_eq!(ids(&model), ["b-2", "b-4", "b-1", "b-3"], "failures");
    press(&mut model, now, Command::Sort);
    assert_eq!(ids(&model), ["b-1", "b-4", "b-2", "b-3"], "items left");
}

#[tokio::test]
async fn something_is_always_chosen_and_the_ends_are_ends() {
    let (mut model, now) = model(vec![sample("b-1", "processing", 1), sample("b-2", "pending", 0)]);
    let chosen = |model: &Model| model.selected.clone().unwrap();
    assert_eq!(chosen(&model), "b-1", "it was there first");
    press(&mut model, now, Command::Down);
    assert_eq!(chosen(&model), "b-1", "the last one");
    press(&mut model, now, Command::Up);
    assert_eq!(chosen(&model), "b-2");
    press(&mut model, now, Command::Last);
    assert_eq!(chosen(&model), "b-1");
    model.update(Message::Feed(Update::Gone("b-1".to_owned())), now);
    assert_eq!(chosen(&model), "b-2");
    model.update(Message::Feed(Update::Gone("b-2".to_owned())), now);
    assert_eq!(model.selected, None);
    for command in [Command::Down, Command::Pause, Command::Cancel, Command::Details] {
        assert_eq!(
            press(&mut model, now, command),
            [],
            "there is nothing to do it to"
        );
    }
}

#[tokio::test]
async fn a_filter_looks_at_all_that_names_a_batch() {
    let (mut model, now) = model(vec![
        batch("b-1", "processing", |b| b.name = Some("Nightly".to_owned())),
        sample("b-2", "paused", 0),
    ]);
    press(&mut model, now, Command::Filter);
    for typed in "night".chars() {
        press(&mut model, now, Command::Type(typed));
    }
    assert_eq!(ids(&model), ["b-1"]);
    press(&mut model, now, Command::Accept);
    assert_eq!(
        (model.mode.clone(), model.filter.as_str()),
        (Mode::Normal, "night")
    );
    press(&mut model, now, Command::Close);
    assert_eq!(ids(&model).len(), 2, "esc takes it away");
    model.filter = "paus".to_owned();
    assert_eq!(ids(&model), ["b-2"], "states count, too");
}

#[tokio::test]
async fn p_pauses_and_resumes() {
    let act = |action| {
        [Effect::Ask(Wish::Act {
            id: "b".to_owned(),
            action,
        })]
    };
    let (mut running, now) = model(vec![sample("b", "processing", 1)]);
    assert_eq!(press(&mut running, now, Command::Pause), act("pause"));
    let (mut paused, now) = model(vec![sample("b", "paused", 1)]);
    assert_eq!(press(&mut paused, now, Command::Pause), act("resume"));
    let (mut ended, now) = model(vec![sample("b", "completed", 800)]);
    assert_eq!(press(&mut ended, now, Command::Pause), []);
    assert_eq!(ended.notice(), Some("b: it has ended"));
}

#[tokio::test]
async fn what_can_not_be_taken_back_is_asked_first() {
    let (mut model, now) = model(vec![batch("b", "processing", |b| b.counts.failed = 2)]);
    assert_eq!(press(&mut model, now, Command::Cancel), []);
    assert!(matches!(&model.mode, Mode::Confirm(question) if question.text == "cancel b, for good?"));
    assert_eq!(press(&mut model, now, Command::Close), [], "no");
    assert_eq!(model.mode, Mode::Normal);
    for (command, action) in [(Command::Cancel, "cancel"), (Command::Retry, "retry")] {
        press(&mut model, now, command);
        let yes = press(&mut model, now, Command::Yes);
        assert_eq!(
            yes,
            [Effect::Ask(Wish::Act {
                id: "b".to_owned(),
                action
            })]
        );
    }
    assert_eq!(press(&mut model, now, Command::Yes), [], "nothing was asked");
}

#[tokio::test]
async fn the_batch_that_was_asked_about_is_the_one_that_is_cancelled() {
    let (mut model, now) = model(vec![sample("b-1", "processing", 1)]);
    press(&mut model, now, Command::Cancel);
    // It goes, and another one is chosen, before the answer.
    model.update(
        Message::Feed(Update::Batch(Box::new(sample("b-2", "processing", 1)))),
        now,
    );
    model.update(Message::Feed(Update::Gone("b-1".to_owned())), now);
    assert_eq!(model.selected.as_deref(), Some("b-2"));
    let id = "b-1".to_owned();
    let yes = press(&mut model, now, Command::Yes);
    assert_eq!(yes, [Effect::Ask(Wish::Act { id, action: "cancel" })]);
}

#[tokio::test]
async fn only_failed_items_run_again() {
    let (mut model, now) = model(vec![sample("b", "completed", 800)]);
    press(&mut model, now, Command::Retry);
    assert_eq!(
        (&model.mode, model.notice()),
        (&Mode::Normal, Some("b: no item of it has failed"))
    );
}

#[tokio::test]
async fn a_limit_moves_by_a_tenth_and_never_to_nothing() {
    let limit = |limit, command| {
        let (mut model, now) = model(vec![batch("b", "processing", |b| {
            b.concurrency = limit;
            b.counts.queued = 50;
        })]);
        match press(&mut model, now, command).pop() {
            Some(Effect::Ask(Wish::Limit { concurrency, .. })) => Some(concurrency),
            _ => None,
        }
    };
    assert_eq!(limit(Some(4), Command::More), Some(5));
    assert_eq!(limit(Some(200), Command::More), Some(220));
    assert_eq!(limit(Some(200), Command::Less), Some(180));
    assert_eq!(limit(Some(1), Command::Less), None);
    assert_eq!(limit(None, Command::More), None, "there is no more than all");
    assert_eq!(limit(None, Command::Less), Some(45), "from what is in flight");
}

#[tokio::test]
async fn what_happens_by_itself_happens_once() {
    let (mut model, now) = model(vec![sample("b", "processing", 1)]);
    let at = |seconds| now + Duration::from_secs(seconds);
    let asked = |effects: Vec<Effect>| -> Vec<Wish> {
        let wishes = effects.into_iter().filter_map(|effect| match effect {
            Effect::Ask(wish) => Some(wish),
            _ => None,
        });
        wishes.collect()
    };
    assert_eq!(asked(model.update(Message::Tick, at(0))), [Wish::Workers]);
    assert_eq!(
        asked(model.update(Message::Tick, at(3))),
        [],
        "not before it was answered"
    );
    model.update(Message::Workers(None), at(3));
    assert_eq!(asked(model.update(Message::Tick, at(3))), [Wish::Workers]);
    let why = Wish::Reasons("b".to_owned());
    assert_eq!(
        asked(model.update(Message::Tick, at(5))),
        [why],
        "it does not move"
    );
    let details = press(&mut model, at(5), Command::Details);
    let (errors, reasons) = (Wish::Errors("b".to_owned()), Wish::Reasons("b".to_owned()));
    assert_eq!(asked(details), [errors, reasons]);
    assert_eq!(asked(model.update(Message::Tick, at(6))), []);
}

#[tokio::test]
async fn a_server_that_is_away_is_said_until_it_is_back() {
    let (mut model, now) = model(vec![sample("b", "processing", 1)]);
    model.update(Message::Feed(Update::Lost("can't reach it".to_owned())), now);
    assert_eq!(model.lost.as_deref(), Some("can't reach it"));
    assert_eq!(ids(&model), ["b"], "what is known stays");
    model.update(Message::Feed(Update::Found), now);
    assert_eq!(model.lost, None);
}

#[tokio::test]
async fn what_was_refused_is_said_for_a_while() {
    let (mut model, now) = model(vec![sample("b", "processing", 1)]);
    model.update(Message::Done(Err("the batch has ended".to_owned())), now);
    assert_eq!(model.notice(), Some("the batch has ended"));
    model.update(Message::Tick, now + NOTICE);
    assert_eq!(model.notice(), None);
}

#[tokio::test]
async fn it_can_run_for_weeks() {
    let (mut model, now) = model(
        (0..ENDED + 50)
            .map(|n| sample(&format!("b-{n:04}"), "completed", 800))
            .collect(),
    );
    assert_eq!(model.visible().len(), ENDED);
    for second in 0..1_000 {
        model.update(Message::Tick, now + Duration::from_secs(second));
    }
    assert_eq!(model.rates.len(), SAMPLES);
}

#[tokio::test]
async fn the_totals_are_of_what_is_active() {
    let (mut model, now) = model(vec![
        batch("b-1", "processing", |b| {
            b.rate_per_s = 7.5;
            b.counts.pending = 600;
            b.counts.processing = 100;
        }),
        batch("b-2", "paused", |b| b.rate_per_s = 100.0),
        batch("b-3", "completed", |b| b.counts.failed = 9),
    ]);
    let workers = r#"{"workers": [{"id": "w", "pools": ["default"], "concurrency": 16, "running": 3, "held": 5,
        "started_at": "x", "version": "0"}]}"#;
    model.update(Message::Workers(serde_json::from_str(workers).ok()), now);
    let totals = model.totals();
    assert_eq!(
        (totals.active, totals.running, totals.backlog, totals.failed),
        (2, 100, 1_300, 0)
    );
    assert_eq!(
        (totals.rate, totals.slots),
        (7.5, (3, 16)),
        "what is paused does not move"
    );
}
