//! Instances: the health word, the failures in a row, and the address record that belongs to one generation of a slot.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::str::FromStr;
use core::sync::atomic::Ordering;

use crate::layout::AddressRecord;
use crate::word::Word;

/// Health: not checked yet.
pub const HEALTH_UNKNOWN: u32 = 0;
/// Health: checked and fit.
pub const HEALTH_HEALTHY: u32 = 1;
/// Health: checked and unfit.
pub const HEALTH_UNHEALTHY: u32 = 2;
/// A bit beside the states: an operator took the instance out.
pub const HEALTH_DISABLED: u32 = 4;

/// Another bit beside the states: the instance has failed too many exchanges in a row.
pub const HEALTH_EJECTED: u32 = 8;

/// What keeps an instance out, whatever its state.
const OUT: u32 = HEALTH_DISABLED | HEALTH_EJECTED;

/// A bit of an instance's tier: it stands in for the primaries.
pub const TIER_BACKUP: u32 = 1;
/// Another one: it is in another zone than the gateway.
pub const TIER_ELSEWHERE: u32 = 2;

/// May an instance with this health word be selected? None: the word makes no sense.
#[inline]
pub fn may_be_selected(health: u32) -> Option<bool> {
    match health & !OUT {
        HEALTH_UNKNOWN | HEALTH_HEALTHY => Some(health & OUT == 0),
        HEALTH_UNHEALTHY => Some(false),
        _ => None,
    }
}

/// Adds one to an instance's failures in a row; none is lost, whoever else adds one. (It would take 2³² of them to come
/// round to 0.)
#[inline]
pub fn note_failure(failures: &impl Word<u32>) {
    failures.fetch_add(1, Ordering::Relaxed);
}

/// Ends an instance's row of failures. Mostly there is none, and the line stays shared between the processors. A failure
/// that is noted at the same moment may fall before or after it.
#[inline]
pub fn note_answer(failures: &impl Word<u32>) {
    if failures.load(Ordering::Relaxed) != 0 {
        failures.store(0, Ordering::Relaxed);
    }
}

/// Longest path of a unix socket: `sun_path` without its final zero byte.
pub const MAX_PATH_BYTES: usize = 107;

/// Where an instance listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The path of a unix socket.
    Unix(String),
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError;

impl fmt::Display for AddressError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an address is ip:port, [v6]:port or unix:/path of at most {MAX_PATH_BYTES} bytes")
    }
}

impl core::error::Error for AddressError {}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(out, "{address}"),
            Self::Unix(path) => write!(out, "unix:{path}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some(path) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Ip).map_err(|_| AddressError);
        };
        let fits = path.starts_with('/') && path.len() <= MAX_PATH_BYTES && !path.contains('\0');
        fits.then(|| Self::Unix(path.to_owned())).ok_or(AddressError)
    }
}

const KIND_V4: u64 = 1;
const KIND_V6: u64 = 2;
const KIND_UNIX: u64 = 3;

/// The bytes behind a record's first word: an IP address (and its scope), or a path.
const RECORD_BYTES: usize = 15 * 8;

impl Address {
    /// Appends what `Display` shows; an IPv4 address, which most are, in 200 instructions instead of 1,300.
    pub fn put(&self, out: &mut String) {
        match self {
            Self::Ip(SocketAddr::V4(address)) => {
                let mut number = itoa::Buffer::new();
                for (octet, end) in address.ip().octets().into_iter().zip([".", ".", ".", ":"]) {
                    out.push_str(number.format(octet));
                    out.push_str(end);
                }
                out.push_str(number.format(address.port()));
            }
            Self::Ip(address @ SocketAddr::V6(_)) => out.push_str(&address.to_string()),
            Self::Unix(path) => {
                out.push_str("unix:");
                out.push_str(path);
            }
        }
    }

    /// Kind, port and length in the low half of a record's first word, and the bytes behind it.
    fn encode(&self) -> (u64, [u8; RECORD_BYTES]) {
        let mut bytes = [0; RECORD_BYTES];
        let (kind, port, len) = match self {
            Self::Ip(address) => match address.ip() {
                IpAddr::V4(ip) => (KIND_V4, address.port(), fill(&mut bytes, &ip.octets())),
                IpAddr::V6(ip) => {
                    let scope = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
                    let mut octets = [0; 20];
                    fill(&mut octets, &ip.octets());
                    octets[16..].copy_from_slice(&scope.to_le_bytes());
                    (KIND_V6, address.port(), fill(&mut bytes, &octets))
                }
            },
            Self::Unix(path) => (KIND_UNIX, 0, fill(&mut bytes, path.as_bytes())),
        };
        (kind | (len as u64) << 8 | u64::from(port) << 16, bytes)
    }

