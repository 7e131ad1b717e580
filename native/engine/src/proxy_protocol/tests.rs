//! Headers of both versions, good and bad, at every split position; random ones against a writer of our own (row A05).

use std::net::IpAddr;

use proptest::prelude::*;

use super::{read, write, Ends, Malformed, Version, MAX_HEADER_BYTES};

const NEXT: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 0, 80];

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind][..], &length, value].concat()
}

fn v6() -> Vec<u8> {
    let source: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
    [&source.octets()[..], &[0; 20]].concat()
}

/// The checksum as RFC 3720 defines it, bit by bit from the other end: a division of polynomials.
fn slow_checksum(bytes: &[u8]) -> u32 {
    let mut bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
    bits.extend([false; 32]);
    for bit in &mut bits[..32] {
        *bit = !*bit; // the initial value
    }
    for at in 0..bits.len() - 32 {
        if bits[at] {
            for power in 0..=32_usize {
                bits[at + power] ^= 0x1_1edc_6f41_u64 >> (32 - power) & 1 == 1;
            }
        }
    }
    let remainder =
        bits[bits.len() - 32..].iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum::<u32>();
    !remainder
}

/// A header whose checksum is right, or wrong by `error`.
fn checked(before: &[u8], after: &[u8], error: u32) -> Vec<u8> {
    let block = |sum: u32| [V4, before, &tlv(3, &sum.to_be_bytes()), after].concat();
    let sum = slow_checksum(&v2(0x21, 0x11, &block(0)));
    v2(0x21, 0x11, &block(sum ^ error))
}

/// Good headers and the client they name.
fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let text = |line: &str| line.as_bytes().to_vec();
    let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
    let longest = v2(0x21, 0x11, &[V4, &tlv(4, &[0; 505])].concat());
    assert_eq!((long.len(), longest.len()), (107, MAX_HEADER_BYTES));
    let tlvs = [tlv(1, b"h2"), tlv(2, b"example.com"), tlv(0x20, &[1, 2, 0xff]), tlv(0xee, b"")].concat();
    vec![
        (text("PROXY TCP4 192.0.2.1 198.51.100.1 12345 80\r\n"), Some("192.0.2.1")),
        (text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), Some("255.255.255.255")),
        (text("PROXY TCP4 192.0.2.1 198.51.100.1 0 0\r\n"), Some("192.0.2.1")),
        (text("PROXY TCP6 2001:db8::1 2001:DB8::2 12345 80\r\n"), Some("2001:db8::1")),
        (text("PROXY TCP6 ::ffff:192.0.2.1 ::1 12345 80\r\n"), Some("::ffff:192.0.2.1")),
        (text("PROXY UNKNOWN\r\n"), None),
        (text("PROXY UNKNOWN ffff:f...f ffff:f...f 65535 65535\r\n"), None),
        (text(&long), None),
        (v2(0x21, 0x11, V4), Some("192.0.2.1")),
        (v2(0x21, 0x12, V4), Some("192.0.2.1")),
        (v2(0x21, 0x21, &v6()), Some("2001:db8::1")),
        (v2(0x21, 0x22, &v6()), Some("2001:db8::1")),
        (v2(0x21, 0x11, &[V4, &tlvs].concat()), Some("192.0.2.1")),
        (v2(0x21, 0x21, &[v6(), tlvs.clone()].concat()), Some("2001:db8::1")),
        (longest, Some("192.0.2.1")),
        (checked(&[], &[], 0), Some("192.0.2.1")),
        (checked(&tlvs, &tlvs, 0), Some("192.0.2.1")),
        // Who speaks for itself, or for somebody without an IP address.
        (v2(0x21, 0x31, &[b'/'; 216]), None),
        (v2(0x21, 0x32, &[&[b'/'; 216][..], &tlvs].concat()), None),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x00, &[0xff; 30]), None),
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, V4), None),
        (v2(0x20, 0xff, &[0xff; 520]), None),
    ]
}

