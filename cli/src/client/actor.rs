//! Who it is that does something: the API writes it into the history of a batch.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Says it with every request.
const HEADER: HeaderName = HeaderName::from_static("x-flotilla-actor");
/// The API takes no longer names.
const LONGEST: usize = 100;

/// The headers that say it, where it can be told.
pub(super) fn headers() -> HeaderMap {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let number = || format!("uid-{}", rustix::process::getuid().as_raw());
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let user = user.unwrap_or_else(number);
    let uname = rustix::system::uname();
    let actor = actor(&user, &uname.nodename().to_string_lossy());
    let value = HeaderValue::from_str(&actor).ok();
    value.map(|value| (HEADER, value)).into_iter().collect()
}

/// `ann@build-7`.
fn actor(user: &str, host: &str) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_ascii_graphic() && *c != '@')
            .collect()
    };
    let mut actor = format!("{}@{}", clean(user), clean(host));
    actor.truncate(LONGEST);
    actor
}

#[cfg(test)]
mod tests {
    use flotilla_core::command::Actor;

    use super::*;

    #[test]
    fn whatever_the_machine_is_called_the_api_takes_it() {
        assert_eq!(actor("ann", "build-7"), "ann@build-7");
        let long = "x".repeat(300);
        for (user, host) in [
            ("", ""),
            ("Jörg\n", "münchen"),
            (long.as_str(), "h"),
            ("flotilla", ""),
        ] {
            let actor = actor(user, host);
            assert!(actor.parse::<Actor>().is_ok(), "{actor:?}");
            assert!(HeaderValue::from_str(&actor).is_ok());
        }
    }
}
