#![cfg(test)]
//! The program as its users meet it: real processes, real servers, HTTP and the command line.

mod backend;
mod client;
mod engine;
mod fleet;
mod workload;

mod crash_points;
mod distributed;
mod embedded;
mod full_disk;
mod identical;
mod life;
mod refusals;
mod run_command;
mod terminal;
mod trace;
mod uploads;
