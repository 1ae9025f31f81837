#![cfg(test)]
//! What an item costs does not grow unseen.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::process::{Command, Output};

fn guard(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flotilla-instructions"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "the recorded figures are those of the dev profile"
)]
fn an_item_takes_as_many_instructions_as_recorded() {
    let checked = guard(&["check"]);
    let (table, error) = (text(&checked.stdout), text(&checked.stderr));
    assert!(checked.status.success(), "{error}\n{table}");
}

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "the recorded figures are those of the dev profile"
)]
fn a_figure_that_is_off_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.json");
    let file = file.to_str().unwrap();
    fs::write(
        file,
        format!(r#"{{"{ARCH}": {{"fingerprint": 1, "tally": 1000000}}}}"#),
    )
    .unwrap();
    let checked = guard(&["check", "fingerprint", "tally", "copy-items", "--figures", file]);
    let error = text(&checked.stderr);
    for part in [
        "fingerprint: dearer",
        "tally: cheaper",
        "copy-items: nothing is recorded",
        "check --record",
    ] {
        assert!(
            !checked.status.success() && error.contains(part),
            "{part}: {error}"
        );
    }
    let recorded = guard(&["check", "fingerprint", "--figures", file, "--record"]);
    assert!(recorded.status.success(), "{}", text(&recorded.stderr));
    let figures: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let figures = &figures[ARCH];
    assert!(
        figures["fingerprint"] > 1_000 && figures["tally"] == 1_000_000,
        "{figures:?}"
    );
}

#[test]
fn without_valgrind_it_says_what_to_install() {
    let counted = Command::new(env!("CARGO_BIN_EXE_flotilla-instructions"))
        .args(["count", "fingerprint"])
        .env("PATH", "")
        .output()
        .expect("the program starts");
    let error = text(&counted.stderr);
    assert!(
        !counted.status.success() && error.contains("apt-get install valgrind"),
        "{error}"
    );
}
