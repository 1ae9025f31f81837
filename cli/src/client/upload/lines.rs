//! Plain lines as items.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use tokio::io::AsyncRead;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

/// The longest line, in bytes: what the server takes of an item by default.
const LONGEST: usize = 1 << 20;
/// Lines that are sent at once.
const AT_ONCE: usize = 512;

/// Every line that is not blank, as a JSON string on a line of its own.
pub(super) fn as_json(body: impl AsyncRead + Send + 'static) -> impl Stream<Item = io::Result<Bytes>> + Send {
    FramedRead::new(body, LinesCodec::new_with_max_length(LONGEST))
        .map_err(explain)
        .try_ready_chunks(AT_ONCE)
        .map_err(|error| error.1)
        .and_then(|lines| async move { Ok(quoted(&lines)) })
}

fn quoted(lines: &[String]) -> Bytes {
    let mut out = Vec::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        out.extend_from_slice(serde_json::Value::from(line.as_str()).to_string().as_bytes());
        out.push(b'\n');
    }
    out.into()
}

fn explain(error: LinesCodecError) -> io::Error {
    match error {
        LinesCodecError::MaxLineLengthExceeded => {
            io::Error::other(format!("a line is longer than {LONGEST} bytes"))
        }
        LinesCodecError::Io(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_become_strings() {
        let text: &[u8] = b"a \"b\"\r\n\n  \nhttp://x/{1}\nlast";
        let pieces: Vec<Bytes> = as_json(text).try_collect().await.unwrap();
        let whole = pieces.concat();
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            "\"a \\\"b\\\"\"\n\"http://x/{1}\"\n\"last\"\n"
        );
    }

    #[tokio::test]
    async fn what_is_no_text_is_refused() {
        let bytes: &[u8] = b"fine\n\xff\xfe\n";
        assert!(as_json(bytes).try_collect::<Vec<_>>().await.is_err());
    }
}
