//! Runs scenarios, one after the other.

use std::time::Duration;

use anyhow::{Context, Result};

use super::bench::{Bench, Terms};
use super::catalogue::{Scale, catalogue};
use super::embedded;
use super::fleet::Size;
use super::producer::PATIENCE;
use super::scenario::Scenario;
use super::table::Row;

/// The fleet that scenarios break.
const FLEET: Size = Size {
    apis: 2,
    workers: 3,
    schedulers: 2,
};

/// A run of the whole catalogue, or of a part of it.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// How often each scenario is run.
    pub runs: u32,
    /// Items of an ordinary scenario.
    pub items: u32,
    /// Only scenarios whose name contains one of these; all where there is none.
    pub only: Vec<String>,
    /// What random choices follow from.
    pub seed: u64,
}

impl Matrix {
    /// Runs the scenarios, and shows each row as soon as there is one.
    ///
    /// # Errors
    /// Where servers or a fleet can't be started.
    pub async fn run(&self, mut show: impl FnMut(&Row)) -> Result<Vec<Row>> {
        let scale = Scale {
            items: self.items,
            hold: Duration::from_secs(10),
            silence: Duration::from_secs(45),
            kills: 20,
        };
        let terms = Terms {
            heartbeat: 15,
            patience: Duration::from_secs(240),
            answers: PATIENCE,
            abandoned: true,
            size: FLEET,
        };
        let wanted =
            |name: &str| self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()));
        let scenarios: Vec<Scenario> = catalogue(scale)
            .into_iter()
            .filter(|scenario| wanted(scenario.name))
            .collect();
        let mut rows = Vec::new();
        let mut stage = Stage::new(terms);
        for scenario in &scenarios {
            let mut row = Row::of(scenario);
            for run in 0..self.runs {
                row.merge(stage.run(scenario, self.seed + u64::from(run)).await?);
            }
            show(&row);
            rows.push(row);
        }
        drop(stage);
        for name in embedded::NAMES.into_iter().filter(|name| wanted(name)) {
            let mut row = embedded::row(name);
            for run in 0..self.runs {
                row.merge(embedded::run(name, self.items, self.seed + u64::from(run)).await);
            }
            show(&row);
            rows.push(row);
        }
        Ok(rows)
    }
}

/// The names of all scenarios, and what goes wrong in each.
#[must_use]
pub fn names() -> Vec<(String, String)> {
    let scale = Scale {
        items: 1_000,
        hold: Duration::from_secs(10),
        silence: Duration::from_secs(45),
        kills: 20,
    };
    let all = catalogue(scale).into_iter();
    all.map(|scenario| (scenario.name.to_owned(), scenario.faults()))
        .chain(
            embedded::NAMES
                .into_iter()
                .map(|name| (name.to_owned(), embedded::row(name).faults)),
        )
        .collect()
}

/// Small runs of a few scenarios, one after the other on one fleet: for tests. Silence is noticed soon, so that faults can
/// be short.
///
/// # Errors
/// Where servers or a fleet can't be started, or there is no scenario of a name.
pub async fn run_slice(scenarios: &[&str], items: u32) -> Result<Vec<Row>> {
    let terms = Terms {
        heartbeat: 4,
        patience: Duration::from_secs(120),
        answers: PATIENCE,
        abandoned: false,
        size: Size { workers: 2, ..FLEET },
    };
    let all = catalogue(Scale {
        items,
        hold: Duration::from_secs(3),
        silence: Duration::from_secs(11),
        kills: 8,
    });
    let (mut rows, mut stage) = (Vec::new(), Stage::new(terms));
    for &name in scenarios {
        if embedded::NAMES.contains(&name) {
            rows.push(embedded::run(name, items, 1).await);
            continue;
        }
        let scenario = all
            .iter()
            .find(|scenario| scenario.name == name)
            .with_context(|| format!("there is no scenario {name}"))?;
        rows.push(stage.run(scenario, 1).await?);
    }
    Ok(rows)
}

/// A bench for as long as nothing is wrong with it: after a scenario that left something behind, the next one gets a new
/// one, and is judged by itself.
struct Stage {
    terms: Terms,
    bench: Option<Bench>,
}

impl Stage {
    fn new(terms: Terms) -> Self {
        Self { terms, bench: None }
    }

    async fn run(&mut self, scenario: &Scenario, seed: u64) -> Result<Row> {
        let bench = match &mut self.bench {
            Some(bench) => bench,
            none => none.insert(Bench::start(self.terms).await?),
        };
        let mut row = bench.run(scenario, self.terms, seed).await;
        if !row.is_clean() {
            match bench.keep_logs(scenario.name) {
                Ok(folder) => row.problems.push(format!("logs: {}", folder.display())),
                Err(error) => row.problems.push(format!("logs were not kept: {error:#}")),
            }
            self.bench = None;
        }
        Ok(row)
    }
}
