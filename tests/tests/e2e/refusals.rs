//! What the program says when something is missing or wrong around it.

use std::time::Duration;

use flotilla_tests::{Flotilla, Sandbox, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// One setting of a working deployment is broken: the process ends, and says which server, where, and what to do.
#[tokio::test]
async fn a_missing_server_is_named() {
    let sandbox = Sandbox::new().await;
    let nobody = free_port();
    let cases = [
        (
            "api",
            "FLOTILLA_STORE_URL",
            format!("postgres://someone:s3cret@127.0.0.1:{nobody}/db"),
            "PostgreSQL",
        ),
        (
            "api",
            "FLOTILLA_BROKER_URL",
            format!("amqp://someone:s3cret@127.0.0.1:{nobody}/"),
            "RabbitMQ",
        ),
        (
            "worker",
            "FLOTILLA_BROKER_URL",
            format!("amqp://someone:s3cret@127.0.0.1:{nobody}/"),
            "RabbitMQ",
        ),
        (
            "scheduler",
            "FLOTILLA_STORE_URL",
            format!("postgres://someone:s3cret@127.0.0.1:{nobody}/db"),
            "PostgreSQL",
        ),
    ];
    let migrated = Flotilla::command(["migrate"])
        .envs(sandbox.env())
        .output(sandbox.folder(), PATIENCE)
        .await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    for (role, setting, url, server) in cases {
        let process = Flotilla::command([role, "--wait", "1s"])
            .envs(sandbox.env())
            .env("FLOTILLA_LISTEN", format!("127.0.0.1:{}", free_port()))
            .env(setting, url);
        let ended = process.output(sandbox.folder(), PATIENCE).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!ended.status.success(), "{role} without {server}: {said}");
        assert!(
            said.contains(server) && said.contains(&nobody.to_string()),
            "{role} without {server}: {said}"
        );
        assert!(!said.contains("s3cret"), "no password in {said}");
    }
}

/// A service that is stopped while it waits for its engines has not failed; a migration that did not happen has.
#[tokio::test]
async fn a_stop_while_waiting_for_engines_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = free_port();
    let variables = [
        ("FLOTILLA_STORE_URL", format!("postgres://127.0.0.1:{nobody}/db")),
        ("FLOTILLA_BROKER_URL", format!("amqp://127.0.0.1:{nobody}/")),
        ("FLOTILLA_PROGRESS_URL", format!("redis://127.0.0.1:{nobody}/")),
    ];
    for (role, code) in [
        ("api", 0),
        ("worker", 0),
        ("scheduler", 0),
        ("up", 0),
        ("migrate", 1),
    ] {
        let mut process = Flotilla::command([role])
            .envs(variables.clone())
            .env("FLOTILLA_WAIT", "60s")
            .env("FLOTILLA_LISTEN", format!("127.0.0.1:{}", free_port()))
            .start(folder.path());
        process.wait_for_log("waiting up to", PATIENCE).await;
        assert_eq!(process.terminate().await.code(), Some(code), "{role}");
        assert!(
            code > 0 || !process.log().contains("ERROR"),
            "{role}: {}",
            process.log()
        );
    }
}

#[tokio::test]
async fn roles_ask_for_a_migration() {
    let sandbox = Sandbox::new().await;
    for role in ["api", "worker", "scheduler"] {
        let process = Flotilla::command([role, "--wait", "1s"])
            .envs(sandbox.env())
            .env("FLOTILLA_LISTEN", format!("127.0.0.1:{}", free_port()));
        let ended = process.output(sandbox.folder(), PATIENCE).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            !ended.status.success() && said.contains("flotilla migrate"),
            "{role}: {said}"
        );
    }
}

#[tokio::test]
async fn roles_alone_refuse_the_embedded_engine() {
    let folder = tempfile::tempdir().unwrap();
    for role in ["api", "worker", "scheduler"] {
        let ended = Flotilla::command([role]).output(folder.path(), PATIENCE).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            !ended.status.success() && said.contains("flotilla up"),
            "{role}: {said}"
        );
    }
}

#[tokio::test]
async fn without_keys_only_loopback_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("0.0.0.0:{}", free_port());
    let ended = Flotilla::command(["up", "--listen", &listen])
        .cwd(folder.path())
        .output(folder.path(), PATIENCE)
        .await;
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!ended.status.success() && said.contains("loopback"), "{said}");
}

#[tokio::test]
async fn a_misspelt_setting_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("flotilla.toml"),
        "brokker_url = \"embedded:\"\n",
    )
    .unwrap();
    let ended = Flotilla::command(["up"])
        .cwd(folder.path())
        .output(folder.path(), PATIENCE)
        .await;
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        !ended.status.success() && said.contains("brokker_url") && said.contains("broker_url"),
        "{said}"
    );
}

#[tokio::test]
async fn a_shared_store_needs_a_shared_broker() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://someone:s3cret@127.0.0.1:{}/db", free_port());
    let up = Flotilla::command(["up"])
        .env("FLOTILLA_STORE_URL", url)
        .cwd(folder.path());
    let ended = up.output(folder.path(), PATIENCE).await;
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        !ended.status.success() && said.contains("FLOTILLA_BROKER_URL"),
        "{said}"
    );
}
