//! Breaks Flotilla in every way that one machine can, and shows whether anything was lost by it.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flotilla_tests::chaos::{Matrix, Soak, markdown, names};
use flotilla_tests::servers::Folder;

const USAGE: &str = "\
Usage: chaos matrix [--runs N] [--items N] [--seed S] [--only NAME]…
       chaos soak [--seed S] [--minutes M] [--lose-queues]
       chaos list

Starts private servers, a proxy in front of each, and a fleet of real processes; breaks them while batches run; then
compares what was promised with the handler's ledger and with what PostgreSQL, Redis and the API say. Exits with 1 where a
promise was broken.

  matrix          one scenario per fault: a line of JSON for each on stdout as soon as it is done, and a table at the end
    --runs N      how often each is run (1)
    --items N     items of an ordinary scenario (5000)
    --only NAME   only scenarios whose name contains NAME; may be repeated
  soak            batches and faults at random, all of which follow from the seed; then everything is healed, and must end
    --minutes M   for how long (5)
    --lose-queues queues are purged and deleted, too
  --seed S        what random choices follow from
  list            the names of the scenarios, and what goes wrong in each";

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let result = match words.next().as_deref() {
        Some("matrix") => matrix(words).await,
        Some("soak") => soak(words).await,
        Some("list") => {
            for (name, faults) in names() {
                println!("{name}: {faults}");
            }
            Ok(true)
        }
        Some("--help" | "-h") => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => Err(anyhow::anyhow!("what is to be done?\n\n{USAGE}")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// True where no promise was broken.
async fn matrix(mut words: impl Iterator<Item = String>) -> Result<bool> {
    let mut matrix = Matrix {
        runs: 1,
        items: 5_000,
        only: Vec::new(),
        seed: 1,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--runs" => matrix.runs = number(&word, words.next())?,
            "--items" => matrix.items = number(&word, words.next())?,
            "--seed" => matrix.seed = number(&word, words.next())?,
            "--only" => matrix.only.push(words.next().context("--only needs a name")?),
            other => bail!("unknown option {other}\n\n{USAGE}"),
        }
    }
    Folder::remove_leftovers();
    let rows = matrix
        .run(|row| {
            println!("{}", row.json());
            for problem in &row.problems {
                eprintln!("{}: {problem}", row.scenario);
            }
        })
        .await?;
    println!("\n{}", markdown(&rows));
    Ok(rows.iter().all(flotilla_tests::chaos::Row::is_clean))
}

/// True where no promise was broken.
async fn soak(mut words: impl Iterator<Item = String>) -> Result<bool> {
    let mut soak = Soak {
        seed: 1,
        time: Duration::from_secs(300),
        lose_queues: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => soak.seed = number(&word, words.next())?,
            "--minutes" => {
                let minutes: f64 = number(&word, words.next())?;
                soak.time = Duration::from_secs_f64(minutes * 60.0);
            }
            "--lose-queues" => soak.lose_queues = true,
            other => bail!("unknown option {other}\n\n{USAGE}"),
        }
    }
    Folder::remove_leftovers();
    println!("seed {}, {:.0} s", soak.seed, soak.time.as_secs_f64());
    let report = soak.run(|text| println!("{text}")).await?;
    println!("{}", serde_json::to_string(&report)?);
    if !report.is_clean() {
        eprintln!("{}", report.complaints());
    }
    Ok(report.is_clean())
}

fn number<T: std::str::FromStr>(option: &str, word: Option<String>) -> Result<T> {
    let word = word.with_context(|| format!("{option} needs a number"))?;
    word.parse()
        .ok()
        .with_context(|| format!("{option} {word}: that is no number"))
}
