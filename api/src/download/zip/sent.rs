//! From the task that makes an archive to the connection that takes it. What ends without a word was cut.

use bytes::Bytes;
use flotilla_core::Error;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::sync::mpsc;

/// Pieces that are made before the client takes them.
const AHEAD: usize = 2;

enum Sent {
    Piece(Bytes),
    End(Result<(), Error>),
}

/// Where pieces go.
#[derive(Clone)]
pub(super) struct Sender(mpsc::Sender<Sent>);

pub(super) struct Receiver(mpsc::Receiver<Sent>);

pub(super) fn channel() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    (Sender(sender), Receiver(receiver))
}

impl Sender {
    /// Waits until the client has taken enough.
    ///
    /// # Errors
    /// Where it has gone.
    pub(super) async fn send(&self, piece: Bytes) -> Result<(), Error> {
        let sent = self.0.send(Sent::Piece(piece)).await;
        sent.map_err(|_| Error::unavailable("a download", "its client has gone"))
    }

    /// Says how it ended, where somebody is still there.
    pub(super) async fn end(&self, ended: Result<(), Error>) {
        let _ = self.0.send(Sent::End(ended)).await;
    }
}

/// The pieces. A task that vanished, in a panic say, has not said that this was all.
pub(super) fn pieces(receiver: Receiver) -> impl Stream<Item = Result<Bytes, Error>> {
    try_unfold(receiver, |mut receiver| async move {
        match receiver.0.recv().await {
            Some(Sent::Piece(piece)) => Ok(Some((piece, receiver))),
            Some(Sent::End(Ok(()))) => Ok(None),
            Some(Sent::End(Err(error))) => Err(error),
            None => Err(Error::unavailable("a download", "it ended in the middle")),
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn what_ends_without_a_word_was_cut() {
        for (said, whole) in [(Some(Ok(())), true), (Some(Err(())), false), (None, false)] {
            let (sender, receiver) = channel();
            sender.send(Bytes::from_static(b"a")).await.unwrap();
            if let Some(said) = said {
                sender.end(said.map_err(|()| Error::unavailable("x", "y"))).await;
            }
            drop(sender);
            let all: Result<Vec<Bytes>, Error> = pieces(receiver).try_collect().await;
            assert_eq!(all.is_ok(), whole);
        }
    }
}
