//! The name that a browser saves a file under. Pure: RFC 6266 and RFC 8187.

use flotilla_core::artifact::percent_encoded;

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
    }
}
