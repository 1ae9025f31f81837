//! Values as the flat text fields of a hash, and back.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

/// Fields to write, in the order of the documentation.
pub(crate) type Written = Vec<(&'static str, String)>;

/// A decimal number without an exponent, in as many digits as it takes to read the same number back. What is no number
/// is 0.
pub(crate) fn decimal(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        "0".to_owned()
    }
}

/// Why a hash can't be understood. Names the field, never shows its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not there.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// It is not what its type says.
    #[error("the field {0} is malformed")]
    Malformed(&'static str),
}

/// Fields that were read.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) HashMap<String, String>);

impl Fields {
    /// The field as it is.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or(Unreadable::Missing(name))
    }

    /// A field that must be there.
    pub(crate) fn get<T: FromStr>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.text(name)?.parse().map_err(|_| Unreadable::Malformed(name))
    }

    /// A field that holds JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, Unreadable> {
        serde_json::from_str(self.text(name)?).map_err(|_| Unreadable::Malformed(name))
    }

    /// A field that may be absent.
    pub(crate) fn optional<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Unreadable> {
        present(self.get(name))
    }

    /// A field that holds JSON and may be absent.
    pub(crate) fn optional_json<T: DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Unreadable> {
        present(self.json(name))
    }
}

fn present<T>(value: Result<T, Unreadable>) -> Result<Option<T>, Unreadable> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Unreadable::Missing(_)) => Ok(None),
        Err(malformed) => Err(malformed),
    }
}

/// Adds a field where there is a value: absent means none.
pub(crate) fn push_some<T: Display>(fields: &mut Written, name: &'static str, value: Option<T>) {
    fields.extend(value.map(|value| (name, value.to_string())));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decimals_read_back_exactly(value in any::<f64>()) {
            let text = decimal(value);
            prop_assert!(text.bytes().all(|c| c.is_ascii_digit() || c == b'.' || c == b'-'), "{}", text);
            if value.is_finite() {
                prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            }
        }
    }
}
