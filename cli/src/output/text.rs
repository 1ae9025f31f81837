//! Text from elsewhere on a terminal.

/// `text` on one line and without control characters: a name or an error message must not move the cursor or recolour
/// the screen. Longer than `longest` characters, it ends in `…`.
pub(crate) fn clean(text: &str, longest: usize) -> String {
    let mut out = String::with_capacity(text.len().min(longest * 4));
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if length > 0 {
            out.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length + 1 >= longest && longest > 0 {
                out.push('…');
                return out;
            }
            out.push(c);
            length += 1;
        }
    }
    out
}

/// The end of an id, so many characters in all: its beginning is when it was made, which many have in common.
pub(crate) fn tail(id: &str, longest: usize) -> String {
    let characters = id.chars().count();
    if characters <= longest {
        return clean(id, 0);
    }
    let end: String = id.chars().skip(characters + 1 - longest).collect();
    format!("…{}", clean(&end, 0))
}

/// A time of the API to the second.
pub(crate) fn second(time: &str) -> String {
    let cut = time.split(['.', 'Z']).next().unwrap_or_default();
    clean(cut, 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        assert_eq!(clean("a\u{1b}[31m red\nline\t2 ", 80), "a [31m red line 2");
        assert_eq!(clean("abcdefgh", 5), "abcd…");
        assert_eq!(clean("", 5), "");
        assert_eq!(tail("abcdefgh", 5), "…efgh");
        assert_eq!(tail("abc", 5), "abc");
        assert_eq!(second("2026-01-01T10:20:30.123456Z"), "2026-01-01T10:20:30");
        assert_eq!(second("2026-01-01T10:20:30Z"), "2026-01-01T10:20:30");
    }
}
