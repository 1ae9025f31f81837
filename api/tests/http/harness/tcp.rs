//! The API on a socket, and a client that can misbehave.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Api;

/// A served API.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) serving: JoinHandle<Option<std::io::Result<()>>>,
}

impl Served {
    pub(crate) async fn start(api: &Api) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (deps, config, tasks) = (api.deps.clone(), api.config.clone(), api.deps.tasks.clone());
        let serving = api.deps.tasks.spawn("http", async move {
            flotilla_api::serve(listener, deps, config, &tasks).await
        });
        Self { address, serving }
    }

    /// Waits until serving has ended.
    pub(crate) async fn ended(self) {
        let ended = timeout(Duration::from_secs(20), self.serving).await;
        ended.expect("serving ends in time").unwrap().unwrap().unwrap();
    }
}

/// A client that sends what it is told, byte by byte.
pub(crate) struct Client(TcpStream);

impl Client {
    /// Connects and sends the head of an upload.
    pub(crate) async fn upload(served: &Served, headers: &str) -> Self {
        Self::post(served, "/v1/batches?job_type=echo", headers).await
    }

    /// The same, to another path.
    pub(crate) async fn post(served: &Served, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Sends one chunk of a chunked body; an empty one ends it.
    pub(crate) async fn chunk(&mut self, bytes: &str) {
        self.send(&format!("{:x}\r\n{bytes}\r\n", bytes.len())).await;
    }

    /// Everything that the server says until it closes the connection.
    pub(crate) async fn rest(mut self) -> String {
        let mut text = String::new();
        let read = timeout(Duration::from_secs(20), self.0.read_to_string(&mut text)).await;
        read.expect("an answer in time").unwrap();
        text
    }
}
