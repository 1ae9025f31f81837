//! The faults, by name. How each is done is in [`inject`](super::inject).

use std::fmt;
use std::time::Duration;

use super::fleet::Role;
use super::rig::Engine;
use crate::proxy::Fault as Network;

/// Something that goes wrong, and is over by itself: what was killed runs again, what was blocked passes again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// SIGKILL to one process of the role, or to all of them at once; they run again after a moment.
    Kill(Role, Which),
    /// SIGSTOP to one process of the role after the other, for so long each.
    Freeze(Role, Duration),
    /// SIGTERM to every process of the fleet, one after the other.
    Roll,
    /// SIGKILL to a server, which is back after this time.
    KillServer(Engine, Duration),
    /// A server is stopped in good order, and back after this time.
    StopServer(Engine, Duration),
    /// SIGSTOP to a server.
    FreezeServer(Engine, Duration),
    /// The way to a server is broken for so long.
    Network(Engine, Network, Duration),
    /// The connections to a server are reset so many times, each in the middle of what is sent after so many bytes.
    Reset(Engine, u64, u32),
    /// FLUSHALL, so many times.
    Flush(u32),
    /// Redis has no memory for any write.
    FullRedis(Duration),
    /// RabbitMQ is out of memory, or of disk: it takes no messages.
    Alarm(Alarm, Duration),
    /// Every message that a queue holds is gone; with or without the queue.
    Lose(Held, Means),
    /// An operator policy allows the work queues so few messages.
    MaxLength(u32, Duration),
    /// Every report comes three times.
    RepeatReports(Duration),
    /// Reports come late, twice, and in another order.
    ShuffleReports(Duration),
    /// For every report there comes one that says the contrary.
    ContradictReports(Duration),
    /// Somebody holds locks on the tables of outcomes and counters.
    Lock(Duration),
    /// So many uploads break off.
    BreakOff(u32),
    /// So many small batches are cancelled at random moments around their end.
    CancelRace(u32),
    /// Batches are paused and go on again, so many times.
    PauseAndResume(u32),
    /// A process does something at a named point of its code: ends, or waits.
    Point(Role, &'static str, At),
}

/// How many processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one with this number, counted over and over.
    One(usize),
    /// All of them.
    All,
}

/// Which resource RabbitMQ runs out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Memory.
    Memory,
    /// Disk.
    Disk,
}

/// What is on a queue that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Items.
    Work,
    /// Reports.
    Reports,
    /// Dead letters.
    Dead,
    /// Everything.
    Everything,
}

/// How a queue loses what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// It is purged.
    Purge,
    /// It is deleted.
    Delete,
}

/// What happens at a named point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The process ends there, at this pass.
    Abort(u32),
    /// The process waits there for so long, once.
    Wait(Duration),
}

impl At {
    /// The setting of the environment variable `FAILPOINTS`.
    pub(crate) fn setting(self, point: &str) -> String {
        match self {
            Self::Abort(pass) if pass <= 1 => format!("{point}=1*return->off"),
            Self::Abort(pass) => format!("{point}={}*off->1*return->off", pass - 1),
            Self::Wait(time) => format!("{point}=1*sleep({})->off", time.as_millis()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |time: &Duration| format!("{} s", time.as_secs_f64());
        match self {
            Self::Kill(role, Which::One(_)) => write!(f, "kill -9 {role:?}"),
            Self::Kill(role, Which::All) => write!(f, "kill -9 every {role:?}"),
            Self::Freeze(role, time) => write!(f, "SIGSTOP each {role:?} for {}", s(time)),
            Self::Roll => write!(f, "restart every process in turn"),
            Self::KillServer(engine, time) => write!(f, "kill -9 {engine:?}, back after {}", s(time)),
            Self::StopServer(engine, time) => write!(f, "stop {engine:?} for {}", s(time)),
            Self::FreezeServer(engine, time) => write!(f, "SIGSTOP {engine:?} for {}", s(time)),
            Self::Network(engine, fault, time) => write!(f, "{engine:?}: {fault:?} for {}", s(time)),
            Self::Reset(engine, bytes, times) => {
                write!(f, "{engine:?}: reset after {bytes} bytes, {times} times")
            }
            Self::Flush(times) => write!(f, "FLUSHALL {times} times"),
            Self::FullRedis(time) => write!(f, "Redis out of memory for {}", s(time)),
            Self::Alarm(alarm, time) => write!(f, "RabbitMQ's {alarm:?} alarm for {}", s(time)),
            Self::Lose(held, means) => write!(f, "{means:?} {held:?}"),
            Self::MaxLength(length, time) => write!(f, "max-length={length} for {}", s(time)),
            Self::RepeatReports(time) => write!(f, "each report 3 times for {}", s(time)),
            Self::ShuffleReports(time) => write!(f, "reports late, twice, shuffled for {}", s(time)),
            Self::ContradictReports(time) => write!(f, "contradicting reports for {}", s(time)),
            Self::Lock(time) => write!(f, "tables locked for {}", s(time)),
            Self::BreakOff(uploads) => write!(f, "{uploads} uploads break off"),
            Self::CancelRace(batches) => write!(f, "{batches} batches cancelled around their end"),
            Self::PauseAndResume(times) => write!(f, "pause and resume {times} times"),
            Self::Point(_, point, At::Abort(pass)) => write!(f, "abort at {point}, pass {pass}"),
            Self::Point(_, point, At::Wait(time)) => write!(f, "{} at {point}", s(time)),
        }
    }
}

/// Ways to lose what is on queues.
pub(crate) fn losses() -> [Fault; 4] {
    [
        Fault::Lose(Held::Work, Means::Purge),
        Fault::Lose(Held::Work, Means::Delete),
        Fault::Lose(Held::Reports, Means::Purge),
        Fault::Lose(Held::Reports, Means::Delete),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_set_as_the_library_reads_them() {
        let point = "publisher.confirmed";
        assert_eq!(At::Abort(1).setting(point), "publisher.confirmed=1*return->off");
        assert_eq!(
            At::Abort(21).setting(point),
            "publisher.confirmed=20*off->1*return->off"
        );
        assert_eq!(
            At::Wait(Duration::from_secs(2)).setting(point),
            "publisher.confirmed=1*sleep(2000)->off"
        );
    }
}
