//! The whole life of a batch, on both engines: what people and operators do to it, and what can happen to its items.

mod artifacts;
mod dead_letters;
mod downloads;
mod events;
mod fairness;
mod follow_ups;
mod guard_rails;
mod limits;
mod lost;
mod poison;
mod producers;
mod retention;
mod retries;
mod starting;
mod steering;
mod waiting;
mod workers;