    fn decode(head: u64, bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let port = (head >> 16) as u16;
        let bytes = bytes.get(..(head >> 8 & 0xff) as usize)?;
        match head & 0xff {
            KIND_V4 => Some(Self::Ip((<[u8; 4]>::try_from(bytes).ok()?, port).into())),
            KIND_V6 => {
                let (ip, scope) = bytes.split_at_checked(16)?;
                let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?);
                let scope = u32::from_le_bytes(scope.try_into().ok()?);
                Some(Self::Ip(SocketAddrV6::new(ip, port, 0, scope).into()))
            }
            KIND_UNIX if bytes.len() <= MAX_PATH_BYTES => {
                core::str::from_utf8(bytes).ok().map(|path| Self::Unix(path.to_owned()))
            }
            _ => None,
        }
    }
}

fn fill(to: &mut [u8], from: &[u8]) -> usize {
    let len = from.len().min(to.len());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    len
}

// A record is read while it may be rewritten for another occupant of the slot. Its first word carries the generation
// and goes to 0 before anything else changes; a reader that finds it the same before and after has read one record.
// Stores are Release and loads Acquire, so a reader that saw a new byte sees the first word changed as well.

/// Writes the address of a slot's occupant. One writer; a record that is right already is left alone, so that its
/// readers are not disturbed by a change of weight.
pub(crate) fn write_address(record: &AddressRecord, generation: u32, address: &Address) {
    if read_address(record, generation).as_ref() == Some(address) {
        return;
    }
    let (head, bytes) = address.encode();
    let [first, rest @ ..] = &record.0;
    first.store(0, Ordering::Release);
    for (word, bytes) in rest.iter().zip(bytes.chunks_exact(8)) {
        word.store(bytes.try_into().map_or(0, u64::from_le_bytes), Ordering::Release);
    }
    first.store(u64::from(generation) << 32 | head, Ordering::Release);
}

/// The address of a slot's occupant; None when the slot has another one, or a record that makes no sense.
pub(crate) fn read_address(record: &AddressRecord, generation: u32) -> Option<Address> {
    let [first, rest @ ..] = &record.0;
    let head = first.load(Ordering::Acquire);
    let mut bytes = [0; RECORD_BYTES];
    let words = usize::from((head >> 8) as u8).div_ceil(8);
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(rest).take(words) {
        bytes.copy_from_slice(&word.load(Ordering::Acquire).to_le_bytes());
    }
    let unchanged = first.load(Ordering::Acquire) == head && (head >> 32) as u32 == generation;
    unchanged.then(|| Address::decode(head & 0xffff_ffff, &bytes)).flatten()
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicU64;

    use super::*;
    use crate::layout::Row;

    fn record(words: [u64; 16]) -> AddressRecord {
        Row(words.map(AtomicU64::new))
    }

    /// What is written comes back, for its own generation only.
    #[test]
    fn addresses_survive_the_record() {
        let path = format!("unix:/{}", "x".repeat(MAX_PATH_BYTES - 1));
        for text in [
            "127.0.0.1:80",
            "255.10.0.1:65535",
            "[2001:db8::1]:8443",
            "[fe80::1%3]:1",
            "unix:/run/a.sock",
            &path,
        ] {
            let (address, record) = (text.parse::<Address>().unwrap(), record([0; 16]));
            assert_eq!(address.to_string(), text);
            let mut put = String::from("at ");
            address.put(&mut put);
            assert_eq!(put, format!("at {text}"));
            write_address(&record, 7, &address);
            assert_eq!(read_address(&record, 7), Some(address), "{text}");
            assert_eq!(read_address(&record, 8), None);
        }
    }

    /// Names, missing ports, relative, empty and overlong paths are refused.
    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("unix:/{}", "x".repeat(MAX_PATH_BYTES));
        for text in
            ["", "localhost:80", "1.2.3.4", "1.2.3.4:99999", "::1:80", "unix:a", "unix:", "unix:/a\0b", &long]
        {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }

    /// A record of any bytes gives an address or none, never a panic.
    #[test]
    fn garbage_is_no_address() {
        for byte in 0..=255u64 {
            for len in 0..=255u64 {
                let mut words = [byte * 0x0101_0101_0101_0101; 16];
                words[0] = byte | len << 8;
                let _ = read_address(&record(words), 0);
            }
        }
        assert_eq!(read_address(&record([0; 16]), 0), None);
    }

    /// Exactly the unknown and the healthy may be selected; one that is disabled or ejected never.
    #[test]
    fn health_words() {
        let verdicts: Vec<_> = (0..17).map(may_be_selected).collect();
        let (yes, no) = (Some(true), Some(false));
        let out = [no, no, no, None];
        assert_eq!(verdicts[..4], [yes, yes, no, None]);
        assert_eq!([&verdicts[4..8], &verdicts[8..12], &verdicts[12..16]], [out, out, out]);
        assert_eq!(verdicts[16], None);
    }
}
