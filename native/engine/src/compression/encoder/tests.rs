use proptest::prelude::*;

use super::*;
use crate::compression::decoding::decode;

fn grade(coding: Coding, level: u8) -> Grade {
    Grade { coding, level }
}

fn coding() -> impl Strategy<Value = Coding> {
    prop_oneof![Just(Coding::Gzip), Just(Coding::Zstd)]
}

/// Pieces that repeat each other a bit, or not at all.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(b'a'..b'd', 0..2_000),
        Just(vec![0; 70_000]),
        Just(b"the same again ".repeat(9)),
    ]
}

proptest! {
    /// Whatever comes in whatever pieces: all that came can be decoded after every flush, nothing looks complete before its
    /// end, and an encoder that was used or cut off before begins as a new one does.
    #[test]
    fn all_that_was_flushed_can_be_decode(
        coding in coding(),
        levels in prop::collection::vec(1..=Grade::MAX_LEVEL, 1..4),
        pieces in prop::collection::vec((piece(), any::<bool>()), 0..8),
        is_length_known: bool,
    ) {
        let mut encoder = Encoder::new(grade(coding, 1)).unwrap();
        let body: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
        for level in levels {
            encoder.begin(3, None).unwrap();
            encoder.push(b"of an earlier body that was cut off", &mut Vec::new()).unwrap();
            encoder.begin(level, is_length_known.then_some(body.len() as u64)).unwrap();
            let (mut pushed, mut out) = (Vec::new(), Vec::new());
            for (piece, flushes) in &pieces {
                encoder.push(piece, &mut out).unwrap();
                pushed.extend_from_slice(piece);
                if *flushes {
                    encoder.flush(&mut out).unwrap();
                    if !pushed.is_empty() {
                        prop_assert_eq!(decode(coding, &out), (pushed.clone(), false));
                    }
                }
            }
            encoder.finish(&mut out).unwrap();
            prop_assert_eq!(decode(coding, &out), (body.clone(), true));
            prop_assert_eq!(encoder.take_counts(), (body.len() as u64, out.len() as u64));
            prop_assert_eq!(encoder.take_counts(), (0, 0));
        }
    }
}

#[test]
fn nothing_is_written_where_nothing_came() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(grade(coding, 1)).unwrap();
        let mut out = Vec::new();
        encoder.push(b"", &mut out).unwrap();
        encoder.flush(&mut out).unwrap();
        assert!(out.is_empty(), "{coding:?}");
        encoder.push(b"a", &mut out).unwrap();
        encoder.flush(&mut out).unwrap();
        let written = out.len();
        encoder.flush(&mut out).unwrap();
        assert_eq!(out.len(), written, "{coding:?}");
    }
}

#[test]
fn of_a_body_that_was_cut_off_nothing_is_left() {
    for coding in Coding::ALL {
        let (mut encoder, mut out) = (Encoder::new(grade(coding, 1)).unwrap(), Vec::new());
        encoder.push(b"never flushed", &mut out).unwrap();
        out.clear();
        encoder.begin(1, None).unwrap();
        encoder.flush(&mut out).unwrap();
        assert!(out.is_empty() && encoder.take_counts() == (0, 0), "{coding:?}: {out:?}");
    }
}

/// An encoder that was used before works as hard as a new one of the level that it is at now.
#[test]
fn each_body_gets_its_own_level() {
    let body: Vec<u8> =
        (0..20_000_u32).flat_map(|number| (number * number).to_string().into_bytes()).collect();
    for coding in Coding::ALL {
        let mut used = Encoder::new(grade(coding, 1)).unwrap();
        let sizes = [1, 9, 9, 1].map(|level| {
            let mut fresh = Encoder::new(grade(coding, level)).unwrap();
            let [used, fresh] = [&mut used, &mut fresh].map(|encoder| {
                let mut out = Vec::new();
                encoder.begin(level, None).unwrap();
                encoder.push(&body, &mut out).unwrap();
                encoder.finish(&mut out).unwrap();
                out
            });
            assert_eq!(used, fresh, "{coding:?} at level {level}");
            used.len()
        });
        assert_ne!(sizes[0], sizes[1], "{coding:?}: the level says how it is done");
    }
}

/// What comes again is found as far back as the window says.
#[test]
fn what_comes_again_within_the_window_costs_little() {
    for (coding, distance) in [(Coding::Gzip, 30_000), (Coding::Zstd, 120_000)] {
        let mut random = crate::random::Random::new(3);
        let once: Vec<u8> = (0..distance).map(|_| random.below(256) as u8).collect();
        let (mut encoder, mut out) = (Encoder::new(grade(coding, 9)).unwrap(), Vec::new());
        encoder.push(&once.repeat(2), &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        assert!(out.len() < distance + distance / 10, "{coding:?}: {}", out.len());
    }
}

/// A body that its instance cuts off below the length that it said is an error for the one that knows the length, not an end.
#[test]
fn a_body_shorter_than_it_was_said_to_be_never_gets_an_end() {
    let mut encoder = Encoder::new(grade(Coding::Zstd, 1)).unwrap();
    encoder.begin(1, Some(10)).unwrap();
    let mut out = Vec::new();
    encoder.push(b"short", &mut out).unwrap();
    assert_eq!(encoder.finish(&mut out), Err(EncoderFault));
    encoder.begin(1, Some(5)).unwrap();
    out.clear();
    encoder.push(b"short", &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert_eq!(decode(Coding::Zstd, &out), (b"short".to_vec(), true));
}

/// Random bytes do not grow by more than what frames them.
#[test]
fn what_cannot_be_compressed_hardly_grows() {
    let mut random = crate::random::Random::new(7);
    let body: Vec<u8> = (0..300_000).map(|_| random.below(256) as u8).collect();
    for coding in Coding::ALL {
        let (mut encoder, mut out) = (Encoder::new(grade(coding, 4)).unwrap(), Vec::new());
        for (number, piece) in body.chunks(30_000).enumerate() {
            let mut flushed = Vec::new(); // as little room as can be, of which all that is held back needs more
            encoder.push(piece, &mut flushed).unwrap();
            encoder.flush(&mut flushed).unwrap();
            out.extend(flushed);
            let decoded = decode(coding, &out).0.len();
            assert_eq!(decoded, (number + 1) * 30_000, "{coding:?}: all of it, however much that is");
        }
        encoder.finish(&mut out).unwrap();
        assert!(out.len() < body.len() + 300, "{coding:?}: {}", out.len());
    }
}

#[test]
fn the_memory_of_an_encoder_is_bounded_at_every_level() {
    let body: Vec<u8> = (0..2_000_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
    for level in 1..=Grade::MAX_LEVEL {
        let (mut encoder, mut out) = (Encoder::new(grade(Coding::Zstd, level)).unwrap(), Vec::new());
        encoder.begin(level, None).unwrap();
        for piece in body.chunks(188 * 1024) {
            encoder.push(piece, &mut out).unwrap();
            encoder.flush(&mut out).unwrap();
        }
        let State::Zstd(context) = &encoder.state else { unreachable!() };
        assert!(context.sizeof() <= Encoder::bytes(Coding::Zstd), "level {level}: {}", context.sizeof());
    }
}
