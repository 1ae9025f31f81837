//! `flotilla set`: change a batch while it runs.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::steered;
use super::values::{self, Limit};
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Changes the limits, the priority or the name of a batch, also while it runs.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The batch's id
    id: String,
    #[command(flatten)]
    values: Values,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// What to change.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Values {
    /// The most items in flight at once, or `none`
    #[arg(long, value_name = "N|none", value_parser = values::concurrency_or_none)]
    concurrency: Option<Limit<u32>>,
    /// The most items per second, or `none`
    #[arg(long, value_name = "PER_SECOND|none", value_parser = values::rate_or_none)]
    rate: Option<Limit<f64>>,
    /// -100 to 100; of two batches of a space the one with the higher priority goes first
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-100..=100))]
    priority: Option<i16>,
    /// A name for people; an empty one takes it away
    #[arg(long)]
    name: Option<String>,
}

impl Set {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.change(&self.id, &self.values.to_json()).await?;
        steered::report(&reply, self.output)
    }
}

impl Values {
    fn to_json(&self) -> Value {
        let values = [
            ("concurrency", self.concurrency.map(|Limit(limit)| json!(limit))),
            ("rate_per_s", self.rate.map(|Limit(limit)| json!(limit))),
            ("priority", self.priority.map(|priority| json!(priority))),
            (
                "name",
                self.name
                    .as_ref()
                    .map(|name| json!(Some(name).filter(|name| !name.is_empty()))),
            ),
        ];
        let given = values
            .into_iter()
            .filter_map(|(field, value)| Some((field.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        set: Set,
    }

    fn body(flags: &[&str]) -> Value {
        let line = Line::parse_from(["set", "b"].iter().chain(flags));
        line.set.values.to_json()
    }

    #[test]
    fn only_what_is_said_changes() {
        assert_eq!(body(&["--concurrency", "5"]), json!({"concurrency": 5}));
        assert_eq!(
            body(&["--concurrency", "none", "--rate", "none", "--name", ""]),
            json!({"concurrency": null, "rate_per_s": null, "name": null})
        );
        assert_eq!(
            body(&["--rate", "0.5", "--priority", "-7", "--name", "x"]),
            json!({"rate_per_s": 0.5, "priority": -7, "name": "x"})
        );
        assert!(Line::try_parse_from(["set", "b"]).is_err(), "nothing to change");
    }
}
