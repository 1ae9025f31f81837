//! What fuzzing found worth keeping, gone through in every test run.

use std::path::Path;

#[test]
fn nothing_in_the_corpora_does_harm() {
    for (name, target) in flotilla_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).expect("every target has a corpus") {
            let file = entry.expect("a readable folder").path();
            target(&std::fs::read(&file).expect("a readable file"));
            files += 1;
        }
        assert!(files >= 5, "{} has only {files} files", folder.display());
    }
}