/// Bytes that are no header, each with how many of them show it.
fn bad() -> Vec<(Vec<u8>, usize)> {
    let lines = [
        "PROXY TCP4 192.0.2.1 198.51.100.1 12345 80\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 12345 80\r\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 12345\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 12345 80 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 12345 80 x\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.1 12345 80\r\n",
        "PROXY  TCP4 192.0.2.1 198.51.100.1 12345 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 12345 080\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +1 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 99999999999999999999 80\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.1 12345 80\r\n",
        "PROXY TCP4 192.0.02.1 198.51.100.1 12345 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100 12345 80\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 12345 80\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.1 12345 80\r\n",
        "PROXY TCP6 2001:db8::1 [2001:db8::2] 12345 80\r\n",
        "PROXY TCP6 fe80::1%eth0 fe80::2 12345 80\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.1 12345 80\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.1 12345 80\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY UNKNOWN\n",
    ];
    let mut rows: Vec<(Vec<u8>, usize)> = lines.map(|line| (line.as_bytes().to_vec(), line.len())).to_vec();
    rows.extend([
        (b"PROXY UNKNOWN ".iter().copied().chain([b'f'; 200]).collect(), 107),
        (b"PROXY\r\n".to_vec(), 6),
        (b"proxy TCP4 192.0.2.1 198.51.100.1 12345 80\r\n".to_vec(), 1),
        (b"PROXX".to_vec(), 5),
        (NEXT.to_vec(), 1),
        (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), 5),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), 12),
        (v2(0x11, 0x11, V4), 13),
        (v2(0x22, 0x11, V4), 13),
        (v2(0x31, 0x11, V4), 13),
        (v2(0x21, 0x11, &[0; 521]), 16),
        (v2(0x20, 0x00, &vec![0; 65_535]), 16),
    ]);
    // What only the whole header shows.
    rows.extend(
        [
            v2(0x21, 0x10, V4),
            v2(0x21, 0x13, V4),
            v2(0x21, 0x01, V4),
            v2(0x21, 0x41, &[0; 216]),
            v2(0x21, 0x11, &V4[..11]),
            v2(0x21, 0x11, &[]),
            v2(0x21, 0x21, &v6()[..35]),
            v2(0x21, 0x31, &[0; 215]),
            v2(0x21, 0x11, &[V4, &[4]].concat()),
            v2(0x21, 0x11, &[V4, &[4, 0]].concat()),
            v2(0x21, 0x11, &[V4, &[4, 0, 1]].concat()),
            v2(0x21, 0x11, &[V4, &tlv(4, b"x"), &[4, 0xff, 0xff, 0]].concat()),
            v2(0x21, 0x11, &[V4, &tlv(3, &[0; 3])].concat()),
            v2(0x21, 0x11, &[V4, &tlv(3, &[])].concat()),
            checked(&[], &[], 1),
            checked(&tlv(1, b"h2"), &[], 0x8000_0000),
        ]
        .map(|header| (header.clone(), header.len())),
    );
    rows
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_good_header_is_read_when_it_is_whole_whatever_is_glued_to_it() {
    for (bytes, client) in good() {
        let text = bytes.escape_ascii().to_string();
        let header = read(&bytes).unwrap().unwrap();
        assert_eq!((header.client(), header.length), (client.map(ip), bytes.len()), "{text}");
        for next in [NEXT, &bytes, b"\n"] {
            assert_eq!(read(&[&bytes, next].concat()), Ok(Some(header)));
        }
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{:?} cut at {cut}", bytes.escape_ascii().to_string());
        }
    }
}

#[test]
fn a_bad_header_is_refused_at_the_byte_that_shows_it() {
    for (bytes, shown) in bad() {
        let text = bytes.escape_ascii().to_string();
        for cut in 0..shown {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{text} cut at {cut}");
        }
        for end in shown..=bytes.len() {
            assert_eq!(read(&bytes[..end]), Err(Malformed), "{text} up to {end}");
        }
        assert_eq!(read(&[&bytes, NEXT].concat()), Err(Malformed), "{text} glued");
    }
}

