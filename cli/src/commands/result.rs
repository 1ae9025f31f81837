//! `flotilla result`: what a finished batch amounts to.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::ResultView;
use crate::exit::Exit;
use crate::output::{self, Form, Output, duration, summary};

/// Shows the result of a finished batch: counts, times, errors by kind.
#[derive(Debug, Args)]
pub(crate) struct ResultOf {
    /// The batch's id
    id: String,
    /// Which one, where failed items ran again: 1 is the first [default: the latest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    revision: Option<u32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl ResultOf {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let reply = self.server.client()?.result(&self.id, self.revision).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => {
                let result: ResultView = reply.to()?;
                let average = duration::millis(result.avg_item_time_ms);
                let share = result.success_rate * 100.0;
                let text = summary::describe(&result);
                output::print(&format!(
                    "{text}success rate {share:.1} %, {average} per item on average\n"
                ))?;
            }
        }
        Ok(Exit::Fine)
    }
}
