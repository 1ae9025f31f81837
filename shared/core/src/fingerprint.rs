//! Groups errors that mean the same.

use sha2::{Digest, Sha256};

/// A short stable name for an error: 12 hexadecimal digits of a hash over its kind and its [normalised](normalise)
/// message.
#[must_use]
pub fn fingerprint(kind: &str, message: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(normalise(message));
    hash.finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Replaces what varies between two occurrences of one error: words with a digit in them (numbers, ids, hashes, dates)
/// become `#`, quoted text becomes `"…"`, white space becomes one space. A number that says what went wrong stays: that of
/// an HTTP status, an exit code or a signal.
#[must_use]
pub fn normalise(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message.trim();
    let mut before = "";
    while let Some(first) = rest.chars().next() {
        let taken = if first.is_whitespace() {
            out.push(' ');
            rest.find(|c: char| !c.is_whitespace())
        } else if let Some(end) = quoted(rest) {
            out.push_str("\"…\"");
            Some(end)
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = &rest[..end];
            let varies = word.contains(|c: char| c.is_ascii_digit()) && !is_code(before, word);
            out.push_str(if varies { "#" } else { word });
            before = word;
            Some(end)
        } else {
            out.push(first);
            Some(first.len_utf8())
        };
        rest = &rest[taken.unwrap_or(rest.len())..];
    }
    out
}

/// True for the 503 of `HTTP 503`.
fn is_code(before: &str, word: &str) -> bool {
    const NAMES: [&str; 5] = ["http", "status", "code", "signal", "errno"];
    word.len() <= 3
        && word.bytes().all(|c| c.is_ascii_digit())
        && NAMES.iter().any(|name| before.eq_ignore_ascii_case(name))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Where a quoted stretch at the start of `text` ends, if there is one. An apostrophe inside a word is no quote.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    text[1..].find(quote).map(|end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_does_not_split_a_group() {
        let a = "row 17: cannot open '/data/a.png' (id 0b1c-9f)   after 3.2 s";
        let b = "row 4: cannot open '/x/b.png' (id ffe0-11) after 11.9 s";
        assert_eq!(normalise(a), "row #: cannot open \"…\" (id #) after #.# s");
        assert_eq!(fingerprint("handler", a), fingerprint("handler", b));
        assert_ne!(fingerprint("handler", a), fingerprint("timeout", a));
        assert_ne!(
            fingerprint("handler", "not found"),
            fingerprint("handler", "not allowed")
        );
    }

    #[test]
    fn a_code_says_what_went_wrong() {
        assert_eq!(normalise("HTTP 503: retry in 17 s"), "HTTP 503: retry in # s");
        assert_eq!(normalise("exit code 65 after row 65"), "exit code 65 after row #");
        assert_eq!(normalise("killed by signal 9"), "killed by signal 9");
        assert_eq!(normalise("code 123456, status 2x"), "code #, status #");
    }

    proptest::proptest! {
        #[test]
        fn any_message_has_one(message in ".*") {
            proptest::prop_assert_eq!(fingerprint("k", &message).len(), 12);
        }
    }
}
