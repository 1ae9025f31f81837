//! flotilla-redis
