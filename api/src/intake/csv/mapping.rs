//! Fields that are called otherwise than columns, or put together from several of them.

use std::collections::{HashMap, HashSet};
use std::fmt;

use csv::StringRecord;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::super::checks::{invalid, invalid_because};
use super::columns::Columns;
use crate::problem::Problem;

/// `{"field": "column" | "template with {column}"}`, as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mapping(Vec<(String, String)>);

/// What the text of a field is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// That of a column.
    Column(usize),
    /// Put together.
    Template(Template),
}

impl Mapping {
    /// Reads the JSON text.
    ///
    /// # Errors
    /// Where it is not an object of texts.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        serde_json::from_str(text).map_err(|error| {
            let form = r#"must be a JSON object of texts like {"field": "column", "other": "{column} and {another}"}"#;
            invalid("map", &format!("{form}: {error}"))
        })
    }

    /// True where every column is a field of the same name.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and sources of all fields: columns in their order, then templates.
    ///
    /// # Errors
    /// Where there is no such column, a template can't be read, or two fields get the same name.
    pub(super) fn fields(&self, columns: &Columns) -> Result<Vec<(String, Source)>, Problem> {
        let mut renamed: HashMap<usize, Vec<&str>> = HashMap::new();
        let mut templates = Vec::new();
        for (field, value) in &self.0 {
            if let Some(column) = columns.find(value) {
                renamed.entry(column).or_default().push(field);
            } else if value.contains(['{', '}']) {
                let template = Template::parse(field, value, columns)?;
                templates.push((field.clone(), Source::Template(template)));
            } else {
                return Err(unknown_column(value, columns));
            }
        }
        let mut fields = Vec::with_capacity(columns.names().len() + templates.len());
        for (column, name) in columns.names().iter().enumerate() {
            let own = [name.as_str()];
            let names = renamed.get(&column).map_or(&own[..], Vec::as_slice);
            let named = names
                .iter()
                .map(|name| ((*name).to_owned(), Source::Column(column)));
            fields.extend(named);
        }
        fields.extend(templates);
        let mut seen = HashSet::with_capacity(fields.len());
        match fields.iter().find(|(name, _)| !seen.insert(name)) {
            Some((twice, _)) => {
                let detail = format!(
                    "with `map`, two fields have the name {:?}; a column that it does not rename keeps its own",
                    shortened(twice)
                );
                Err(invalid_because("map", &detail))
            }
            None => Ok(fields),
        }
    }
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Mapping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            // Not through a map: that a name comes twice would be lost.
            fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Mapping, A::Error> {
                let mut mapping = Mapping::default();
                while let Some(pair) = pairs.next_entry()? {
                    mapping.0.push(pair);
                }
                Ok(mapping)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Texts and columns, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(usize),
}

impl Template {
    fn parse(field: &str, text: &str, columns: &Columns) -> Result<Self, Problem> {
        let broken = |detail: &str| {
            let detail = format!(
                "the template of {:?} in `map` {detail}; a brace of its own is doubled: {{{{ or }}}}",
                shortened(field)
            );
            invalid_because("map", &detail)
        };
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let inner = rest
                .strip_prefix('{')
                .ok_or_else(|| broken("has a } that closes nothing"))?;
            let (name, behind) = inner
                .split_once('}')
                .ok_or_else(|| broken("has a { that nothing closes"))?;
            let column = columns.find(name).ok_or_else(|| unknown_column(name, columns))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Column(column));
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// Writes what it says of a row into `text`, over what was there.
    pub(super) fn write(&self, record: &StringRecord, text: &mut String) {
        text.clear();
        self.0.iter().for_each(|part| text.push_str(part.of(record)));
    }
}

impl Part {
    fn of<'a>(&'a self, record: &'a StringRecord) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Column(column) => &record[*column],
        }
    }
}

impl Source {
    /// How long its text is in a row.
    pub(super) fn len(&self, record: &StringRecord) -> usize {
        match self {
            Self::Column(column) => record[*column].len(),
            Self::Template(Template(parts)) => parts.iter().map(|part| part.of(record).len()).sum(),
        }
    }
}

/// Names that a message has room for, and that are worth being compared.
const SHOWN: usize = 20;
const COMPARED: usize = 500;

