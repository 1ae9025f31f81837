//! A workload, and what goes wrong meanwhile.

use std::ops::RangeInclusive;

use super::fault::Fault;

/// One row of the matrix.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Items that are there before the first fault.
    pub(crate) items: u32,
    /// In so many batches.
    pub(crate) batches: u32,
    /// How long each takes, in milliseconds.
    pub(crate) ms: RangeInclusive<u32>,
    /// More batches come while things go wrong.
    pub(crate) stream: bool,
    /// Faults, and after which percentage of the items each comes.
    pub(crate) steps: Vec<(u32, Fault)>,
    /// None of the faults is an excuse for calling a handler twice for an attempt.
    pub(crate) strict: bool,
}

impl Scenario {
    pub(crate) fn new(name: &'static str, items: u32, steps: Vec<(u32, Fault)>) -> Self {
        Self {
            name,
            items,
            batches: 3,
            ms: 2..=20,
            stream: true,
            steps,
            strict: false,
        }
    }

    /// None of the faults is an excuse for calling a handler twice for an attempt.
    pub(crate) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// What goes wrong, in words.
    pub(crate) fn faults(&self) -> String {
        let mut words: Vec<(String, Vec<u32>)> = Vec::new();
        for (percent, fault) in &self.steps {
            let text = fault.to_string();
            match words.iter_mut().find(|(known, _)| *known == text) {
                Some((_, percents)) => percents.push(*percent),
                None => words.push((text, vec![*percent])),
            }
        }
        let words = words.iter().map(|(text, percents)| match &percents[..] {
            [one] => format!("{text} at {one} %"),
            [first, .., last] => format!("{text}, {} times from {first} to {last} %", percents.len()),
            [] => text.clone(),
        });
        words.collect::<Vec<_>>().join("; ")
    }
}
