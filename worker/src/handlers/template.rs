//! Arguments with placeholders.

use flotilla_core::Json;
use flotilla_core::outcome::ItemError;

use super::fields::Field;

/// One argument of a command: text with placeholders. Whatever an item puts in, it stays one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Field(Field),
}

impl Template {
    /// Reads `{field}`, `{}`, `{{` and `}}` in `text`. The error says what is wrong with a brace.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            let doubled = rest.starts_with("{{") || rest.starts_with("}}");
            if doubled {
                literal.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let (field, after) = placeholder(rest)?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Field(field));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The text itself, where it has no placeholder.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The argument for `item`.
    pub(crate) fn render(&self, item: &Json) -> Result<String, ItemError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(field) => out.push_str(&field.text_in(item)?),
            }
        }
        Ok(out)
    }
}

/// The placeholder that `text` begins with, and what follows it.
pub(crate) fn placeholder(text: &str) -> Result<(Field, &str), String> {
    let inside = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let read = inside.and_then(|(name, after)| Some((Field::parse(name)?, after)));
    read.ok_or_else(|| {
        let shown: String = text.lines().next().unwrap_or_default().chars().take(30).collect();
        format!("{shown:?} does not begin with a placeholder like {{field}} or {{}}: write {{{{ and }}}} for braces")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, item: &str) -> String {
        let template = Template::parse(template).unwrap();
        template.render(&Json::parse(item).unwrap()).unwrap()
    }

    #[test]
    fn placeholders_are_replaced_and_braces_escaped() {
        let item = r#"{"path": "a {b}.png", "size": {"w": 64}}"#;
        assert_eq!(render("in/{path}:{size.w}", item), "in/a {b}.png:64");
        assert_eq!(render("--json={}", item), format!("--json={item}"));
        assert_eq!(render("{{{path}}} {{}}", item), "{a {b}.png} {}");
        assert_eq!(render("plain", item), "plain");
        assert_eq!(Template::parse("a{{b").unwrap().literal(), Some("a{b"));
        assert_eq!(Template::parse("{b}").unwrap().literal(), None);
    }

    #[test]
    fn stray_braces_are_named() {
        for bad in ["{print $1}", "a } b", "{", "{a", "{a\n}"] {
            let error = Template::parse(bad).unwrap_err();
            assert!(error.contains("write {{ and }}"), "{bad:?}: {error}");
        }
    }
}
