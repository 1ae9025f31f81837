//! The threads that read.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use flotilla_core::{Error, Result};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Done, ENGINE, Failure};
use crate::lock::Lock;

/// Reads that may wait.
const QUEUE: usize = 64;

type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// Runs reads side by side, each on a snapshot of the database.
pub(crate) struct Readers {
    reads: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
    file: Arc<Path>,
}

impl Readers {
    /// How many there are: one may be busy with a long list while others answer.
    pub(crate) const THREADS: usize = 3;

    /// Starts a thread for each connection. The file stays locked until they have ended.
    pub(crate) fn start(connections: Vec<Connection>, file: &Path, lock: &Arc<Lock>) -> Result<Self> {
        let (reads, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let start = |db| {
            let (queue, lock) = (Arc::clone(&queue), Arc::clone(lock));
            thread::Builder::new()
                .name("sqlite-reader".into())
                .spawn(move || {
                    serve(db, &queue);
                    drop(lock);
                })
        };
        let threads: std::io::Result<Vec<_>> = connections.into_iter().map(start).collect();
        let threads = threads.map_err(|e| Error::unavailable(ENGINE, "can't start a thread").because(e))?;
        Ok(Self {
            reads: Some(reads),
            threads,
            file: file.into(),
        })
    }

    /// Runs `work` on one snapshot, whatever is written meanwhile. It is skipped where its caller has gone by then.
    pub(crate) async fn run<T, F>(&self, attempt: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let read = move |db: &mut Connection| {
            if answer.is_closed() {
                return;
            }
            let done =
                catch_unwind(AssertUnwindSafe(|| on_snapshot(db, work))).unwrap_or(Err(Failure::Panicked));
            drop(answer.send(done));
        };
        let reads = self.reads.as_ref().ok_or_else(|| self.gone())?;
        reads.send(Box::new(read)).await.map_err(|_| self.gone())?;
        let done = answered.await.map_err(|_| self.gone())?;
        done.map_err(|failure| failure.about(attempt, &self.file))
    }

    fn gone(&self) -> Error {
        Error::unavailable(
            ENGINE,
            format!("{} was closed; restart the process", self.file.display()),
        )
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.reads = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readers({})", self.file.display())
    }
}

/// A transaction that writes nothing: several statements see one state.
fn on_snapshot<T>(db: &mut Connection, work: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
    let transaction = db.transaction()?;
    let done = work(&transaction)?;
    transaction.finish()?;
    Ok(done)
}

fn serve(mut db: Connection, queue: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // One of the threads waits for the next read, the others wait for their turn to wait.
        let read = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        match read {
            Some(read) => read(&mut db),
            None => return,
        }
    }
}
