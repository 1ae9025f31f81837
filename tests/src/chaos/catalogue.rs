//! The matrix: every fault that this machine can produce, each with the workload that it meets.

use std::time::Duration;

use flotilla_core::crash::POINTS;

use super::fault::{Alarm, At, Fault, Held, Means, Which};
use super::fleet::Role;
use super::rig::Engine;
use super::scenario::Scenario;
use crate::proxy::Fault as Network;

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Items of an ordinary scenario.
    pub(crate) items: u32,
    /// How long an ordinary fault lasts.
    pub(crate) hold: Duration,
    /// How long a silence lasts that has to be noticed: several heartbeats.
    pub(crate) silence: Duration,
    /// Kills within one batch.
    pub(crate) kills: u32,
}

/// All scenarios of the distributed engine.
pub(crate) fn catalogue(scale: Scale) -> Vec<Scenario> {
    let mut all = processes(scale);
    all.extend(servers(scale));
    all.extend(networks(scale));
    all.extend(messages(scale));
    all.extend(people(scale));
    all.extend(points(scale));
    all
}

/// `times` faults, evenly over the batch.
fn over_the_batch(times: u32, fault: impl Fn(u32) -> Fault) -> Vec<(u32, Fault)> {
    (0..times)
        .map(|number| (5 + number * 85 / times.max(1), fault(number)))
        .collect()
}

fn kills(role: Role, times: u32) -> Vec<(u32, Fault)> {
    over_the_batch(times, |number| Fault::Kill(role, Which::One(number as usize)))
}

fn processes(scale: Scale) -> Vec<Scenario> {
    let Scale {
        items, kills: times, ..
    } = scale;
    // A batch that is long enough for all of them.
    let many = items * (times / 4).max(1);
    let everybody = over_the_batch(times, |number| {
        let role = [Role::Worker, Role::Scheduler, Role::Api][number as usize % 3];
        Fault::Kill(role, Which::One(number as usize / 3))
    });
    let all = |role| {
        vec![
            (20, Fault::Kill(role, Which::All)),
            (60, Fault::Kill(role, Which::All)),
        ]
    };
    vec![
        Scenario::new("kill-workers", many, kills(Role::Worker, times)),
        Scenario::new("kill-schedulers", many, kills(Role::Scheduler, times)),
        Scenario::new("kill-apis", many, kills(Role::Api, times)),
        Scenario::new("kill-everybody", many, everybody),
        Scenario::new("kill-all-workers", items, all(Role::Worker)),
        Scenario::new("kill-all-schedulers", items, all(Role::Scheduler)),
        Scenario::new("kill-all-apis", items, all(Role::Api)),
        Scenario::new(
            "freeze-workers",
            items,
            vec![(20, Fault::Freeze(Role::Worker, scale.silence))],
        ),
        Scenario::new(
            "zombie-schedulers",
            items,
            vec![(20, Fault::Freeze(Role::Scheduler, scale.silence))],
        ),
        Scenario::new(
            "freeze-apis",
            items,
            vec![(20, Fault::Freeze(Role::Api, scale.silence))],
        ),
        Scenario::new("rolling-restart", items, vec![(10, Fault::Roll)]),
    ]
}

fn servers(scale: Scale) -> Vec<Scenario> {
    let Scale { items, hold, .. } = scale;
    let moment = Duration::from_millis(500);
    let killed = |engine| {
        vec![
            (20, Fault::KillServer(engine, moment)),
            (60, Fault::KillServer(engine, hold)),
        ]
    };
    vec![
        Scenario::new("kill-broker", items, killed(Engine::Broker)),
        Scenario::new("kill-store", items, killed(Engine::Store)),
        Scenario::new("kill-live-view", items, killed(Engine::Live)).strict(),
        Scenario::new(
            "stop-broker",
            items,
            vec![(30, Fault::StopServer(Engine::Broker, hold))],
        ),
        Scenario::new(
            "stop-store",
            items,
            vec![(30, Fault::StopServer(Engine::Store, hold))],
        ),
        Scenario::new(
            "freeze-broker",
            items,
            vec![(30, Fault::FreezeServer(Engine::Broker, scale.silence))],
        ),
        Scenario::new(
            "freeze-store",
            items,
            vec![(30, Fault::FreezeServer(Engine::Store, hold))],
        ),
        Scenario::new(
            "live-view-down",
            items,
            vec![(10, Fault::StopServer(Engine::Live, scale.silence))],
        )
        .strict(),
        Scenario::new("flush-live-view", items, vec![(10, Fault::Flush(5))]).strict(),
        Scenario::new("full-live-view", items, vec![(20, Fault::FullRedis(hold))]).strict(),
        Scenario::new(
            "memory-alarm",
            items,
            vec![(20, Fault::Alarm(Alarm::Memory, hold))],
        ),
        Scenario::new("disk-alarm", items, vec![(20, Fault::Alarm(Alarm::Disk, hold))]),
        Scenario::new("locked-tables", items, vec![(20, Fault::Lock(hold * 3))]),
    ]
}

