//! What a single reading does not tell: the traffic of a span, and what has changed since the last run.

use crate::measure::Report;
use crate::memory::Memory;
use crate::options::Window;
use crate::traffic::Traffic;

/// What is worked out of a report and the memory of earlier runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Derived {
    /// What passed during the window, without our own requests.
    pub(crate) traffic: Option<Traffic>,
    /// Percent of questions answered, a number for each peer that was asked any.
    pub(crate) acked: Vec<(String, f64)>,
    /// Squid has started anew since the last run.
    pub(crate) restarted: bool,
}

/// Works out what can be known, and what is to be remembered; nothing is when the counters could not be had.
pub(crate) fn derive(report: &Report, memory: Option<Memory>, window: Window) -> (Derived, Option<Memory>) {
    let start_time = report.info.as_ref().and_then(|i| i.start_time.clone()).unwrap_or_default();
    let restarted = memory.as_ref().is_some_and(|m| !start_time.is_empty() && m.start_time != start_time);
    let memory = memory.filter(|_| !restarted).unwrap_or_default();
    let since_last = report.counters.as_ref().filter(|_| memory.counters.now > 0.0).and_then(|now| {
        let own = memory.own(memory.counters.now, now.now);
        Some(Traffic::between(&memory.counters, now)?.without(own))
    });
    let averaged = report
        .averages
        .as_ref()
        .and_then(|a| Some(Traffic::averaged(a)?.without(memory.own(a.start, a.end))));
    let peers = report.peers.as_deref().unwrap_or_default();
    let acked = peers.iter().filter_map(|peer| {
        let (sent, acked) = memory.pings(peer)?;
        (sent > 0).then(|| (peer.name.clone(), 100.0 * acked.min(sent) as f64 / sent as f64))
    });
    let derived = Derived {
        acked: acked.collect(),
        // SNMP has no averages, and the manager none in its first minute.
        traffic: if window == Window::Last { since_last.or(averaged) } else { averaged.or(since_last) },
        restarted,
    };
    let memory = report.counters.as_ref().map(|counters| {
        let mut memory = memory;
        memory.enter(counters.now, report.own);
        memory.counters = counters.clone();
        memory.start_time = start_time;
        memory.remember_peers(peers);
        if let Some(store) = &report.store {
            memory.dirs = store.dirs.iter().map(|dir| dir.path.clone()).collect();
        }
        memory
    });
    (derived, memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Own;
    use weir_wire::squid::{Counters, Info};

    fn report(now: f64, requests: i64, hits: i64, start: &str) -> Report {
        Report {
            counters: Some(Counters { now, requests, hits, ..Counters::default() }),
            info: Some(Info { start_time: Some(start.to_owned()), ..Info::default() }),
            own: Own { requests: 4.0, kbytes: 1.0 },
            ..Report::default()
        }
    }

    #[test]
    fn the_second_run_knows_what_passed_since_the_first() {
        let (first, memory) = derive(&report(100.0, 50, 20, "a"), None, Window::Last);
        assert_eq!(first.traffic, None);
        // 80 requests, 4 of them our own: 76, of which 38 were hits.
        let (second, _) = derive(&report(160.0, 130, 58, "a"), memory, Window::Last);
        let traffic = second.traffic.unwrap();
        assert_eq!((traffic.requests, traffic.hit_ratio(), traffic.seconds), (76.0, Some(50.0), 60.0));
    }

    #[test]
    fn a_restart_begins_anew() {
        let (_, memory) = derive(&report(100.0, 50, 20, "a"), None, Window::Last);
        let (derived, memory) = derive(&report(160.0, 130, 58, "b"), memory, Window::Last);
        assert!(derived.restarted && derived.traffic.is_none());
        assert_eq!(memory.unwrap().ledger.len(), 1, "what we asked of the old process does not count");
    }

    #[test]
    fn a_failed_run_leaves_the_memory_alone() {
        assert_eq!(derive(&Report::default(), None, Window::Five).1, None);
    }
}
