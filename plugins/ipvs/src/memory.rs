//! What is kept between runs about the spread of new connections, which can only be told from a difference.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;

use weir_wire::ip_vs::{Dest, Service};

/// Counters are not waited with for longer than these seconds: what was half a day ago is another day.
const AGE_MAX: u64 = 12 * 3600;

/// Counters of earlier runs, by the id of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory(HashMap<String, Kept>);

/// Of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    /// When the newer counters were read, in seconds since 1970.
    at: u64,
    servers: HashMap<SocketAddr, Row>,
}

/// Of one server. Between the older counter and the newer one the service had the volume that makes it worth a verdict, so that there
/// is always one, also while the next volume is not yet reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    weight: u32,
    older: u64,
    newer: u64,
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

/// What can be said about a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Balance {
    /// Counters are not told here.
    Blind,
    /// There are not two servers to choose between.
    Single,
    /// Nothing is known of earlier runs, or servers and weights are not those of then.
    First,
    /// So many new connections are too few.
    Few(u64),
    /// Enough to tell.
    Known(Spread),
}

impl Memory {
    /// What to keep at `now`. Where the volume is not reached the counters of earlier runs stay, and where none are told in this run too.
    pub(crate) fn next(before: &Self, services: &[Service], volume: u64, now: u64) -> Self {
        let kept = |service: &Service| {
            let id = service.key.id();
            let kept = before.0.get(&id);
            if is_blind(service) {
                return Some((id, kept?.clone()));
            }
            let new = kept.and_then(|kept| kept.since(service, |row| row.newer));
            let waits = new.as_ref().is_some_and(|new| total(new) < volume.max(1));
            if let Some(kept) = kept.filter(|kept| waits && now.saturating_sub(kept.at) <= AGE_MAX) {
                return Some((id, kept.clone()));
            }
            let row = |dest: &Dest| {
                let newer = dest.told().stats?.conns;
                let reached = kept.filter(|_| new.is_some() && !waits);
                let older = reached.and_then(|kept| kept.servers.get(&dest.address())).map(|row| row.newer);
                Some((dest.address(), Row { weight: dest.weight, older: older.unwrap_or(newer), newer }))
            };
            Some((id, Kept { at: now, servers: service.dests.iter().filter_map(row).collect() }))
        };
        Self(services.iter().filter_map(kept).collect())
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        let mut last: Option<&mut Kept> = None;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [id, at] => {
                    let kept = memory.0.entry(id.to_owned()).or_default();
                    kept.at = at.parse().unwrap_or_default();
                    last = Some(kept);
                }
                [address, weight, older, newer] => {
                    let row = || {
                        let (older, newer) = (older.parse().ok()?, newer.parse().ok()?);
                        Some((address.parse().ok()?, Row { weight: weight.parse().ok()?, older, newer }))
                    };
                    if let Some(kept) = &mut last {
                        kept.servers.extend(row());
                    }
                }
                _ => {}
            }
        }
        memory
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (id, kept) in &self.0 {
            let _ = writeln!(text, "{id} {}", kept.at);
            for (address, row) in &kept.servers {
                let _ = writeln!(text, "{address} {} {} {}", row.weight, row.older, row.newer);
            }
        }
        text
    }

    /// How new connections were spread over the live servers of `service`, of the newest `volume` or more.
    pub(crate) fn balance(&self, service: &Service, volume: u64) -> Balance {
        if service.dests.iter().filter(|dest| dest.weight > 0).count() < 2 {
            return Balance::Single;
        }
        if is_blind(service) {
            return Balance::Blind;
        }
        let Some(kept) = self.0.get(&service.key.id()) else { return Balance::First };
        let Some(newest) = kept.since(service, |row| row.newer) else { return Balance::First };
        let enough = |new: &Vec<(&Dest, u64)>| total(new) >= volume.max(1);
        let few = total(&newest);
        let both = || kept.since(service, |row| row.older).filter(enough);
        let Some(new) = Some(newest).filter(enough).or_else(both) else { return Balance::Few(few) };
        let (total, weight) = (total(&new), service.weight());
        let spread = |(dest, new): (&Dest, u64)| Spread {
            total,
            server: dest.address(),
            got: new as f64 * 100.0 / total as f64,
            due: f64::from(dest.weight) * 100.0 / weight as f64,
        };
        let furthest = new.into_iter().map(spread).max_by(|a, b| a.distance().total_cmp(&b.distance()));
        furthest.map_or(Balance::Single, Balance::Known)
    }
}

