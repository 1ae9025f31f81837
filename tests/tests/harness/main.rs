//! The harness is what every other test believes, so it is tested first.
#![cfg(test)]

mod process;
mod program;
mod proxy;
mod sandbox;
mod server;
