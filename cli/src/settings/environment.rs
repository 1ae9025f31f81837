//! The layer of `FLOTILLA_*` variables.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::keys;

/// Variables that start with this are ours.
const PREFIX: &str = "FLOTILLA_";
/// Variables that are no settings: they belong to commands.
const OTHERS: [&str; 3] = ["FLOTILLA_CONFIG", "FLOTILLA_SERVER", "FLOTILLA_SPACE"];

/// Settings from environment variables. An empty variable is an unset one, because that is what `${X:-}` in a compose
/// file gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    /// Takes what is ours out of `variables`.
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, value): &(String, String)| name.starts_with(PREFIX) && !value.is_empty();
        Self(variables.into_iter().filter(ours).collect())
    }

    /// Variables that are no setting but look like a mistyped one, with what was probably meant. Others are left alone:
    /// Kubernetes puts `FLOTILLA_PORT` and the like into every pod beside a service called `flotilla`.
    pub(crate) fn typos(&self) -> Vec<(String, String)> {
        let known: Vec<String> = keys::all().iter().map(|path| keys::variable(path)).collect();
        let names = self.0.iter().map(|(name, _)| name);
        names
            .filter(|name| !known.contains(name) && !OTHERS.contains(&name.as_str()))
            .filter_map(|name| {
                let near = known
                    .iter()
                    .find(|candidate| strsim::damerau_levenshtein(name, candidate) <= 2)?;
                Some((name.clone(), near.clone()))
            })
            .collect()
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment").interpolater(|_, path| keys::variable(&path.join(".")))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut dict = Dict::new();
        for path in keys::all() {
            let name = keys::variable(&path);
            if let Some((_, value)) = self.0.iter().find(|(given, _)| *given == name) {
                insert(&mut dict, &path, typed(value));
            }
        }
        Ok(Profile::Default.collect(dict))
    }
}

/// Text as a number or a boolean where it reads as one.
pub(super) fn typed(text: &str) -> Value {
    match (text.parse::<u64>(), text.parse::<bool>()) {
        (Ok(number), _) => Value::from(number),
        (_, Ok(flag)) => Value::from(flag),
        _ => Value::from(text),
    }
}

/// Puts `value` at `path` (`section.key`), one section deep at most.
pub(super) fn insert(dict: &mut Dict, path: &str, value: Value) {
    let Some((section, key)) = path.split_once('.') else {
        dict.insert(path.to_owned(), value);
        return;
    };
    let entry = dict
        .entry(section.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, section) = entry {
        section.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn only_near_misses_are_typos() {
        let given = environment(&[
            ("FLOTILLA_STORE_URI", "x"),
            ("FLOTILLA_PORT", "tcp://10.0.0.1:7400"),
            ("FLOTILLA_SERVICE_HOST", "10.0.0.1"),
            ("FLOTILLA_SERVER", "http://x"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            given.typos(),
            [("FLOTILLA_STORE_URI".to_owned(), "FLOTILLA_STORE_URL".to_owned())]
        );
    }
}
