//! The bytes of a ZIP archive, made in one go from the first to the last. Pure.
//!
//! Written here because of what it takes to stream: the length and the checksum of an entry follow it, in a data descriptor,
//! which for entries that may be longer than 4 GiB must have numbers of 64 bits. `async_zip` writes those with 32 bits, and
//! keeps a header of some hundred bytes for each entry; the crate `zip` has to seek. What is kept here of an entry is
//! its name and 80 bytes.
//!
//! Every entry is deflated, files that came of items without compression: most are compressed by themselves. Readers
//! that can't seek either find the end of such an entry, and not that of one that is stored as it is.

use flate2::{Compress, Compression, FlushCompress};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// What a field of 32 or 16 bits has where its number does not fit.
const ELSEWHERE: u32 = u32::MAX;
const MANY: u16 = u16::MAX;
/// Data descriptor, and a name in UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATED: u16 = 8;
/// 4.5: ZIP64.
const VERSION: u16 = 45;
/// Made on Unix, where the attributes are those of a regular file.
const MADE_BY: u16 = 3 << 8 | VERSION;
const REGULAR_FILE: u32 = 0o100_644 << 16;
/// The longest block that deflate stores as it is.
const BLOCK: usize = u16::MAX as usize;
/// What a file may have for its numbers to fit into 32 bits, with what storing it adds.
const SHORT: u64 = 0xffff_ffff - (16 << 20);

/// An archive under way.
#[derive(Debug)]
pub(super) struct Archive {
    /// Of every entry, in the format's own form.
    modified: (u16, u16),
    names: String,
    entries: Vec<Kept>,
    /// How much there is of it.
    offset: u64,
}

/// What is kept of an entry until the end.
#[derive(Debug)]
struct Kept {
    /// Where its name ends in all of them.
    name_end: usize,
    crc32: u32,
    packed: u64,
    bytes: u64,
    offset: u64,
    sha256: [u8; 32],
}

/// An entry that is in the archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: u64,
    pub(super) crc32: u32,
    pub(super) sha256: &'a [u8; 32],
}

/// An entry that is being written.
pub(super) struct Open {
    offset: u64,
    large: bool,
    crc32: crc32fast::Hasher,
    sha256: Sha256,
    bytes: u64,
    packed: u64,
    /// None: as it is.
    compress: Option<Compress>,
}

