//! Clients that go away, stand still or are in the way of a shutdown, over real connections.

use std::time::Duration;

use flotilla_api::Config;
use tokio::net::TcpStream;

use crate::harness::{Api, Client, NDJSON, Served, config};

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing() {
    let api = Api::new().await;
    let served = Served::start(&api).await;
    for framing in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = Client::upload(&served, framing).await;
        let lines = "1\n2\n3\n4\n5\n";
        if framing.starts_with("transfer") {
            client.chunk(lines).await;
        } else {
            client.send(lines).await;
        }
        api.until_rows(|rows| rows == (1, 4)).await;
        // Whole lines have arrived: only the framing tells that there was more to come.
        drop(client);
        api.until_rows(|rows| rows == (0, 0)).await;
    }
}

#[tokio::test]
async fn an_upload_that_stands_still_is_given_up() {
    let config = Config {
        upload_idle_timeout: Duration::from_millis(200),
        ..config()
    };
    let api = Api::with(config).await;
    let served = Served::start(&api).await;
    let mut client = Client::upload(&served, "content-length: 1000\r\n").await;
    client.send("1\n2\n3\n").await;
    let answer = client.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("/problems/upload-timeout"),
        "{answer}"
    );
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn a_head_that_stands_still_is_given_up() {
    let api = Api::with(Config {
        header_timeout: Duration::from_millis(200),
        ..config()
    })
    .await;
    let served = Served::start(&api).await;
    let client = Client::upload(&served, "x-unfinished: ").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let api = Api::with(Config {
        linger: Duration::from_secs(10),
        ..config()
    })
    .await;
    let served = Served::start(&api).await;
    // More than all the buffers between the two can hold.
    let body = "rubbish\n".repeat(8 << 20);
    let length = format!("content-length: {}\r\nconnection: close\r\n", body.len());
    // Refused by its first line, and before its first line.
    for (header, problem) in [
        ("", "invalid-json"),
        ("content-encoding: br\r\n", "unsupported-encoding"),
    ] {
        let mut client = Client::upload(&served, &format!("{length}{header}")).await;
        client.send(&body).await;
        let answer = client.rest().await;
        assert!(answer.contains(&format!("/problems/{problem}")), "{answer}");
    }
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_so_does_not_send_what_is_refused() {
    let api = Api::new().await;
    let served = Served::start(&api).await;
    let headers = "content-length: 1000\r\nexpect: 100-continue\r\nconnection: close\r\n";
    let answer = Client::upload(&served, &format!("{headers}content-encoding: br\r\n"))
        .await
        .rest()
        .await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
}

#[tokio::test]
async fn uploads_wait_for_their_turn_and_not_for_ever() {
    let config = Config {
        concurrent_uploads: 1,
        upload_wait: Duration::from_millis(50),
        ..config()
    };
    let api = Api::with(config).await;
    let served = Served::start(&api).await;
    let mut first = Client::upload(&served, "transfer-encoding: chunked\r\n").await;
    first.chunk("1\n2\n").await;
    api.until_rows(|rows| rows == (1, 2)).await;
    let mut second = Client::upload(&served, "transfer-encoding: chunked\r\nconnection: close\r\n").await;
    second.chunk("1\n").await;
    second.chunk("").await;
    let answer = second.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after:"),
        "{answer}"
    );
    drop(first);
    api.until_rows(|rows| rows == (0, 0)).await;
    // The place is free again, as soon as the parser has noticed.
    let mut last = api.post("?job_type=echo", NDJSON, "1\n").await;
    while last.status == 503 {
        last = api.post("?job_type=echo", NDJSON, "1\n").await;
    }
    assert_eq!(last.status, 202, "{}", last.text);
}

#[tokio::test]
async fn a_shutdown_waits_for_uploads() {
    let api = Api::new().await;
    let served = Served::start(&api).await;
    let mut client = Client::upload(&served, "transfer-encoding: chunked\r\n").await;
    client.chunk("1\n2\n").await;
    api.until_rows(|rows| rows == (1, 2)).await;
    api.deps.tasks.shutdown().drain();
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    client.chunk("3\n").await;
    client.chunk("").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 202"));
    served.ended().await;
    assert_eq!(api.rows(), (1, 3));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let api = Api::with(Config {
        drain: Duration::from_millis(200),
        ..config()
    })
    .await;
    let served = Served::start(&api).await;
    let mut client = Client::upload(&served, "transfer-encoding: chunked\r\n").await;
    client.chunk("1\n2\n").await;
    api.until_rows(|rows| rows == (1, 2)).await;
    api.deps.tasks.shutdown().drain();
    served.ended().await;
    api.deps
        .tasks
        .clone()
        .finish(Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(api.rows(), (0, 0));
    assert_eq!(client.rest().await, "");
}
