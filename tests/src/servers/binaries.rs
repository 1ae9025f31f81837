//! Where the programs of the servers are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A program to be found.
pub(super) struct Binary {
    /// What it is, for messages.
    server: &'static str,
    /// Names it may have, in order of preference.
    names: &'static [&'static str],
    /// Folders to look in before the PATH; a `*` stands for a version, of which the newest wins.
    folders: &'static [&'static str],
    /// The Debian package that has it.
    package: &'static str,
}

/// RabbitMQ. The PATH comes last: what Debian puts there is a wrapper that switches to another user.
pub(super) const RABBITMQ: Binary = Binary {
    server: "RabbitMQ",
    names: &["rabbitmq-server"],
    folders: &[
        "/usr/lib/rabbitmq/bin",
        "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
        "/opt/rabbitmq/sbin",
        "/usr/local/sbin",
    ],
    package: "rabbitmq-server",
};

/// Erlang's register of node names.
pub(super) const EPMD: Binary = Binary {
    server: "Erlang's epmd, which RabbitMQ needs,",
    names: &["epmd"],
    folders: &[
        "/usr/bin",
        "/usr/lib/erlang/bin",
        "/usr/lib/erlang/erts-*/bin",
        "/usr/lib64/erlang/erts-*/bin",
    ],
    package: "erlang-base",
};

/// Redis, or Valkey.
pub(super) const REDIS: Binary = Binary {
    server: "Redis",
    names: &["redis-server", "valkey-server"],
    folders: &["/usr/bin", "/usr/local/bin"],
    package: "redis-server",
};

/// PostgreSQL's server. Debian does not put it on the PATH.
pub(super) const POSTGRES: Binary = Binary {
    server: "PostgreSQL",
    names: &["postgres"],
    folders: POSTGRES_FOLDERS,
    package: "postgresql",
};

/// The program that makes a PostgreSQL data folder.
pub(super) const INITDB: Binary = Binary {
    server: "PostgreSQL's initdb",
    names: &["initdb"],
    folders: POSTGRES_FOLDERS,
    package: "postgresql",
};

const POSTGRES_FOLDERS: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
];

impl Binary {
    /// The program's path, or a message that says what to install.
    pub(super) fn find(&self) -> Result<PathBuf> {
        let on_path = env::var_os("PATH").unwrap_or_default();
        let known = self.folders.iter().flat_map(|folder| newest_first(folder));
        let folders: Vec<PathBuf> = known.chain(env::split_paths(&on_path)).collect();
        let candidates = self
            .names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        for candidate in candidates {
            if candidate.is_file() {
                return Ok(candidate);
            }
        }
        bail!(
            "{} was not found: no {} in {} or on the PATH. Install it: apt-get install {}",
            self.server,
            self.names.join(" or "),
            self.folders.join(", "),
            self.package
        )
    }
}

/// The folders that a pattern with at most one `*` stands for.
fn newest_first(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![pattern.into()];
    };
    let (parent, prefix) = before.rsplit_once('/').expect("patterns are absolute");
    let mut found: Vec<(Vec<u32>, PathBuf)> = Vec::new();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(version) = name.to_str().and_then(|name| name.strip_prefix(prefix)) else {
            continue;
        };
        let path = Path::new(parent).join(&name).join(after.trim_start_matches('/'));
        found.push((
            version
                .split(['.', '-'])
                .map(|part| part.parse().unwrap_or(0))
                .collect(),
            path,
        ));
    }
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "16.1", "16"] {
            fs::create_dir_all(root.path().join(format!("pg-{version}/bin"))).unwrap();
        }
        let found = newest_first(&format!("{}/pg-*/bin", root.path().display()));
        let expected = ["pg-16.1/bin", "pg-16/bin", "pg-15/bin", "pg-9.6/bin"];
        assert_eq!(found, expected.map(|folder| root.path().join(folder)));
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let binary = Binary {
            server: "Nothing",
            names: &["no-such-program"],
            folders: &["/no/such/folder"],
            package: "nothing-server",
        };
        let message = binary.find().unwrap_err().to_string();
        assert!(message.contains("/no/such/folder"), "{message}");
        assert!(message.ends_with("apt-get install nothing-server"), "{message}");
    }
}
