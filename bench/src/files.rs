//! A batch of millions in and out as a file: accepted and downloaded items per second beside a bare COPY of the same rows,
//! and what the API needs for it. Every line that comes back is compared with what was sent.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::Instant;

use crate::fleet::{Batch, Fleet, Size};
use crate::raw;
use crate::report::Report;
use crate::stage::Stage;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items of each upload.
    #[arg(long, default_value_t = 5_000_000)]
    items: u32,
    /// How often all of it is done; the median counts.
    #[arg(long, default_value_t = 1)]
    runs: u32,
}

const QUERY: &str = "?job_type=echo&start=manual";

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let nobody = Size {
        workers: 0,
        concurrency: 0,
    };
    let fleet = Fleet::start(&stage, nobody).await?;
    let mut report = Report::new("files", "items/s");
    for _ in 0..args.runs {
        report.add("raw COPY", copied(&stage, args.items).await?);
        let (batch, rate) = sent(
            &fleet,
            "application/x-ndjson",
            None,
            lines(args.items).into_bytes(),
        )
        .await?;
        report.add("NDJSON in", rate(args.items));
        report.add("NDJSON out", lines_out(&fleet, &batch, args.items).await?);
        let (batch, rate) = sent(&fleet, "text/csv", None, table(args.items).into_bytes()).await?;
        report.add("CSV in", rate(args.items));
        report.add("CSV out", table_out(&fleet, &batch, args.items).await?);
        let (_, rate) = sent(&fleet, "application/x-ndjson", Some("gzip"), packed(args.items)?).await?;
        report.add("NDJSON with gzip in", rate(args.items));
        report.usage(fleet.usage());
    }
    fleet.stop().await;
    report.print();
    Ok(())
}

fn item(n: u32) -> String {
    format!("{{\"id\":\"{n}\",\"name\":\"customer {n}\",\"url\":\"https://example.com/{n}\"}}")
}

fn lines(items: u32) -> String {
    (0..items).map(|n| item(n) + "\n").collect()
}

fn table(items: u32) -> String {
    let rows = (0..items).map(|n| format!("{n},customer {n},https://example.com/{n}\n"));
    format!("id,name,url\n{}", rows.collect::<String>())
}

fn packed(items: u32) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(lines(items).as_bytes())?;
    Ok(packed.finish()?)
}

async fn copied(stage: &Stage, items: u32) -> Result<f64> {
    let items: Vec<String> = (0..items).map(item).collect();
    raw::copy::run(stage, &items).await
}

async fn sent(
    fleet: &Fleet,
    media_type: &str,
    encoding: Option<&str>,
    body: Vec<u8>,
) -> Result<(Batch, impl Fn(u32) -> f64 + use<>)> {
    let start = Instant::now();
    let batch = fleet.upload_packed(QUERY, media_type, encoding, body).await?;
    let took = start.elapsed().as_secs_f64();
    Ok((batch, move |items| f64::from(items) / took))
}

/// Downloads lines, and compares the input in each with what was sent.
async fn lines_out(fleet: &Fleet, batch: &Batch, items: u32) -> Result<f64> {
    let start = Instant::now();
    let mut next = 0;
    read_lines(fleet, batch, "ndjson", |line| {
        let read: Value = serde_json::from_slice(line)?;
        ensure!(read["index"] == next, "item {next} comes as {}", read["index"]);
        // Compared as text: what was sent is what comes back.
        let sent = format!("\"input\":{}", item(next));
        ensure!(
            String::from_utf8_lossy(line).contains(&sent),
            "item {next} is another one"
        );
        next += 1;
        Ok(())
    })
    .await?;
    ensure!(next == items, "{next} of {items} items came back");
    Ok(f64::from(items) / start.elapsed().as_secs_f64())
}

/// The same for a table.
async fn table_out(fleet: &Fleet, batch: &Batch, items: u32) -> Result<f64> {
    let start = Instant::now();
    let (mut next, mut places) = (0, Vec::new());
    read_lines(fleet, batch, "csv", |line| {
        let line = String::from_utf8_lossy(line);
        let cells: Vec<&str> = line.trim_end_matches('\r').split(',').collect();
        if places.is_empty() {
            let place = |name: &str| cells.iter().position(|cell| *cell == name);
            let names = ["index", "input.id", "input.name", "input.url"];
            places = names
                .iter()
                .map(|name| place(name).context("a column is missing"))
                .collect::<Result<_>>()?;
            return Ok(());
        }
        let cell = |n: usize| cells.get(places[n]).copied().unwrap_or_default();
        let expected = [
            next.to_string(),
            next.to_string(),
            format!("customer {next}"),
            format!("https://example.com/{next}"),
        ];
        ensure!(
            (0..4).all(|n| cell(n) == expected[n]),
            "row {next} is another one: {line}"
        );
        next += 1;
        Ok(())
    })
    .await?;
    ensure!(next == items, "{next} of {items} rows came back");
    Ok(f64::from(items) / start.elapsed().as_secs_f64())
}

async fn read_lines(
    fleet: &Fleet,
    batch: &Batch,
    format: &str,
    mut line: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut pieces = fleet.download(batch, format).await?.bytes_stream();
    let mut rest = Vec::new();
    while let Some(piece) = pieces.next().await {
        rest.extend_from_slice(&piece?);
        let mut begin = 0;
        while let Some(length) = rest[begin..].iter().position(|byte| *byte == b'\n') {
            line(&rest[begin..begin + length])?;
            begin += length + 1;
        }
        rest.drain(..begin);
    }
    ensure!(rest.is_empty(), "the file ends in the middle of a line");
    Ok(())
}
