#![cfg(test)]
//! The direction of dependencies, and who may know an adapter.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

const ADAPTERS: [&str; 5] = [
    "flotilla-amqp",
    "flotilla-redis",
    "flotilla-postgres",
    "flotilla-sqlite",
    "flotilla-embedded",
];
const SERVICES: [&str; 3] = ["flotilla-api", "flotilla-worker", "flotilla-scheduler"];

/// What each package of the workspace depends on in the workspace, tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let packages = metadata.workspace_packages();
    let names: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    packages
        .iter()
        .map(|package| {
            let normal = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal);
            let own = normal
                .map(|dependency| dependency.name.clone())
                .filter(|name| names.contains(name));
            (package.name.to_string(), own.collect())
        })
        .collect()
}

fn only(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_core_depends_on_nothing_of_ours() {
    assert_eq!(dependencies()["flotilla-core"], only(&[]));
}

#[test]
fn adapters_and_services_depend_on_the_core_alone() {
    let dependencies = dependencies();
    for package in ADAPTERS.iter().chain(&SERVICES) {
        assert_eq!(dependencies[*package], only(&["flotilla-core"]), "{package}");
    }
}

#[test]
fn only_the_binary_and_the_tests_name_an_adapter() {
    for (package, needs) in dependencies() {
        let named: Vec<_> = needs
            .iter()
            .filter(|name| ADAPTERS.contains(&name.as_str()))
            .collect();
        assert!(
            named.is_empty()
                || ["flotilla", "flotilla-tests", "flotilla-instructions"].contains(&package.as_str()),
            "{package} depends on {named:?}"
        );
    }
}

#[test]
fn every_package_is_known_here() {
    let known: BTreeSet<String> = only(&ADAPTERS)
        .into_iter()
        .chain(only(&SERVICES))
        .chain(only(&[
            "flotilla-core",
            "flotilla",
            "flotilla-tests",
            "flotilla-bench",
            "flotilla-instructions",
            "flotilla-fuzz",
        ]))
        .collect();
    let all: BTreeSet<String> = dependencies().into_keys().collect();
    assert_eq!(all, known, "a new package needs its place in the rules above");
}
