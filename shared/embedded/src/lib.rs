//! flotilla-embedded