impl Archive {
    /// An empty one, whose entries are from `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            modified: dos_time(now),
            names: String::new(),
            entries: Vec::new(),
            offset: 0,
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The one at `at`.
    pub(super) fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let kept = self.entries.get(at)?;
        Some(Entry {
            name: self.name(at),
            bytes: kept.bytes,
            crc32: kept.crc32,
            sha256: &kept.sha256,
        })
    }

    fn name(&self, at: usize) -> &str {
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].name_end);
        &self.names[start..self.entries[at].name_end]
    }

    /// Begins an entry of text, which is compressed.
    pub(super) fn begin_text(&mut self, name: &str, out: &mut Vec<u8>) -> Open {
        let compress = Compress::new(Compression::fast(), false);
        // Nobody knows how long it will be.
        self.begin(name, true, Some(compress), out)
    }

    /// Begins an entry of a file that has `bytes`.
    pub(super) fn begin_file(&mut self, name: &str, bytes: u64, out: &mut Vec<u8>) -> Open {
        self.begin(name, bytes > SHORT, None, out)
    }

    fn begin(&mut self, name: &str, large: bool, compress: Option<Compress>, out: &mut Vec<u8>) -> Open {
        let before = out.len();
        let sizes = if large { ELSEWHERE } else { 0 };
        out.extend(0x0403_4b50_u32.to_le_bytes());
        out.extend((if large { VERSION } else { 20 }).to_le_bytes());
        self.put_kind(out);
        for number in [0, sizes, sizes] {
            out.extend(number.to_le_bytes());
        }
        out.extend(short(name.len()).to_le_bytes());
        out.extend((if large { 20_u16 } else { 0 }).to_le_bytes());
        out.extend(name.as_bytes());
        if large {
            // Both are in the data descriptor; that they are here says how long its numbers are.
            put_zip64(out, &[0, 0]);
        }
        self.names.push_str(name);
        let offset = self.offset;
        self.offset += (out.len() - before) as u64;
        Open {
            offset,
            large,
            crc32: crc32fast::Hasher::new(),
            sha256: Sha256::new(),
            bytes: 0,
            packed: 0,
            compress,
        }
    }

    /// Flags, method, and time.
    fn put_kind(&self, out: &mut Vec<u8>) {
        for number in [FLAGS, DEFLATED, self.modified.0, self.modified.1] {
            out.extend(number.to_le_bytes());
        }
    }

    /// Ends an entry, and says what its SHA-256 is.
    pub(super) fn end(&mut self, mut open: Open, out: &mut Vec<u8>) -> [u8; 32] {
        open.finish(out);
        let (crc32, sha256) = (open.crc32.finalize(), open.sha256.finalize().into());
        let before = out.len();
        out.extend(0x0807_4b50_u32.to_le_bytes());
        out.extend(crc32.to_le_bytes());
        for number in [open.packed, open.bytes] {
            if open.large {
                out.extend(number.to_le_bytes());
            } else {
                out.extend(fitting(number).to_le_bytes());
            }
        }
        self.offset += open.packed + (out.len() - before) as u64;
        self.entries.push(Kept {
            name_end: self.names.len(),
            crc32,
            packed: open.packed,
            bytes: open.bytes,
            offset: open.offset,
            sha256,
        });
        sha256
    }

    /// The record of the entry at `at` in the directory at the end.
    pub(super) fn put_record(&self, at: usize, out: &mut Vec<u8>) {
        let Some(kept) = self.entries.get(at) else {
            return;
        };
        let name = self.name(at);
        let numbers = [kept.bytes, kept.packed, kept.offset];
        let large: Vec<u64> = numbers.into_iter().filter(|number| !fits(*number)).collect();
        out.extend(0x0201_4b50_u32.to_le_bytes());
        out.extend(MADE_BY.to_le_bytes());
        out.extend(VERSION.to_le_bytes());
        self.put_kind(out);
        for number in [kept.crc32, fitting(kept.packed), fitting(kept.bytes)] {
            out.extend(number.to_le_bytes());
        }
        let extra = if large.is_empty() { 0 } else { 4 + 8 * large.len() };
        // Neither a comment, nor other disks, nor attributes inside.
        for number in [short(name.len()), short(extra), 0, 0, 0] {
            out.extend(number.to_le_bytes());
        }
        out.extend(REGULAR_FILE.to_le_bytes());
        out.extend(fitting(kept.offset).to_le_bytes());
        out.extend(name.as_bytes());
        if !large.is_empty() {
            put_zip64(out, &large);
        }
    }

    /// The end of the archive, after a directory of `directory` bytes.
    pub(super) fn put_end(&self, directory: u64, out: &mut Vec<u8>) {
        let (count, offset) = (self.entries.len() as u64, self.offset);
        let few = u16::try_from(count).ok().filter(|count| *count < MANY);
        if few.is_none() || !fits(directory) || !fits(offset) {
            out.extend(0x0606_4b50_u32.to_le_bytes());
            out.extend(44_u64.to_le_bytes());
            out.extend(MADE_BY.to_le_bytes());
            out.extend(VERSION.to_le_bytes());
            out.extend([0; 8]);
            for number in [count, count, directory, offset] {
                out.extend(number.to_le_bytes());
            }
            out.extend(0x0706_4b50_u32.to_le_bytes());
            out.extend(0_u32.to_le_bytes());
            out.extend((offset + directory).to_le_bytes());
            out.extend(1_u32.to_le_bytes());
        }
        out.extend(0x0605_4b50_u32.to_le_bytes());
        out.extend([0; 4]);
        for number in [few.unwrap_or(MANY); 2] {
            out.extend(number.to_le_bytes());
        }
        out.extend(fitting(directory).to_le_bytes());
        out.extend(fitting(offset).to_le_bytes());
        out.extend([0; 2]);
    }
}

impl Open {
    /// Adds `piece`.
    pub(super) fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.crc32.update(piece);
        self.sha256.update(piece);
        self.bytes += piece.len() as u64;
        let before = out.len();
        match &mut self.compress {
            Some(compress) => deflate(compress, piece, FlushCompress::None, out),
            None => piece.chunks(BLOCK).for_each(|block| put_block(false, block, out)),
        }
        self.packed += (out.len() - before) as u64;
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let before = out.len();
        match &mut self.compress {
            Some(compress) => deflate(compress, &[], FlushCompress::Finish, out),
            None => put_block(true, &[], out),
        }
        self.packed += (out.len() - before) as u64;
    }
}

/// A block that deflate stores as it is.
fn put_block(last: bool, block: &[u8], out: &mut Vec<u8>) {
    let length = short(block.len());
    out.push(u8::from(last));
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(block);
}

fn deflate(compress: &mut Compress, mut piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    loop {
        out.reserve(32 << 10);
        let (read, written) = (compress.total_in(), out.len());
        // It only fails where it is used after its end.
        let status = compress.compress_vec(piece, out, flush);
        piece = &piece[usize::try_from(compress.total_in() - read).unwrap_or(piece.len())..];
        let full = out.len() == out.capacity();
        let idle = out.len() == written;
        match status {
            Ok(flate2::Status::Ok) if !piece.is_empty() || full => {}
            Ok(flate2::Status::Ok) if matches!(flush, FlushCompress::Finish) && !idle => {}
            _ => return,
        }
    }
}

fn put_zip64(out: &mut Vec<u8>, numbers: &[u64]) {
    out.extend(1_u16.to_le_bytes());
    out.extend(short(8 * numbers.len()).to_le_bytes());
    for number in numbers {
        out.extend(number.to_le_bytes());
    }
}

fn fits(number: u64) -> bool {
    number < u64::from(ELSEWHERE)
}

