//! `flotilla explain`: why a batch waits.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::ExplainView;
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number, text};

/// Says why items of a batch do not run at this moment, and what would change that.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Explain {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.get(&["v1", "batches", &self.id, "explain"], &[]).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&describe(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn describe(explained: &ExplainView) -> String {
    if explained.reasons.is_empty() {
        return "nothing holds it up: it has ended\n".to_owned();
    }
    let mut table = Table::new(&[
        ("ITEMS", Align::Right),
        ("REASON", Align::Left),
        ("UNTIL", Align::Left),
        ("MORE", Align::Left),
    ]);
    for reason in &explained.reasons {
        table.row(vec![
            number::grouped(reason.count.into()),
            reason.code.clone(),
            reason.until.as_deref().map(text::second).unwrap_or_default(),
            text::clean(&reason.detail, 300),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_with_what_would_help() {
        let explained: ExplainView = serde_json::from_str(
            r#"{"batch_id":"b","state":"paused","reasons":[
            {"code":"paused","count":1200,"detail":"paused by ann@host; resume it","until":null},
            {"code":"backoff","count":3,"detail":"their next attempt is due","until":"2026-01-01T00:00:09.5Z"}]}"#,
        )
        .unwrap();
        assert_eq!(
            describe(&explained),
            "ITEMS  REASON   UNTIL                MORE\n\
             1,200  paused                        paused by ann@host; resume it\n    \
             3  backoff  2026-01-01T00:00:09  their next attempt is due\n"
        );
    }
}
