//! Thousands of files that come of items, and all of them as one ZIP archive, which two other programs have to find whole.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::fleet::{Batch, Fleet, Size, ndjson};
use crate::report::Report;
use crate::stage::Stage;

const LOOK: Duration = Duration::from_millis(50);
/// Reads every entry to its end, and compares it with the manifest.
const CHECK: &str = r#"
import hashlib, json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
manifest = json.loads(archive.read("manifest.json"))
for entry in manifest["entries"]:
    found = hashlib.sha256()
    with archive.open(entry["name"]) as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    assert found.hexdigest() == entry["sha256"], entry
names = {entry["name"] for entry in manifest["entries"]} | {"manifest.json"}
assert names == set(archive.namelist()), "entries and manifest differ"
print(sum(name.startswith("artifacts/") for name in names))
"#;

/// What to run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {
    /// Items, of each of which one file comes.
    #[arg(long, default_value_t = 10_000)]
    items: u32,
    /// Bytes of each file.
    #[arg(long, default_value_t = 100_000)]
    bytes: usize,
    #[command(flatten)]
    size: Size,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let stage = Stage::start().await?;
    let (url, _server) = serve(args.bytes).await?;
    let config = format!("[job_types.file]\nhandler = {{ kind = \"http\", url = \"{url}\" }}\n");
    let fleet = Fleet::configured(&stage, args.size, &config).await?;
    let mut report = Report::new("archive", "MB/s");
    let total = f64::from(args.items) * args.bytes as f64 / 1e6;

    let began = Instant::now();
    let batch = fleet.submit("?job_type=file", ndjson(args.items)).await?;
    fleet.result(&batch, LOOK).await?;
    report.add("files kept", total / began.elapsed().as_secs_f64());

    let path = stage.folder().join("batch.zip");
    let began = Instant::now();
    let bytes = save(&fleet, &batch, &path).await?;
    report.add("ZIP out", bytes as f64 / 1e6 / began.elapsed().as_secs_f64());
    report.usage(fleet.usage());
    fleet.stop().await;

    said(Command::new("unzip").arg("-tq").arg(&path)).await?;
    let files = said(Command::new("python3").args(["-c", CHECK]).arg(&path)).await?;
    ensure!(files.trim() == args.items.to_string(), "{files} files came back");
    report.print();
    Ok(())
}

/// Answers every item with a file of its own.
#[expect(clippy::disallowed_methods, reason = "ends with its handle")]
async fn serve(bytes: usize) -> Result<(String, AbortOnDropHandle<()>)> {
    let answer = move |item: String| async move {
        let file = noise(&item, bytes);
        ([(CONTENT_TYPE, "application/octet-stream")], file)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/", post(answer)))
            .await
            .unwrap_or_default();
    });
    Ok((url, AbortOnDropHandle::new(server)))
}

/// Bytes that can't be packed and differ by item (xorshift64*).
fn noise(item: &str, bytes: usize) -> Vec<u8> {
    let digits = item.bytes().filter(u8::is_ascii_digit);
    let mut state = digits.fold(88_172_645_463_325_252_u64, |seed, digit| {
        (seed ^ u64::from(digit)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    let mut file = Vec::with_capacity(bytes + 8);
    while file.len() < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        file.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    file.truncate(bytes);
    file
}

async fn save(fleet: &Fleet, batch: &Batch, path: &Path) -> Result<usize> {
    let mut pieces = fleet.download(batch, "zip").await?.bytes_stream();
    let (mut file, mut bytes) = (File::create(path).await?, 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        bytes += piece.len();
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(bytes)
}

/// What a program prints that has to succeed.
async fn said(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .await
        .with_context(|| format!("{command:?} can't be started"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {text}",
        output.status
    );
    Ok(text)
}
