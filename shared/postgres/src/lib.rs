//! flotilla-postgres
