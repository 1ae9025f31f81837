//! Every file of the dashboard, in the binary.

/// The page. `{version}` in it becomes the version of the assets.
pub(super) const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/index.html"));

pub(super) struct Asset {
    /// Below `/assets/{version}/`.
    pub(super) path: &'static str,
    pub(super) bytes: &'static [u8],
}

impl Asset {
    pub(super) fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

macro_rules! assets {
    ($($path:literal),+ $(,)?) => {
        &[$(Asset {
            path: $path,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/", $path)),
        }),+]
    };
}

pub(super) const ASSETS: &[Asset] = assets![
    "app.js",
    "components/actions.js",
    "components/attempts.js",
    "components/basics.js",
    "components/chart.js",
    "components/dialog.js",
    "components/icons.js",
    "components/keys.js",
    "components/reasons.js",
    "components/shell.js",
    "components/state.js",
    "components/toast.js",
    "favicon.svg",
    "lib/activity.js",
    "lib/api.js",
    "lib/format.js",
    "lib/hooks.js",
    "lib/html.js",
    "lib/live.js",
    "lib/pages.js",
    "lib/preview.js",
    "lib/reasons.js",
    "lib/router.js",
    "lib/states.js",
    "lib/storage.js",
    "lib/submission.js",
    "lib/upload.js",
    "styles/base.css",
    "styles/components.css",
    "styles/views.css",
    "theme.js",
    "vendor/LICENSE-htm.txt",
    "vendor/LICENSE-preact.txt",
    "vendor/LICENSE-uplot.txt",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
    "vendor/uplot.css",
    "vendor/uplot.js",
    "views/batch.js",
    "views/batch/details.js",
    "views/batch/errors.js",
    "views/batch/items.js",
    "views/batch/limits.js",
    "views/batch/timeline.js",
    "views/batches.js",
    "views/dead_letters.js",
    "views/item.js",
    "views/job_types.js",
    "views/new_batch.js",
    "views/new_batch/answer.js",
    "views/new_batch/columns.js",
    "views/new_batch/options.js",
    "views/overview.js",
    "views/workers.js",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");

    fn files(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                let relative = path.strip_prefix(FOLDER).unwrap();
                found.insert(relative.to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_is_listed() {
        let mut found = BTreeSet::new();
        files(Path::new(FOLDER), &mut found);
        found.retain(|path| path != "index.html" && path != "package.json" && !path.ends_with(".md"));
        let listed: BTreeSet<String> = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
        assert_eq!(found, listed);
    }
}
