//! From the files in a folder to files of an item.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flotilla_core::Shutdown;
use flotilla_core::artifact::{self, Artifact, MAX_FILES};
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::shelf::too_large;
use super::{PIECE, desk, refused};
use crate::backoff::Backoff;
use crate::item::ItemContext;

/// Folders that are looked into, at most.
const MAX_FOLDERS: usize = 10_000;

/// What came of an attempt that ended with `verdict`, and the verdict: another one where its files can't be. The folder is
/// removed. `None` where the worker stops at once: what the handler has done is lost, and the item runs again.
pub(crate) async fn collect(
    item: &ItemContext,
    verdict: Verdict,
    shutdown: &Shutdown,
) -> Option<(Verdict, Vec<Artifact>)> {
    let (done, folder) = item.artifacts.close();
    let is_done = matches!(verdict, Verdict::Done(_));
    let Some(folder) = folder else {
        return Some((verdict, if is_done { done } else { Vec::new() }));
    };
    let kept = if is_done {
        item.artifacts.shelf().reopen(done);
        shutdown
            .until_aborting(keep(item, folder.path().to_owned()))
            .await
    } else {
        Some(Ok(()))
    };
    let (done, _) = item.artifacts.close();
    desk::remove(folder);
    match kept? {
        Ok(()) if is_done => Some((verdict, done)),
        Ok(()) => Some((verdict, Vec::new())),
        Err(error) => Some((crate::handlers::failed(error), Vec::new())),
    }
}

/// Keeps all files below `folder`.
async fn keep(item: &ItemContext, folder: PathBuf) -> Result<(), ItemError> {
    let listed = spawn_blocking(move || list(&folder)).await;
    let files = listed.map_err(|error| unreadable("the folder", &io::Error::other(error)))??;
    let (total, max) = (
        files.iter().map(|(_, _, bytes)| bytes).sum::<u64>(),
        item.most_bytes(),
    );
    if total > max {
        return Err(too_large(max));
    }
    for (name, path, _) in files {
        keep_file(item, &name, &path).await?;
    }
    Ok(())
}

/// Keeps a file, however long the storage is down: it is the handler's work, and a worker that can't deliver takes no
/// more.
async fn keep_file(item: &ItemContext, name: &str, path: &Path) -> Result<(), ItemError> {
    let mut backoff = Backoff::default();
    loop {
        let mut file = tokio::fs::File::open(path)
            .await
            .map_err(|error| unreadable(name, &error))?;
        let mut artifact = item.create_artifact(name, None)?;
        let (mut piece, mut sent) = (vec![0; PIECE], 0);
        let written = loop {
            match file.read(&mut piece).await {
                Ok(0) => break artifact.finish().await.map(drop),
                Ok(read) => {
                    sent = artifact.bytes() + read as u64;
                    if let Err(error) = artifact.write(&piece[..read]).await {
                        break Err(error);
                    }
                }
                Err(error) => {
                    artifact.abort().await;
                    return Err(unreadable(name, &error));
                }
            }
        };
        match written {
            Err(error) if error.kind == ItemErrorKind::Unreachable => {
                item.artifacts.shelf().forget(name, sent);
                tracing::warn!(batch = %item.batch, index = item.index, "can't store an artifact: trying again");
                sleep(backoff.next()).await;
            }
            other => return other,
        }
    }
}

/// The files below `folder` by name, with their lengths. Nothing else may be there: a link could lead anywhere.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf, u64)>, ItemError> {
    let (mut files, mut folders) = (Vec::new(), VecDeque::from([(String::new(), folder.to_owned())]));
    let mut seen = 1;
    while let Some((within, path)) = folders.pop_front() {
        let entries = fs::read_dir(path).map_err(|error| unreadable(&within, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&within, &error))?;
            let last = entry.file_name();
            let last = last.to_str().ok_or_else(|| {
                refused(format!(
                    "the artifact {:?} has a name that is not UTF-8",
                    last.to_string_lossy()
                ))
            })?;
            let name = if within.is_empty() {
                last.to_owned()
            } else {
                format!("{within}/{last}")
            };
            artifact::check_name(&name).map_err(|error| refused(error.to_string()))?;
            // Of the entry itself, not of what it may lead to.
            let found = entry.metadata().map_err(|error| unreadable(&name, &error))?;
            if found.is_dir() {
                seen += 1;
                folders.push_back((name, entry.path()));
            } else if found.is_file() {
                files.push((name, entry.path(), found.len()));
            } else {
                return Err(refused(format!(
                    "the artifact {name:?} is no regular file: links, pipes and devices are refused"
                )));
            }
            if files.len() > MAX_FILES {
                return Err(refused(format!("the item has more than {MAX_FILES} artifacts")));
            }
            if seen > MAX_FOLDERS {
                return Err(refused(format!(
                    "the artifacts are in more than {MAX_FOLDERS} folders"
                )));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn unreadable(name: &str, error: &io::Error) -> ItemError {
    let name: String = name.chars().take(200).collect();
    refused(format!("can't read the artifact {name:?}: {error}"))
}
