//! The scheduler over the embedded engine: what it counts, when it stops, and what it repairs.

#![cfg(test)]

mod cancelling;
mod counting;
mod dead_letters;
mod deleting;
mod expiring;
mod follow_ups;
mod losing;
mod running_out;
mod stopping;
mod support;
mod uploads;
mod view;
