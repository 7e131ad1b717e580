//! Headers of our own, by which instances hear whom a connection is for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::Deserialize;

use super::{v1, v2, Ends};

/// The form of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// A line of text (§2.1).
    V1,
    /// A block of bytes (§2.2).
    V2,
}

/// Appends the header of a connection with these ends; `None` where nobody knows them, as behind a Unix socket.
pub fn write(version: Version, ends: Option<Ends>, out: &mut Vec<u8>) {
    match (version, ends.map(Ends::of_one_family)) {
        (Version::V1, None) => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
        (Version::V1, Some(ends)) => write_v1(&ends, out),
        (Version::V2, ends) => write_v2(ends.as_ref(), out),
    }
}

impl Ends {
    /// With both addresses of one family, as headers have them: those of IPv4 on a socket for both are IPv4 addresses.
    fn of_one_family(self) -> Self {
        let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (source, destination) = (canonical(self.source), canonical(self.destination));
        if source.is_ipv4() == destination.is_ipv4() {
            return Self { source, destination };
        }
        let wide = |end: SocketAddr| SocketAddr::new(wide(end.ip()).into(), end.port());
        Self { source: wide(source), destination: wide(destination) }
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn write_v1(Ends { source, destination }: &Ends, out: &mut Vec<u8>) {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let line = format!("{family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(v1::PREFIX);
    out.extend_from_slice(line.as_bytes());
}

fn write_v2(ends: Option<&Ends>, out: &mut Vec<u8>) {
    const UNSPECIFIED: u8 = 0x00;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    out.extend_from_slice(v2::SIGNATURE);
    let Some(Ends { source, destination }) = ends else {
        return out.extend_from_slice(&[v2::LOCAL, UNSPECIFIED, 0, 0]);
    };
    let (family, length) = if source.is_ipv4() { (TCP4, 12) } else { (TCP6, 36) };
    out.extend_from_slice(&[v2::PROXY, family, 0, length]);
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
        }
    }
    for end in [source, destination] {
        out.extend_from_slice(&end.port().to_be_bytes());
    }
}
