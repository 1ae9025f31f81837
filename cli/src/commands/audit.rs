//! `flotilla audit`: whether a batch adds up.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::AuditView;
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number};

/// Recounts a batch from its rows and compares that with its counters and its result. Exits with 1 where they differ.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Audit {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.get(&["v1", "batches", &self.id, "audit"], &[]).await?;
        let audit: AuditView = reply.to()?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&describe(&audit))?,
        }
        Ok(Exit::of(audit.adds_up))
    }
}

fn describe(audit: &AuditView) -> String {
    let rows = &audit.rows;
    let counted = format!(
        "{} items: {} succeeded, {} failed, {} cancelled, {} without an outcome\n",
        number::grouped(rows.items.into()),
        number::grouped(rows.succeeded.into()),
        number::grouped(rows.failed.into()),
        number::grouped(rows.cancelled.into()),
        number::grouped(u64::from(
            rows.items
                .saturating_sub(rows.succeeded + rows.failed + rows.cancelled)
        )),
    );
    if audit.adds_up {
        return format!("{counted}it adds up: rows, counters and result agree\n");
    }
    let mut table = Table::new(&[
        ("EXPECTED", Align::Right),
        ("FOUND", Align::Right),
        ("WHAT", Align::Left),
    ]);
    for finding in &audit.findings {
        table.row(vec![
            number::grouped(finding.expected),
            number::grouped(finding.found),
            finding.what.clone(),
        ]);
    }
    format!(
        "{counted}it does not add up, which is a defect of Flotilla:\n{}",
        table.render()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(text: &str) -> AuditView {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_adds_up_is_said_in_two_lines() {
        let audit = audit(
            r#"{"adds_up":true,"rows":{"items":1200,"succeeded":1000,"failed":3,"cancelled":0},"findings":[]}"#,
        );
        assert_eq!(
            describe(&audit),
            "1,200 items: 1,000 succeeded, 3 failed, 0 cancelled, 197 without an outcome\n\
             it adds up: rows, counters and result agree\n"
        );
    }

    #[test]
    fn what_does_not_is_listed() {
        let audit = audit(
            r#"{"adds_up":false,"rows":{"items":3,"succeeded":2,"failed":0,"cancelled":0},
                "findings":[{"what":"succeeded items","expected":2,"found":3}]}"#,
        );
        let text = describe(&audit);
        assert!(text.contains("does not add up"), "{text}");
        assert!(
            text.ends_with("EXPECTED  FOUND  WHAT\n       2      3  succeeded items\n"),
            "{text}"
        );
    }
}
