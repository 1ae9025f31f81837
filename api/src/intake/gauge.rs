//! Measures what a parser reads, so that one endless value can't fill the memory.

use std::cell::Cell;
use std::io::{Error, Read, Result};
use std::rc::Rc;

/// Says how much may be read until it is told again. Shared between a parser, which knows where a value begins, and
/// the [`Gauged`] reader below it, which sees the bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Rc<State>);

#[derive(Debug, Default)]
struct State {
    left: Cell<usize>,
    skips_blanks: Cell<bool>,
    overrun: Cell<bool>,
}

impl Gauge {
    /// From here on, `bytes` may be read.
    pub(crate) fn allow(&self, bytes: usize) {
        self.0.left.set(bytes);
        self.0.skips_blanks.set(false);
    }

    /// From here on, a JSON value of `bytes` may be read; what stands before it in an array does not count.
    pub(crate) fn allow_value(&self, bytes: usize) {
        self.0.left.set(bytes);
        self.0.skips_blanks.set(true);
    }

    /// True where more was asked for.
    pub(crate) fn is_overrun(&self) -> bool {
        self.0.overrun.get()
    }

    /// Puts the gauge over `inner`.
    pub(crate) fn over<R: Read>(&self, inner: R) -> Gauged<R> {
        Gauged {
            inner,
            gauge: self.clone(),
        }
    }

    fn spend(&self, read: &[u8]) {
        let mut spent = read.len();
        if self.0.skips_blanks.get() {
            let blanks = read.iter().take_while(|byte| b" \t\r\n,".contains(byte)).count();
            self.0.skips_blanks.set(blanks == read.len());
            spent -= blanks;
        }
        self.0.left.set(self.0.left.get().saturating_sub(spent));
    }
}

/// A reader that fails where the gauge says so.
#[derive(Debug)]
pub(crate) struct Gauged<R> {
    inner: R,
    gauge: Gauge,
}

impl<R: Read> Read for Gauged<R> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let left = self.gauge.0.left.get();
        if left == 0 {
            self.gauge.0.overrun.set(true);
            return Err(Error::other("longer than allowed"));
        }
        let most = buf.len().min(left);
        let n = self.inner.read(&mut buf[..most])?;
        self.gauge.spend(&buf[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_where_it_should() {
        let gauge = Gauge::default();
        let mut reader = gauge.over(&b" ,\n 123456"[..]);
        gauge.allow_value(4);
        let mut read = Vec::new();
        let mut byte = [0];
        while let Ok(1) = reader.read(&mut byte) {
            read.push(byte[0]);
        }
        assert_eq!(read, b" ,\n 1234");
        assert!(gauge.is_overrun());
    }
}
