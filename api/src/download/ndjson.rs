//! An item per line.

use flotilla_core::Error;

use crate::views::ItemView;

/// Each of `items` as JSON and a line feed.
pub(super) fn lines(items: &[ItemView]) -> Result<Vec<u8>, Error> {
    let mut lines = Vec::new();
    for item in items {
        let start = lines.len();
        serde_json::to_writer(&mut lines, item)
            .map_err(|error| Error::corrupt("an item", "it has no JSON form").because(error))?;
        // Inputs and outputs are kept as they came, which may be in several lines. Inside of JSON's strings there are no
        // line breaks, so these mean nothing.
        for byte in &mut lines[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        lines.push(b'\n');
    }
    Ok(lines)
}
