//! Names that files have in an archive: none leads out of the folder that it is unpacked into, on any system, and no two of
//! them are the same file there. Pure.

use std::collections::HashSet;

/// The longest name of a file, in bytes, whatever was reported.
const LONGEST: usize = 900;
/// What Windows does not take in names, besides control characters.
const NOT_IN_NAMES: [char; 8] = ['\\', ':', '*', '?', '"', '<', '>', '|'];
/// What Windows takes for a device, whatever its extension.
const DEVICES: [&str; 28] = [
    "con", "prn", "aux", "nul", "conin$", "conout$", "com0", "com1", "com2", "com3", "com4", "com5", "com6",
    "com7", "com8", "com9", "lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
    "clock$", "com¹",
];

/// The names of one item's files.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In lower case.
    files: HashSet<String>,
    folders: HashSet<String>,
}

impl Names {
    /// The name for a file that is called `name`: the same for the same names in the same order.
    pub(super) fn take(&mut self, name: &str) -> String {
        let safe = safe(name);
        if self.put(&safe) {
            return safe;
        }
        // Flat: that a file is called like a folder is one of the ways to be here.
        let flat = safe.replace('/', "_");
        let (stem, extension) = match flat.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
            _ => (flat.as_str(), String::new()),
        };
        let mut number = 2_u32;
        loop {
            let other = format!("{stem}~{number}{extension}");
            if self.put(&other) {
                return other;
            }
            number += 1;
        }
    }

    /// False where it, or a folder on the way to it, is taken.
    fn put(&mut self, name: &str) -> bool {
        let key = name.to_lowercase();
        let folders: Vec<&str> = key.match_indices('/').map(|(at, _)| &key[..at]).collect();
        let taken = self.files.contains(&key)
            || self.folders.contains(&key)
            || folders.iter().any(|folder| self.files.contains(*folder));
        if taken {
            return false;
        }
        self.folders.extend(folders.into_iter().map(str::to_owned));
        self.files.insert(key)
    }
}

fn safe(name: &str) -> String {
    let name = &name[..name.floor_char_boundary(LONGEST)];
    let parts = name.split('/').filter(|part| !part.is_empty()).map(safe_part);
    let safe: Vec<String> = parts.collect();
    if safe.is_empty() {
        "_".to_owned()
    } else {
        safe.join("/")
    }
}

fn safe_part(part: &str) -> String {
    let mut safe: String = part
        .chars()
        .map(|c| {
            if c.is_control() || NOT_IN_NAMES.contains(&c) {
                '_'
            } else {
                c
            }
        })
        .collect();
    // Windows drops these, and with them the difference to other names; so `.` and `..` are gone, too.
    let kept = safe.trim_end_matches(['.', ' ']).len();
    let dropped = safe.len() - kept;
    safe.truncate(kept);
    safe.extend(std::iter::repeat_n('_', dropped));
    let stem = safe
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_lowercase();
    if DEVICES.contains(&stem.as_str()) {
        safe.insert(0, '_');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out() {
        for (name, expected) in [
            ("a/b c/ü.png", "a/b c/ü.png"),
            ("/etc/passwd", "etc/passwd"),
            ("../../x", "__/__/x"),
            ("a/./b", "a/_/b"),
            ("C:\\x\\y", "C__x_y"),
            ("c:x", "c_x"),
            ("a\0b\nc\u{85}", "a_b_c_"),
            ("x. ", "x__"),
            ("nul", "_nul"),
            ("NUL.txt", "_NUL.txt"),
            ("aux /Com1.tar.gz", "aux_/_Com1.tar.gz"),
            ("console", "console"),
            ("what?*|\"<>", "what______"),
            ("", "_"),
            ("//", "_"),
        ] {
            assert_eq!(safe(name), expected, "{name:?}");
        }
        assert!(safe(&"é/".repeat(1_000)).len() <= LONGEST);
    }

    #[test]
    fn no_two_are_the_same_file() {
        let mut names = Names::default();
        let taken: Vec<String> = [
            "a.txt", "A.TXT", "a?.txt", "a*.txt", "d", "D/x", "e/f", "E", "a.txt",
        ]
        .into_iter()
        .map(|name| names.take(name))
        .collect();
        assert_eq!(
            taken,
            [
                "a.txt", "A~2.TXT", "a_.txt", "a_~2.txt", "d", "D_x~2", "e/f", "E~2", "a~3.txt"
            ]
        );
    }
}
