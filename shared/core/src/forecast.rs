//! When a batch will be done: an honest guess, or none. Pure.
//!
//! The rest takes as long as it would at the [pace](crate::pace) of late, but no shorter than the limits of the batch
//! allow, and no shorter than failed items rest. `low_s` is the median: as likely as not it is done by then. `high_s` is
//! met nine times of ten.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pace::Pace;

/// Standard deviations between the median and the 90th percentile of a normal distribution.
const P90: f64 = 1.2816;
/// However steady the pace was: nobody knows what comes.
const LEAST_SPREAD: f64 = 0.1;
/// However unsteady it was: a guess that is wider says nothing.
const MOST_SPREAD: f64 = 0.6;
/// Where nothing has moved for so long, the pace of late says nothing about what comes.
const STILL: Duration = Duration::from_secs(30);

/// When the rest will be done, in seconds from now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Eta {
    /// As likely as not by then.
    pub low_s: f64,
    /// Nine times of ten by then.
    pub high_s: f64,
}

/// What decides how long the rest takes, besides the pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// Items that have not ended.
    pub remaining: u32,
    /// Those of them that wait for their next attempt.
    pub retrying: u32,
    /// Those of them that something else will complete.
    pub waiting: u32,
    /// Nothing starts before somebody or something decides it: paused, cancelling, not sealed, not begun.
    pub held: bool,
    /// The most items dispatched per second.
    pub rate_limit_per_s: Option<f64>,
    /// The most items in flight at once.
    pub concurrency: Option<u32>,
    /// How long a handler takes for an item.
    pub item_time: Option<Duration>,
    /// How long an item rests at most before its next attempt.
    pub longest_rest: Duration,
}

/// When the rest will be done. `None` where that would be a guess out of thin air: nothing observed, nothing moved for a
/// while, nothing may move, or only others know.
#[must_use]
pub fn eta(pace: &Pace, outlook: &Outlook, now: Timestamp) -> Option<Eta> {
    let seen = pace.rate_per_s();
    if outlook.held || outlook.remaining == 0 || seen <= 0.0 || outlook.waiting == outlook.remaining {
        return None;
    }
    let rest = if outlook.retrying > 0 {
        outlook.longest_rest
    } else {
        Duration::ZERO
    };
    let still = STILL.max(rest).as_secs_f64().max(3.0 / seen);
    if pace.still_for(now)?.as_secs_f64() > still {
        return None;
    }
    let rate = outlook.limits().fold(seen, f64::min);
    let median = f64::from(outlook.remaining) / rate;
    // A limit that holds the batch back is steadier than the fleet was.
    let swings = if rate < seen { 0.0 } else { pace.spread() };
    let slower = 1.0 - P90 * error(swings, median);
    // Rests are spread evenly up to the longest one: of many, one is nearly that long, and half of a single one is likely.
    let resting = rest.as_secs_f64();
    Some(Eta {
        low_s: tenths(median.max(resting / 2.0)),
        high_s: tenths((median / slower).max(resting)),
    })
}

impl Outlook {
    /// The most items per second that the batch may have, by each of its limits.
    fn limits(&self) -> impl Iterator<Item = f64> {
        let per_slot = self
            .item_time
            .map(|time| time.as_secs_f64())
            .filter(|time| *time > 0.0);
        let slots = self.concurrency.zip(per_slot);
        let by_slots = slots.map(|(slots, time)| f64::from(slots) / time);
        self.rate_limit_per_s
            .into_iter()
            .chain(by_slots)
            .filter(|limit| *limit > 0.0)
    }
}

/// The relative standard deviation of the mean rate over the next `seconds`, where the rate of late swung by `swings`:
/// what goes up and down several times evens out. (The variance of the mean of a process whose correlation decays
/// exponentially, with the time for which an observation of the pace counts; and as much again for what the pace of late
/// is off by itself.)
fn error(swings: f64, seconds: f64) -> f64 {
    let spans = (seconds / Pace::MEMORY_S).max(0.1);
    let evened = 2.0 / spans * (1.0 - (1.0 - (-spans).exp()) / spans);
    (swings * (2.0 * evened).sqrt()).clamp(LEAST_SPREAD, MOST_SPREAD)
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
