//! Engines of processes that work together must be reachable by all of them.

use anyhow::bail;

use crate::compose::Place;
use crate::settings::Settings;

/// What a role uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uses {
    pub(crate) store: bool,
    pub(crate) progress: bool,
}

/// Everything.
pub(crate) const ALL: Uses = Uses {
    store: true,
    progress: true,
};
/// What a worker needs: it never opens the store.
pub(crate) const NO_STORE: Uses = Uses {
    store: false,
    progress: true,
};

/// What a migration touches.
pub(crate) const STORE_AND_BROKER: Uses = Uses {
    store: true,
    progress: false,
};

/// Refuses engines that live in one process or one file: roles in other processes would wait for each other forever.
pub(crate) fn require(settings: &Settings, role: &str, uses: Uses) -> anyhow::Result<()> {
    let engines = &settings.engines;
    let alone = [
        (
            "FLOTILLA_STORE_URL",
            uses.store && !engines.store.is_server(),
            "postgres://…",
        ),
        ("FLOTILLA_BROKER_URL", !engines.broker.is_server(), "amqp://…"),
        (
            "FLOTILLA_PROGRESS_URL",
            uses.progress && !engines.progress.is_server(),
            "redis://…",
        ),
    ];
    let missing: Vec<String> = alone
        .iter()
        .filter(|(_, alone, _)| *alone)
        .map(|(variable, _, example)| format!("{variable}={example}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "`flotilla {role}` shares its work with other processes, and embedded engines can't be shared.\n  \
         Set {}, or run all roles in one process with `flotilla up`.",
        missing.join(" and ")
    )
}

/// Refuses a store that several processes can share with queues that they can't: each process would take what is on its
/// way in another for lost.
pub(crate) fn require_one_world(settings: &Settings) -> anyhow::Result<()> {
    let engines = &settings.engines;
    if engines.store.is_server() && !engines.broker.is_server() {
        bail!(
            "a PostgreSQL store can be shared by several processes, and the embedded broker can't.\n  \
             Set FLOTILLA_BROKER_URL=amqp://… too, or leave FLOTILLA_STORE_URL unset."
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Sources};

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(&Sources {
            environment: Environment::new(owned),
            ..Sources::default()
        })
        .unwrap()
    }

    #[test]
    fn a_role_alone_says_what_it_misses() {
        let text = require(&settings(&[]), "scheduler", ALL).unwrap_err().to_string();
        for part in [
            "flotilla scheduler",
            "FLOTILLA_STORE_URL",
            "FLOTILLA_BROKER_URL",
            "FLOTILLA_PROGRESS_URL",
            "flotilla up",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_worker_needs_no_store() {
        let variables = [
            ("FLOTILLA_BROKER_URL", "amqp://mq"),
            ("FLOTILLA_PROGRESS_URL", "redis://live"),
        ];
        assert!(require(&settings(&variables), "worker", NO_STORE).is_ok());
        assert!(require(&settings(&variables[..1]), "worker", NO_STORE).is_err());
        assert!(require(&settings(&variables), "api", ALL).is_err());
    }
}
