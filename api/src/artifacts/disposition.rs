//! The name that a browser saves a file under. Pure: RFC 6266 and RFC 8187.

use std::fmt::Write;

/// `Content-Disposition` of a file called `name`, which is saved and never shown: what workers write is not to be trusted
/// with this origin.
pub(crate) fn attachment(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .map(|c| match c {
            // A percent sign is taken for an escape by some.
            '"' | '\\' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    if plain == last {
        format!("attachment; filename=\"{plain}\"")
    } else {
        let exact = percent_encoded(last, b"");
        format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
    }
}

/// `text` with everything encoded but letters, digits, `-`, `.`, `_`, `~`, and `kept`.
pub(crate) fn percent_encoded(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_break_out() {
        assert_eq!(attachment("a/b c.png"), "attachment; filename=\"b c.png\"");
        assert_eq!(
            attachment("x\"; evil=\"\r\nSet-Cookie: a"),
            "attachment; filename=\"x_; evil=___Set-Cookie: a\"; \
             filename*=UTF-8''x%22%3B%20evil%3D%22%0D%0ASet-Cookie%3A%20a"
        );
        assert_eq!(
            attachment("naïve.txt"),
            "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"
        );
        assert_eq!(attachment("C:\\x\\y.txt"), "attachment; filename=\"y.txt\"");
        assert_eq!(percent_encoded("a b/ü?#", b"/"), "a%20b/%C3%BC%3F%23");
    }
}
