//! Server-sent events as they come off the wire: bytes in, events out.
//!
//! By the [standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream), with bounds:
//! what a server sends must not fill this process.

/// The longest line, and the most data of an event.
const LONGEST: usize = 1 << 20;
/// Stands in front of some streams, and means nothing.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// What kind it is; `message` where it was not said.
    pub(crate) kind: String,
    /// Its lines.
    pub(crate) data: String,
}

/// A line or an event is longer than anything that a Flotilla server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of over {LONGEST} bytes")]
pub(crate) struct TooLong;

/// Reads a stream, in chunks that may end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The line that has not ended.
    line: Vec<u8>,
    /// The last byte was a CR, so an LF that follows belongs to it.
    after_cr: bool,
    /// No line has ended yet.
    begun: bool,
    kind: String,
    data: String,
    has_data: bool,
    last_id: Option<String>,
}

impl Parser {
    /// Takes the next bytes, and hands over the events that end in them.
    ///
    /// # Errors
    /// For what is too long; then the stream can't be gone on with.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in chunk {
            let second_half = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()?),
                _ if self.line.len() >= LONGEST => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    /// Where to go on after a break: the id of the last event that had one.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn end_of_line(&mut self) -> Result<Option<Event>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let line = match line.strip_prefix(MARK) {
            Some(rest) if !self.begun => rest,
            _ => &line,
        };
        self.begun = true;
        if line.is_empty() {
            return Ok(self.end_of_event());
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = match text.split_once(':') {
            // A comment: that the server is there.
            Some(("", _)) => return Ok(None),
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (&*text, ""),
        };
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => self.data(value)?,
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            // `retry` among them: how long to wait is ours to say.
            _ => {}
        }
        Ok(None)
    }

    fn data(&mut self, value: &str) -> Result<(), TooLong> {
        if self.has_data {
            self.data.push('\n');
        }
        if self.data.len() + value.len() > LONGEST {
            return Err(TooLong);
        }
        self.data.push_str(value);
        self.has_data = true;
        Ok(())
    }

    /// One without data is none.
    fn end_of_event(&mut self) -> Option<Event> {
        let mut kind = std::mem::take(&mut self.kind);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        if kind.is_empty() {
            "message".clone_into(&mut kind);
        }
        Some(Event { kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &str) -> Vec<(String, String)> {
        let events = Parser::default().take(stream.as_bytes()).unwrap();
        events.into_iter().map(|event| (event.kind, event.data)).collect()
    }

    fn one(kind: &str, data: &str) -> Vec<(String, String)> {
        vec![(kind.to_owned(), data.to_owned())]
    }

    #[test]
    fn an_event_has_a_kind_and_lines() {
        assert_eq!(
            events("event: batch_progress\nid: 7\ndata: {\"a\":\ndata: 1}\n\n"),
            one("batch_progress", "{\"a\":\n1}")
        );
        assert_eq!(events("data:x\n\n"), one("message", "x"), "the blank is optional");
        assert_eq!(
            events("data:  x\n\n"),
            one("message", " x"),
            "and only one of them"
        );
        assert_eq!(events("data\n\n"), one("message", ""), "a field without a value");
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        assert_eq!(events(": heartbeat\n\n:\n\n"), []);
        assert_eq!(events("event: x\nid: 1\n\n"), [], "no data");
        assert_eq!(
            events("event: a\n\ndata: x\n\n"),
            one("message", "x"),
            "the kind is forgotten"
        );
        assert_eq!(events("retry: 10\nnonsense: 1\ndata: x\n\n"), one("message", "x"));
        assert_eq!(events("data: x\n"), [], "it has not ended");
        assert_eq!(events("\u{feff}data: x\n\n"), one("message", "x"));
    }

    #[test]
    fn lines_end_as_they_like_and_chunks_anywhere() {
        let stream =
            "event: e\r\nid: 7\r\ndata: ü1\r\ndata: 2\r\n\r\n: still there\r\rdata: 3\r\r\ndata: 4\n\n";
        let whole = Parser::default().take(stream.as_bytes()).unwrap();
        assert_eq!(whole.len(), 3, "{whole:?}");
        assert_eq!((whole[0].kind.as_str(), whole[0].data.as_str()), ("e", "ü1\n2"));
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let chunks = stream.as_bytes().chunks(size);
            let events: Vec<Event> = chunks.flat_map(|chunk| parser.take(chunk).unwrap()).collect();
            assert_eq!(events, whole, "in chunks of {size}");
            assert_eq!(parser.last_id(), Some("7"));
        }
    }

    #[test]
    fn the_last_id_stays_until_another_one_comes() {
        let mut parser = Parser::default();
        parser
            .take(b"id: 7\ndata: x\n\ndata: y\n\nid: 8\0\ndata: z\n\n")
            .unwrap();
        assert_eq!(parser.last_id(), Some("7"));
        parser.take(b"id\ndata: x\n\n").unwrap();
        assert_eq!(parser.last_id(), Some(""), "an empty one resets it");
    }

    #[test]
    fn nothing_grows_without_bounds() {
        let endless = vec![b'x'; LONGEST + 1];
        assert_eq!(Parser::default().take(&endless), Err(TooLong));
        let line = [b"data: ".as_slice(), &vec![b'x'; LONGEST / 2], b"\n"].concat();
        let mut parser = Parser::default();
        assert!(parser.take(&line).is_ok());
        assert!(
            parser.take(&line).is_err(),
            "together with the first and what is between them"
        );
    }
}
