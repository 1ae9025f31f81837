//! What listeners cost, and how far behind they are: thousands that hear nothing, and one that hears a batch run at full
//! speed while they are there.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use flotilla_core::{Clock as _, SystemClock};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::fleet::{Batch, Fleet, PATIENCE, Size, ndjson};
use crate::report::Report;
use crate::stage::Stage;
use crate::usage::Usage;

/// Connections that are made at once.
const AT_ONCE: usize = 64;
/// How long nothing happens while the CPU of listeners is counted. Longer than two heartbeats.
const SILENCE: Duration = Duration::from_secs(40);

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Clients that listen to a space in which nothing happens.
    #[arg(long, default_value_t = 9_900)]
    listeners: usize,
    /// Items of the batch that somebody watches.
    #[arg(long, default_value_t = 300_000)]
    items: u32,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let fleet = Fleet::start(&stage, args.size).await?;
    let mut report = Report::new("listeners", "ms, kB, %");
    watched(&fleet, args, "alone", &mut report).await?;

    let before = api(&fleet)?;
    let connecting = stream::iter(0..args.listeners).map(|_| listen(&fleet));
    let idle: Vec<TcpStream> = connecting.buffer_unordered(AT_ONCE).try_collect().await?;
    let there = api(&fleet)?;
    let added = there.peak_bytes.saturating_sub(before.peak_bytes) as f64;
    report.add(
        "kB of memory for each idle listener",
        added / 1e3 / idle.len() as f64,
    );
    sleep(SILENCE).await;
    let cpu = api(&fleet)?.since(there).cpu_s / SILENCE.as_secs_f64();
    report.add("% of a core for all idle listeners", 100.0 * cpu);
    watched(&fleet, args, "beside them", &mut report).await?;
    drop(idle);
    report.usage(fleet.usage());
    fleet.stop().await;
    report.print();
    Ok(())
}

fn api(fleet: &Fleet) -> Result<Usage> {
    let usage = fleet.usage().into_iter().find(|(role, _)| role == "api");
    Ok(usage.context("there is an API")?.1)
}

/// A client of a quiet space that has been let in.
async fn listen(fleet: &Fleet) -> Result<TcpStream> {
    let address = fleet.server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET /v1/events?space=quiet HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut begin = [0; 512];
    let read = timeout(PATIENCE, stream.read(&mut begin)).await??;
    let begin = String::from_utf8_lossy(&begin[..read]);
    ensure!(
        begin.starts_with("HTTP/1.1 200"),
        "a listener was refused: {begin}"
    );
    Ok(stream)
}

/// Runs a batch that somebody watches: how old is what the watcher sees?
async fn watched(fleet: &Fleet, args: Args, when: &str, report: &mut Report) -> Result<()> {
    let batch = fleet.submit("?job_type=echo", ndjson(args.items)).await?;
    let began = Instant::now();
    let (mut ages, mut gaps) = (Vec::new(), Vec::new());
    watch(fleet, &batch, |age, gap| {
        ages.push(age);
        gaps.extend(gap);
    })
    .await?;
    let rate = f64::from(args.items) / began.elapsed().as_secs_f64();
    println!(
        "{{\"watched\":{:?},\"items_per_s\":{rate:.0},\"events\":{}}}",
        when,
        ages.len()
    );
    for age in ages {
        report.add(&format!("ms from the commit to its event, {when}"), age);
    }
    for gap in gaps {
        report.add(
            &format!("ms for which a watcher may not see a commit, {when}"),
            gap,
        );
    }
    Ok(())
}

/// Calls `seen` for each event with its age, and the time since the one before it was true, until the batch has ended.
async fn watch(fleet: &Fleet, batch: &Batch, mut seen: impl FnMut(f64, Option<f64>)) -> Result<()> {
    let url = fleet.url(batch, "events") + "&until=final";
    let mut pieces = fleet
        .http
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .bytes_stream();
    let (mut text, mut last) = (String::new(), None);
    while let Some(piece) = pieces.next().await {
        text.push_str(std::str::from_utf8(&piece?)?);
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                let data: Value = serde_json::from_str(data)?;
                let at = data["batch"]["updated_at"]
                    .as_str()
                    .context("an event has a time")?;
                let at: jiff::Timestamp = at.parse()?;
                let now = SystemClock.now();
                let age = now.duration_since(at).as_secs_f64() * 1e3;
                seen(age, last.map(|last| now.duration_since(last).as_secs_f64() * 1e3));
                last = Some(at);
            }
            text = rest.to_owned();
        }
    }
    Ok(())
}
