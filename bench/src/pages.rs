//! How long what a page asks for takes where there is much: many batches, one of them long.

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

use crate::fleet::{Batch, Fleet, PATIENCE, Size};
use crate::report::Report;
use crate::stage::Stage;

/// Uploads at once.
const AT_ONCE: usize = 16;
/// One of so many items fails, for one of ten reasons.
const FAILS: u32 = 20;
/// The last items of the long batch run while the pages are asked for.
const LAST: u32 = 10;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Batches of one item.
    #[arg(long, default_value_t = 100_000)]
    batches: u32,
    /// Items of the long batch.
    #[arg(long, default_value_t = 1_000_000)]
    items: u32,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 50)]
    runs: u32,
    /// In one process, on no server.
    #[arg(long)]
    embedded: bool,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let fleet = if args.embedded {
        Fleet::embedded(args.size).await?
    } else {
        Fleet::start(&stage, args.size).await?
    };
    let mut report = Report::new("pages", "ms");
    many(&fleet, args.batches).await?;
    let batch = long(&fleet, args.items).await?;
    for (name, path) in pages(&batch, args.items) {
        for _ in 0..args.runs {
            let began = Instant::now();
            get(&fleet, &path).await?;
            report.add(name, began.elapsed().as_secs_f64() * 1e3);
        }
    }
    for (name, path) in looks(&batch) {
        for _ in 0..args.runs.min(5) {
            let (found, requests, ms) = look(&fleet, &path).await?;
            println!("{{\"look\":{name:?},\"found\":{found},\"requests\":{requests}}}");
            report.add(name, ms);
        }
    }
    report.usage(fleet.usage());
    fleet.stop().await;
    report.print();
    Ok(())
}

/// Batches as a year may bring them; a few have a rare word in their name.
async fn many(fleet: &Fleet, batches: u32) -> Result<()> {
    let began = Instant::now();
    let uploads = stream::iter(0..batches).map(|n| async move {
        let name = if n % 20_000 == 7 {
            "needle"
        } else {
            "Nightly+crawl"
        };
        let query = format!("?job_type=echo&name={name}+{n}");
        fleet.submit(&query, "1\n".to_owned()).await.map(drop)
    });
    uploads.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    for state in ["pending", "processing"] {
        let path = format!("/v1/batches?state={state}&limit=1");
        while !entries(&get(fleet, &path).await?, "batches")?.is_empty() {
            ensure!(began.elapsed() < PATIENCE, "{state} batches do not end");
            sleep(Duration::from_millis(100)).await;
        }
    }
    println!(
        "{{\"batches\":{batches},\"s\":{:.0}}}",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// A long batch of which all but the last items have ended.
async fn long(fleet: &Fleet, items: u32) -> Result<Batch> {
    let began = Instant::now();
    let item = |n: u32| match n {
        n if n >= items - LAST => format!("{{\"custom_id\":\"i-{n}\",\"ms\":1800000}}\n"),
        n if n % FAILS == 0 => format!(
            "{{\"custom_id\":\"i-{n}\",\"ms\":0,\"fail\":\"reason {}\"}}\n",
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"][(n / FAILS) as usize % 10]
        ),
        n => format!("{{\"custom_id\":\"i-{n}\",\"ms\":0}}\n"),
    };
    let lines = (0..items).map(item).collect();
    let query = "?job_type=sleep&name=long&max_attempts=1&timeout=1h";
    let batch = fleet.submit(query, lines).await?;
    let path = format!("/v1/batches/{}", batch.id());
    loop {
        let now = get(fleet, &path).await?;
        let count = |state: &str| now["counts"][state].as_u64().unwrap_or_default();
        if count("succeeded") + count("failed") >= u64::from(items - LAST) {
            break;
        }
        ensure!(began.elapsed() < PATIENCE, "the long batch does not move: {now}");
        sleep(Duration::from_millis(200)).await;
    }
    println!("{{\"items\":{items},\"s\":{:.0}}}", began.elapsed().as_secs_f64());
    Ok(batch)
}

/// What the views of the dashboard ask for.
fn pages(batch: &Batch, items: u32) -> Vec<(&'static str, String)> {
    let of = |path: &str| format!("/v1/batches/{}{path}", batch.id());
    vec![
        ("batches: newest", "/v1/batches?limit=50".into()),
        (
            "batches: in a state that many have",
            "/v1/batches?state=completed&limit=50".into(),
        ),
        (
            "batches: in a state that none has",
            "/v1/batches?state=failed&limit=50".into(),
        ),
        (
            "batches: search, many fit",
            "/v1/batches?search=crawl&limit=50".into(),
        ),
        (
            "batches: search, none of 20,000 fits",
            "/v1/batches?search=absent&limit=50".into(),
        ),
        ("batch", of("")),
        ("batch: explain", of("/explain")),
        ("batch: errors", of("/errors")),
        ("items: first", of("/items?limit=50")),
        (
            "items: last",
            of(&format!("/items?limit=50&cursor={}", items - 40)),
        ),
        ("items: failed", of("/items?state=failed&limit=50")),
        (
            "items: failed, from the middle",
            of(&format!("/items?state=failed&limit=50&cursor={}", items / 2)),
        ),
        ("items: succeeded", of("/items?state=succeeded&limit=50")),
        (
            "items: queued, none of 50,000 is",
            of("/items?state=queued&limit=50"),
        ),
        (
            "items: queued, from near the end",
            of(&format!("/items?state=queued&limit=50&cursor={}", items - 100)),
        ),
        (
            "items: by custom_id",
            of(&format!("/items?custom_id=i-{}", items / 2)),
        ),
        ("one item", of(&format!("/items/{}", items / 2))),
        ("dead letters: groups", "/v1/dead-letters/groups".into()),
        ("dead letters: newest", "/v1/dead-letters?limit=50".into()),
        ("workers", "/v1/workers".into()),
    ]
}

/// What is looked for to the end, over as many requests as it takes.
fn looks(batch: &Batch) -> Vec<(&'static str, String)> {
    vec![
        (
            "all requests: the rare batches",
            "/v1/batches?search=needle&limit=50".into(),
        ),
        (
            "all requests: the last queued items",
            format!("/v1/batches/{}/items?state=queued&limit=50", batch.id()),
        ),
    ]
}

async fn look(fleet: &Fleet, path: &str) -> Result<(usize, u32, f64)> {
    let (began, mut found, mut requests, mut cursor) = (Instant::now(), 0, 0, String::new());
    loop {
        let page = get(fleet, &format!("{path}{cursor}")).await?;
        let list = if path.contains("/items") {
            "items"
        } else {
            "batches"
        };
        (found, requests) = (found + entries(&page, list)?.len(), requests + 1);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok((found, requests, began.elapsed().as_secs_f64() * 1e3)),
        }
    }
}

async fn get(fleet: &Fleet, path: &str) -> Result<Value> {
    let answer = fleet.http.get(format!("{}{path}", fleet.server)).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

fn entries<'a>(page: &'a Value, list: &str) -> Result<&'a Vec<Value>> {
    page[list]
        .as_array()
        .with_context(|| format!("no {list} in {page}"))
}
