//! A TCP proxy that breaks connections as it is told: between a program and a server that stays well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use url::Url;

/// What the proxy does to every connection, from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// New connections are closed at once; those that exist go on. See [`Proxy::cut`] for those.
    Refuse,
    /// Connections stay open, and nothing gets through in either direction: a cable was pulled. What was swallowed is
    /// lost, so a connection that lived through this is closed when it ends.
    HalfOpen,
    /// Everything comes later by this much, in both directions.
    Delay(Duration),
    /// At most so many bytes per second get through, in each direction of each connection.
    Throttle(u32),
}

/// A proxy in front of one server. It ends with this value, and so do its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    fault: watch::Sender<Fault>,
    /// Grows with every cut: connections of an earlier generation end.
    generation: watch::Sender<u64>,
    /// Bytes to the server that may still pass before connections are reset; `u64::MAX` means any number.
    left: AtomicU64,
    open: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy in front of the server at `upstream`.
    ///
    /// # Panics
    ///
    /// Where no port is free.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            fault: watch::channel(Fault::None).0,
            generation: watch::channel(0).0,
            left: AtomicU64::new(u64::MAX),
            open: AtomicUsize::new(0),
        });
        #[expect(clippy::disallowed_methods, reason = "ends with the proxy")]
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Starts a proxy in front of the server that `url` names, and answers the URL through it.
    ///
    /// # Panics
    ///
    /// Where the URL names no host and port.
    pub async fn in_front_of(url: &str) -> (Self, String) {
        let mut url: Url = url.parse().expect("a server has a URL");
        let host = url.host_str().expect("a server has a host").to_owned();
        let port = url.port().expect("a private server has a port");
        let upstream = tokio::net::lookup_host((host, port))
            .await
            .ok()
            .and_then(|mut addresses| addresses.next())
            .expect("the server's name resolves");
        let proxy = Self::start(upstream).await;
        url.set_host(Some("127.0.0.1")).expect("an address is a host");
        url.set_port(Some(proxy.address.port()))
            .expect("the URL takes a port");
        (proxy, url.into())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, every connection has this fault.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    /// Resets every connection that exists. New ones are as [`set`](Self::set) says.
    pub fn cut(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }

    /// Resets connections once `bytes` more have gone to the server, in the middle of whatever it is that they belong
    /// to; then everything passes again.
    pub fn reset_after(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::SeqCst);
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.fault.borrow() == Fault::Refuse {
            let _ = client.set_zero_linger();
            continue;
        }
        #[expect(clippy::disallowed_methods, reason = "ends when the proxy is cut")]
        tokio::spawn(connection(client, Arc::clone(&shared)));
    }
}

async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.generation.subscribe();
    let Ok(server) = TcpStream::connect(shared.upstream).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    shared.open.fetch_add(1, Ordering::SeqCst);
    let (mut client, mut server) = (client, server);
    let ended_well = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            ended = async {
                tokio::try_join!(
                    pump(from_client, to_server, &shared, true),
                    pump(from_server, to_client, &shared, false),
                )
            } => ended.is_ok(),
            _ = cut.changed() => false,
        }
    };
    if !ended_well {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

/// The connection has to be reset.
struct Broken;

/// Copies one direction to its end.
async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    shared: &Shared,
    to_server: bool,
) -> Result<(), Broken> {
    let mut fault = shared.fault.subscribe();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await.map_err(|_| Broken)?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Broken);
        }
        let now = *fault.borrow_and_update();
        match now {
            Fault::None | Fault::Refuse => {}
            Fault::HalfOpen => {
                let _ = fault.wait_for(|fault| *fault != Fault::HalfOpen).await;
                return Err(Broken);
            }
            Fault::Delay(time) => sleep(time).await,
            Fault::Throttle(per_second) => {
                sleep(Duration::from_secs_f64(
                    read as f64 / f64::from(per_second.max(1)),
                ))
                .await;
            }
        }
        if to_server && !may_pass(shared, read as u64) {
            let half = read / 2;
            let _ = to.write_all(&buffer[..half]).await;
            return Err(Broken);
        }
        to.write_all(&buffer[..read]).await.map_err(|_| Broken)?;
    }
}

/// Counts bytes against [`Proxy::reset_after`]. False for those that exceed it: then everything passes again.
fn may_pass(shared: &Shared, bytes: u64) -> bool {
    let taken = shared
        .left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            u64::MAX => None,
            left if left < bytes => Some(u64::MAX),
            left => Some(left - bytes),
        });
    taken.map_or(true, |before| before >= bytes)
}