fn fitting(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

/// Lengths of names and fields, which are short.
fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Time and date since 1980, in UTC: the format knows no zones.
fn dos_time(now: Timestamp) -> (u16, u16) {
    let now = TimeZone::UTC.to_datetime(now);
    let part = |number: i8| u16::try_from(number).unwrap_or(0);
    let years = u16::try_from(now.year().saturating_sub(1980).clamp(0, 127)).unwrap_or(0);
    (
        (part(now.hour()) << 11) | (part(now.minute()) << 5) | (part(now.second()) / 2),
        (years << 9) | (part(now.month()) << 5) | part(now.day()),
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_time_is_packed() {
        let time: Timestamp = "2026-11-22T16:57:59Z".parse().unwrap();
        assert_eq!(dos_time(time), (16 << 11 | 57 << 5 | 29, 46 << 9 | 11 << 5 | 22));
        assert_eq!(dos_time(Timestamp::UNIX_EPOCH).1 >> 9, 0);
    }

    /// Beyond what 16 and 32 bits hold, without as many bytes: the numbers are made up, the form is not.
    #[test]
    fn what_is_large_is_zip64() {
        let mut archive = Archive::new(Timestamp::UNIX_EPOCH);
        let mut out = Vec::new();
        let open = archive.begin_file("a", 5 << 32, &mut out);
        assert_eq!(out.len(), 30 + 1 + 20);
        archive.end(open, &mut out);
        // Block, signature, checksum, and two numbers of 64 bits.
        assert_eq!(out.len(), 51 + 5 + 24);
        archive.entries[0].bytes = 5 << 32;
        archive.entries[0].offset = 6 << 32;
        let mut record = Vec::new();
        archive.put_record(0, &mut record);
        assert_eq!(record.len(), 46 + 1 + 4 + 16);
        assert!(record.ends_with(&[(5_u64 << 32).to_le_bytes(), (6_u64 << 32).to_le_bytes()].concat()));
        let mut end = Vec::new();
        archive.put_end(10, &mut end);
        assert_eq!(end.len(), 22);
        archive.offset = 1 << 32;
        end.clear();
        archive.put_end(10, &mut end);
        assert_eq!(end.len(), 56 + 20 + 22);
    }
    /// Writes an archive to a file, and lets Python test every entry. What is only zeros takes no room on the disk.
    fn tested(write: impl FnOnce(&mut Archive, &mut dyn FnMut(&mut Vec<u8>))) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut put = |out: &mut Vec<u8>| {
            for page in out.chunks(4096) {
                if page.iter().all(|byte| *byte == 0) {
                    file.as_file().seek(SeekFrom::Current(page.len() as i64)).unwrap();
                } else {
                    file.as_file().write_all(page).unwrap();
                }
            }
            out.clear();
        };
        let mut archive = Archive::new("2026-11-22T16:57:59Z".parse().unwrap());
        write(&mut archive, &mut put);
        let (mut out, mut directory) = (Vec::new(), 0);
        for at in 0..archive.len() {
            archive.put_record(at, &mut out);
            directory += out.len() as u64;
            put(&mut out);
        }
        archive.put_end(directory, &mut out);
        put(&mut out);
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                      last = z.infolist()[-1]; \
                      print(len(z.namelist()), last.filename, last.file_size, sum(i.file_size for i in z.infolist()))";
        let read = Command::new("python3")
            .args(["-c", script])
            .arg(file.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{error}");
        String::from_utf8(read.stdout).unwrap()
    }

    #[test]
    fn there_may_be_more_entries_than_16_bits_hold() {
        let said = tested(|archive, put| {
            let mut out = Vec::new();
            for n in 0..70_000 {
                let mut open = archive.begin_file(&format!("artifacts/{n}/x"), 1, &mut out);
                open.write(b"x", &mut out);
                archive.end(open, &mut out);
                put(&mut out);
            }
        });
        assert_eq!(said, "70000 artifacts/69999/x 1 70000\n");
    }

    fn zeros(open: &mut Open, mut left: u64, out: &mut Vec<u8>, put: &mut dyn FnMut(&mut Vec<u8>)) {
        let zeros = vec![0; 1 << 20];
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
            open.write(&zeros[..piece], out);
            put(out);
            left -= piece as u64;
        }
    }

    #[test]
    #[ignore = "reads and writes 13 GB: run it where this file was changed"]
    fn there_may_be_more_bytes_than_32_bits_hold() {
        const MANY: u64 = (4 << 30) + 7;
        let said = tested(|archive, put| {
            let mut out = Vec::new();
            let mut text = archive.begin_text("text", &mut out);
            zeros(&mut text, MANY, &mut out, put);
            archive.end(text, &mut out);
            let mut file = archive.begin_file("file", MANY, &mut out);
            zeros(&mut file, MANY, &mut out, put);
            archive.end(file, &mut out);
            // Beyond 4 GiB, and short itself.
            let mut last = archive.begin_file("last", 3, &mut out);
            last.write(b"end", &mut out);
            archive.end(last, &mut out);
            put(&mut out);
        });
        assert_eq!(said, format!("3 last 3 {}\n", 2 * MANY + 3));
    }
}
