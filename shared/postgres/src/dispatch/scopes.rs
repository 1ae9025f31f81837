//! How much of the configured ceilings is used.

use std::collections::BTreeMap;

use flotilla_core::limits::{Bucket, Ceilings, Scope, ScopeUse};
use tokio_postgres::{GenericClient, Row, Statement};

use super::supply::bucket;
use crate::error::Failure;
use crate::rows::{get, unsigned};

/// What is in flight under each scope, and what its rate left. `$1`: keys, `$2`: spaces, `$3`: job types; of the last two
/// one is null. In flight is as `Tally::in_flight` says.
pub(crate) const USED: &str = include_str!("scopes.sql");

pub(super) const BUCKETS: &str =
    "SELECT scope, tokens, refilled_at FROM dispatch_scopes WHERE scope = ANY($1)";

/// Scopes as columns.
struct Columns<'a> {
    keys: Vec<String>,
    spaces: Vec<Option<&'a str>>,
    job_types: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(scopes: &'a [Scope]) -> Self {
        Self {
            keys: scopes.iter().map(ToString::to_string).collect(),
            spaces: scopes
                .iter()
                .map(|scope| match scope {
                    Scope::Space(space) => Some(space.as_str()),
                    Scope::JobType(_) => None,
                })
                .collect(),
            job_types: scopes
                .iter()
                .map(|scope| match scope {
                    Scope::Space(_) => None,
                    Scope::JobType(name) => Some(name.as_str()),
                })
                .collect(),
        }
    }
}

/// How much of those `scopes` that have a ceiling is used: by [`USED`].
pub(crate) async fn used(
    client: &impl GenericClient,
    statement: &Statement,
    ceilings: &Ceilings,
    scopes: &[Scope],
) -> Result<BTreeMap<Scope, ScopeUse>, Failure> {
    if scopes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let columns = Columns::of(scopes);
    let rows = client
        .query(statement, &[&columns.keys, &columns.spaces, &columns.job_types])
        .await?;
    let mut used = uses(ceilings, scopes, &rows)?;
    for row in &rows {
        let key: &str = get(row, "scope")?;
        let found = used.values_mut().find(|used| used.scope.to_string() == key);
        if let Some(found) = found {
            found.in_flight = unsigned("in_flight", get::<i64>(row, "in_flight")?)?;
        }
    }
    Ok(used)
}

/// What the rates of those `scopes` that have a ceiling left, by [`BUCKETS`]; nothing is in flight of any.
pub(super) async fn buckets(
    client: &impl GenericClient,
    statement: &Statement,
    ceilings: &Ceilings,
    scopes: &[Scope],
) -> Result<BTreeMap<Scope, ScopeUse>, Failure> {
    if scopes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = client.query(statement, &[&Columns::of(scopes).keys]).await?;
    uses(ceilings, scopes, &rows)
}

fn uses(ceilings: &Ceilings, scopes: &[Scope], rows: &[Row]) -> Result<BTreeMap<Scope, ScopeUse>, Failure> {
    let mut by_key: BTreeMap<&str, Bucket> = BTreeMap::new();
    for row in rows {
        by_key.insert(get(row, "scope")?, bucket(row)?);
    }
    let under = ceilings.iter().filter(|(scope, _)| scopes.contains(scope));
    Ok(under
        .map(|(scope, ceiling)| {
            let used = ScopeUse {
                scope: scope.clone(),
                ceiling,
                in_flight: 0,
                bucket: by_key
                    .get(scope.to_string().as_str())
                    .copied()
                    .unwrap_or_default(),
            };
            (scope.clone(), used)
        })
        .collect())
}
