//! Finds the program that was built together with the tests.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::SystemTime;

/// `target/debug/flotilla` for a test in `target/debug/deps`.
///
/// # Panics
///
/// Where it was not built.
pub(super) fn flotilla() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let folder = test
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .unwrap_or(&test);
    let program = folder.join("flotilla");
    assert!(
        program.is_file(),
        "{} does not exist. Build it: cargo build",
        program.display()
    );
    static ONCE: Once = Once::new();
    ONCE.call_once(|| warn_where_stale(&program));
    program
}

/// `cargo test` does not build programs of other packages, so a change may have missed this one. Only a warning: files may
/// also change while tests run.
fn warn_where_stale(program: &Path) {
    let newer = || {
        let built = modified(program)?;
        let sources = fs::read_to_string(program.with_extension("d")).ok()?;
        let (_, sources) = sources.split_once(": ")?;
        let newer = |source: &&str| modified(Path::new(source)).is_some_and(|changed| changed > built);
        sources.split_whitespace().find(newer).map(str::to_owned)
    };
    if let Some(source) = newer() {
        eprintln!(
            "warning: {} is older than {source}. Build it: cargo build",
            program.display()
        );
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
