//! Every address of a name: a service behind two addresses is not well when one of them is dead.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use weir_contract::{Outcome, fault};

use crate::{Probe, together};

/// How many addresses of a name must serve: `--addresses`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Only the first is looked at.
    First,
    /// One after the other until one serves, as players do.
    #[default]
    Any,
    /// All are looked at, at once, and all must serve.
    All,
    /// All are looked at, at once, and so many must serve; another dead one is a warning.
    AtLeast(usize),
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("first", _) => Ok(Self::First),
            ("any", _) => Ok(Self::Any),
            ("all", _) => Ok(Self::All),
            (_, Ok(count)) if count > 0 => Ok(Self::AtLeast(count)),
            _ => Err(format!("`{text}` is not first, any, all or a number above 0")),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::AtLeast(count) => write!(f, "{count}"),
        }
    }
}

/// Runs `check` on the addresses that `policy` asks for, and makes one outcome of them. An address serves when its outcome is
/// not CRITICAL. With more than one address looked at, samples and findings carry the address.
pub async fn every_address(
    probe: Probe,
    addresses: &[SocketAddr],
    policy: Addresses,
    check: impl AsyncFn(&Probe, SocketAddr) -> Outcome,
) -> Outcome {
    let check = &check;
    let one = async |address: SocketAddr, connect_limit| {
        let mut probe = probe.fork();
        probe.connect_limit = connect_limit;
        let mut outcome = check(&probe, address).await;
        probe.finish(&mut outcome);
        (address, outcome)
    };
    let mut results = Vec::new();
    match policy {
        Addresses::First | Addresses::Any => {
            let tried = if policy == Addresses::First { 1.min(addresses.len()) } else { addresses.len() };
            for (done, address) in addresses.iter().take(tried).enumerate() {
                // An address that swallows packets must leave time for the next one.
                let waiting = u32::try_from(tried - done).unwrap_or(u32::MAX);
                let share = (waiting > 1).then(|| probe.deadline.remaining() / waiting);
                let result = one(*address, share).await;
                let serves = result.1.serves();
                results.push(result);
                if serves || probe.deadline.remaining().is_zero() {
                    break;
                }
            }
        }
        Addresses::All | Addresses::AtLeast(_) => {
            let looks = addresses.iter().map(|address| one(*address, None));
            results = together(addresses.len(), looks).await;
        }
    }
    let mut outcome = merge(results, policy);
    let own = std::mem::take(&mut outcome.phases);
    let transcript = std::mem::take(&mut outcome.transcript);
    probe.finish(&mut outcome);
    outcome.phases.extend(own);
    outcome.transcript.extend(transcript);
    outcome
}

fn merge(mut results: Vec<(SocketAddr, Outcome)>, policy: Addresses) -> Outcome {
    let needed = match policy {
        Addresses::AtLeast(count) => count,
        Addresses::All => results.len(),
        Addresses::First | Addresses::Any => {
            // The last one tried is the one that served, or all failed and it speaks for them.
            let Some((address, mut outcome)) = results.pop() else { return Outcome::default() };
            for (dead, failed) in results {
                let why = failed.ranked().first().map(|f| f.text.clone()).unwrap_or_default();
                outcome.details.push(format!("address {dead} does not serve: {why}"));
            }
            outcome.details.push(format!("address {address}"));
            return outcome;
        }
    };
    let parts = results.into_iter().map(|(address, outcome)| (address.ip().to_string(), outcome)).collect();
    Outcome::quorum(parts, needed, "addresses", &fault::ADDR_DEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_contract::State;
    use weir_contract::fault::TCP_REFUSED;

    fn result(address: &str, dead: bool) -> (SocketAddr, Outcome) {
        let mut outcome = Outcome::new("RTSP", "rtsp://live.example.net/a");
        if dead {
            outcome.find(&TCP_REFUSED, "refused");
        }
        (address.parse().expect(address), outcome)
    }

    #[test]
    fn one_dead_address_of_two() {
        let results = || vec![result("192.0.2.1:554", true), result("192.0.2.2:554", false)];
        assert_eq!(merge(results(), Addresses::Any).state(), State::Ok);
        assert_eq!(merge(results(), Addresses::AtLeast(1)).state(), State::Warning);
        assert_eq!(merge(results(), Addresses::All).state(), State::Critical);
        assert_eq!(merge(results(), Addresses::AtLeast(2)).state(), State::Critical);
        assert_eq!(merge(vec![result("192.0.2.1:554", true)], Addresses::First).state(), State::Critical);
        assert_eq!(merge(results(), Addresses::AtLeast(1)).findings[0].subject, "192.0.2.1");
    }

    #[test]
    fn the_option_names_its_forms() {
        assert_eq!("2".parse(), Ok(Addresses::AtLeast(2)));
        assert_eq!("all".parse(), Ok(Addresses::All));
        assert!("0".parse::<Addresses>().expect_err("none").contains("first, any, all"));
    }
}
