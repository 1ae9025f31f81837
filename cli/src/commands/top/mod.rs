//! `flotilla top`: the whole space on one screen.
//!
//! * [`state`] is what is known and chosen; it changes by messages alone, and answers what is to be done.
//! * [`keys`] turns keys into commands, [`view`] the state into a screen.
//! * [`effects`] asks the server; [`terminal`] takes the screen, and gives it back however this ends.

mod effects;
mod keys;
mod state;
mod terminal;
mod view;

use std::future::Future;
use std::io::{IsTerminal, Write, stdout};
use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::state::{Effect, Message, Model};
use self::terminal::Screen;
use super::follow::{Feed, Scope};
use crate::client::{Client, ServerArgs};
use crate::exit::Exit;

/// How often the screen is drawn, at most, unless a key was pressed.
const FRAME: Duration = Duration::from_millis(100);

const KEYS: &str = "\
Keys: up, down, j, k choose a batch; enter shows its details; p pauses and resumes, c cancels, r runs failed items again;
+ and - change how many items are in flight at once; / filters, s sorts, ? helps, q ends.";

/// Shows the batches and the workers of a space on the whole screen, and steers them with keys.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(crate) struct Top {
    #[command(flatten)]
    server: ServerArgs,
}

impl Top {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        anyhow::ensure!(
            stdout().is_terminal() && std::io::stdin().is_terminal(),
            "top needs a terminal; in a pipe or a script use `flotilla watch`, with --output json for programs"
        );
        let client = self.server.client()?;
        let mut feed = Feed::new(&client, Scope::Space { ended: true }).endless();
        // Before the screen is taken: if nobody answers, that is all there is to say.
        let first = feed.next().await?;
        let now = Instant::now();
        let mut model = Model::new(client.to_string(), self.server.space().to_owned(), now);
        model.update(Message::Feed(first), now);
        let mut screen = Screen::take().context("can't take the screen")?;
        let ended = watch(&client, feed, model, &mut screen).await;
        drop(screen);
        ended
    }
}

async fn watch<W: Write>(
    client: &Client,
    feed: Feed,
    mut model: Model,
    screen: &mut Screen<W>,
) -> Result<Exit> {
    let mut terminate = signal(SignalKind::terminate()).context("can't handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't handle SIGINT")?;
    let (mut feed, mut keys) = (pin!(feed.into_stream()), EventStream::new());
    let mut asked: FuturesUnordered<Pin<Box<dyn Future<Output = Message> + '_>>> = FuturesUnordered::new();
    let mut frame = interval(FRAME);
    frame.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_stale = true;
    loop {
        let message = tokio::select! {
            _ = frame.tick() => {
                if std::mem::take(&mut is_stale) {
                    screen.draw(|frame| view::draw(frame, &model))?;
                }
                Message::Tick
            }
            key = keys.next() => match key.context("the terminal is gone")?? {
                Event::Key(key) => match keys::command(&model.mode, key) {
                    Some(command) => Message::Command(command),
                    None => continue,
                },
                Event::Resize(..) => Message::Resized,
                _ => continue,
            },
            Some(update) = feed.next() => Message::Feed(update?),
            Some(answer) = asked.next() => answer,
            _ = terminate.recv() => return Ok(Exit::Terminated),
            _ = interrupt.recv() => return Ok(Exit::Interrupted),
        };
        let is_urgent = matches!(message, Message::Command(_) | Message::Resized);
        is_stale |= !matches!(message, Message::Tick);
        for effect in model.update(message, Instant::now()) {
            match effect {
                Effect::Quit(exit) => return Ok(exit),
                Effect::Ask(question) => asked.push(Box::pin(effects::ask(client, question))),
                Effect::Draw => is_stale = true,
            }
        }
        if is_urgent {
            is_stale = false;
            screen.draw(|frame| view::draw(frame, &model))?;
        }
    }
}
