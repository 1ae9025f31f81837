//! `flotilla result`: what a finished batch amounts to.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::{FollowUpView, ResultView};
use crate::exit::Exit;
use crate::output::{self, Form, Output, duration, summary, text};

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
                let summary = summary::describe(&result);
                output::print(&format!(
                    "{summary}success rate {share:.1} %, {average} per item on average\n{}",
                    result.on_complete.as_ref().map(follow_up).unwrap_or_default()
                ))?;
            }
        }
        Ok(Exit::Fine)
    }
}

/// What became of the follow-up.
fn follow_up(then: &FollowUpView) -> String {
    let batch = then.batch_id.as_deref().unwrap_or("not created yet");
    let answer = then.output.as_ref().or(then.error.as_ref());
    let answer = answer
        .map(|answer| format!(": {}", text::clean(answer.get(), 500)))
        .unwrap_or_default();
    format!("follow-up {batch}, {}{answer}\n", then.state)
}
