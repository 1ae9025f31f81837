//! Checks of single values, wherever they come from: a batch that is created, or one that is changed.

use flotilla_core::Json;
use flotilla_core::job_type::is_rate;
use serde::de::DeserializeOwned;

use super::FIELDS;
use crate::problem::{Kind, Problem};

const MAX_NAME_CHARS: usize = 200;
const MAX_CONCURRENCY: u32 = 1_000_000;

/// A name for people.
pub(crate) fn name(value: &Json) -> Result<String, Problem> {
    let name: String = read("name", value, "a text")?;
    if name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
        let detail = format!("must have at most {MAX_NAME_CHARS} characters and no control characters");
        return Err(invalid("name", &detail));
    }
    Ok(name)
}

/// A priority within a space.
pub(crate) fn priority(value: &Json) -> Result<i16, Problem> {
    let priority = read("priority", value, "a whole number from -100 to 100")?;
    if !(-100..=100).contains(&priority) {
        return Err(invalid(
            "priority",
            &format!("must be between -100 and 100, not {priority}"),
        ));
    }
    Ok(priority)
}

/// The most items in flight.
pub(crate) fn concurrency(value: &Json) -> Result<u32, Problem> {
    let concurrency = read("concurrency", value, "a whole number from 1 on")?;
    if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
        let detail = format!("must be between 1 and {MAX_CONCURRENCY}, not {concurrency}");
        return Err(invalid("concurrency", &detail));
    }
    Ok(concurrency)
}

/// The most items dispatched per second.
pub(crate) fn rate(value: &Json) -> Result<f64, Problem> {
    let rate = read("rate_per_s", value, "a number over 0")?;
    if !is_rate(rate) {
        return Err(invalid(
            "rate_per_s",
            &format!("must be a number over 0, not {rate}"),
        ));
    }
    Ok(rate)
}

/// A value of a type; `expected` says which.
pub(crate) fn read<T: DeserializeOwned>(field: &str, value: &Json, expected: &str) -> Result<T, Problem> {
    value
        .to()
        .map_err(|_| invalid(field, &format!("must be {expected}")))
}

pub(crate) fn invalid(field: &str, detail: &str) -> Problem {
    invalid_because(field, &format!("`{field}` {detail}"))
}

pub(crate) fn invalid_because(field: &str, detail: &str) -> Problem {
    Problem::new(Kind::InvalidField, detail).with("field", field)
}

/// `also` are fields that this place knows on top.
pub(super) fn unknown(field: &str, also: &[&'static str]) -> Problem {
    let known: Vec<&str> = FIELDS.iter().chain(also).copied().collect();
    unknown_of(field, &known)
}

/// A field that is not among those that are known.
pub(crate) fn unknown_of(field: &str, known: &[&str]) -> Problem {
    let field: String = field.chars().take(80).collect();
    Problem::new(
        Kind::UnknownField,
        format!("there is no field {field:?}; known are: {}", known.join(", ")),
    )
    .with("field", field)
    .with("known", known.to_vec())
}
