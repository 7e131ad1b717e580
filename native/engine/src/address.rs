//! Addresses of clients: one address with its text, and sets of networks.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::http1::syntax::decimal;

/// The longest text of an address: eight groups of IPv6. (An IPv4-mapped one is an IPv4 address here.)
const MAX_TEXT_BYTES: usize = 39;

/// An address and its text, made once: every request sends it on, and most connections carry several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    text: [u8; MAX_TEXT_BYTES],
    length: u8,
}

impl Address {
    /// The address itself.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Its text: dotted decimal, or IPv6 in the form of RFC 5952 without brackets.
    pub fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }
}

impl From<IpAddr> for Address {
    /// An IPv4-mapped IPv6 address is the IPv4 address: clients of a dual-stack socket are the same clients.
    fn from(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let mut text = [0; MAX_TEXT_BYTES];
        let mut rest = &mut text[..];
        let written = write!(rest, "{ip}");
        debug_assert!(written.is_ok(), "the longest text fits");
        let length = (MAX_TEXT_BYTES - rest.len()) as u8;
        Self { ip, text, length }
    }
}

/// A set of networks, IPv4 apart from IPv6, so that `::/0` holds no IPv4 address.
///
/// Looked up by a binary search over disjoint ranges; the empty set costs a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// First and last addresses: sorted, and apart from each other.
type Ranges<N> = Box<[(N, N)]>;

impl Networks {
    /// Reads networks (`10.0.0.0/8`, `fd00::/8`) and single addresses; the error is the index of the first that is none.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, usize> {
        let (mut v4, mut v6) = (vec![], vec![]);
        for (index, text) in texts.iter().enumerate() {
            match network(text.as_ref()).ok_or(index)? {
                (IpAddr::V4(address), prefix) => {
                    let mask = u32::MAX.checked_shr(prefix).unwrap_or(0);
                    v4.push((address.to_bits() & !mask, address.to_bits() | mask));
                }
                (IpAddr::V6(address), prefix) => {
                    let mask = u128::MAX.checked_shr(prefix).unwrap_or(0);
                    v6.push((address.to_bits() & !mask, address.to_bits() | mask));
                }
            }
        }
        Ok(Self { v4: disjoint(v4), v6: disjoint(v6) })
    }

    /// Is the address in one of the networks? An IPv4-mapped IPv6 address is looked for as the IPv4 address it stands for.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
        }
    }
}

/// Address and length of the prefix.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let bits = match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    };
    let prefix = prefix.map_or(Some(u64::from(bits)), |prefix| decimal(prefix.as_bytes()))?;
    (prefix <= u64::from(bits) && address.to_canonical() == address).then_some((address, prefix as u32))
}

/// Sorts ranges and joins those that overlap.
fn disjoint<N: Copy + Ord>(mut ranges: Vec<(N, N)>) -> Ranges<N> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, previous| {
        let joined = next.0 <= previous.1;
        if joined {
            previous.1 = previous.1.max(next.1);
        }
        joined
    });
    ranges.into()
}

fn holds<N: Copy + Ord>(ranges: &[(N, N)], address: N) -> bool {
    let after = ranges.partition_point(|range| range.0 <= address);
    after > 0 && address <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn set(networks: &[&str]) -> Networks {
        Networks::parse(networks).unwrap()
    }

    #[test]
    fn the_text_is_the_canonical_one() {
        for (given, text) in [
            ("192.0.2.1", "192.0.2.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0:0:0::1", "2001:db8::1"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::", "::"),
        ] {
            let address = Address::from(ip(given));
            assert_eq!((address.text(), address.ip()), (text.as_bytes(), ip(text)));
        }
    }

    #[test]
    fn a_network_holds_its_first_and_its_last_address_and_none_beyond() {
        let networks = set(&["10.0.0.0/8", "192.0.2.7", "192.0.2.8/31", "fd00::/8", "2001:db8::1"]);
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.0.2.7",
            "192.0.2.8",
            "192.0.2.9",
            "::ffff:10.1.2.3",
            "fd00::",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db8::1",
        ] {
            assert!(networks.contains(ip(inside)), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.6",
            "192.0.2.10",
            "fc00::",
            "fe00::",
            "2001:db8::",
            "2001:db8::2",
            "::",
            "::10.0.0.1",
        ] {
            assert!(!networks.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn everything_and_nothing_are_sets_too_and_the_families_stay_apart() {
        assert!(!Networks::default().contains(ip("0.0.0.0")) && !Networks::default().contains(ip("::")));
        let (v4, v6) = (set(&["0.0.0.0/0"]), set(&["::/0"]));
        for address in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::ffff:1.2.3.4"] {
            assert!(v4.contains(ip(address)) && !v6.contains(ip(address)), "{address}");
        }
        for address in ["::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
            assert!(v6.contains(ip(address)) && !v4.contains(ip(address)), "{address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_its_index() {
        for wrong in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "a/8",
            "::ffff:10.0.0.0/104",
            "fe80::1%1",
        ] {
            assert_eq!(Networks::parse(&["10.0.0.1", wrong]), Err(1), "{wrong}");
        }
    }

    proptest! {
        /// A set answers as a look at every network would, however they lie to each other.
        #[test]
        fn a_set_holds_what_one_of_its_networks_holds(
            networks in prop::collection::vec((any::<u8>(), 24..=32_u32), 0..8), low in any::<u8>()
        ) {
            let texts: Vec<String> =
                networks.iter().map(|(low, prefix)| format!("192.0.2.{low}/{prefix}")).collect();
            let set = Networks::parse(&texts).unwrap();
            let slow = networks.iter().any(|(start, prefix)| {
                let size = 1_u32 << (32 - prefix);
                u32::from(*start) / size == u32::from(low) / size
            });
            prop_assert_eq!(set.contains(IpAddr::from([192, 0, 2, low])), slow);
            for (start, end) in set.v4.windows(2).map(|pair| (pair[0].1, pair[1].0)) {
                prop_assert!(start < end, "ranges overlap");
            }
        }
    }
}
