//! What goes into a process and comes out of it, in bounded memory.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;

/// More came out of a process than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Writes `input` and closes the pipe. A process that does not read it is free to do so.
pub(crate) async fn feed(mut stdin: ChildStdin, input: &[u8]) {
    let _ = stdin.write_all(input).await;
    let _ = stdin.shutdown().await;
}

/// Reads to the end, or until there is more than `max`. What was read so far stays in `into` if this is dropped. A
/// pipe that can't be read counts as ended.
pub(crate) async fn read_bounded(
    mut from: impl AsyncRead + Unpin,
    into: &mut Vec<u8>,
    max: u64,
) -> Result<(), TooLong> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        match from.read(&mut chunk).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(n) if (into.len() + n) as u64 > max => return Err(TooLong),
            Ok(n) => into.extend_from_slice(&chunk[..n]),
        }
    }
}

/// How reading a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Complete,
    TooLong,
    Closed,
}

/// Reads up to a line break, which is not kept.
pub(crate) async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    max: u64,
) -> LineEnd {
    loop {
        let Ok(chunk) = from.fill_buf().await else {
            return LineEnd::Closed;
        };
        if chunk.is_empty() {
            return LineEnd::Closed;
        }
        let (found, taken) = match chunk.iter().position(|&byte| byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (false, chunk.len()),
        };
        let text = &chunk[..taken - usize::from(found)];
        if (line.len() + text.len()) as u64 > max {
            return LineEnd::TooLong;
        }
        line.extend_from_slice(text);
        from.consume(taken);
        if found {
            return LineEnd::Complete;
        }
    }
}

/// The last words of a process on stderr.
#[derive(Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    /// So many bytes are kept.
    const KEPT: usize = 2 * 1024;

    /// Reads to the end and keeps the last part. Safe to drop and to call again.
    pub(crate) async fn follow(&mut self, from: &mut (impl AsyncRead + Unpin)) {
        let mut chunk = [0; 4 * 1024];
        while let Ok(n @ 1..) = from.read(&mut chunk).await {
            self.push(&chunk[..n]);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(Self::KEPT);
        self.0.drain(..surplus);
    }

    /// Forgets what was kept.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What was kept, as readable text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0)
            .trim_matches(|c: char| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER)
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_is_bounded() {
        let mut into = Vec::new();
        assert_eq!(read_bounded(&b"12345"[..], &mut into, 5).await, Ok(()));
        assert_eq!(into, b"12345");
        assert_eq!(
            read_bounded(tokio::io::repeat(1), &mut Vec::new(), 1_000_000).await,
            Err(TooLong)
        );
    }

    #[tokio::test]
    async fn the_tail_keeps_the_end() {
        let mut tail = Tail::default();
        let text = format!("{}é the end\n", "x".repeat(100_000));
        tail.follow(&mut text.as_bytes()).await;
        assert!(tail.text().ends_with("xé the end"));
        assert!(tail.text().len() <= Tail::KEPT);
        tail.clear();
        assert_eq!(tail.text(), "");
    }

    #[tokio::test]
    async fn lines_are_bounded_and_taken_one_by_one() {
        let mut from = tokio::io::BufReader::with_capacity(4, &b"first\n\nlonger line\nrest"[..]);
        let mut next = async |max| {
            let mut line = Vec::new();
            let end = read_line(&mut from, &mut line, max).await;
            (end, String::from_utf8(line).unwrap())
        };
        assert!(matches!(next(5).await, (LineEnd::Complete, line) if line == "first"));
        assert!(matches!(next(5).await, (LineEnd::Complete, line) if line.is_empty()));
        assert!(matches!(next(5).await, (LineEnd::TooLong, _)));
    }
}
