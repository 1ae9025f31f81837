//! Processes that die, freeze, restart.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use super::Scene;
use crate::Signal;
use crate::chaos::fault::At;
use crate::chaos::fleet::Role;

/// How long a killed process is away: what a supervisor takes.
const AWAY: Duration = Duration::from_millis(300);
/// How long a point may take to be passed.
const PASSED: Duration = Duration::from_secs(60);

impl Scene<'_> {
    pub(super) async fn kill(&mut self, members: &[usize]) {
        for &number in members {
            self.fleet.kill(number);
        }
        self.hold(AWAY).await;
        for &number in members {
            self.fleet.restart(number, &[]);
        }
    }

    pub(super) async fn freeze(&mut self, role: Role, time: Duration) {
        for number in self.fleet.of(role) {
            self.fleet.signal(number, Signal::STOP);
            self.hold(time).await;
            self.fleet.signal(number, Signal::CONT);
        }
    }

    /// One process after the other, as a deployment does it.
    pub(super) async fn roll(&mut self) {
        for number in self.fleet.all() {
            if !self.fleet.terminate(number).await {
                eprintln!("a process did not end on SIGTERM in time");
            }
            self.fleet.restart(number, &[]);
        }
    }

    /// All processes of the role are started with the point set, so that it does not matter which of them gets there.
    /// Whatever ends there runs again without it.
    pub(super) async fn point(&mut self, role: Role, point: &'static str, at: At) -> Result<()> {
        let members = self.fleet.of(role);
        let setting = ("FAILPOINTS", at.setting(point));
        for &number in &members {
            self.fleet.kill(number);
            self.fleet.restart(number, std::slice::from_ref(&setting));
        }
        match at {
            At::Wait(time) => self.hold(time * 2).await,
            At::Abort(_) => {
                let deadline = Instant::now() + PASSED;
                while !members.iter().any(|&number| self.fleet.has_ended(number)) {
                    if Instant::now() >= deadline {
                        bail!(
                            "nothing ended at {point} within {PASSED:?}: is the point compiled in, and passed?"
                        );
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                // The others get there, too.
                self.hold(Duration::from_secs(2)).await;
            }
        }
        for &number in &members {
            self.fleet.kill(number);
            self.fleet.restart(number, &[]);
        }
        Ok(())
    }
}
