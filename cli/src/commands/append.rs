//! `flotilla append`: more items for a batch that is open.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use sha2::{Digest, Sha256};

use super::dry_run;
use super::reading::Reading;
use super::sending::{self, Ended, Input};
use crate::client::upload::{Content, InputFile, Patience, Place, Resumable, Sent};
use crate::client::view::Appended;
use crate::client::{Client, Reply, ServerArgs};
use crate::exit::Exit;
use crate::output::meter::Meter;
use crate::output::{self, Output};

const MORE: &str = "\
A file up to 16 MiB, a JSON array and stdin are appended whole or not at all. A longer file goes on where its upload breaks, and
what has arrived stays there; the same command goes on with it later. Appended again to the same batch, the same file, not
changed since, adds nothing.";

/// Appends items to a batch that was submitted with --start open.
#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(crate) struct Append {
    /// The batch's id
    id: String,
    /// The items: NDJSON, CSV or TSV with a header row, a JSON array, or lines of text; also packed, as .gz or .zst; `-` is
    /// stdin
    file: PathBuf,
    /// How many items the batch has: refused where it has more by now, so that a repeated append is harmless
    #[arg(long, value_name = "COUNT")]
    first: Option<u32>,
    /// Append as this producer, whatever the length: what the batch has of this producer's items is not appended again
    #[arg(long, value_name = "NAME", conflicts_with = "first")]
    producer: Option<String>,
    /// Only say what would happen: how many items, how long, and the first of them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Append {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let content = self.reading.content(&self.file)?;
        let input = Input::look(&self.file).await?;
        if self.dry_run {
            let content = content.with("dry_run", Some("true"));
            return dry_run::report(&self.at_once(&client, &input, &content).await?, self.output);
        }
        let reply = match self.as_producer(&input, &content)? {
            None => self.at_once(&client, &input, &content).await?,
            Some((file, producer)) => match self.in_parts(&client, file, &content, &producer).await? {
                Ended::Done(reply) => reply,
                Ended::Interrupted => return Ok(Exit::Interrupted),
            },
        };
        if self.output.is_json() {
            output::print(&reply.text)?;
        } else {
            let appended: Appended = reply.to()?;
            output::print(&sending::appended(&appended))?;
        }
        Ok(Exit::Fine)
    }

    /// The file and the name under which it goes on where its upload breaks; nothing where it is sent in one piece.
    fn as_producer<'a>(
        &self,
        input: &'a Input,
        content: &Content,
    ) -> Result<Option<(&'a InputFile, String)>> {
        if let Some(producer) = &self.producer {
            return Ok(Some((input.must_be_resumable(content)?, producer.clone())));
        }
        let file = input.worth_resuming(content).filter(|_| self.first.is_none());
        Ok(file.map(|file| (file, producer_of(file))))
    }

    async fn at_once(&self, client: &Client, input: &Input, content: &Content) -> Result<Reply> {
        let body = input.open(&self.file).await?;
        let place = self.first.map_or(Place::End, Place::First);
        let sent = Sent::default();
        let appended = client.append(&self.id, body, content, place, &sent);
        sending::shown(appended, &sent, input.length(), &mut Meter::new(false)).await
    }

    async fn in_parts(
        &self,
        client: &Client,
        file: &InputFile,
        content: &Content,
        producer: &str,
    ) -> Result<Ended<Reply>> {
        let mut meter = Meter::new(false);
        let (sent, speaker) = (Sent::default(), meter.speaker());
        let upload = Resumable {
            client,
            batch: &self.id,
            producer,
            file,
            content,
            sent: &sent,
        };
        let appended = upload.run(Patience::default(), |text| speaker(text));
        let shown = sending::shown(appended, &sent, file.length(), &mut meter);
        sending::resumable(shown, &sending::command(&self.command())).await
    }

    /// The same command.
    fn command(&self) -> Vec<String> {
        let file = self.file.display().to_string();
        let mut words: Vec<String> = ["flotilla", "append", &self.id, &file]
            .map(str::to_owned)
            .to_vec();
        if let Some(producer) = &self.producer {
            words.extend(["--producer".to_owned(), producer.clone()]);
        }
        words.extend(self.reading.words());
        words.extend(self.server.words());
        words
    }
}

/// The same file has the same name, so that the same command goes on; another file has another one, so that the server does
/// not take it for more of the same.
fn producer_of(file: &InputFile) -> String {
    let digest = Sha256::digest(file.identity().as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("cli-{hex}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::upload::Format;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        append: Append,
    }

    #[tokio::test]
    async fn every_long_file_is_a_producer_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let producer = async |name: &str, mib: u64, flags: &[&str]| {
            let path = folder.path().join(name);
            if !path.exists() {
                std::fs::File::create(&path).unwrap().set_len(mib << 20).unwrap();
            }
            let words = ["append", "ID", path.to_str().unwrap()];
            let append = Line::parse_from(words.iter().chain(flags)).append;
            let input = Input::look(&path).await.unwrap();
            let producer = append.as_producer(&input, &Content::of(Format::Ndjson)).unwrap();
            producer.map(|(_, producer)| producer)
        };
        let one = producer("a", 17, &[]).await.unwrap();
        assert_eq!(producer("a", 17, &[]).await.as_ref(), Some(&one));
        assert_ne!(producer("b", 17, &[]).await.as_ref(), Some(&one));
        assert_eq!(producer("a", 17, &["--first", "5"]).await, None);
        assert_eq!(producer("c", 1, &[]).await, None);
        assert_eq!(
            producer("c", 1, &["--producer", "me"]).await.as_deref(),
            Some("me")
        );
    }
}