fn ends(source: &str, destination: &str) -> Ends {
    Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

#[test]
fn both_ends_are_read_with_their_ports() {
    let v4 = ends("192.0.2.1:12345", "198.51.100.1:80");
    for bytes in [&b"PROXY TCP4 192.0.2.1 198.51.100.1 12345 80\r\n"[..], &v2(0x21, 0x11, V4)] {
        assert_eq!(read(bytes).unwrap().unwrap().ends, Some(v4));
    }
}

#[test]
fn headers_are_written_byte_for_byte() {
    let text = |ends| {
        let mut out = Vec::new();
        write(Version::V1, ends, &mut out);
        String::from_utf8(out).unwrap()
    };
    let v4 = ends("192.0.2.1:12345", "198.51.100.1:80");
    assert_eq!(text(Some(v4)), "PROXY TCP4 192.0.2.1 198.51.100.1 12345 80\r\n");
    let v6 = ends("[2001:db8::1]:1", "[2001:db8::2]:65535");
    assert_eq!(text(Some(v6)), "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
    // On a socket of both families, an address of IPv4 is one.
    let mapped = ends("[::ffff:192.0.2.1]:12345", "[::ffff:198.51.100.1]:80");
    assert_eq!(text(Some(mapped)), text(Some(v4)));
    // A balancer may speak of two families, which no header can.
    let mixed = ends("192.0.2.1:1", "[2001:db8::2]:2");
    assert_eq!(text(Some(mixed)), "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n");
    assert_eq!(text(None), "PROXY UNKNOWN\r\n");
    let block = |ends| {
        let mut out = Vec::new();
        write(Version::V2, ends, &mut out);
        out
    };
    assert_eq!(block(Some(v4)), v2(0x21, 0x11, V4));
    let addresses = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let block6 = [&addresses[..], &[1], &addresses, &[2], &[0, 1, 0xff, 0xff]].concat();
    assert_eq!(block(Some(v6)), v2(0x21, 0x21, &block6));
    assert_eq!(block(None), v2(0x20, 0x00, &[]));
}

#[test]
fn the_slow_checksum_is_the_one_of_the_rfc() {
    // RFC 3720 appendix B.4, bytes in the order in which they are sent.
    assert_eq!(slow_checksum(&[0; 32]).to_le_bytes(), [0xaa, 0x36, 0x91, 0x8a]);
    assert_eq!(slow_checksum(&[0xff; 32]).to_le_bytes(), [0x43, 0xab, 0xa8, 0x62]);
}

/// A byte of a header: one of those that mean something, or any.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(&b"\r\n \0QUITPROXYCP46UNKW.:0192f!\x20\x21\x11"[..]), any::<u8>()]
}

proptest! {
    #[test]
    fn any_values_are_passed_over(
        values in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)), 0..8),
        source in any::<[u8; 4]>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let values: Vec<u8> = values.iter().filter(|(kind, _)| *kind != 3).flat_map(|(kind, value)| tlv(*kind, value)).collect();
        let bytes = v2(0x21, 0x11, &[&source, &V4[4..], &values].concat());
        let expected = read(&bytes);
        let header = expected.unwrap().unwrap();
        prop_assert_eq!((header.client(), header.length), (Some(source.into()), bytes.len()));
        prop_assert_eq!(read(&[&bytes, NEXT].concat()), expected);
        prop_assert_eq!(read(&bytes[..cut.index(bytes.len())]), Ok(None));
        let sum = checked(&values, &[], 0);
        if sum.len() <= MAX_HEADER_BYTES {
            prop_assert!(matches!(read(&sum), Ok(Some(_))));
            // A checksum finds every single wrong bit behind the length.
            let mut wrong = sum.clone();
            let at = 16 + cut.index(4);
            wrong[at] ^= 1;
            prop_assert_eq!(read(&wrong), Err(Malformed));
        }
    }

    /// What is written is read again as it was.
    #[test]
    fn a_header_of_our_own_is_read_again(source in any::<[u8; 4]>(), destination in any::<[u8; 4]>(), from: u16, to: u16, wide: bool) {
        let end = |octets: [u8; 4], port| {
            let address = std::net::Ipv4Addr::from(octets);
            let wider = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(octets[0]));
            std::net::SocketAddr::new(if wide { wider.into() } else { address.into() }, port)
        };
        let ends = Ends { source: end(source, from), destination: end(destination, to) };
        for version in [Version::V1, Version::V2] {
            let mut bytes = Vec::new();
            write(version, Some(ends), &mut bytes);
            let header = read(&bytes).unwrap().unwrap();
            prop_assert_eq!((header.ends, header.length), (Some(ends), bytes.len()));
        }
    }

    /// What was refused stays refused with more bytes, and what was read stays as it was.
    #[test]
    fn more_bytes_change_no_verdict(
        start in prop::sample::select(vec![b"".to_vec(), b"PROXY ".to_vec(), SIGNATURE.to_vec(), v2(0x21, 0x11, V4)]),
        rest in prop::collection::vec(byte(), 0..60),
    ) {
        let bytes = [start, rest].concat();
        let mut verdict = Ok(None);
        for end in 0..=bytes.len() {
            let next = read(&bytes[..end]);
            if verdict != Ok(None) {
                prop_assert_eq!(next, verdict);
            }
            if let Ok(Some(header)) = next {
                prop_assert!(header.length <= end.min(MAX_HEADER_BYTES));
            }
            verdict = next;
        }
    }
}
