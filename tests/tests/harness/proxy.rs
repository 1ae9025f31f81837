//! The proxy breaks what it is told to break, and nothing else.

use std::time::Duration;

use flotilla_tests::eventually;
use flotilla_tests::proxy::{Fault, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that answers with whatever it gets.
#[expect(clippy::disallowed_methods, reason = "ends with the test")]
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn says(connection: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    connection.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    connection.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn it_passes_everything_on() {
    let proxy = Proxy::start(echo().await).await;
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut one, b"one").await.unwrap(), b"one");
    assert_eq!(says(&mut other, b"other").await.unwrap(), b"other");
    assert_eq!(proxy.connections(), 2);
    drop(one);
    eventually("one to be gone", PATIENCE, || async {
        (proxy.connections() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_cuts_what_exists_and_refuses_what_comes() {
    let proxy = Proxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut old, b"x").await.is_ok());
    proxy.set(Fault::Refuse);
    assert!(says(&mut old, b"y").await.is_ok(), "what exists goes on");
    proxy.cut();
    assert!(says(&mut old, b"z").await.is_err());
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut new, b"x").await.is_err());
    proxy.set(Fault::None);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut new, b"x").await.is_ok());
}

#[tokio::test]
async fn a_half_open_connection_says_nothing_until_it_is_over() {
    let proxy = Proxy::start(echo().await).await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut connection, b"x").await.is_ok());
    proxy.set(Fault::HalfOpen);
    let silence = timeout(Duration::from_millis(200), says(&mut connection, b"y")).await;
    assert!(silence.is_err(), "neither an answer nor an error: {silence:?}");
    proxy.set(Fault::None);
    let end = timeout(PATIENCE, connection.read_u8()).await.expect("an end");
    assert!(
        end.is_err(),
        "what was swallowed is lost, so the connection is too"
    );
}

#[tokio::test]
async fn it_delays_and_throttles() {
    let proxy = Proxy::start(echo().await).await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let began = Instant::now();
    assert!(says(&mut connection, b"x").await.is_ok());
    assert!(began.elapsed() >= Duration::from_millis(100), "both ways");
    proxy.set(Fault::Throttle(10_000));
    let began = Instant::now();
    assert!(says(&mut connection, &[7; 2_000]).await.is_ok());
    assert!(began.elapsed() >= Duration::from_millis(400), "both ways");
}

#[tokio::test]
async fn it_resets_in_the_middle_once() {
    let proxy = Proxy::start(echo().await).await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.reset_after(10);
    assert!(says(&mut connection, b"12345678").await.is_ok());
    assert!(says(&mut connection, b"12345678").await.is_err());
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(says(&mut next, &[1; 1_000]).await.is_ok());
}
