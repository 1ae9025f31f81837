//! Shell scripts with placeholders.
//!
//! An item's values never become part of the script: a placeholder becomes a reference to a positional parameter
//! (`"${1}"`), and the value travels as that parameter. So there is nothing to escape, and nothing to inject. Where a
//! person has put a placeholder in quotes, the reference is written so that it still is one word.

use flotilla_core::Json;
use flotilla_core::outcome::ItemError;

use super::fields::Field;
use super::template::placeholder;

/// A script for `sh -c`, and the fields of the item that are its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    text: String,
    parameters: Vec<Field>,
}

/// What surrounds a place in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Nothing, or `$(…)` and `(…)`.
    Plain,
    Double,
    Single,
    Comment,
}

impl Script {
    /// Reads a script with placeholders. `${…}` is the shell's own, `{{` and `}}` are braces.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lexer = Lexer::default();
        let mut script = Self {
            text: String::with_capacity(text.len() + 16),
            parameters: Vec::new(),
        };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if rest.starts_with("{{") || rest.starts_with("}}") {
                script.text.push(c);
                lexer.after = Some(c);
                rest = &rest[2..];
            } else if c == '{' || c == '}' {
                let (field, after) = placeholder(rest)?;
                script.refer_to(field, lexer.within());
                lexer.after = Some('}');
                rest = after;
            } else {
                let token = lexer.step(rest);
                script.text.push_str(&rest[..token]);
                rest = &rest[token..];
            }
        }
        Ok(script)
    }

    fn refer_to(&mut self, field: Field, within: Within) {
        // The same field is the same parameter.
        let known = self.parameters.iter().position(|parameter| *parameter == field);
        let number = 1 + known.unwrap_or_else(|| {
            self.parameters.push(field);
            self.parameters.len() - 1
        });
        self.text.push_str(&match within {
            Within::Plain => format!("\"${{{number}}}\""),
            Within::Double | Within::Comment => format!("${{{number}}}"),
            Within::Single => format!("'\"${{{number}}}\"'"),
        });
    }

    /// The arguments of `sh` for `item`.
    pub(crate) fn args(&self, item: &Json) -> Result<Vec<String>, ItemError> {
        let mut args = vec!["-c".to_owned(), self.text.clone(), "sh".to_owned()];
        for field in &self.parameters {
            args.push(field.text_in(item)?);
        }
        Ok(args)
    }
}

/// Knows which quotes a place in a script is in. A place that it gets wrong (a here-document, say) breaks the word, never
/// the isolation: there are only references in the script.
#[derive(Default)]
struct Lexer {
    open: Vec<Within>,
    /// The last character, where it can begin a word after it.
    after: Option<char>,
}

impl Lexer {
    fn within(&self) -> Within {
        self.open.last().copied().unwrap_or(Within::Plain)
    }

    /// Moves over the next token, of which the length is answered.
    fn step(&mut self, rest: &str) -> usize {
        let c = rest.chars().next().unwrap_or_default();
        let begins_word = self
            .after
            .is_none_or(|before| before.is_whitespace() || "();|&".contains(before));
        self.after = Some(c);
        match (self.within(), c) {
            (Within::Comment, '\n') | (Within::Single, '\'') | (Within::Double, '"') => {
                self.open.pop();
            }
            (Within::Comment | Within::Single, _) => {}
            (Within::Plain | Within::Double, '\\') => return escaped_len(rest),
            (Within::Plain | Within::Double, '$') if rest.starts_with("$(") => {
                self.open.push(Within::Plain);
                self.after = Some('(');
                return 2;
            }
            (Within::Plain | Within::Double, '$') if rest.starts_with("${") => return expansion_len(rest),
            (Within::Double, _) => {}
            (Within::Plain, '"') => self.open.push(Within::Double),
            (Within::Plain, '\'') => self.open.push(Within::Single),
            (Within::Plain, '#') if begins_word => self.open.push(Within::Comment),
            (Within::Plain, '(') => self.open.push(Within::Plain),
            (Within::Plain, ')') => {
                self.open.pop();
            }
            (Within::Plain, _) => {}
        }
        c.len_utf8()
    }
}

/// `${…}` with whatever is nested in it.
fn expansion_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let end = rest.char_indices().find(|(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        *c == '}' && depth == 0
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// A backslash and what it escapes, unless that is a brace.
fn escaped_len(rest: &str) -> usize {
    match rest.chars().nth(1) {
        Some(next) if !matches!(next, '{' | '}') => 1 + next.len_utf8(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> String {
        Script::parse(text).unwrap().text
    }

    #[test]
    fn placeholders_become_parameters() {
        assert_eq!(
            script("convert {in} -resize 10x {out}"),
            r#"convert "${1}" -resize 10x "${2}""#
        );
        assert_eq!(script("cp {a} {a}.bak"), r#"cp "${1}" "${1}".bak"#);
        assert_eq!(script("awk '{{print $1}}' {}"), r#"awk '{print $1}' "${1}""#);
        assert_eq!(
            script(r#"echo "${HOME}" ${#x} {x}"#),
            r#"echo "${HOME}" ${#x} "${1}""#
        );
    }

    #[test]
    fn what_is_nested_in_an_expansion_is_left_alone() {
        assert_eq!(script("echo ${a:-${b}} {p}"), r#"echo ${a:-${b}} "${1}""#);
        assert_eq!(script("echo ${a"), "echo ${a");
    }

    #[test]
    fn quotes_around_a_placeholder_are_respected() {
        assert_eq!(script(r#"cat "{p}""#), r#"cat "${1}""#);
        assert_eq!(script("cat 'in/{p}'"), r#"cat 'in/'"${1}"''"#);
        assert_eq!(script(r#"x="$(cat {p})" {p}"#), r#"x="$(cat "${1}")" "${1}""#);
        assert_eq!(script(r#"echo \" {p}"#), r#"echo \" "${1}""#);
        assert_eq!(script(r#"echo "\"{p}\"""#), r#"echo "\"${1}\"""#);
        assert_eq!(script("true # don't\ncat {p}"), "true # don't\ncat \"${1}\"");
        assert_eq!(script("echo a#'{p}'"), "echo a#''\"${1}\"''");
        assert_eq!(
            script("(cat '{p}'); (cat {p})"),
            r#"(cat ''"${1}"''); (cat "${1}")"#
        );
    }

    #[test]
    fn the_item_is_a_parameter_only() {
        let item = Json::parse(r#"{"p": "$(reboot); `x` \"' ${y}"}"#).unwrap();
        let args = Script::parse("cat {p}").unwrap().args(&item).unwrap();
        assert_eq!(args, ["-c", "cat \"${1}\"", "sh", "$(reboot); `x` \"' ${y}"]);
    }

    #[test]
    fn a_shell_group_is_named_as_a_stray_brace() {
        assert!(
            Script::parse("{ echo a; }")
                .unwrap_err()
                .contains("write {{ and }}")
        );
    }
}
