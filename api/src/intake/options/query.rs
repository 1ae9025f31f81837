//! Options in the query.

use flotilla_core::Json;
use url::form_urlencoded;

use super::{FIELDS, Options, invalid, unknown};
use crate::intake::terms::TERMS;
use crate::problem::{Kind, Problem};

/// The options that are texts; the others are JSON in a query, too.
const TEXTS: [&str; 8] = [
    "space",
    "name",
    "job_type",
    "start",
    "timeout",
    "callback_timeout",
    "deadline",
    "deduplicate",
];

impl Options {
    /// Takes every parameter of a query, for formats whose body has only items.
    ///
    /// # Errors
    /// Where there is no such parameter, it can't have this value, or comes twice.
    pub(crate) fn set_query(&mut self, query: &str) -> Result<(), Problem> {
        let mut seen = Vec::new();
        for (field, text) in form_urlencoded::parse(query.as_bytes()) {
            if TERMS.contains(&&*field) {
                continue;
            }
            if seen.contains(&field) {
                return Err(invalid(&field, "is given more than once"));
            }
            let value = if TEXTS.contains(&&*field) || !FIELDS.contains(&&*field) {
                Json::string(&text)
            } else {
                Json::parse(text).map_err(|error| invalid(&field, &format!("is not JSON: {error}")))?
            };
            self.set(&field, &value).map_err(|problem| match problem.kind() {
                Kind::UnknownField => unknown(&field, &[]),
                _ => problem,
            })?;
            seen.push(field);
        }
        Ok(())
    }

    /// Where the options are in the body, the query can only say the space and the terms.
    ///
    /// # Errors
    /// Where it says something else.
    pub(crate) fn refuse_query(query: &str) -> Result<(), Problem> {
        let other = form_urlencoded::parse(query.as_bytes())
            .find(|(field, _)| field != "space" && !TERMS.contains(&&**field));
        other.map_or(Ok(()), |(field, _)| {
            let problem = unknown(&field, &[]);
            if FIELDS.contains(&&*field) {
                let detail =
                    format!("with application/json, `{field}` belongs into the body, not into the query");
                return Err(Problem::new(Kind::UnknownField, detail).with("field", &*field));
            }
            Err(problem)
        })
    }
}
