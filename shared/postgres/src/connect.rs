//! From a URL to a pool of connections.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts};
use flotilla_core::{Error, Result};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use url::Url;

use crate::error::ENGINE;
use crate::options::PostgresOptions;
use crate::tls;

/// How often the system asks a silent server whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What a URL asks for.
#[derive(Debug)]
pub(crate) struct Target {
    config: Config,
    encryption: Encryption,
}

/// Whether to encrypt, and whom to trust.
#[derive(Debug, PartialEq, Eq)]
enum Encryption {
    Plain,
    Verified { root_cert: Option<PathBuf> },
}

impl Target {
    /// Reads a URL of the form that libpq and most programs understand.
    pub(crate) fn parse(url: &Url, options: &PostgresOptions) -> Result<Self> {
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            let scheme = url.scheme();
            return Err(Error::misconfigured(
                ENGINE,
                format!("{scheme}:// is no URL of a PostgreSQL server"),
            ));
        }
        let (url, encryption) = take_encryption(url)?;
        // The parser's errors name the option, never its value.
        let mut config: Config = url.as_str().parse().map_err(|error: tokio_postgres::Error| {
            Error::misconfigured(ENGINE, "cannot read the URL").because(error)
        })?;
        configure(&mut config, &encryption, options);
        Ok(Self { config, encryption })
    }

    /// Where it is, for messages: never with user or password.
    pub(crate) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self
                .config
                .get_hostaddrs()
                .first()
                .map_or_else(|| "no host".to_owned(), ToString::to_string),
        };
        let port = ports.first().copied().unwrap_or(5432);
        let database = self
            .config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or("default database");
        format!("{host}:{port}/{database}")
    }

    /// A pool that connects when a connection is first needed.
    pub(crate) fn pool(self, options: &PostgresOptions) -> Result<Pool> {
        // A connection that may be in a bad state never comes back (see `session`), so there is nothing to ask the
        // server before it is used again.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match &self.encryption {
            Encryption::Plain => Manager::from_config(self.config, NoTls, recycling),
            Encryption::Verified { root_cert } => {
                let connector = tls::connector(root_cert.as_deref())?;
                Manager::from_config(self.config, connector, recycling)
            }
        };
        Pool::builder(manager)
            .max_size(options.pool_size.max(1))
            // The last one used has what it needs in its caches.
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts {
                wait: Some(options.pool_timeout),
                create: Some(options.connect_timeout),
                recycle: Some(options.connect_timeout),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::misconfigured(ENGINE, "cannot make a pool").because(error))
    }
}

/// Splits what concerns encryption off the URL: libpq has modes that the client library does not know.
///
/// `require`, `verify-ca` and `verify-full` all encrypt and verify: an encrypted connection to nobody in particular
/// protects from nobody.
fn take_encryption(url: &Url) -> Result<(Url, Encryption)> {
    let (mut encrypt, mut root_cert) = (false, None);
    let mut rest = Vec::new();
    for (key, value) in url.query_pairs() {
        match (&*key, &*value) {
            ("sslmode", "disable" | "allow" | "prefer") => encrypt = false,
            ("sslmode", "require" | "verify-ca" | "verify-full") => encrypt = true,
            ("sslmode", _) => {
                let advice = "sslmode is disable, allow, prefer (all three: not encrypted), require, verify-ca or \
                              verify-full (all three: encrypted and verified)";
                return Err(Error::misconfigured(ENGINE, advice));
            }
            ("sslrootcert", "system") => root_cert = None,
            ("sslrootcert", path) => root_cert = Some(PathBuf::from(path)),
            (key, value) => rest.push((key.to_owned(), value.to_owned())),
        }
    }
    let mut url = url.clone();
    url.set_query(None);
    // Percent-encoded, not form-encoded: here a plus sign is a plus sign.
    let encoded: Vec<_> = rest
        .iter()
        .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
        .collect();
    if !encoded.is_empty() {
        url.set_query(Some(&encoded.join("&")));
    }
    let encryption = if encrypt {
        Encryption::Verified { root_cert }
    } else {
        Encryption::Plain
    };
    Ok((url, encryption))
}

/// Percent-encodes everything that could mean something in a query.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// What the URL leaves open, and what every session needs.
fn configure(config: &mut Config, encryption: &Encryption, options: &PostgresOptions) {
    config.ssl_mode(match encryption {
        Encryption::Plain => SslMode::Disable,
        Encryption::Verified { .. } => SslMode::Require,
    });
    config.connect_timeout(options.connect_timeout);
    config.keepalives_idle(KEEPALIVE);
    config.keepalives_interval(KEEPALIVE);
    config.keepalives_retries(2);
    // Data that the server's machine does not take: the same patience as with its silence.
    config.tcp_user_timeout(KEEPALIVE * 3);
    if config.get_application_name().is_none() {
        config.application_name(&options.application_name);
    }
    // The operator's own settings come last, so they win.
    let mut settings = options.session_settings();
    if let Some(own) = config.get_options() {
        settings.push(' ');
        settings.push_str(own);
    }
    config.options(settings);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target> {
        Target::parse(&url.parse().unwrap(), &PostgresOptions::default())
    }

    #[test]
    fn what_a_url_asks_for() {
        let target =
            target("postgres://me:s3cret@db.example:6432/flotilla?application_name=a%20b&sslmode=disable")
                .unwrap();
        assert_eq!(target.place(), "db.example:6432/flotilla");
        assert_eq!(target.encryption, Encryption::Plain);
        assert_eq!(target.config.get_application_name(), Some("a b"));
        assert_eq!(target.config.get_password(), Some(&b"s3cret"[..]));
    }

    #[test]
    fn encryption_is_verified_or_off() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let target = target(&format!(
                "postgresql://db/flotilla?sslmode={mode}&sslrootcert=/etc/ca.pem"
            ))
            .unwrap();
            assert_eq!(
                target.encryption,
                Encryption::Verified {
                    root_cert: Some("/etc/ca.pem".into())
                }
            );
            assert_eq!(target.config.get_ssl_mode(), SslMode::Require);
        }
        assert_eq!(
            target("postgres://db/flotilla").unwrap().config.get_ssl_mode(),
            SslMode::Disable
        );
        assert!(target("postgres://db/flotilla?sslmode=maybe").is_err());
    }

    #[test]
    fn settings_of_the_url_come_last() {
        let target = target("postgres://db/f?options=-c%20statement_timeout%3D5000").unwrap();
        let settings = target.config.get_options().unwrap();
        assert!(
            settings.contains("lock_timeout=10000") && settings.ends_with("-c statement_timeout=5000"),
            "{settings}"
        );
    }

    #[test]
    fn errors_keep_secrets() {
        for url in [
            "mysql://me:s3cret@db/f",
            "postgres://me:s3cret@db/f?nonsense=1",
            "postgres://me:s3cret@db/f?port=x",
        ] {
            let error = target(url).unwrap_err().chain();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_root_certificate_must_be_there() {
        let target = target("postgres://db/f?sslmode=require&sslrootcert=/nowhere/ca.pem").unwrap();
        let error = target.pool(&PostgresOptions::default()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }
}
