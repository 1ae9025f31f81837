//! flotilla-scheduler
