//! flotilla-bench
