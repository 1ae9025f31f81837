//! Numbers for people.

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 item`, `1,234 items`.
pub(crate) fn items(number: u64) -> String {
    counted(number, "item")
}

/// The same for another noun.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(number))
}

/// `0.25/s`, `7.3/s`, `1,234/s`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        slow if slow < 1.0 => format!("{slow:.2}/s"),
        medium if medium < 100.0 => format!("{medium:.1}/s"),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and saturating is fine"
        )]
        fast => format!("{}/s", grouped(fast.round() as u64)),
    }
}

/// At most six characters: `99,999`, `123k`, `1.2M`.
pub(crate) fn compact(number: u64) -> String {
    match number {
        0..100_000 => grouped(number),
        100_000..1_000_000 => format!("{}k", number / 1_000),
        1_000_000..10_000_000 => format!("{}.{}M", number / 1_000_000, number / 100_000 % 10),
        _ => format!("{}M", number / 1_000_000),
    }
}

/// `512 B`, `1.5 KiB`, `2.0 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(compact(99_999), "99,999");
        assert_eq!(compact(123_456), "123k");
        assert_eq!(compact(1_290_000), "1.2M");
        assert_eq!(compact(10_000_000), "10M");
        assert_eq!(items(1), "1 item");
        assert_eq!(items(1_200), "1,200 items");
        assert_eq!(rate(0.254), "0.25/s");
        assert_eq!(rate(7.32), "7.3/s");
        assert_eq!(rate(1_234.4), "1,234/s");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(2 << 30), "2.0 GiB");
    }
}
