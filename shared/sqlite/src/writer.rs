//! The one thread that writes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use flotilla_core::{Error, Result};
use rusqlite::{Connection, TransactionBehavior, ffi};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Done, ENGINE, Failure, copy};
use crate::lock::Lock;

/// Verbs that may wait. More callers than this wait to be allowed to wait.
const QUEUE: usize = 64;
/// Verbs that share a commit, at most: the first of them waits for the last.
const GROUP: usize = 16;

/// Runs verbs one after the other, several to a commit.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    file: Arc<Path>,
}

enum Job {
    /// Runs in a transaction with others.
    Verb(Box<dyn Verb>),
    /// Brings its own transactions.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

impl Writer {
    /// Starts the thread. The file stays locked until it has ended.
    pub(crate) fn start(db: Connection, file: &Path, lock: Arc<Lock>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                serve(db, queue);
                drop(lock);
            });
        let thread = thread.map_err(|e| Error::unavailable(ENGINE, "can't start a thread").because(e))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            file: file.into(),
        })
    }

    /// Runs `work` in a transaction and answers when it is on the disk. From the moment that it is queued it runs
    /// whether or not the caller still waits.
    pub(crate) async fn run<T, F>(&self, attempt: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let (work, file) = (Some(work), Arc::clone(&self.file));
        let call = Call {
            attempt,
            file,
            work,
            done: Err(Failure::Panicked),
            answer,
        };
        self.send(Job::Verb(Box::new(call))).await?;
        answered.await.map_err(|_| self.gone())?
    }

    /// Runs `work`, which makes its own transactions, while nothing else is written.
    pub(crate) async fn run_alone<T, F>(&self, attempt: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Done<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = move |db: &mut Connection| {
            let done = catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or(Err(Failure::Panicked));
            // Nobody may be waiting any more: that is their business.
            drop(answer.send(done));
        };
        self.send(Job::Alone(Box::new(job))).await?;
        let done = answered.await.map_err(|_| self.gone())?;
        done.map_err(|failure| failure.about(attempt, &self.file))
    }

    /// Fails where the thread has ended.
    pub(crate) fn check(&self) -> Result<()> {
        let alive = self.jobs.as_ref().is_some_and(|jobs| !jobs.is_closed());
        if alive { Ok(()) } else { Err(self.gone()) }
    }

    async fn send(&self, job: Job) -> Result<()> {
        let jobs = self.jobs.as_ref().ok_or_else(|| self.gone())?;
        jobs.send(job).await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        Error::unavailable(
            ENGINE,
            format!("{} was closed; restart the process", self.file.display()),
        )
    }
}

impl Drop for Writer {
    /// Whoever opens the file next finds it whole and unlocked.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({})", self.file.display())
    }
}

/// A call to the store, without its types.
trait Verb: Send {
    /// Does it. False where what it did is to be undone.
    fn run(&mut self, db: &Connection) -> bool;
    /// Answers it, now that its transaction has ended in this way.
    fn answer(self: Box<Self>, committed: &rusqlite::Result<()>);
}

struct Call<T, F> {
    attempt: &'static str,
    file: Arc<Path>,
    work: Option<F>,
    done: Done<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Verb for Call<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Done<T> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        if let Some(work) = self.work.take() {
            self.done = catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or(Err(Failure::Panicked));
        }
        self.done.is_ok()
    }

    fn answer(self: Box<Self>, committed: &rusqlite::Result<()>) {
        let done = match (self.work, self.done, committed) {
            // It failed by itself, before that: this is the better reason.
            (None, Err(own), _) => Err(own),
            (_, _, Err(error)) => Err(Failure::Sql(copy(error))),
            (_, done, Ok(())) => done,
        };
        // Nobody may be waiting any more: that is their business.
        drop(
            self.answer
                .send(done.map_err(|failure| failure.about(self.attempt, &self.file))),
        );
    }
}

fn serve(mut db: Connection, mut queue: mpsc::Receiver<Job>) {
    let mut next = queue.blocking_recv();
    while let Some(job) = next {
        next = match job {
            Job::Alone(work) => {
                work(&mut db);
                None
            }
            Job::Verb(first) => {
                let (mut group, next) = gather(first, &mut queue);
                let committed = commit(&mut db, &mut group);
                for verb in group {
                    verb.answer(&committed);
                }
                next
            }
        };
        next = next.or_else(|| queue.blocking_recv());
    }
}

/// The verbs that wait at this moment, up to one that must run alone.
fn gather(first: Box<dyn Verb>, queue: &mut mpsc::Receiver<Job>) -> (Vec<Box<dyn Verb>>, Option<Job>) {
    let mut group = vec![first];
    while group.len() < GROUP {
        match queue.try_recv() {
            Ok(Job::Verb(verb)) => group.push(verb),
            Ok(alone @ Job::Alone(_)) => return (group, Some(alone)),
            Err(_) => break,
        }
    }
    (group, None)
}

