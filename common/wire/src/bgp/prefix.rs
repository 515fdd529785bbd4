//! A prefix, IPv4 or IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and a length; the bits behind the length are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The prefix of this length around `address`; a length that is too long becomes that of one host.
    pub fn around(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                Self { address: Ipv4Addr::from_bits(v4.to_bits() & mask).into(), length }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                Self { address: Ipv6Addr::from_bits(v6.to_bits() & mask).into(), length }
            }
        }
    }

    /// The smallest prefix around `address` that the Internet accepts: /24 or /48.
    pub fn announced_for(address: IpAddr) -> Self {
        Self::around(address, if address.is_ipv4() { 24 } else { 48 })
    }

    /// The first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of fixed bits.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::around(address, self.length) == *self
    }

    /// Whether `other` is a more specific part of this one.
    pub fn covers(&self, other: &Self) -> bool {
        other.length > self.length && self.contains(other.address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no prefix: use ADDRESS/LENGTH, such as 192.0.2.0/24");
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u8 = length.parse().map_err(|_| wrong())?;
        let prefix = Self::around(address, length);
        if prefix.length == length { Ok(prefix) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_is_covered_and_the_whole_is_not() {
        let whole: Prefix = "192.0.2.0/24".parse().expect("a prefix");
        assert!(whole.covers(&"192.0.2.128/25".parse().expect("a prefix")));
        assert!(!whole.covers(&whole) && !whole.covers(&"192.0.3.0/25".parse().expect("a prefix")));
        assert_eq!(
            Prefix::announced_for("2001:db8:53::53".parse().expect("ip")).to_string(),
            "2001:db8:53::/48"
        );
        assert!("192.0.2.0/33".parse::<Prefix>().is_err() && "192.0.2.0".parse::<Prefix>().is_err());
        assert!("::/0".parse::<Prefix>().expect("all").contains("2001:db8::1".parse().expect("ip")));
    }

    proptest! {
        #[test]
        fn a_prefix_reads_back(bits in any::<u128>(), length in 0_u8..=128, four in any::<bool>()) {
            #[allow(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
            let address: IpAddr = if four { Ipv4Addr::from_bits(bits as u32).into() } else { Ipv6Addr::from_bits(bits).into() };
            let prefix = Prefix::around(address, length);
            prop_assert!(prefix.contains(address));
            prop_assert_eq!(prefix.to_string().parse::<Prefix>(), Ok(prefix));
        }
    }
}
