//! What is kept between runs: counters, for what can only be told from a difference.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;

use weir_wire::ip_vs::Service;

/// The counters of the run before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    conns: HashMap<(String, SocketAddr), u64>,
    pub(crate) drops: Option<u64>,
}

/// How new connections were spread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    /// New connections of the service.
    pub(crate) total: u64,
    /// The server that is furthest from its share.
    pub(crate) server: SocketAddr,
    /// Its share of the new connections, in percent.
    pub(crate) got: f64,
    /// Its share of the weight, in percent.
    pub(crate) due: f64,
}

impl Spread {
    /// How far it is, in percent points.
    pub(crate) fn distance(&self) -> f64 {
        (self.got - self.due).abs()
    }
}

impl Memory {
    pub(crate) fn of(services: &[Service], drops: Option<u64>) -> Self {
        let rows = services.iter().flat_map(|service| {
            let counted = |dest: &weir_wire::ip_vs::Dest| {
                Some(((service.key.id(), dest.address()), dest.told().stats?.conns))
            };
            service.dests.iter().filter_map(counted)
        });
        Self { conns: rows.collect(), drops }
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["drops", count] => memory.drops = count.parse().ok(),
                [key, address, count] => {
                    if let (Ok(address), Ok(count)) = (address.parse(), count.parse()) {
                        memory.conns.insert((key.to_owned(), address), count);
                    }
                }
                _ => {}
            }
        }
        memory
    }

    pub(crate) fn text(&self) -> String {
        let mut text = self.drops.map(|drops| format!("drops {drops}\n")).unwrap_or_default();
        for ((key, address), count) in &self.conns {
            let _ = writeln!(text, "{key} {address} {count}");
        }
        text
    }

    /// How the connections since then were spread over the live servers of `service`; `None` when they are fewer than
    /// `volume`, when a counter is not known or was set back, and when there is nothing to choose between.
    pub(crate) fn spread(&self, service: &Service, volume: u64) -> Option<Spread> {
        let weight = service.weight();
        let mut rows = Vec::new();
        for dest in service.dests.iter().filter(|dest| dest.weight > 0) {
            let before = self.conns.get(&(service.key.id(), dest.address()))?;
            rows.push((dest, dest.told().stats?.conns.checked_sub(*before)?));
        }
        let total = rows.iter().map(|(_, new)| new).sum::<u64>();
        if total < volume.max(1) || rows.len() < 2 {
            return None;
        }
        let spread = |(dest, new): (&weir_wire::ip_vs::Dest, u64)| Spread {
            total,
            server: dest.address(),
            got: new as f64 * 100.0 / total as f64,
            due: f64::from(dest.weight) * 100.0 / weight as f64,
        };
        rows.into_iter().map(spread).max_by(|a, b| a.distance().total_cmp(&b.distance()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::ip_vs::{Dest, Stats};

    fn service(conns: [u64; 2]) -> Service {
        let mut service = Service::new("TCP 192.0.2.1:80".parse().expect("a key"), "wrr");
        for (at, conns) in conns.into_iter().enumerate() {
            let mut dest = Dest::new(format!("192.0.2.{}:80", at + 7).parse().expect("an address"));
            dest.weight = [3, 1][at];
            dest.tell(|told| told.stats = Some(Stats { conns, ..Stats::default() }));
            service.dests.push(dest);
        }
        service
    }

    #[test]
    fn connections_against_weights_since_the_last_run() {
        let before = Memory::parse(&Memory::of(&[service([1000, 5000])], Some(7)).text());
        assert_eq!(before.drops, Some(7));
        let fair = before.spread(&service([1750, 5250]), 100).expect("enough");
        assert!(fair.distance() < 0.1, "{fair:?}");
        let unfair = before.spread(&service([2000, 5000]), 100).expect("enough");
        assert_eq!((unfair.total, unfair.got, unfair.due), (1000, 0.0, 25.0));
        assert_eq!(before.spread(&service([1050, 5010]), 100), None, "too few");
        assert_eq!(before.spread(&service([10, 6000]), 100), None, "a counter was set back");
        assert_eq!(Memory::default().spread(&service([9, 9]), 1), None, "nothing is known");
    }
}