fn networks(scale: Scale) -> Vec<Scenario> {
    let Scale { items, hold, .. } = scale;
    let slow = Network::Delay(Duration::from_millis(40));
    let narrow = Network::Throttle(200_000);
    let mut all = Vec::new();
    for (engine, names) in [
        (
            Engine::Broker,
            [
                "broker-half-open",
                "broker-refused",
                "broker-slow",
                "broker-narrow",
                "broker-reset",
            ],
        ),
        (
            Engine::Store,
            [
                "store-half-open",
                "store-refused",
                "store-slow",
                "store-narrow",
                "store-reset",
            ],
        ),
        (
            Engine::Live,
            [
                "live-view-half-open",
                "live-view-refused",
                "live-view-slow",
                "live-view-narrow",
                "live-view-reset",
            ],
        ),
    ] {
        let on = |fault, time| vec![(20, Fault::Network(engine, fault, time))];
        let resets = vec![
            (10, Fault::Reset(engine, 20_000, 6)),
            (60, Fault::Reset(engine, 700, 6)),
        ];
        let faults = [
            on(Network::HalfOpen, scale.silence),
            on(Network::Refuse, hold),
            on(slow, hold),
            on(narrow, hold),
            resets,
        ];
        for (name, steps) in names.into_iter().zip(faults) {
            let scenario = Scenario::new(name, items, steps);
            all.push(if engine == Engine::Live {
                scenario.strict()
            } else {
                scenario
            });
        }
    }
    all
}

fn messages(scale: Scale) -> Vec<Scenario> {
    let Scale { items, hold, .. } = scale;
    let lose = |held, means| vec![(20, Fault::Lose(held, means)), (50, Fault::Lose(held, means))];
    vec![
        Scenario::new("purge-work", items, lose(Held::Work, Means::Purge)),
        Scenario::new("delete-work", items, lose(Held::Work, Means::Delete)),
        Scenario::new("purge-reports", items, lose(Held::Reports, Means::Purge)),
        Scenario::new("delete-reports", items, lose(Held::Reports, Means::Delete)),
        Scenario::new("purge-dead", items, lose(Held::Dead, Means::Purge)),
        Scenario::new("delete-dead", items, lose(Held::Dead, Means::Delete)),
        Scenario::new("delete-all-queues", items, lose(Held::Everything, Means::Delete)),
        Scenario::new("max-length", items, vec![(20, Fault::MaxLength(10, hold))]),
        Scenario::new("repeated-reports", items, vec![(10, Fault::RepeatReports(hold))]).strict(),
        Scenario::new("shuffled-reports", items, vec![(10, Fault::ShuffleReports(hold))]),
        Scenario::new(
            "contradicting-reports",
            items,
            vec![(10, Fault::ContradictReports(hold))],
        )
        .strict(),
    ]
}

fn people(scale: Scale) -> Vec<Scenario> {
    let items = scale.items;
    vec![
        Scenario::new("no-fault", items, Vec::new()).strict(),
        Scenario::new("cut-uploads", items, vec![(10, Fault::BreakOff(12))]).strict(),
        Scenario::new(
            "cut-uploads-and-kill",
            items,
            vec![(10, Fault::BreakOff(6)), (11, Fault::Kill(Role::Api, Which::All))],
        ),
        Scenario::new(
            "cancel-race",
            items / 2,
            vec![(0, Fault::CancelRace(scale.kills * 2))],
        )
        .strict(),
        Scenario::new("pause-and-resume", items, vec![(5, Fault::PauseAndResume(8))]).strict(),
        Scenario::new(
            "cancel-race-and-kills",
            items / 2,
            vec![
                (0, Fault::CancelRace(scale.kills)),
                (10, Fault::Kill(Role::Scheduler, Which::All)),
                (20, Fault::CancelRace(scale.kills)),
                (30, Fault::Kill(Role::Worker, Which::All)),
            ],
        ),
    ]
}

/// Every named point: the process ends there, early and later; and it waits there. And all of them in one run.
fn points(scale: Scale) -> Vec<Scenario> {
    let names = [
        "point-upload-chunk",
        "point-accept-before-commit",
        "point-accept-after-commit",
        "point-publisher-claimed",
        "point-publisher-publishing",
        "point-publisher-confirmed",
        "point-publisher-marked",
        "point-worker-received",
        "point-worker-handled",
        "point-worker-reported",
        "point-scheduler-received",
        "point-scheduler-committed",
        "point-scheduler-shown",
    ];
    let every = over_the_batch(POINTS.len() as u32, |number| {
        let point = POINTS[number as usize];
        Fault::Point(role_at(point), point, At::Abort(1))
    });
    let each = POINTS.into_iter().zip(names).map(|(point, name)| {
        let at = |at| Fault::Point(role_at(point), point, at);
        let steps = vec![
            (5, at(At::Abort(1))),
            (35, at(At::Abort(4))),
            (65, at(At::Wait(Duration::from_secs(2)))),
        ];
        Scenario::new(name, scale.items, steps)
    });
    each.chain([Scenario::new("every-point", scale.items, every)])
        .collect()
}

/// Who comes there.
fn role_at(point: &str) -> Role {
    match point.split_once('.') {
        Some(("worker", _)) => Role::Worker,
        Some(("scheduler", _)) => Role::Scheduler,
        _ => Role::Api,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_scenarios_have_the_same_name() {
        let all = catalogue(Scale {
            items: 1_000,
            hold: Duration::from_secs(1),
            silence: Duration::from_secs(1),
            kills: 20,
        });
        let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn every_point_has_a_scenario_of_its_name() {
        let all = points(Scale {
            items: 1_000,
            hold: Duration::from_secs(1),
            silence: Duration::from_secs(1),
            kills: 20,
        });
        for (scenario, point) in all.iter().zip(POINTS) {
            let last = point.rsplit('.').next().unwrap().replace('_', "-");
            assert!(scenario.name.ends_with(&last), "{} {point}", scenario.name);
        }
        assert_eq!(all.len(), POINTS.len() + 1);
    }

    #[test]
    fn kills_are_spread_over_the_batch() {
        let percents: Vec<u32> = kills(Role::Worker, 20).into_iter().map(|(at, _)| at).collect();
        assert_eq!((percents[0], percents[19]), (5, 85));
        assert!(percents.is_sorted());
    }
}
