//! How deep a JSON text is nested. Its parser does not mind, but those of handlers do.

/// The most levels: what common parsers take.
pub(super) const MAX_DEPTH: usize = 128;

/// True where arrays and objects of a JSON text are nested deeper than that.
pub(super) fn is_too_deep(json: &str) -> bool {
    // Few items have so many brackets at all, and counting those is quick.
    let opening = memchr::memchr2_iter(b'[', b'{', json.as_bytes());
    opening.take(MAX_DEPTH + 1).count() > MAX_DEPTH && depth(json) > MAX_DEPTH
}

fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nesting_counts() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!is_too_deep(&nested(MAX_DEPTH)));
        assert!(is_too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&format!("[{}1]", "[{}],".repeat(1_000))));
        assert!(!is_too_deep(&format!("\"{}\"", "[\\\"{".repeat(1_000))));
        assert!(is_too_deep(&format!(r#"{{"a\\": {}}}"#, nested(MAX_DEPTH))));
    }
}
