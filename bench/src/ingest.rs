//! Items accepted per second, in each form of an upload, beside a bare COPY of the same rows.

use anyhow::Result;
use tokio::time::Instant;

use crate::fleet::{Fleet, Size};
use crate::raw;
use crate::report::Report;
use crate::stage::Stage;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items per upload.
    #[arg(long, default_value_t = 200_000)]
    items: u32,
    /// Uploads of each form; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let nobody = Size {
        workers: 0,
        concurrency: 0,
    };
    let fleet = Fleet::start(&stage, nobody).await?;
    let items: Vec<String> = (0..args.items)
        .map(|n| format!("{{\"id\":{n},\"name\":\"customer {n}\",\"url\":\"https://example.com/{n}\"}}"))
        .collect();
    let ndjson = items.iter().map(|item| format!("{item}\n")).collect::<String>();
    let rows = (0..args.items).map(|n| format!("{n},customer {n},https://example.com/{n}\n"));
    let csv = format!("id,name,url\n{}", rows.collect::<String>());
    let json = format!(
        "{{\"job_type\":\"echo\",\"start\":\"manual\",\"items\":[{}]}}",
        items.join(",")
    );
    let query = "?job_type=echo&start=manual";
    let mut report = Report::new("ingest", "items/s");
    for _ in 0..args.runs {
        report.add("raw COPY", raw::copy::run(&stage, &items).await?);
        for (name, query, media_type, body) in [
            ("ndjson", query, "application/x-ndjson", &ndjson),
            ("csv", query, "text/csv", &csv),
            ("json", "", "application/json", &json),
        ] {
            let start = Instant::now();
            fleet.upload(query, media_type, body.clone()).await?;
            report.add(name, f64::from(args.items) / start.elapsed().as_secs_f64());
        }
    }
    report.usage(fleet.usage());
    fleet.stop().await;
    report.print();
    Ok(())
}