impl Kept {
    /// The new connections of each live server since the counter that `from` takes; `None` when one was not there before, had another
    /// weight, or was set back: connections that went by other weights say nothing on these.
    fn since<'s>(&self, service: &'s Service, from: fn(&Row) -> u64) -> Option<Vec<(&'s Dest, u64)>> {
        let new = |dest: &'s Dest| {
            let row = self.servers.get(&dest.address()).filter(|row| row.weight == dest.weight)?;
            Some((dest, dest.told().stats?.conns.checked_sub(from(row))?))
        };
        let all: Option<Vec<_>> = service.dests.iter().map(new).collect();
        all.map(|all| all.into_iter().filter(|(dest, _)| dest.weight > 0).collect())
    }
}

/// Whether the source does not tell the counters of all servers.
fn is_blind(service: &Service) -> bool {
    service.dests.iter().any(|dest| dest.told().stats.is_none())
}

fn total(new: &[(&Dest, u64)]) -> u64 {
    new.iter().map(|(_, new)| new).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_wire::ip_vs::Stats;

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

    fn next(before: &Memory, service: Service, now: u64) -> Memory {
        Memory::parse(&Memory::next(before, &[service], 100, now).text())
    }

    fn first(service: Service) -> Memory {
        next(&Memory::default(), service, 0)
    }

    /// Of how many connections the balance is told.
    fn known(memory: &Memory, service: &Service) -> Option<u64> {
        match memory.balance(service, 100) {
            Balance::Known(spread) => Some(spread.total),
            _ => None,
        }
    }

    #[test]
    fn connections_against_weights_since_the_last_run() {
        let before = first(service([1000, 5000]));
        let spread = |now| match before.balance(&service(now), 100) {
            Balance::Known(spread) => spread,
            other => panic!("{other:?}"),
        };
        let fair = spread([1750, 5250]);
        assert!(fair.distance() < 0.1, "{fair:?}");
        let unfair = spread([2000, 5000]);
        assert_eq!((unfair.total, unfair.got, unfair.due), (1000, 0.0, 25.0));
        assert_eq!(before.balance(&service([1050, 5010]), 100), Balance::Few(60));
        assert_eq!(before.balance(&service([10, 6000]), 100), Balance::First, "a counter was set back");
        assert_eq!(Memory::default().balance(&service([9, 9]), 1), Balance::First, "nothing is known");
    }

    #[test]
    fn few_connections_a_run_add_up_and_the_verdict_stays_until_the_next() {
        let mut memory = first(service([1000, 5000]));
        let mut told = Vec::new();
        for run in 1..=8 {
            let now = service([1000 + run * 40, 5000]);
            told.push(known(&memory, &now));
            memory = next(&memory, now, run * 60);
        }
        let some = |counts: [u64; 6]| counts.map(Some);
        assert_eq!(told[..2], [None, None]);
        assert_eq!(told[2..], some([120, 160, 200, 120, 160, 200]), "each of the newest 100 or more");
    }

    #[test]
    fn what_was_half_a_day_ago_is_forgotten() {
        let memory = first(service([1000, 5000]));
        let memory = next(&memory, service([1050, 5000]), AGE_MAX + 1);
        assert_eq!(memory.balance(&service([1110, 5000]), 100), Balance::Few(60));
    }

    #[test]
    fn a_server_that_comes_back_owes_nothing() {
        let mut away = service([1000, 5000]);
        away.dests[1].weight = 0;
        let before = first(away.clone());
        assert_eq!(before.balance(&away, 100), Balance::Single);
        assert_eq!(before.balance(&service([2000, 5000]), 100), Balance::First);
        assert_eq!(next(&before, service([2000, 5000]), 0), first(service([2000, 5000])));
    }

    #[test]
    fn a_run_that_saw_no_counters_forgets_none() {
        let before = first(service([1000, 5000]));
        let mut blind = service([0, 0]);
        blind.dests.iter_mut().for_each(|dest| dest.tell(|told| told.stats = None));
        assert_eq!(before.balance(&blind, 100), Balance::Blind);
        assert_eq!(next(&before, blind, 60), before);
    }
}
