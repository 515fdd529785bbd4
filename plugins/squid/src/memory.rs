//! What is remembered from one run to the next: the counters, our own requests, and what peers had answered.

use std::fmt::Write;

use weir_wire::squid::{Counters, Peer};

use crate::traffic::Own;

/// Our own requests are remembered for a little longer than the longest window.
const LEDGER_SECONDS: f64 = 65.0 * 60.0;
/// A run every few seconds fills the ledger no further.
const LEDGER_MAX: usize = 1000;
/// Most peers that are remembered.
const PEERS_MAX: usize = 1000;

/// One reading, as it is kept in a state file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// The server's `Start Time`: another one means that all counters began anew.
    pub(crate) start_time: String,
    pub(crate) counters: Counters,
    /// When (by the server's clock) we asked, and how much.
    pub(crate) ledger: Vec<(f64, Own)>,
    /// Name, questions sent, questions answered; of every peer, so that graphs know whom to draw.
    pub(crate) peers: Vec<(String, u64, u64)>,
    /// Paths of disk caches.
    pub(crate) dirs: Vec<String>,
}

impl Memory {
    /// Adds one run of ours, and forgets what is too old to matter.
    pub(crate) fn enter(&mut self, now: f64, own: Own) {
        self.ledger.push((now, own));
        let surplus = self.ledger.len().saturating_sub(LEDGER_MAX);
        self.ledger.drain(..surplus);
        self.ledger.retain(|(time, _)| now - time < LEDGER_SECONDS);
    }

    /// Our own requests after `start`, up to `end`.
    pub(crate) fn own(&self, start: f64, end: f64) -> Own {
        let inside = self.ledger.iter().filter(|(time, _)| start <= *time && *time < end);
        inside.fold(Own::default(), |sum, (_, own)| Own {
            requests: sum.requests + own.requests,
            kbytes: sum.kbytes + own.kbytes,
        })
    }

    /// Questions sent to and answered by a peer since the last run, or since the start.
    pub(crate) fn pings(&self, peer: &Peer) -> Option<(u64, u64)> {
        let (sent, acked) = (peer.pings_sent?, peer.pings_acked?);
        let before = self.peers.iter().find(|(name, ..)| *name == peer.name);
        let (old_sent, old_acked) = before.map_or((0, 0), |(_, sent, acked)| (*sent, *acked));
        Some((sent.checked_sub(old_sent).unwrap_or(sent), acked.checked_sub(old_acked).unwrap_or(acked)))
    }

    pub(crate) fn remember_peers(&mut self, peers: &[Peer]) {
        let known = |p: &Peer| (p.name.clone(), p.pings_sent.unwrap_or(0), p.pings_acked.unwrap_or(0));
        self.peers = peers.iter().map(known).take(PEERS_MAX).collect();
    }

    pub(crate) fn encode(&self) -> String {
        let c = &self.counters;
        let mut text = format!(
            "start {}\nnow {}\ncounters {} {} {} {} {} {} {} {} {} {} {}\n",
            self.start_time,
            c.now,
            c.requests,
            c.hits,
            c.errors,
            c.kbytes_in,
            c.kbytes_out,
            c.server_requests,
            c.server_errors,
            c.server_kbytes_in,
            c.digest_kbytes_in,
            maybe(c.hit_kbytes_out),
            maybe(c.aborted),
        );
        for (time, own) in &self.ledger {
            let _ = writeln!(text, "own {time} {} {}", own.requests, own.kbytes);
        }
        for (name, sent, acked) in &self.peers {
            let _ = writeln!(text, "peer {sent} {acked} {}", name.escape_default());
        }
        for dir in &self.dirs {
            let _ = writeln!(text, "dir {}", dir.escape_default());
        }
        text
    }

    /// `None` for what this version did not write.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut memory = Self::default();
        let mut complete = false;
        for line in text.lines() {
            let (key, value) = line.split_once(' ')?;
            match key {
                "start" => value.clone_into(&mut memory.start_time),
                "now" => memory.counters.now = value.parse().ok().filter(|now: &f64| now.is_finite())?,
                "counters" => {
                    memory.counters = counters(value, memory.counters.now)?;
                    complete = true;
                }
                "own" => {
                    let numbers: Vec<f64> =
                        value.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
                    let [time, requests, kbytes] = numbers[..] else { return None };
                    memory.ledger.push((time, Own { requests, kbytes }));
                }
                "peer" => {
                    let mut words = value.splitn(3, ' ');
                    let (sent, acked, name) = (words.next()?, words.next()?, words.next()?);
                    memory.peers.push((name.to_owned(), sent.parse().ok()?, acked.parse().ok()?));
                }
                "dir" => memory.dirs.push(value.to_owned()),
                _ => return None,
            }
        }
        complete.then_some(memory)
    }
}

fn maybe(count: Option<i64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn counters(text: &str, now: f64) -> Option<Counters> {
    let numbers: Vec<Option<i64>> = text.split(' ').map(|word| word.parse().ok()).collect();
    let [requests, hits, errors, kb_in, kb_out, fetches, failed, fetched, digests, hit_kb_out, aborted] =
        numbers[..]
    else {
        return None;
    };
    Some(Counters {
        now,
        requests: requests?,
        hits: hits?,
        errors: errors?,
        kbytes_in: kb_in?,
        kbytes_out: kb_out?,
        server_requests: fetches?,
        server_errors: failed?,
        server_kbytes_in: fetched?,
        digest_kbytes_in: digests?,
        hit_kbytes_out: hit_kb_out,
        aborted,
        ..Counters::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Memory {
        let mut memory = Memory {
            start_time: "Sat, 21 Nov 2026 04:09:38 GMT".to_owned(),
            counters: Counters { now: 1000.5, requests: -7, hit_kbytes_out: Some(3), ..Counters::default() },
            ..Memory::default()
        };
        memory.enter(1000.5, Own { requests: 4.0, kbytes: 2.5 });
        memory.peers.push(("origin 1".to_owned(), 10, 9));
        memory.dirs.push("/var/spool/squid".to_owned());
        memory
    }

    #[test]
    fn a_memory_reads_back() {
        assert_eq!(Memory::decode(&example().encode()), Some(example()));
        assert_eq!(Memory::decode("start x\n"), None);
        assert_eq!(Memory::decode(""), None);
    }

    #[test]
    fn own_requests_count_in_their_window_and_are_forgotten() {
        let mut memory = example();
        memory.enter(1060.0, Own { requests: 1.0, kbytes: 1.0 });
        assert_eq!(memory.own(1000.0, 1060.0), Own { requests: 4.0, kbytes: 2.5 });
        assert_eq!(memory.own(1001.0, 1061.0), Own { requests: 1.0, kbytes: 1.0 });
        memory.enter(1000.5 + LEDGER_SECONDS, Own::default());
        assert_eq!(memory.ledger.len(), 2);
    }

    #[test]
    fn pings_are_those_since_the_last_run() {
        let peer = |sent, acked| Peer {
            name: "origin 1".to_owned(),
            pings_sent: Some(sent),
            pings_acked: Some(acked),
            ..Peer::default()
        };
        assert_eq!(example().pings(&peer(15, 9)), Some((5, 0)));
        assert_eq!(example().pings(&peer(3, 3)), Some((3, 3)), "the server has started anew");
    }

    proptest! {
        #[test]
        fn any_text_is_a_memory_or_nothing(text in "((start|now|counters|own|peer|dir) [-0-9. ]{0,30}\n){0,6}\\PC{0,9}") {
            let _ = Memory::decode(&text);
        }
    }
}
