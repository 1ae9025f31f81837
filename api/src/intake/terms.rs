//! What a request says about how its body is to be taken, in the query, whatever the format.

use crate::intake::options::checks::invalid;
use crate::problem::Problem;

/// The parameters.
pub(crate) const TERMS: [&str; 2] = ["on_invalid", "dry_run"];

/// How a body is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What becomes of items that can't be taken.
    pub(crate) on_invalid: OnInvalid,
    /// Only check, and store nothing.
    pub(crate) dry_run: bool,
}

/// What becomes of items that can't be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    /// Nothing is accepted.
    #[default]
    Reject,
    /// They are left out, and listed.
    Skip,
}

impl Terms {
    /// Reads them.
    ///
    /// # Errors
    /// Where a value is none of those that are known.
    pub(crate) fn new(on_invalid: Option<&str>, dry_run: Option<&str>) -> Result<Self, Problem> {
        Ok(Self {
            on_invalid: match on_invalid {
                None | Some("reject") => OnInvalid::Reject,
                Some("skip") => OnInvalid::Skip,
                Some(_) => return Err(invalid("on_invalid", "must be `reject` or `skip`")),
            },
            dry_run: match dry_run {
                None | Some("false") => false,
                Some("true") => true,
                Some(_) => return Err(invalid("dry_run", "must be `true` or `false`")),
            },
        })
    }

    /// Finds them in a query; the other parameters are somebody else's.
    ///
    /// # Errors
    /// Where one comes twice or has another value.
    pub(crate) fn of_query(query: &str) -> Result<Self, Problem> {
        let find = |name: &str| -> Result<Option<String>, Problem> {
            let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(field, _)| field == name);
            let value = found.next().map(|(_, value)| value.into_owned());
            match found.next() {
                Some(_) => Err(invalid(name, "is given more than once")),
                None => Ok(value),
            }
        };
        Self::new(find("on_invalid")?.as_deref(), find("dry_run")?.as_deref())
    }
}
