//! A thin HTTP client for the API, for the commands. It knows paths and errors; what answers mean is in [`view`].

mod act;
mod actor;
pub(crate) mod dead_letters;
mod download;
pub(crate) mod events;
pub(crate) mod problem;
mod read;
mod sse;
pub(crate) mod upload;
pub(crate) mod view;

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use url::Url;

use self::problem::{Problem, Unreachable};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, uploads apart.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// As a URL is printed.
const DEFAULT_SERVER: &str = "http://127.0.0.1:7400/";

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The Flotilla server
    #[arg(
        long,
        env = "FLOTILLA_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:7400",
        help_heading = "Server"
    )]
    server: Url,
    /// The space (tenant) [default: default]
    #[arg(long, env = "FLOTILLA_SPACE", value_name = "NAME", help_heading = "Server")]
    space: Option<String>,
}

/// The API of one server, for one space.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    space: Option<String>,
}

/// A successful answer, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// True where the idempotency key was used before: nothing new was created.
    pub(crate) replayed: bool,
    /// The document.
    pub(crate) text: String,
}

impl Reply {
    /// Reads it as `T`.
    pub(crate) fn to<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.text)
            .context("the server's answer can't be understood: is it another version?")
    }
}

impl ServerArgs {
    /// The same flags as words of a command, without credentials.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let is_secret = !self.server.username().is_empty() || self.server.password().is_some();
        if self.server.as_str() != DEFAULT_SERVER && !is_secret {
            words.extend(["--server".to_owned(), self.server.to_string()]);
        }
        if let Some(space) = &self.space {
            words.extend(["--space".to_owned(), space.clone()]);
        }
        words
    }

    /// Which space.
    pub(crate) fn space(&self) -> &str {
        self.space.as_deref().unwrap_or("default")
    }

    /// The client that the flags describe.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::new(self.server.clone(), self.space.clone())
    }
}

impl Client {
    /// For the server at `base`.
    pub(crate) fn new(base: Url, space: Option<String>) -> Result<Self> {
        anyhow::ensure!(
            matches!(base.scheme(), "http" | "https") && !base.cannot_be_a_base(),
            "the server must be an http:// or https:// URL, not {base}"
        );
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION")))
            .default_headers(actor::headers())
            .build()
            .context("can't set up HTTP")?;
        Ok(Self { http, base, space })
    }

    /// Where something is.
    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} can't have paths", self.base))?
            .pop_if_empty()
            .extend(path);
        let space = self.space.iter().map(|space| ("space", space.clone()));
        let pairs: Vec<(&str, String)> = space.chain(query.iter().cloned()).collect();
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(url)
    }

    /// Reads what is at `path`.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Reply> {
        let request = self.http.get(self.url(path, query)?).timeout(REQUEST_TIMEOUT);
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        self.read(response).await
    }

    async fn read(&self, response: Response) -> Result<Reply> {
        let status = response.status();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let text = response.text().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            Ok(Reply { replayed, text })
        } else {
            Err(Problem::parse(status, &text).into())
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> Unreachable {
        Unreachable::new(&self.base, &error.without_url())
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&problem::shown(&self.base))
    }
}

/// True where the same request may succeed in a moment: the server is being restarted, or is busy.
pub(crate) fn is_passing(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Problem>() {
        Some(problem) => problem.is_passing(),
        None => error.is::<Unreachable>(),
    }
}

/// True where an upload that can be repeated is worth it: the connection broke, the server has a problem of its own, or
/// has not noticed yet that the last attempt is over.
pub(crate) fn is_worth_repeating(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Problem>() {
        Some(problem) => problem.is_worth_repeating(),
        None => error.is::<Unreachable>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_spaces_are_escaped() {
        crate::install_tls();
        let client = Client::new("http://h:1/prefix/".parse().unwrap(), Some("team".into())).unwrap();
        let url = client
            .url(&["v1", "batches", "a/b"], &[("cursor", "x&y".into())])
            .unwrap();
        assert_eq!(
            url.as_str(),
            "http://h:1/prefix/v1/batches/a%2Fb?space=team&cursor=x%26y"
        );
        assert!(Client::new("ftp://h".parse().unwrap(), None).is_err());
    }
}
