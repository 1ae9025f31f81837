//! How the program ends, as `docs/terminal.md` says it.

use flotilla_tests::{Flotilla, Signal, free_port};

use super::{PATIENCE, SLOW, broken, command, naps, run};
use crate::client::Client;
use crate::fleet::up;

#[tokio::test]
async fn each_end_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let (client, mut process) = up(folder.path(), SLOW, &[]).await;
    let fine = naps(&client, "fine", 3, 1).await;
    let bad = broken(&client, "bad", 4).await;
    let long = naps(&client, "long", 5_000, 200).await;
    std::fs::write(
        folder.path().join("bad.ndjson"),
        "{\"fail\": true, \"permanent\": true}\n",
    )
    .unwrap();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (code, arguments) in [
        (0, vec!["watch", &fine]),
        (0, vec!["ls"]),
        (0, vec!["completions", "bash"]),
        (0, vec!["--help"]),
        (1, vec!["watch", &bad]),
        (1, vec!["submit", "bad.ndjson", "--job-type", "sleep", "--watch"]),
        (1, vec!["run", "bad.ndjson", "--job-type", "sleep"]),
        (2, vec!["watch", "no-such-batch"]),
        (2, vec!["resume", &fine]),
        (2, vec!["submit", "nowhere.ndjson", "--job-type", "sleep"]),
        (2, vec!["watch", &fine, "--until-idle"]),
        (2, vec!["no-such-command"]),
        (2, vec!["top"]),
        (2, vec!["watch", &fine, "--server", &nobody]),
        (2, vec!["ls", "--server", &nobody]),
    ] {
        let (ended, out, error) = run(&client, folder.path(), &arguments).await;
        assert_eq!(ended, code, "{arguments:?}: {out}{error}");
        assert!(code < 2 || !error.is_empty(), "{arguments:?} says why");
    }
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut watch = command(&client, &["watch", &long]).start(folder.path());
        watch.wait_for_log("processing · ", PATIENCE).await;
        watch.signal(signal);
        assert_eq!(watch.wait(PATIENCE).await.code(), Some(code), "{}", watch.log());
    }
    client.act(&long, "cancel", None).await;
    let (ended, ..) = run(&client, folder.path(), &["watch", &long]).await;
    assert_eq!(ended, 1, "it was cancelled");
    assert_eq!(
        process.terminate().await.code(),
        Some(0),
        "a service that is told to stop"
    );
}

/// What breaks is 1 for a service, so that it can be told from a mistake on the command line.
#[tokio::test]
async fn a_service_that_can_not_start_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("flotilla.toml"), "no_such_setting = 1\n").unwrap();
    for (code, arguments) in [(1, vec!["up"]), (2, vec!["up", "--no-such-flag"])] {
        let ended = Flotilla::command(arguments).cwd(folder.path());
        let ended = ended.output(folder.path(), PATIENCE).await;
        assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
    }
}

/// `flotilla ls | head` is no failure.
#[tokio::test]
async fn a_reader_that_has_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _process) = up(folder.path(), SLOW, &[]).await;
    let batch = naps(&client, "naps", 20_000, 1).await;
    let codes = piped(&client, &batch, folder.path()).await;
    assert_eq!(codes, "0 0");
}

/// The codes of both ends of `flotilla items … | head -1`.
async fn piped(client: &Client, batch: &str, folder: &std::path::Path) -> String {
    let program = std::env::current_exe().unwrap();
    let program = program
        .ancestors()
        .find(|folder| folder.join("flotilla").is_file())
        .unwrap();
    let script = format!(
        "'{}' items {batch} --limit 1000 --output json | head -c 1 > /dev/null; echo ${{PIPESTATUS[@]}}",
        program.join("flotilla").display()
    );
    let output = Flotilla::command(["-c", &script])
        .program("bash")
        .env("FLOTILLA_SERVER", client.server.clone())
        .output(folder, PATIENCE)
        .await;
    output.stdout.trim().to_owned()
}
