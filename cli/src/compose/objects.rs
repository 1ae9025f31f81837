//! Object storage: a folder, or a bucket of S3 (and what speaks its protocol: R2, MinIO, …), GCS or Azure.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use flotilla_core::ports::Objects;
use flotilla_core::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

use super::Place;
use super::scheme::{self, BadUrl};

const KNOWN: &str = "file://path/to/folder, s3://bucket/prefix, gs://bucket/prefix and az://container/prefix";
const ENGINE: &str = "object storage";

/// `objects_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObjectsUrl {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket. Its credentials and endpoint come from the variables that its cloud's own tools read.
    Bucket(Url),
}

impl FromStr for ObjectsUrl {
    type Err = BadUrl;
    fn from_str(text: &str) -> std::result::Result<Self, BadUrl> {
        match scheme::split(text, KNOWN)? {
            ("file", rest) => scheme::path(rest).map(Self::Folder),
            ("s3" | "gs" | "az", _) => scheme::with_host(text).map(Self::Bucket),
            (given, _) => Err(BadUrl::Unknown {
                given: given.to_owned(),
                known: KNOWN,
            }),
        }
    }
}

impl fmt::Display for ObjectsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Bucket(url) => f.write_str(&scheme::shown(url)),
        }
    }
}

impl Place for ObjectsUrl {
    fn is_server(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }
}

impl ObjectsUrl {
    /// Opens it. A folder is created.
    pub(crate) fn open(&self) -> Result<Objects> {
        match self {
            Self::Folder(path) => {
                super::folder::create(path, ENGINE)?;
                let folder = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(self, error))?;
                Ok(Objects::new(Arc::new(folder.with_automatic_cleanup(true))))
            }
            Self::Bucket(url) => bucket(url).map_err(|error| failed(self, error)),
        }
    }
}

/// The bucket of `url`, configured by `AWS_*`, `GOOGLE_*` and `AZURE_*` variables as the clouds' own tools are.
fn bucket(url: &Url) -> object_store::Result<Objects> {
    let (scheme, prefix) = ObjectStoreScheme::parse(url)?;
    let store: Box<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::GoogleCloudStorage => Box::new(
            object_store::gcp::GoogleCloudStorageBuilder::from_env()
                .with_url(url.as_str())
                .build()?,
        ),
        ObjectStoreScheme::MicrosoftAzure => Box::new(
            object_store::azure::MicrosoftAzureBuilder::from_env()
                .with_url(url.as_str())
                .build()?,
        ),
        _ => Box::new(
            object_store::aws::AmazonS3Builder::from_env()
                .with_url(url.as_str())
                .build()?,
        ),
    };
    Ok(Objects::new(Arc::new(PrefixStore::new(store, prefix))))
}

fn failed(url: &ObjectsUrl, error: object_store::Error) -> Error {
    Error::misconfigured(ENGINE, format!("can't open {url}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_the_engine() {
        let objects = |text: &str| text.parse::<ObjectsUrl>();
        assert_eq!(
            objects("file://./data/objects"),
            Ok(ObjectsUrl::Folder("./data/objects".into()))
        );
        for bucket in ["s3://fleet/x", "gs://fleet", "az://fleet"] {
            assert!(matches!(objects(bucket), Ok(ObjectsUrl::Bucket(_))), "{bucket}");
        }
        let error = objects("ftp://host/x").unwrap_err().to_string();
        assert!(error.contains("ftp") && error.contains("s3://"), "{error}");
    }
}
