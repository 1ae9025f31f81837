//! What is wrong with an upload: the first hundred mistakes, so that a file is mended in one go.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// So many are told.
const MOST: usize = 100;

/// The members of a problem that say where one mistake is.
const PLACES: [&str; 6] = ["item", "line", "column", "pointer", "expected", "custom_id"];

/// Mistakes, in the order of the upload. There is nothing to store any more once there is one.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Problem>);

impl Faults {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one.
    ///
    /// # Errors
    /// Where that was the last one that is told: it makes no sense to read on.
    pub(super) fn take(&mut self, problem: Problem) -> Result<(), Problem> {
        self.0.push(problem);
        if self.0.len() < MOST {
            return Ok(());
        }
        Err(std::mem::take(self).told(true))
    }

    /// The answer where the upload was read to its end.
    ///
    /// # Errors
    /// Where there are any.
    pub(super) fn check(self) -> Result<(), Problem> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.told(false))
        }
    }

    /// The answer where reading ended with `stop`.
    pub(super) fn ended_by(mut self, stop: Problem) -> Problem {
        if self.is_empty() {
            return stop;
        }
        self.0.push(stop);
        self.told(true)
    }

    /// The first one, with all of them as `errors`; there may be more.
    fn told(self, more: bool) -> Problem {
        let errors: Vec<Value> = self.0.iter().map(entry).collect();
        let count = self.0.len();
        let mut all = self.0.into_iter();
        let Some(first) = all.next() else {
            return Problem::internal("an upload is refused without a reason");
        };
        let first = match count {
            1 => first,
            _ => first.adding(&format!(
                " ({} more in `errors`{})",
                count - 1,
                if more { ", and maybe others" } else { "" }
            )),
        };
        first.with("errors", errors).with("errors_truncated", more)
    }
}

fn entry(problem: &Problem) -> Value {
    let mut entry = Map::new();
    for name in PLACES {
        if let Some(value) = problem.member(name) {
            entry.insert(name.to_owned(), value.clone());
        }
    }
    entry.insert("detail".to_owned(), bare(problem).into());
    Value::Object(entry)
}

/// What is wrong, without the place, which is said beside it.
pub(super) fn bare(problem: &Problem) -> &str {
    let said = |name: &str| problem.member(name).map(ToString::to_string).unwrap_or_default();
    let (item, line) = (said("item"), said("line"));
    let pointer = problem
        .member("pointer")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut detail = problem.detail();
    for place in [
        format!("item {item}: "),
        format!("item {item} (line {line}): "),
        format!("{pointer}: "),
    ] {
        detail = detail.strip_prefix(&place).unwrap_or(detail);
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    fn problem(item: u32) -> Problem {
        Problem::new(Kind::InvalidItem, format!("item {item}: no")).with("item", item)
    }

    #[test]
    fn the_first_hundred_are_told() {
        let mut faults = Faults::default();
        let ended = (0..200)
            .find_map(|item| faults.take(problem(item)).err())
            .unwrap();
        let errors = ended.member("errors").unwrap().as_array().unwrap();
        assert_eq!(errors.len(), MOST);
        assert_eq!(errors[99]["item"], 99);
        assert_eq!(ended.member("item").unwrap(), 0);
        assert_eq!(ended.member("errors_truncated").unwrap(), true);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_single_one_is_told_as_it_is() {
        let mut faults = Faults::default();
        faults.take(problem(7)).unwrap();
        let told = faults.check().unwrap_err();
        assert_eq!(told.detail(), "item 7: no");
        assert_eq!(told.member("errors").unwrap()[0]["detail"], "no");
        assert!(Faults::default().check().is_ok());
    }

    #[test]
    fn the_place_is_said_once() {
        for (detail, expected) in [
            ("item 7: /a/b: is no number", "is no number"),
            ("item 7 (line 9): EOF", "EOF"),
            ("item 77: no", "item 77: no"),
            ("something else", "something else"),
        ] {
            let problem = Problem::new(Kind::InvalidItem, detail)
                .with("item", 7)
                .with("line", 9)
                .with("pointer", "/a/b");
            assert_eq!(bare(&problem), expected);
        }
    }

    #[test]
    fn what_ended_the_upload_comes_last() {
        let mut faults = Faults::default();
        faults.take(problem(1)).unwrap();
        let stop = Problem::new(Kind::TruncatedBody, "cut").with("line", 9);
        let told = faults.ended_by(stop);
        assert_eq!(told.kind(), Kind::InvalidItem);
        assert_eq!(told.member("errors").unwrap()[1]["line"], 9);
        let stop = Problem::new(Kind::TruncatedBody, "cut");
        assert_eq!(Faults::default().ended_by(stop).kind(), Kind::TruncatedBody);
    }
}
