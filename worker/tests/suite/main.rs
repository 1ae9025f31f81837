//! The worker and its handlers against real processes, a real HTTP server and the embedded engines.

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod exec_lines;
#[cfg(test)]
mod http;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod long_items;
#[cfg(test)]
mod results;
#[cfg(test)]
mod steering;
#[cfg(test)]
mod support;
#[cfg(test)]
mod worker;
