//! S3 as the `Objects`: the client that talks to AWS, against a server of the same protocol that keeps its buckets in a
//! folder.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use flotilla_core::{Shutdown, Tasks};
use flotilla_tests::conformance::objects::Fixture;
use flotilla_tests::objects_suite;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;

objects_suite!(fresh);

const BUCKET: &str = "fleet";
const ID: &str = "AKIAEXAMPLE";
const SECRET: &str = "secret";

/// What stops with the fixture.
struct Running {
    shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.abort();
    }
}

/// A server with an empty bucket, in which the objects have a prefix, as with `s3://fleet/some/where`.
fn fresh() -> Fixture {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
    let shutdown = Shutdown::new();
    let endpoint = serve(folder.path(), &shutdown);
    let store = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_region("eu-central-1")
        .with_bucket_name(BUCKET)
        .with_access_key_id(ID)
        .with_secret_access_key(SECRET)
        .build()
        .expect("a client");
    let store = PrefixStore::new(store, "some/where");
    let running = Running {
        shutdown,
        _folder: folder,
    };
    Fixture::new(Arc::new(store), running)
}

/// Serves the folders of `root` as buckets, and answers where.
fn serve(root: &Path, shutdown: &Shutdown) -> String {
    let mut service = S3ServiceBuilder::new(FileSystem::new(root).expect("a folder"));
    service.set_auth(SimpleAuth::from_single(ID, SECRET));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a setting");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let tasks = Tasks::new(shutdown.clone());
    tasks.spawn("s3", accept(listener, service.build(), tasks.clone()));
    endpoint
}

async fn accept(listener: TcpListener, service: S3Service, tasks: Tasks) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let shutdown = tasks.shutdown().clone();
    while let Some(Ok((socket, _))) = shutdown.until_aborting(listener.accept()).await {
        let served = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        let shutdown = shutdown.clone();
        tasks.spawn("s3 connection", async move {
            // A client may go at any time.
            let _ = shutdown.until_aborting(served).await;
        });
    }
}
