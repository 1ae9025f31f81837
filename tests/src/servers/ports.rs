//! Free loopback ports.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The first port that is considered; the standard ports of most servers are below.
const FIRST: u16 = 20_000;
/// RabbitMQ's own tools and standard listeners live up here.
const RESERVED: [u16; 2] = [25_672, 35_672];

/// A loopback port that nobody listens on and that this process never gave away before.
///
/// It is outside of the range from which the system takes the ports of outgoing connections. Otherwise a client that
/// keeps trying to reach a stopped server could, by chance, occupy its port, and the server could not come back.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    static RANGE: LazyLock<Range<u16>> = LazyLock::new(|| candidates(&local_port_range()));
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    for _ in 0..10_000 {
        let port = RANGE.start + random_below(RANGE.end - RANGE.start);
        let taken = RESERVED.contains(&port) || given.contains(&port);
        if !taken && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
    panic!("no free port between {} and {}", RANGE.start, RANGE.end)
}

/// The ports below the system's own range, or above it where there is no room below.
fn candidates(local: &Range<u16>) -> Range<u16> {
    const ROOM: u16 = 2_000;
    if local.start >= FIRST + ROOM {
        FIRST..local.start
    } else if local.end <= u16::MAX - ROOM {
        local.end..u16::MAX
    } else {
        FIRST..u16::MAX
    }
}

/// Where the system takes the ports of outgoing connections from.
fn local_port_range() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    numbers.next().unwrap_or(32_768)..numbers.next().unwrap_or(60_999)
}

/// Processes that look for ports at the same time must not all start at the same one.
fn random_below(limit: u16) -> u16 {
    let random = RandomState::new().hash_one(()) % u64::from(limit);
    u16::try_from(random).expect("the remainder is below a u16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_listened_on() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        let listeners = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)));
        assert!(listeners.collect::<Result<Vec<_>, _>>().is_ok());
    }

    #[test]
    fn ports_of_outgoing_connections_are_avoided() {
        assert_eq!(candidates(&(32_768..60_999)), 20_000..32_768);
        assert_eq!(candidates(&(10_000..60_999)), 60_999..65_535);
        assert_eq!(candidates(&(1_024..65_535)), 20_000..65_535);
    }
}
