//! The worker and its handlers against real processes, a real HTTP server and the embedded broker.

#[cfg(test)]
mod exec;
#[cfg(test)]
mod exec_lines;
#[cfg(test)]
mod http;
#[cfg(test)]
mod support;
#[cfg(test)]
mod worker;
