//! What this director has to do besides its services: carry the traffic or stand by, and keep the other one informed. Pure.

use weir_contract::{Outcome, fault};
use weir_wire::ip_vs::DaemonRole;

use crate::check::{IpvsArgs, Report, Role, SyncRole};
use crate::fields as f;
use crate::sync::{Facts, Interface, drops};

/// Below this many packets per second a director stands by: health checks and stray packets.
pub(crate) const IDLE: u64 = 1;
/// A director that has the traffic does not go without a packet for so many seconds.
const QUIET: u64 = 60;
/// The kernel sums its counters every two seconds: over less than that there is no rate.
const SUMS: u64 = 2;
/// A backup that has heard nothing for so many seconds is deaf, whatever connections it still holds.
const SILENT: u64 = 300;

/// The packets that have passed through this director, as kept between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// When they were counted, in seconds since 1970.
    at: u64,
    packets: u64,
    /// When the count was last seen to grow; `None` until it is.
    grew: Option<u64>,
}

/// What that says in this run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Traffic {
    /// Packets per second since the run before; in a first run the kernel's moving average.
    pub(crate) rate: u64,
    /// Seconds without a packet; `None` when none was seen yet.
    pub(crate) quiet: Option<u64>,
}

impl Passed {
    /// What to keep, and what it says: `packets` have passed until `now`, and `average` is the kernel's for the last seconds.
    pub(crate) fn next(before: Option<&Self>, packets: u64, average: u64, now: u64) -> (Self, Traffic) {
        // A counter that was set back begins anew.
        let Some(before) = before.filter(|before| before.packets <= packets && before.at <= now) else {
            // Packets of any time will do at first: whether more come is seen within a minute.
            let grew = if packets > 0 { Some(now) } else { before.and_then(|before| before.grew) };
            let quiet = grew.map(|grew| now.saturating_sub(grew));
            return (Self { at: now, packets, grew }, Traffic { rate: average, quiet });
        };
        let new = packets - before.packets;
        let grew = if new > 0 { Some(now) } else { before.grew };
        let rate = new / (now - before.at).max(SUMS);
        (Self { at: now, packets, grew }, Traffic { rate, quiet: grew.map(|grew| now.saturating_sub(grew)) })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
        let (at, packets) = (numbers.next()??, numbers.next()??);
        Some(Self { at, packets, grew: numbers.next().flatten() })
    }

    pub(crate) fn text(&self) -> String {
        let grew = self.grew.map_or("never".to_owned(), |grew| grew.to_string());
        format!("{} {} {grew}\n", self.at, self.packets)
    }
}

impl Traffic {
    /// Whether the traffic of clients comes this way.
    pub(crate) fn flows(&self) -> bool {
        self.quiet.is_some_and(|quiet| quiet < QUIET)
    }
}

/// Whether the director has the role that it must have.
pub(crate) fn carries(outcome: &mut Outcome, report: &Report, role: Role) {
    let Some(traffic) = report.traffic else {
        let why = report.table.blind().unwrap_or("the packets that have passed are not known");
        outcome.find(&fault::IPVS_UNSEEN, format!("the director's role is not known here: {why}"));
        return;
    };
    let (active, why) = match (role, report.holds) {
        (Role::Active, _) => (true, "must be active"),
        (Role::Standby, _) => (false, "must be on standby"),
        (Role::Vip, Some(true)) => (true, "has the virtual address"),
        (Role::Vip, Some(false)) => (false, "does not have the virtual address"),
        (Role::Vip, None) => {
            outcome.find(
                &fault::IPVS_UNSEEN,
                "the table has no virtual address by which to tell the director's role",
            );
            return;
        }
    };
    if active && !traffic.flows() {
        let since = traffic.quiet.map(|quiet| format!(" for {quiet} s")).unwrap_or_default();
        outcome
            .find(&fault::IPVS_ROLE, format!("this director {why} and no packet passes through it{since}"));
    } else if !active && traffic.rate >= IDLE {
        let rate = traffic.rate;
        let text = format!("this director {why} and {rate} packets per second pass through it");
        outcome.find(&fault::IPVS_ROLE, text);
    }
}

