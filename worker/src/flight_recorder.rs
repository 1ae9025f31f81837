//! Notes which items run, in a small file that survives the death of the process: at the next start it says what the
//! process was killed with.
//!
//! A broker that outlives its workers counts deliveries that came back; one that lives in the same process can't. Notes
//! are plain writes at fixed positions, never synced: the operating system keeps them when the process dies, and where
//! it dies itself, no item can be blamed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use flotilla_core::{BatchId, ItemIndex};
use uuid::Uuid;

/// Bytes of a note.
const NOTE: usize = 32;
/// What a note begins with.
const MAGIC: [u8; 6] = *b"flown1";
/// No worker runs more items at once than that: the rest of a longer file is foreign.
const MAX_NOTES: usize = 1 << 16;

/// An item that ran, and which attempt it was.
pub type Flight = (BatchId, ItemIndex, u16);

/// The items that ran when the process that wrote `path` died. To be read before a worker opens the file again. Torn and
/// foreign content is left out, and so is a file that can't be read: this must never keep a program from starting.
#[must_use]
pub fn landed(path: &Path) -> Vec<Flight> {
    let mut content = vec![0; NOTE * MAX_NOTES];
    let mut read = 0;
    if let Ok(file) = File::open(path) {
        while let Ok(bytes @ 1..) = file.read_at(&mut content[read..], read as u64) {
            read += bytes;
        }
    }
    content[..read].chunks(NOTE).filter_map(decode).collect()
}

/// Notes items while they run.
#[derive(Debug, Clone)]
pub(crate) struct FlightRecorder(Arc<Notes>);

#[derive(Debug)]
struct Notes {
    file: File,
    /// Places in the file that nobody uses.
    free: Mutex<Vec<u16>>,
}

impl FlightRecorder {
    /// An empty file at `path`, for so many items at once.
    pub(crate) fn create(path: &Path, items: u32) -> std::io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let places = u16::try_from(items).unwrap_or(u16::MAX);
        file.set_len(u64::from(places) * NOTE as u64)?;
        Ok(Self(Arc::new(Notes {
            file,
            free: Mutex::new((0..places).rev().collect()),
        })))
    }

    /// An item begins to run. The note is erased when the answer is dropped.
    pub(crate) fn note(&self, flight: Flight) -> Noted {
        let place = self.0.free().pop();
        if let Some(place) = place {
            self.0.write(place, &encode(flight));
        }
        Noted {
            notes: Arc::clone(&self.0),
            place,
        }
    }
}

impl Notes {
    /// A note that can't be written costs nothing but itself.
    fn write(&self, place: u16, note: &[u8; NOTE]) {
        let _ = self.file.write_at(note, u64::from(place) * NOTE as u64);
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<u16>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The note of an item that runs.
#[derive(Debug)]
pub(crate) struct Noted {
    notes: Arc<Notes>,
    place: Option<u16>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.notes.write(place, &[0; NOTE]);
            self.notes.free().push(place);
        }
    }
}

/// Magic, batch, index, attempt, checksum.
fn encode((batch, index, attempt): Flight) -> [u8; NOTE] {
    let mut note = [0; NOTE];
    note[..6].copy_from_slice(&MAGIC);
    note[6..22].copy_from_slice(batch.0.as_bytes());
    note[22..26].copy_from_slice(&index.to_be_bytes());
    note[26..28].copy_from_slice(&attempt.to_be_bytes());
    let sum = checksum(&note[..28]);
    note[28..].copy_from_slice(&sum.to_be_bytes());
    note
}

fn decode(note: &[u8]) -> Option<Flight> {
    let note: &[u8; NOTE] = note.try_into().ok()?;
    let (content, sum) = note.split_at(28);
    let whole = content.starts_with(&MAGIC) && checksum(content).to_be_bytes() == sum;
    whole.then_some(())?;
    Some((
        BatchId(Uuid::from_slice(&content[6..22]).ok()?),
        ItemIndex::from_be_bytes(content[22..26].try_into().ok()?),
        u16::from_be_bytes(content[26..28].try_into().ok()?),
    ))
}

/// FNV-1a: finds torn writes, and costs a few nanoseconds.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum: u32, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(n: u128) -> Flight {
        (BatchId(Uuid::from_u128(n)), n as u32, 3)
    }

    fn path() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flights");
        (dir, path)
    }

    #[test]
    fn what_runs_is_in_the_file_and_what_has_ended_is_not() {
        let (_dir, path) = path();
        assert_eq!(landed(&path), [], "there is no file yet");
        let recorder = FlightRecorder::create(&path, 2).unwrap();
        let first = recorder.note(flight(1));
        let second = recorder.note(flight(2));
        let third = recorder.note(flight(3));
        assert_eq!(landed(&path), [flight(1), flight(2)], "there are two places");
        drop((first, third));
        assert_eq!(landed(&path), [flight(2)]);
        let fourth = recorder.note(flight(4));
        assert_eq!(landed(&path), [flight(4), flight(2)]);
        drop((second, fourth));
        assert_eq!(landed(&path), []);
        FlightRecorder::create(&path, 1).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), NOTE as u64);
    }

    #[test]
    fn torn_and_foreign_content_is_left_out() {
        let (_dir, path) = path();
        let whole = encode(flight(7));
        for at in 0..NOTE {
            let mut torn = whole;
            torn[at] ^= 1;
            assert_eq!(decode(&torn), None, "byte {at}");
        }
        let mut content = [whole, encode(flight(8))].concat();
        content[40] = 0xff;
        content.extend_from_slice(b"not ours at all, and much longer than a note is");
        content.extend_from_slice(&whole[..20]);
        std::fs::write(&path, &content).unwrap();
        assert_eq!(landed(&path), [flight(7)]);
        assert_eq!(landed(path.parent().unwrap()), [], "a folder");
    }

    #[test]
    fn a_note_costs_next_to_nothing() {
        let (_dir, path) = path();
        let recorder = FlightRecorder::create(&path, 8).unwrap();
        let began = tokio::time::Instant::now();
        const ITEMS: u32 = 20_000;
        for n in 0..ITEMS {
            drop(recorder.note(flight(u128::from(n))));
        }
        let each = began.elapsed() / ITEMS;
        eprintln!("a note and its erasure take {each:?}");
        // A machine that is busy with other tests is slower.
        assert!(each.as_micros() < 50, "{each:?}");
    }
}
