//! What `flotilla migrate` declares, as values. A golden test keeps it from drifting: on the broker, arguments can't be
//! changed, so a change here needs a new version in the queue's name.

use flotilla_core::Pool;
use flotilla_core::ports::broker::{DELIVERY_LIMIT, ISOLATED_DELIVERY_LIMIT, PARKED, Queue, Topology};
use lapin::types::{AMQPValue, FieldTable};

/// Items are published here, with the pool as routing key, or [`isolated`] where they have to run alone.
pub(crate) const WORK: &str = "flotilla.work.v2";
/// Reports are published here, with the shard as routing key.
pub(crate) const REPORTS: &str = "flotilla.reports.v1";
/// Where queues send what they give up, with the target queue as routing key.
pub(crate) const DEAD_LETTERS: &str = "flotilla.dlx.v1";
/// The exchanges, all of them direct and durable.
///
/// They exist for permissions: whoever may publish to the default exchange may publish to every queue. With these, a
/// worker can report and can't make up items.
pub(crate) const EXCHANGES: [&str; 3] = [WORK, REPORTS, DEAD_LETTERS];

/// How many messages the parking queue keeps: the newest.
const PARKED_LENGTH: i64 = 10_000;

/// For queues whose messages are never given up for being delivered often. A report is the only record that an item
/// ended, and while the store is away it comes back unsettled many times through no fault of its own. It has to be a
/// number: 4.x gives up after 20 deliveries where none is set, and 3.x knows no word for "never".
const NEVER: i64 = 1_000_000;

/// The value of a queue's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Text(&'static str),
    Number(i64),
    Flag,
}

/// A queue as it is declared: durable, neither exclusive nor deleted by the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) arguments: Vec<(&'static str, Argument)>,
    /// Exchange and routing key.
    pub(crate) binding: (&'static str, String),
}

impl Declared {
    /// For lapin.
    pub(crate) fn table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, argument) in &self.arguments {
            let value = match *argument {
                Argument::Text(text) => AMQPValue::LongString(text.into()),
                Argument::Number(number) => AMQPValue::LongLongInt(number),
                Argument::Flag => AMQPValue::Boolean(true),
            };
            table.insert((*name).into(), value);
        }
        table
    }
}

/// Every queue, such that none refers to a later one.
pub(crate) fn declared(topology: &Topology) -> Vec<Declared> {
    let queues = topology.queues();
    std::iter::once(parked())
        .chain(queues.iter().map(queue))
        .collect()
}

/// The routing key of items that have to run alone. No pool has this name: pools have no dots in theirs.
pub(crate) fn isolated(pool: &Pool) -> String {
    format!("isolate.{pool}")
}

fn queue(queue: &Queue) -> Declared {
    let name = queue.to_string();
    let (mut arguments, binding) = match queue {
        Queue::Work(pool) => {
            let arguments = dead_lettered("flotilla.dead.v1", i64::from(DELIVERY_LIMIT));
            (arguments, (WORK, pool.to_string()))
        }
        Queue::Isolate(pool) => {
            let arguments = dead_lettered("flotilla.dead.v1", i64::from(ISOLATED_DELIVERY_LIMIT));
            (arguments, (WORK, isolated(pool)))
        }
        Queue::Reports(shard) => (dead_lettered(PARKED, NEVER), (REPORTS, shard.to_string())),
        Queue::Dead => (dead_lettered(PARKED, NEVER), (DEAD_LETTERS, name.clone())),
    };
    if matches!(queue, Queue::Reports(_)) {
        arguments.push(("x-single-active-consumer", Argument::Flag));
    }
    Declared {
        name,
        arguments,
        binding,
    }
}

/// At-least-once dead-lettering needs `reject-publish`; with the default overflow it would silently be at most once.
fn dead_lettered(target: &'static str, limit: i64) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-delivery-limit", Argument::Number(limit)),
        ("x-dead-letter-exchange", Argument::Text(DEAD_LETTERS)),
        ("x-dead-letter-routing-key", Argument::Text(target)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
    ]
}

fn parked() -> Declared {
    Declared {
        name: PARKED.into(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-max-length", Argument::Number(PARKED_LENGTH)),
            ("x-overflow", Argument::Text("drop-head")),
        ],
        binding: (DEAD_LETTERS, PARKED.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = "\
flotilla.parked.v1 <- flotilla.dlx.v1/flotilla.parked.v1
  x-queue-type=quorum x-max-length=10000 x-overflow=drop-head
flotilla.dead.v1 <- flotilla.dlx.v1/flotilla.dead.v1
  x-queue-type=quorum x-delivery-limit=1000000 x-dead-letter-exchange=flotilla.dlx.v1 \
x-dead-letter-routing-key=flotilla.parked.v1 x-dead-letter-strategy=at-least-once x-overflow=reject-publish
flotilla.reports.v1.0 <- flotilla.reports.v1/0
  x-queue-type=quorum x-delivery-limit=1000000 x-dead-letter-exchange=flotilla.dlx.v1 \
x-dead-letter-routing-key=flotilla.parked.v1 x-dead-letter-strategy=at-least-once x-overflow=reject-publish \
x-single-active-consumer=true
flotilla.work.v2.gpu <- flotilla.work.v2/gpu
  x-queue-type=quorum x-delivery-limit=10 x-dead-letter-exchange=flotilla.dlx.v1 \
x-dead-letter-routing-key=flotilla.dead.v1 x-dead-letter-strategy=at-least-once x-overflow=reject-publish
flotilla.isolate.v2.gpu <- flotilla.work.v2/isolate.gpu
  x-queue-type=quorum x-delivery-limit=2 x-dead-letter-exchange=flotilla.dlx.v1 \
x-dead-letter-routing-key=flotilla.dead.v1 x-dead-letter-strategy=at-least-once x-overflow=reject-publish
";

    fn shown(queue: &Declared) -> String {
        let (exchange, key) = &queue.binding;
        let arguments = queue.arguments.iter().map(|(name, argument)| match argument {
            Argument::Text(text) => format!("{name}={text}"),
            Argument::Number(number) => format!("{name}={number}"),
            Argument::Flag => format!("{name}=true"),
        });
        let arguments: Vec<_> = arguments.collect();
        format!("{} <- {exchange}/{key}\n  {}\n", queue.name, arguments.join(" "))
    }

    #[test]
    fn what_is_declared_does_not_drift() {
        let topology = Topology {
            pools: vec!["gpu".parse::<Pool>().unwrap()],
            shards: 1,
        };
        let all: String = declared(&topology).iter().map(shown).collect();
        assert_eq!(all, GOLDEN);
        assert_eq!(
            EXCHANGES,
            ["flotilla.work.v2", "flotilla.reports.v1", "flotilla.dlx.v1"]
        );
    }

    #[test]
    fn dead_letters_go_to_queues_that_exist_already() {
        let topology = Topology {
            pools: vec![Pool::default()],
            shards: 4,
        };
        let mut seen: Vec<String> = Vec::new();
        for queue in declared(&topology) {
            for (name, argument) in &queue.arguments {
                if let ("x-dead-letter-routing-key", Argument::Text(target)) = (*name, argument) {
                    assert!(
                        seen.iter().any(|queue| queue == target),
                        "{} -> {target}",
                        queue.name
                    );
                }
            }
            seen.push(queue.name);
        }
    }
}
