//! The page at `/`, and everything that it is made of.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::Request;
use flotilla_core::explain::Code;

use crate::harness::{Answer, Api};

const HEADERS: [(&str, &str); 3] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
];

fn has_policy(answer: &Answer, path: &str) {
    for (name, value) in HEADERS {
        assert_eq!(answer.header(name), Some(value), "{path}: {name}");
    }
}

/// What stands between `before` and the next quote, everywhere in `text`.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let found = text.split(before).skip(1);
    found.filter_map(|rest| rest.split('"').next()).collect()
}

/// Where `import "…"` in `path` leads.
fn resolved(path: &str, import: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in import.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Every asset that the page needs, however far away, by its path.
async fn crawled(api: &Api) -> BTreeMap<String, Answer> {
    let page = api.get("/").await.text;
    let named = [quoted(&page, "src=\""), quoted(&page, "href=\"assets")];
    let mut left: BTreeSet<String> = named[0].iter().map(|&path| format!("/{path}")).collect();
    left.extend(named[1].iter().map(|path| format!("/assets{path}")));
    let mut seen = BTreeMap::new();
    while let Some(path) = left.pop_first() {
        let answer = api.get(&path).await;
        let imports = quoted(&answer.text, "from \"").into_iter();
        let minified = quoted(&answer.text, "from\"").into_iter();
        if path.ends_with(".js") {
            let imported = imports.chain(minified).filter(|name| name.starts_with('.'));
            left.extend(imported.map(|import| resolved(&path, import)));
        }
        seen.insert(path, answer);
        left.retain(|path| !seen.contains_key(path));
    }
    seen
}

#[tokio::test]
async fn the_page_allows_nothing_but_itself() {
    let api = Api::new().await;
    let page = api.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    has_policy(&page, "/");
    assert!(!page.text.contains("{version}"));
    for inline in [
        "<style",
        "style=",
        "<script>",
        "onclick",
        "javascript:",
        "http://",
        "https://",
    ] {
        assert!(!page.text.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn everything_that_it_needs_is_there() {
    let api = Api::new().await;
    let assets = crawled(&api).await;
    assert!(assets.len() > 30, "{:?}", assets.keys());
    for (path, answer) in assets {
        assert_eq!(answer.status, 200, "{path}");
        let expected = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{path}: {other}"),
        };
        assert_eq!(answer.header("content-type"), Some(expected), "{path}");
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000, immutable"),
            "{path}"
        );
        has_policy(&answer, &path);
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let api = Api::new().await;
    for path in ["/", "/assets/of-another-version/app.js"] {
        let first = api.get(path).await;
        assert_eq!(
            (first.status, first.header("cache-control")),
            (200, Some("no-cache")),
            "{path}"
        );
        let request = Request::builder()
            .uri(path)
            .header("if-none-match", first.header("etag").unwrap())
            .body(Body::empty())
            .unwrap();
        let again = api.send(request).await;
        assert_eq!((again.status, &*again.text), (304, ""), "{path}");
        has_policy(&again, path);
    }
}

#[tokio::test]
async fn other_paths_are_problems() {
    let api = Api::new().await;
    for path in [
        "/assets/1/nothing.js",
        "/assets/1/../Cargo.toml",
        "/assets/1/index.html",
    ] {
        api.get(path).await.problem(404, "unknown-route");
    }
}

#[test]
fn its_logic_is_right() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js");
    let reasons = Code::ALL.map(Code::as_str).join(" ");
    let output = std::process::Command::new("node")
        .args(["--test", tests])
        .env("FLOTILLA_TEST_REASONS", reasons)
        .output()
        .expect("node runs the tests of the dashboard's logic: apt-get install nodejs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
