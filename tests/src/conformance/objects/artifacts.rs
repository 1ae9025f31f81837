//! Files that come of items.

use flotilla_core::ports::Objects;
use flotilla_core::ports::objects::Written;
use flotilla_core::{BatchId, Space};
use futures_util::{StreamExt, TryStreamExt};

use super::Fixture;

/// More than two parts, and not a whole number of them.
const LARGE: usize = 11 * 1024 * 1024 + 3;

impl Fixture {
    /// Writes a file in pieces of `piece` bytes, and answers its key.
    async fn export(&self, space: &Space, batch: BatchId, name: &str, bytes: &[u8], piece: usize) -> String {
        let key = Objects::artifact_key(space, batch, 3, "1-a", name);
        self.export_to(key, bytes, piece).await.0
    }

    async fn export_to(&self, key: String, bytes: &[u8], piece: usize) -> (String, Written) {
        let mut file = self.objects.write_artifact(key).expect("a key");
        for piece in bytes.chunks(piece) {
            file.write(piece).await.expect("a piece is written");
        }
        file.finish().await.expect("a file is written")
    }

    async fn import(&self, key: &str, range: Option<std::ops::Range<u64>>) -> Option<Vec<u8>> {
        let pieces = self.objects.read_artifact(key, range).await;
        let pieces = pieces.expect("a file is read")?;
        let pieces: Vec<_> = pieces.try_collect().await.expect("all of it");
        Some(pieces.concat())
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Whatever its size and in whichever pieces it comes; and its hash is known.
pub async fn a_file_reads_back_exactly(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let large = noise(LARGE);
    for (name, bytes, piece) in [
        ("empty", &large[..0], 1),
        ("one", &large[..1], 1),
        ("part", &large[..5 << 20], 1_000_003),
        ("large", &large[..], 777_777),
        ("at-once", &large[..], LARGE),
    ] {
        let key = Objects::artifact_key(&space, batch, 3, "1-a", name);
        let (written_to, written) = fixture.export_to(key.clone(), bytes, piece).await;
        assert_eq!((&written_to, written.bytes), (&key, bytes.len() as u64));
        assert!(
            fixture.import(&key, None).await.as_deref() == Some(bytes),
            "{name}"
        );
        let found = fixture.objects.artifact_bytes(&key).await.expect("it answers");
        assert_eq!(found, Some(bytes.len() as u64));
        let measured = fixture.objects.measure_artifact(&key).await.expect("it answers");
        assert_eq!(measured, Some(written));
    }
    let key = Objects::artifact_key(&space, batch, 3, "2-b", "abc");
    let (_, written) = fixture.export_to(key, b"abc", 2).await;
    assert_eq!(
        written.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

/// Also where it crosses parts, and at the very end.
pub async fn a_part_of_a_file_is_read_alone(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let large = noise(LARGE);
    let key = fixture.export(&space, batch, "large", &large, 1 << 20).await;
    let end = LARGE as u64;
    for range in [
        0..1,
        0..end,
        (5 << 20) - 7..(5 << 20) + 9,
        end - 1..end,
        10..4_000_000,
    ] {
        let (from, to) = (range.start as usize, range.end as usize);
        let part = fixture.import(&key, Some(range)).await;
        assert!(part.as_deref() == Some(&large[from..to]), "{from}..{to}");
    }
}

/// Names that a file system, a URL or a protocol could stumble over.
pub async fn every_name_can_be_kept(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let (wide, deep) = ("é".repeat(127), "abcdefg/".repeat(99) + "x");
    let names = [
        "a b/c+d.txt",
        "x#1",
        "100%",
        "a%2Fb",
        "ü/漢.png",
        "..x",
        "~",
        "a&b=c?d",
        "C:\\x",
        wide.as_str(),
        deep.as_str(),
    ];
    let mut keys = Vec::new();
    for name in names {
        keys.push(fixture.export(&space, batch, name, name.as_bytes(), 1_000).await);
    }
    for (key, name) in keys.iter().zip(names) {
        let read = fixture.import(key, None).await;
        assert_eq!(read.as_deref(), Some(name.as_bytes()), "{name}");
    }
}

/// Nothing is not an error, and what was given up was never there.
pub async fn what_is_not_finished_is_not_there(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let large = noise(LARGE);
    let key = Objects::artifact_key(&space, batch, 3, "1-a", "large");
    let mut file = fixture.objects.write_artifact(key.clone()).expect("a key");
    file.write(&large).await.expect("it is written");
    assert_eq!(fixture.import(&key, None).await, None);
    assert_eq!(fixture.objects.artifact_bytes(&key).await.expect("answers"), None);
    file.abort().await;
    assert_eq!(fixture.import(&key, None).await, None);
    let measured = fixture.objects.measure_artifact(&key).await.expect("answers");
    assert_eq!(measured, None);
    // Again, after all.
    let (_, written) = fixture.export_to(key.clone(), &large, 100_000).await;
    assert_eq!(written.bytes, LARGE as u64);
}

/// A duplicate run of an attempt changes nothing of what is recorded.
pub async fn every_run_has_keys_of_its_own(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let key = |run: &str| Objects::artifact_key(&space, batch, 3, run, "a.txt");
    for run in ["1-a", "1-b", "2-a"] {
        fixture.export_to(key(run), run.as_bytes(), 10).await;
    }
    for run in ["1-a", "1-b", "2-a"] {
        let read = fixture.import(&key(run), None).await;
        assert_eq!(read.as_deref(), Some(run.as_bytes()));
    }
}

/// What was recorded and what was not.
pub async fn files_go_with_their_batch(fixture: Fixture) {
    let (space, other): (Space, Space) = (
        "team".parse().expect("a space"),
        "team-b".parse().expect("a space"),
    );
    let (gone, kept) = (fixture.ids.batch(), fixture.ids.batch());
    let output = fixture.put(&space, gone, 0, 1, "1").await;
    let removed = [
        fixture.export(&space, gone, "a", b"1", 1).await,
        fixture.export(&space, gone, "b/c/d", b"2", 1).await,
    ];
    let left = [
        fixture.export(&space, kept, "a", b"3", 1).await,
        fixture.export(&other, gone, "a", b"4", 1).await,
    ];
    for _ in 0..2 {
        let removal = fixture.objects.remove_batch(&space, gone).await;
        removal.expect("a batch is removed");
        assert_eq!(fixture.get(&output).await, None);
        for key in &removed {
            assert_eq!(fixture.import(key, None).await, None, "{key} is removed");
        }
        for key in &left {
            assert!(fixture.import(key, None).await.is_some(), "{key} is left");
        }
    }
}

/// Whoever reads slowly holds a piece, not the file.
pub async fn a_file_comes_in_pieces(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let key = fixture
        .export(&space, batch, "large", &noise(LARGE), 1 << 20)
        .await;
    let pieces = fixture.objects.read_artifact(&key, None).await.expect("reads");
    let mut pieces = pieces.expect("it is there");
    let mut most = 0;
    while let Some(piece) = pieces.next().await {
        most = most.max(piece.expect("a piece").len());
    }
    assert!(most > 0);
}
