//! A hash of what a client sent: the same request again is told from another one.

use std::io::{Read, Result};

use sha2::{Digest as _, Sha256};

/// Hashes what is read through it.
pub(super) struct Digesting<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Digesting<R> {
    /// Begins with `about`, which is hashed, too.
    pub(super) fn new(inner: R, about: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((about.len() as u64).to_be_bytes());
        hash.update(about);
        Self { inner, hash }
    }

    /// The hash of everything, once it was read to its end; what is left of it is read first.
    pub(super) fn finish(mut self) -> Result<String> {
        std::io::copy(&mut self, &mut std::io::sink())?;
        let hash = self.hash.finalize();
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buf)?;
        self.hash.update(&buf[..read]);
        Ok(read)
    }
}
