//! flotilla-sqlite
