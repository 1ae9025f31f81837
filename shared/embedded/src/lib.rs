//! Flotilla's engines for a program that is alone: in process, bounded, with nothing to install.

pub mod broker;
pub mod progress;
