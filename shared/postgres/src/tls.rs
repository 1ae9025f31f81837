//! Whom to trust when the connection is encrypted.

use std::path::Path;
use std::sync::Arc;

use flotilla_core::{Error, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::ENGINE;

/// A connector that trusts the authorities in the PEM file `root_cert`, or those that this machine trusts.
pub(crate) fn connector(root_cert: Option<&Path>) -> Result<MakeRustlsConnect> {
    let roots = match root_cert {
        Some(path) => roots_in(path)?,
        None => roots_of_this_machine()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::misconfigured(ENGINE, "cannot set up TLS").because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots_in(path: &Path) -> Result<RootCertStore> {
    let problem =
        |text: &str| Error::misconfigured(ENGINE, format!("sslrootcert {}: {text}", path.display()));
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| problem("cannot read the certificates").because(error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| problem("not a PEM file").because(error))?;
        roots
            .add(certificate)
            .map_err(|error| problem("not a certificate of an authority").because(error))?;
    }
    if roots.is_empty() {
        return Err(problem("no certificates in it"));
    }
    Ok(roots)
}

fn roots_of_this_machine() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let advice = "this machine trusts no certificate authority: install ca-certificates, or name a PEM file with \
                      `sslrootcert` in the URL";
        return Err(Error::misconfigured(ENGINE, advice));
    }
    for error in found.errors {
        tracing::warn!(%error, "a trusted certificate of this machine can't be read");
    }
    Ok(roots)
}
