//! The PROXY protocol, versions 1 and 2: the header by which a load balancer says, before the first byte of a connection,
//! for whom it speaks. After the specification `proxy-protocol.txt` of 2020-03-05, in the sources of `HAProxy`.
//!
//! [`read`] takes what has come so far and is to be called again with more; a header that cannot become a good one is a
//! fault at its first wrong byte. [`write`](write()) says the same to the instances of a service that asks for it.

mod write;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use memchr::memchr;

use crate::http1::syntax::decimal;

pub use write::{write, Version};

/// The longest header: what every TCP connection can carry in its first segment (§2).
pub const MAX_HEADER_BYTES: usize = 536;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The connection that the sender speaks of; `None` when it speaks for itself, or of one without IP addresses.
    pub ends: Option<Ends>,
    /// Bytes of the header.
    pub length: usize,
}

impl Header {
    /// Who has connected to the sender.
    pub fn client(&self) -> Option<IpAddr> {
        self.ends.map(|ends| ends.source.ip())
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who has connected.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
}

/// Bytes that are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The header at the beginning of a connection; `None` while it is incomplete.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if begins_with(bytes, v1::PREFIX) {
        v1::read(bytes)
    } else if begins_with(bytes, v2::SIGNATURE) {
        v2::read(bytes)
    } else {
        Err(Malformed)
    }
}

/// Do the bytes begin with this, as far as they go?
fn begins_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, expected)| byte == expected)
}

/// A line of text (§2.1).
mod v1 {
    use super::{decimal, memchr, Ends, FromStr, Header, IpAddr, Ipv4Addr, Ipv6Addr, Malformed, SocketAddr};

    pub(super) const PREFIX: &[u8] = b"PROXY ";
    /// The longest line, its CRLF included.
    const MAX_BYTES: usize = 107;

    pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
        let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(MAX_BYTES)]) else {
            return if bytes.len() < MAX_BYTES { Ok(None) } else { Err(Malformed) };
        };
        let line = bytes[..end].strip_prefix(PREFIX).and_then(|line| line.strip_suffix(b"\r"));
        let ends = ends(line.ok_or(Malformed)?)?;
        Ok(Some(Header { ends, length: end + 1 }))
    }

    fn ends(line: &[u8]) -> Result<Option<Ends>, Malformed> {
        let mut parts = line.split(|&byte| byte == b' ');
        let mut next = || parts.next().ok_or(Malformed);
        let (source, destination) = match next()? {
            b"UNKNOWN" => return Ok(None), // and whatever follows
            b"TCP4" => addresses::<Ipv4Addr>(next()?, next()?),
            b"TCP6" => addresses::<Ipv6Addr>(next()?, next()?),
            _ => None,
        }
        .ok_or(Malformed)?;
        let (from, to) = (port(next()?)?, port(next()?)?);
        if next().is_ok() {
            return Err(Malformed);
        }
        let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
        Ok(Some(Ends { source, destination }))
    }

    /// Both addresses are of the kind that is announced.
    fn addresses<A: FromStr + Into<IpAddr>>(source: &[u8], destination: &[u8]) -> Option<(IpAddr, IpAddr)> {
        let parse = |text| Some(std::str::from_utf8(text).ok()?.parse::<A>().ok()?.into());
        Some((parse(source)?, parse(destination)?))
    }

    fn port(text: &[u8]) -> Result<u16, Malformed> {
        let plain = text == b"0" || !text.starts_with(b"0");
        let number = decimal(text).filter(|_| plain).and_then(|number| u16::try_from(number).ok());
        number.ok_or(Malformed)
    }
}

/// A block of bytes (§2.2).
mod v2 {
    use super::{Ends, Header, IpAddr, Malformed, SocketAddr, MAX_HEADER_BYTES};

    pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    /// Signature, command, family and length.
    const FIXED_BYTES: usize = 16;
    pub(super) const LOCAL: u8 = 0x20;
    pub(super) const PROXY: u8 = 0x21;
    /// The type of a TLV with the checksum of the header (§2.2.3).
    const CRC32C: u8 = 0x03;

    pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
        if bytes.get(12).is_some_and(|command| !matches!(*command, LOCAL | PROXY)) {
            return Err(Malformed);
        }
        let &[.., command, family, high, low] = bytes.get(..FIXED_BYTES).unwrap_or_default() else {
            return Ok(None);
        };
        let length = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_HEADER_BYTES {
            return Err(Malformed);
        }
        let Some(header) = bytes.get(..length) else { return Ok(None) };
        let ends = if command == LOCAL { None } else { ends(family, header)? };
        Ok(Some(Header { ends, length }))
    }

    /// The addresses of the family, and a look at everything behind them.
    fn ends(family: u8, header: &[u8]) -> Result<Option<Ends>, Malformed> {
        let block = &header[FIXED_BYTES..];
        let (ends, addresses) = match family {
            0x00 => return Ok(None), // unspecified: nothing is known of what follows
            0x11 | 0x12 => (pair::<4>(block), 12),
            0x21 | 0x22 => (pair::<16>(block), 36),
            0x31 | 0x32 => (None, 216), // a Unix socket
            _ => return Err(Malformed),
        };
        check_values(header, FIXED_BYTES + addresses)?;
        Ok(ends)
    }

    /// Two addresses of so many bytes, then their ports.
    fn pair<const BYTES: usize>(block: &[u8]) -> Option<Ends>
    where
        [u8; BYTES]: Into<IpAddr>,
    {
        let (&source, rest) = block.split_first_chunk::<BYTES>()?;
        let (&destination, rest) = rest.split_first_chunk::<BYTES>()?;
        let (&from, rest) = rest.split_first_chunk::<2>()?;
        let &to = rest.first_chunk::<2>()?;
        Some(Ends {
            source: SocketAddr::new(source.into(), u16::from_be_bytes(from)),
            destination: SocketAddr::new(destination.into(), u16::from_be_bytes(to)),
        })
    }

    /// The type-length-values from `at` on fill the header exactly, and a checksum among them is right. What else they say
    /// is passed over.
    fn check_values(header: &[u8], mut at: usize) -> Result<(), Malformed> {
        while at != header.len() {
            let &[kind, high, low] = header.get(at..at + 3).unwrap_or_default() else {
                return Err(Malformed);
            };
            let end = at + 3 + usize::from(u16::from_be_bytes([high, low]));
            let value = header.get(at + 3..end).ok_or(Malformed)?;
            if kind == CRC32C && value != checksum(header, at + 3..end).to_be_bytes() {
                return Err(Malformed);
            }
            at = end;
        }
        Ok(())
    }

    /// CRC-32C (RFC 3720 appendix B.4) of the header with zeros in place of the checksum.
    fn checksum(header: &[u8], place: std::ops::Range<usize>) -> u32 {
        let bytes = header.iter().enumerate().map(|(at, &byte)| if place.contains(&at) { 0 } else { byte });
        !bytes.fold(u32::MAX, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1)))
        })
    }
}

#[cfg(test)]
mod tests;
