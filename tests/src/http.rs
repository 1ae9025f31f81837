//! The HTTP client of tests.

use std::sync::Once;
use std::time::Duration;

/// An HTTP client whose every request ends after 30 seconds, and that ignores proxies: tests talk to this machine only.
#[must_use]
pub fn http_client() -> reqwest::Client {
    install_tls_provider();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client without certificates of its own can be built")
}

/// reqwest is compiled without a TLS provider and refuses to build a client, even for plain HTTP, until there is one.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that somebody else in this process was first, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