/// Whether the synchronisation daemons that must work do.
pub(crate) fn sync(outcome: &mut Outcome, args: &IpvsArgs, report: &Report, wanted: SyncRole) {
    let has = |role| report.sync.iter().any(|facts: &Facts| facts.daemon.role == role);
    let needed: &[DaemonRole] = match wanted {
        SyncRole::Any => &[],
        SyncRole::Master => &[DaemonRole::Master],
        SyncRole::Backup => &[DaemonRole::Backup],
        SyncRole::Both => &[DaemonRole::Master, DaemonRole::Backup],
    };
    // Without the kernel's list one with a port of its own is not seen.
    let listed = report.table.daemons.is_some();
    let mut missing = |what: String| {
        if listed {
            outcome.find(&fault::IPVS_SYNC, format!("{what} runs"));
        } else {
            let text = format!("{what} is seen, and without CAP_NET_ADMIN only those of the usual port are");
            outcome.find(&fault::IPVS_UNSEEN, text);
        }
    };
    if wanted == SyncRole::Any && report.sync.is_empty() {
        missing("no synchronisation daemon".to_owned());
    }
    for role in needed.iter().filter(|role| !has(**role)) {
        missing(format!("no {} daemon", role.name()));
    }
    // One that carries the traffic itself hears nothing, whatever daemons it runs besides.
    let listens = wanted == SyncRole::Backup || report.traffic.is_some_and(|traffic| !traffic.flows());
    for facts in &report.sync {
        let (role, name) = (facts.daemon.role.name(), &facts.daemon.interface);
        let broken = match facts.interface {
            Interface::Gone if name.is_empty() => Some("no interface has its address or group".to_owned()),
            Interface::Gone => Some(format!("its interface {name} does not exist")),
            Interface::NoCarrier => Some(format!("its interface {name} has no carrier")),
            Interface::Down => Some(format!("its interface {name} is down")),
            _ if facts.socket.is_none() => Some("the kernel has no socket for it".to_owned()),
            _ => None,
        };
        if let Some(why) = broken {
            outcome.find(&fault::IPVS_SYNC, format!("the {role} daemon is listed and does not work: {why}"));
            continue;
        }
        if facts.interface == Interface::Unknown {
            let text =
                format!("the {role} daemon has a socket; whether its interface works is not seen here");
            outcome.find(&fault::IPVS_UNSEEN, text);
        }
        if facts.daemon.role == DaemonRole::Backup && listens {
            deaf(outcome, report, facts);
        }
    }
    let lost = drops(&report.sync).map(|now| {
        let before = report.heard_before.as_ref().and_then(|heard| heard.drops);
        // A new socket begins at 0 again.
        before.map_or(0, |before| now.checked_sub(before).unwrap_or(now))
    });
    // A master receives nothing that could be dropped.
    let unseen = report.sync.iter().all(|facts| facts.socket.is_none());
    if lost.is_none() && unseen && args.limits_set(&f::SYNC_DROPS) {
        let text = format!("not known here: {}: no backup's socket is seen", f::SYNC_DROPS.label);
        outcome.find(&fault::IPVS_UNSEEN, text);
    }
    let sample = f::SYNC_DROPS.sample_opt(lost).against(args.thresholds(&f::SYNC_DROPS));
    outcome.judge(sample, &fault::IPVS_SYNC_DROPS);
}

/// Whether a backup that listens hears its master.
fn deaf(outcome: &mut Outcome, report: &Report, facts: &Facts) {
    let silent = report.heard.at.saturating_sub(report.heard.last);
    let text = if facts.received.is_empty() {
        "the backup daemon listens, and no connection in the table came from a master".to_owned()
    } else if silent >= SILENT {
        let minutes = silent / 60;
        format!(
            "the backup daemon listens and has heard nothing for {minutes} minutes: its connections only grow old"
        )
    } else {
        return;
    };
    outcome.find(&fault::IPVS_SYNC_SILENT, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_from_run_to_run() {
        // One request of six packets each 24 s, looked at each 7 s, with an average that is always 0.
        let (mut kept, first) = Passed::next(None, 600, 0, 1000);
        assert_eq!((first.rate, first.flows()), (0, true), "nothing is known yet");
        for run in 1..20 {
            let now = 1000 + run * 7;
            let (next, traffic) = Passed::next(Some(&kept), 600 + (run * 7 / 24) * 6, 0, now);
            assert!(traffic.flows(), "run {run}: a quiet site is an active one");
            kept = Passed::parse(&next.text()).expect("what was kept");
            assert_eq!((kept, traffic.rate), (next, 0));
        }
        let later = kept.at + QUIET + 20;
        let (_, traffic) = Passed::next(Some(&kept), kept.packets, 5, later);
        assert!(!traffic.flows(), "{traffic:?}: the average of a flood lasts longer than the flood");
        let (_, traffic) = Passed::next(Some(&kept), kept.packets + 6000, 0, kept.at + 60);
        assert_eq!(traffic, Traffic { rate: 100, quiet: Some(0) });
        let (_, traffic) = Passed::next(Some(&kept), 0, 0, kept.at + QUIET);
        assert_eq!((traffic.rate, traffic.flows()), (0, false), "{traffic:?}: a counter that was set back");
        let (_, traffic) = Passed::next(None, 0, 0, 1000);
        assert_eq!(
            traffic,
            Traffic { rate: 0, quiet: None },
            "not one packet since the kernel began to count"
        );
    }
}