fn unknown_column(name: &str, columns: &Columns) -> Problem {
    let name = shortened(name);
    let known: Vec<String> = columns
        .names()
        .iter()
        .take(COMPARED)
        .map(|name| shortened(name))
        .collect();
    let near = known
        .iter()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min();
    let near = near.map_or(String::new(), |(_, near)| format!(" Did you mean {near:?}?"));
    let more = columns.names().len().saturating_sub(SHOWN);
    let shown = known[..known.len().min(SHOWN)].join(", ");
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let detail =
        format!("`map` names the column {name:?}, which is not there.{near} There are: {shown}{more}");
    invalid_because("map", &detail).with("column", name)
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Columns {
        Columns::new(&StringRecord::from(names.to_vec()), 1).unwrap()
    }

    fn fields(map: &str, names: &[&str]) -> Result<Vec<String>, String> {
        let record = StringRecord::from(names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>());
        let mapping = Mapping::parse(map).map_err(|problem| problem.to_string())?;
        let fields = mapping
            .fields(&columns(names))
            .map_err(|problem| problem.to_string())?;
        let text = |(name, source): (String, Source)| {
            let mut text = String::new();
            match &source {
                Source::Column(column) => text.push_str(&record[*column]),
                Source::Template(template) => template.write(&record, &mut text),
            }
            assert_eq!(source.len(&record), text.len());
            format!("{name}={text}")
        };
        Ok(fields.into_iter().map(text).collect())
    }

    #[test]
    fn columns_are_renamed_and_templates_added() {
        let names = ["Name", "E-Mail", "{odd}"];
        for (map, expected) in [
            ("{}", &["Name=<Name>", "E-Mail=<E-Mail>", "{odd}=<{odd}>"][..]),
            (
                r#"{"to": "{Name} <{E-Mail}> {{x}}}}", "mail": "E-Mail"}"#,
                &[
                    "Name=<Name>",
                    "mail=<E-Mail>",
                    "{odd}=<{odd}>",
                    "to=<Name> <<E-Mail>> {x}}",
                ],
            ),
            (
                r#"{"a": "Name", "b": "Name", "c": "{odd}", "d": "{Name}"}"#,
                &["a=<Name>", "b=<Name>", "E-Mail=<E-Mail>", "c=<{odd}>", "d=<Name>"],
            ),
            (
                r#"{"Name": "E-Mail", "E-Mail": "Name", "e": "{{}}"}"#,
                &["E-Mail=<Name>", "Name=<E-Mail>", "{odd}=<{odd}>", "e={}"],
            ),
        ] {
            assert_eq!(fields(map, &names).unwrap(), expected, "{map}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_map_is_said() {
        let names = ["name", "email"];
        for (map, parts) in [
            (
                r#"{"a": "emial"}"#,
                &["\"emial\"", "Did you mean \"email\"?", "name, email"][..],
            ),
            (r#"{"a": "{Name}"}"#, &["\"Name\"", "Did you mean \"name\"?"]),
            (r#"{"a": "quantity"}"#, &["not there. There are"]),
            (r#"{"email": "name"}"#, &["two fields have the name \"email\""]),
            (
                r#"{"a": "name", "a": "email"}"#,
                &["two fields have the name \"a\""],
            ),
            (r#"{"name": "{email}"}"#, &["two fields have the name \"name\""]),
            (r#"{"a": "{name"}"#, &["\"a\"", "a { that nothing closes"]),
            (r#"{"a": "name}"}"#, &["a } that closes nothing"]),
            (r#"{"a": 7}"#, &["must be a JSON object of texts"]),
            ("[]", &["must be a JSON object of texts"]),
            ("{", &["must be a JSON object of texts"]),
        ] {
            let text = fields(map, &names).unwrap_err();
            assert!(parts.iter().all(|part| text.contains(part)), "{map}: {text}");
        }
        let many: Vec<String> = (0..1_000).map(|n| format!("{n}{}", "x".repeat(500))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = fields(r#"{"a": "b"}"#, &many).unwrap_err();
        assert!(text.len() < 2_500 && text.ends_with("and 980 more"), "{text}");
    }
}