/// Runs verbs in one transaction. One that fails is undone and leaves the others as they are.
fn commit(db: &mut Connection, group: &mut [Box<dyn Verb>]) -> rusqlite::Result<()> {
    let mut transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for verb in group {
        let savepoint = transaction.savepoint()?;
        let keep = verb.run(&savepoint);
        // A full disk, say, makes SQLite undo all of it; whatever ran now would be outside of any transaction.
        if savepoint.is_autocommit() {
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK),
                None,
            ));
        }
        if keep {
            savepoint.commit()
        } else {
            savepoint.finish()
        }?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use flotilla_core::ErrorKind;
    use tempfile::TempDir;

    use super::*;

    /// A writer on a file of at most 50 pages, with one table.
    fn writer() -> (Writer, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let db = Connection::open(&file).unwrap();
        db.execute_batch("PRAGMA max_page_count = 50; CREATE TABLE t (n INTEGER UNIQUE, fill BLOB)")
            .unwrap();
        let lock = Arc::new(Lock::take(&file).unwrap());
        (Writer::start(db, &file, lock).unwrap(), folder)
    }

    fn insert(n: i64, bytes: usize) -> impl FnOnce(&Connection) -> Done<()> + Send + 'static {
        move |db| {
            db.execute("INSERT INTO t VALUES (?1, zeroblob(?2))", (n, bytes as i64))?;
            Ok(())
        }
    }

    async fn stored(writer: &Writer) -> Vec<i64> {
        let read = |db: &Connection| {
            let mut statement = db.prepare("SELECT n FROM t ORDER BY n")?;
            let numbers = statement.query_map([], |row| row.get(0))?;
            Ok(numbers.collect::<Result<_, _>>()?)
        };
        writer.run("read", read).await.unwrap()
    }

    /// Keeps the thread busy until the returned end is dropped, so that what is sent meanwhile shares a commit.
    async fn hold(writer: &Writer) -> std::sync::mpsc::Sender<()> {
        let (release, held) = channel::<()>();
        let job = Job::Alone(Box::new(move |_| {
            let _released = held.recv();
        }));
        writer.send(job).await.unwrap();
        release
    }

    #[tokio::test]
    async fn a_verb_that_fails_is_undone_alone() {
        let (writer, _folder) = writer();
        let release = hold(&writer).await;
        let half_done = |db: &Connection| {
            insert(3, 1)(db)?;
            insert(1, 1)(db)
        };
        let verbs = async {
            tokio::join!(
                writer.run("a", insert(1, 1)),
                writer.run("b", half_done),
                writer.run("c", |_: &Connection| -> Done<()> { panic!("on purpose") }),
                writer.run("d", insert(2, 1)),
            )
        };
        let ((a, b, c, d), ()) = tokio::join!(verbs, async { drop(release) });
        assert!(a.is_ok() && d.is_ok(), "{a:?} {d:?}");
        assert_eq!(b.unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(c.unwrap_err().to_string().contains("nothing was changed"));
        assert_eq!(stored(&writer).await, [1, 2]);
    }

    #[tokio::test]
    async fn a_full_disk_fails_its_callers_and_nobody_else() {
        let (writer, _folder) = writer();
        let release = hold(&writer).await;
        let verbs = async {
            tokio::join!(
                writer.run("a", insert(1, 1)),
                writer.run("b", insert(2, 1_000_000)),
                writer.run("c", insert(3, 1)),
            )
        };
        let ((a, b, c), ()) = tokio::join!(verbs, async { drop(release) });
        let full = b.unwrap_err();
        assert!(
            full.is_transient() && full.to_string().contains("the disk is full"),
            "{full}"
        );
        let answered: Vec<_> = [(1, a.is_ok()), (3, c.is_ok())]
            .into_iter()
            .filter(|(_, ok)| *ok)
            .collect();
        let answered: Vec<_> = answered.into_iter().map(|(n, _)| n).collect();
        assert_eq!(
            stored(&writer).await,
            answered,
            "what was answered is there, and nothing else"
        );
        writer.run("d", insert(4, 1)).await.unwrap();
        assert!(stored(&writer).await.contains(&4), "it goes on");
    }

    #[tokio::test]
    async fn a_verb_whose_caller_left_still_runs() {
        let (writer, _folder) = writer();
        let release = hold(&writer).await;
        {
            let mut call = Box::pin(writer.run("a", insert(1, 1)));
            let polled = poll_once(&mut call).await;
            assert!(polled.is_none(), "it waits for its turn");
        }
        drop(release);
        assert_eq!(stored(&writer).await, [1]);
    }

    /// One poll.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn dropping_it_finishes_what_has_begun_and_gives_the_file_back() {
        let (writer, folder) = writer();
        let file = folder.path().join("test.db");
        assert!(Lock::take(&file).is_err());
        let (begun, running) = channel();
        let slow = move |db: &Connection| {
            begun.send(()).unwrap();
            insert(1, 1)(db)
        };
        let mut call = Box::pin(writer.run("a", slow));
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        running.recv().unwrap();
        drop(writer);
        Lock::take(&file).unwrap();
        let count: i64 = Connection::open(&file)
            .unwrap()
            .query_one("SELECT count(*) FROM t", [], |r| r.get(0))
            .unwrap();
        assert_eq!(count, 1);
    }
}
