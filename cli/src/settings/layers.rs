//! Defaults, then `flotilla.toml`, then the environment, then flags; and where a value came from.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::{Figment, Provider};

use super::environment::Environment;
use super::keys;
use super::overrides::Overrides;
use super::problem::{self, Problem};
use super::raw::Raw;

/// The file that is read when no other is named.
pub(crate) const DEFAULT_FILE: &str = "flotilla.toml";

/// Where settings are read from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`. Without it, [`DEFAULT_FILE`] in the working directory if there is one.
    pub(crate) file: Option<PathBuf>,
    /// `FLOTILLA_*`.
    pub(crate) environment: Environment,
    /// Flags.
    pub(crate) flags: Overrides,
}

/// The layers, one over the other.
pub(super) struct Layers {
    figment: Figment,
    /// The file among them.
    file: Option<PathBuf>,
}

impl Layers {
    pub(super) fn read(sources: &Sources) -> Result<Self, Problem> {
        let mut figment = Figment::new();
        let file = file(sources)?;
        if let Some(file) = &file {
            let toml = Toml::file_exact(file);
            refuse_unknown(&toml, file)?;
            figment = figment.merge(toml);
        }
        if let Some((name, near)) = sources.environment.typos().first() {
            return Err(Problem::new(format!(
                "environment: {name} is no setting; did you mean {near}?"
            )));
        }
        let figment = figment.merge(&sources.environment).merge(&sources.flags);
        Ok(Self { figment, file })
    }

    pub(super) fn extract(&self) -> Result<Raw, Problem> {
        self.figment.extract().map_err(|error| problem::explain(&error))
    }

    /// What paths in the file are relative to.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.file.as_deref().and_then(Path::parent);
        folder.map(Path::to_owned).unwrap_or_default()
    }

    /// Where the value at `path` was written, in words; nothing where it is a default.
    pub(super) fn origin(&self, path: &str) -> Option<String> {
        let metadata = self.figment.find_metadata(path)?;
        Some(problem::origin(metadata, path))
    }
}

fn file(sources: &Sources) -> Result<Option<PathBuf>, Problem> {
    let default = Path::new(DEFAULT_FILE);
    match &sources.file {
        // Asked for, so it must be there; and a directory or a file without permission says so.
        Some(file) => match std::fs::File::open(file) {
            Ok(_) => Ok(Some(file.clone())),
            Err(error) => Err(Problem::new(format!(
                "can't read the configuration {}: {error}",
                file.display()
            ))),
        },
        None => Ok(default.is_file().then(|| default.to_owned())),
    }
}

fn refuse_unknown(toml: &impl Provider, file: &Path) -> Result<(), Problem> {
    let data = toml.data().map_err(|error| problem::explain_file(&error, file))?;
    let unknown = data.values().flat_map(keys::unknown).next();
    let Some(path) = unknown else { return Ok(()) };
    let known = keys::all();
    let hint = match keys::nearest(&path, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => match path.rsplit_once('.') {
            // In TOML everything after a [section] belongs to it.
            Some((_, key)) if known.iter().any(|name| name == key) => {
                format!("`{key}` must come before the first [section]")
            }
            _ => "docs/configuration.md lists them all".to_owned(),
        },
    };
    Err(Problem::new(format!(
        "{}: there is no setting `{path}`; {hint}",
        file.display()
    )))
}
