//! The names that settings have in `flotilla.toml`, in the environment and on the command line.
//!
//! There is no list to keep in step: the names are read off [`Raw`] itself.

use figment::value::{Dict, Value};

use super::raw::Raw;

/// Sections whose keys are names that people choose. What is inside is checked by its own type, and exists only in
/// `flotilla.toml`.
pub(crate) const NAMED: [&str; 2] = ["job_types", "spaces"];

/// Every setting, by its path in `flotilla.toml`. Each of [`NAMED`] is one of them.
pub(crate) fn all() -> Vec<String> {
    let mut paths = Vec::new();
    if let Ok(serde_json::Value::Object(raw)) = serde_json::to_value(Raw::default()) {
        for (key, value) in raw {
            collect(key, &value, &mut paths);
        }
    }
    paths
}

fn collect(path: String, value: &serde_json::Value, paths: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(section) if !NAMED.contains(&path.as_str()) => {
            for (key, value) in section {
                collect(format!("{path}.{key}"), value, paths);
            }
        }
        _ => paths.push(path),
    }
}

/// `worker.concurrency` is `FLOTILLA_WORKER_CONCURRENCY`.
pub(crate) fn variable(path: &str) -> String {
    format!("FLOTILLA_{}", path.replace('.', "_").to_uppercase())
}

/// `worker.concurrency` is `--concurrency`, `store_url` is `--store-url`.
pub(crate) fn flag(path: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    format!("--{}", name.replace('_', "-"))
}

/// The keys of `dict` that are no settings, by path.
pub(crate) fn unknown(dict: &Dict) -> Vec<String> {
    let known = all();
    let mut found = Vec::new();
    walk("", dict, &known, &mut found);
    found
}

fn walk(prefix: &str, dict: &Dict, known: &[String], found: &mut Vec<String>) {
    for (key, value) in dict {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        if known.contains(&path) {
            continue;
        }
        let is_section = known
            .iter()
            .any(|name| name.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')));
        match value {
            // A section with a plain value is a wrong type, which is reported as such later.
            Value::Dict(_, section) if is_section => walk(&path, section, known, found),
            _ if is_section => {}
            _ => found.push(path),
        }
    }
}

/// The known name that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_paths() {
        assert!(all().contains(&"worker.concurrency".to_owned()));
        assert!(NAMED.iter().all(|name| all().contains(&(*name).to_owned())));
        assert_eq!(variable("worker.concurrency"), "FLOTILLA_WORKER_CONCURRENCY");
        assert_eq!(flag("worker.concurrency"), "--concurrency");
        assert_eq!(flag("store_url"), "--store-url");
    }

    #[test]
    fn a_typo_is_near_what_was_meant() {
        assert_eq!(
            nearest("stor_url", ["store_url", "broker_url"]),
            Some("store_url")
        );
        assert_eq!(nearest("colour", ["store_url", "data"]), None);
    }
}
