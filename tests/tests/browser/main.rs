#![cfg(test)]
//! The dashboard, as somebody with a browser meets it: real Chromium, a real fleet.

#[path = "../e2e/client.rs"]
#[expect(dead_code, reason = "the end-to-end tests use more of it")]
mod client;
#[path = "../e2e/fleet.rs"]
#[expect(dead_code, reason = "the end-to-end tests use more of it")]
mod fleet;

mod accessible;
mod browser;
mod finding;
mod much;
mod page;
mod pictures;
mod reasons;
mod stage;
mod steering;
mod system;
mod uploading;
mod webdriver;
