//! The table against the file that it was made from: pure.
//!
//! *Down* is availability, not drift: the file has the server, and its manager has taken it out. Drift is what no manager would
//! do by itself.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use weir_contract::{Fault, fault};
use weir_wire::ip_vs::expect::{Expectation, Expected, Server, WhenDown};
use weir_wire::ip_vs::{Dest, Key, Persistence, Service, sched_flag_names};

use crate::table::Table;

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The service; `None` for what concerns the whole director.
    pub key: Option<Key>,
    /// The server, if it is about one.
    pub server: Option<SocketAddr>,
    /// What it is.
    pub verdict: Verdict,
}

/// What a difference is.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The server is in the file and out of service.
    Down {
        /// How it is out: `weight 0 instead of 3`, `removed from the table`.
        how: String,
    },
    /// The sorry server answers.
    SorryActive,
    /// The server is in the file and not in the table, though its manager would have left it there.
    Missing,
    /// The server is not in the file.
    Extra {
        /// With this weight.
        weight: u32,
    },
    /// Something else is not as in the file.
    Wrong {
        /// `scheduler is rr, the file says wlc`
        what: String,
    },
    /// The service is in the file only.
    ServiceMissing,
    /// The service is in the table only.
    ServiceExtra,
    /// No service of the file is in the table, which holds others.
    NoneLeft {
        /// How many there should be.
        services: usize,
    },
    /// No server is as in the file.
    OtherFile,
}

impl Verdict {
    /// The catalogue's entry.
    pub const fn fault(&self) -> &'static Fault {
        match self {
            Self::Down { .. } => &fault::IPVS_DOWN,
            Self::SorryActive => &fault::IPVS_SORRY,
            Self::Missing => &fault::IPVS_MISSING,
            Self::Extra { .. } => &fault::IPVS_EXTRA,
            Self::Wrong { .. } => &fault::IPVS_WRONG,
            Self::ServiceMissing | Self::NoneLeft { .. } => &fault::IPVS_SERVICE_MISSING,
            Self::ServiceExtra => &fault::IPVS_SERVICE_EXTRA,
            Self::OtherFile => &fault::IPVS_OTHER_FILE,
        }
    }

    /// Whether it rests on the absence of a row, which one dump alone does not prove.
    pub const fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Down { .. }
                | Self::Missing
                | Self::ServiceMissing
                | Self::NoneLeft { .. }
                | Self::OtherFile
        )
    }
}

/// Compares what `wanted` selects of the file with the table, which holds the same selection.
pub fn compare(expectation: &Expectation, table: &Table, wanted: &dyn Fn(&Key) -> bool) -> Vec<Drift> {
    let expected: Vec<&Expected> = expectation.services.iter().filter(|e| wanted(&e.key)).collect();
    let live: HashMap<Key, &Service> = table.services.iter().map(|service| (service.key, service)).collect();
    let live = |key: &Key| live.get(key).copied();
    let whole_file = expectation.lacks.is_none() && expectation.uncompared.is_empty();
    if whole_file && !table.services.is_empty() && !expected.is_empty() {
        let verdict = if expected.iter().all(|e| live(&e.key).is_none()) {
            Some(Verdict::NoneLeft { services: expected.len() })
        } else {
            let known =
                |(e, s): (&&Expected, &Service)| e.servers.iter().any(|r| s.dest(r.address).is_some());
            let foreign = |(e, s): (&&Expected, &Service)| !s.dests.is_empty() && !is_sorry(e, s);
            let pairs = || expected.iter().filter_map(|e| Some((e, live(&e.key)?)));
            (pairs().any(foreign) && !pairs().any(known)).then_some(Verdict::OtherFile)
        };
        if let Some(verdict) = verdict {
            return vec![Drift { key: None, server: None, verdict }];
        }
    }
    let mut drifts = whole(expectation, table);
    for expected in &expected {
        let key = Some(expected.key);
        match live(&expected.key) {
            None => drifts.push(Drift { key, server: None, verdict: Verdict::ServiceMissing }),
            Some(service) => one_service(expected, service, &mut drifts),
        }
    }
    if expectation.lacks.is_none() {
        let named: HashSet<Key> =
            expected.iter().map(|e| e.key).chain(expectation.uncompared.iter().copied()).collect();
        let extra = table.services.iter().filter(|service| !named.contains(&service.key));
        drifts.extend(extra.map(|service| Drift {
            key: Some(service.key),
            server: None,
            verdict: Verdict::ServiceExtra,
        }));
    }
    drifts
}

/// Whether only the sorry server is left.
fn is_sorry(expected: &Expected, service: &Service) -> bool {
    service.dests.iter().all(|dest| Some(dest.address()) == expected.sorry)
}

fn wrong(what: &str, live: impl std::fmt::Display, file: impl std::fmt::Display) -> Verdict {
    Verdict::Wrong { what: format!("{what} is {live}, the file says {file}") }
}

/// Timeouts and daemon.
fn whole(expectation: &Expectation, table: &Table) -> Vec<Drift> {
    let mut drifts = Vec::new();
    let mut push = |verdict| drifts.push(Drift { key: None, server: None, verdict });
    if let (Some(wanted), Some(live)) = (expectation.timeouts, table.timeouts) {
        let names = ["the TCP timeout", "the TCP FIN timeout", "the UDP timeout"];
        for ((name, wanted), live) in names.into_iter().zip(wanted).zip([live.tcp, live.tcp_fin, live.udp]) {
            if wanted != 0 && wanted != live {
                push(wrong(name, format!("{live} s"), format!("{wanted} s")));
            }
        }
    }
    if let (Some(wanted), Some(daemons)) = (&expectation.daemon, &table.daemons) {
        let same = |id: u32| wanted.sync_id.is_none_or(|wanted| wanted == id);
        if !daemons.iter().any(|d| d.interface == wanted.interface && same(d.sync_id)) {
            let id = wanted.sync_id.map(|id| format!(" with id {id}")).unwrap_or_default();
            push(Verdict::Wrong {
                what: format!(
                    "no synchronisation daemon runs on {}{id}, the file wants one",
                    wanted.interface
                ),
            });
        }
    }
    drifts
}

fn one_service(expected: &Expected, service: &Service, drifts: &mut Vec<Drift>) {
    let key = Some(service.key);
    for verdict in options(expected, service) {
        drifts.push(Drift { key, server: None, verdict });
    }
    // One that waits in the table for its turn has weight 0 (keepalived's `sorry_server_inhibit`).
    let sorry_active =
        expected.sorry.and_then(|sorry| service.dest(sorry)).is_some_and(|dest| dest.weight > 0)
            && !expected.servers.iter().any(|server| Some(server.address) == expected.sorry);
    let live: HashMap<SocketAddr, &Dest> = service.dests.iter().map(|dest| (dest.address(), dest)).collect();
    let named: HashSet<SocketAddr> = expected.servers.iter().map(|server| server.address).collect();
    for server in &expected.servers {
        let address = Some(server.address);
        match live.get(&server.address).copied() {
            None => {
                let verdict = if server.when_down == WhenDown::Removed || sorry_active {
                    Verdict::Down { how: "removed from the table".to_owned() }
                } else {
                    Verdict::Missing
                };
                drifts.push(Drift { key, server: address, verdict });
            }
            Some(dest) => {
                drifts.extend(one_server(server, dest).into_iter().map(|verdict| Drift {
                    key,
                    server: address,
                    verdict,
                }));
            }
        }
    }
    for dest in &service.dests {
        let address = Some(dest.address());
        if sorry_active && address == expected.sorry {
            drifts.push(Drift { key, server: address, verdict: Verdict::SorryActive });
        } else if address != expected.sorry && !named.contains(&dest.address()) {
            drifts.push(Drift { key, server: address, verdict: Verdict::Extra { weight: dest.weight } });
        }
    }
}

fn options(expected: &Expected, service: &Service) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some(scheduler) = expected.scheduler.as_ref().filter(|s| **s != service.scheduler) {
        verdicts.push(wrong("the scheduler", &service.scheduler, scheduler));
    }
    if let (Some(file), Some(live)) = (expected.sched_flags, service.sched_flags)
        && file != live
    {
        let names = |flags| match sched_flag_names(&service.scheduler, flags) {
            none if none.is_empty() => "none".to_owned(),
            names => names,
        };
        verdicts.push(Verdict::Wrong {
            what: format!("the scheduler's flags are {}, the file says {}", names(live), names(file)),
        });
    }
    if let Some(file) = expected.one_packet.filter(|file| *file != service.one_packet) {
        let word = |on| if on { "on" } else { "off" };
        verdicts.push(wrong("one-packet scheduling", word(service.one_packet), word(file)));
    }
    if let Some(file) = expected.persistence {
        let words = |p: Option<Persistence>| p.map_or_else(|| "off".to_owned(), |p| p.to_string());
        let same = match (file, service.persistence) {
            (None, None) => true,
            (Some(file), Some(live)) => {
                // /proc counts in ticks of unknown length.
                file.prefix == live.prefix && live.seconds.is_none_or(|s| file.seconds == Some(s))
            }
            _ => false,
        };
        if !same {
            verdicts.push(wrong("persistence", words(service.persistence), words(file)));
        }
    }
    // Only netlink and listings tell the engine; they tell the flags too.
    if let Some(file) =
        expected.engine.as_ref().filter(|e| **e != service.engine && service.sched_flags.is_some())
    {
        let words = |engine: &Option<String>| engine.clone().unwrap_or_else(|| "none".to_owned());
        verdicts.push(wrong("the persistence engine", words(&service.engine), words(file)));
    }
    verdicts
}

fn one_server(server: &Server, dest: &Dest) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    match server.weight {
        Some(weight) if dest.weight == 0 && weight != 0 => {
            // A manager that removes dead servers never writes a 0.
            let left = if server.when_down == WhenDown::Weightless { "" } else { ", which was set by hand" };
            verdicts.push(Verdict::Down { how: format!("weight 0 instead of {weight}{left}") });
        }
        Some(weight) if weight != dest.weight => verdicts.push(wrong("the weight", dest.weight, weight)),
        None if dest.weight == 0 => verdicts.push(Verdict::Down { how: "weight 0".to_owned() }),
        _ => {}
    }
    if let Some(forward) = server.forward.filter(|forward| !forward.gives(dest.forward)) {
        verdicts.push(wrong("forwarding", dest.forward.name(), forward.name()));
    }
    let told = dest.told();
    if let (Some(file), Some(live)) = (server.tunnel, told.tunnel)
        && file != live
    {
        verdicts.push(wrong("the tunnel", live, file));
    }
    for (what, file, live) in
        [("the upper threshold", server.upper, told.upper), ("the lower threshold", server.lower, told.lower)]
    {
        if let (Some(file), Some(live)) = (file, live)
            && file != live
        {
            verdicts.push(wrong(what, live, file));
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Machine;
    use weir_wire::ip_vs::{expect, ipvsadm};

    macro_rules! config {
        ($name:literal) => {
            include_str!(concat!("../../../common/wire/testdata/ip_vs/config/", $name))
        };
    }

    fn file(name: &str, text: &str) -> Expectation {
        let name = format!("{}/../../common/wire/testdata/ip_vs/config/{name}", env!("CARGO_MANIFEST_DIR"));
        expect::parse(&name, text, None, &mut Machine).expect("readable")
    }

    fn live(rules: &str) -> Table {
        Table { services: ipvsadm::rules(rules).expect("rules"), ..Table::default() }
    }

    fn words(expectation: &Expectation, table: &Table) -> Vec<String> {
        let word = |d: Drift| {
            let place = d.server.map(|s| s.to_string()).or(d.key.map(|k| k.to_string())).unwrap_or_default();
            let text = match d.verdict {
                Verdict::Down { how } => format!("down: {how}"),
                Verdict::Wrong { what } => what,
                other => format!("{other:?}"),
            };
            format!("{place} {text}")
        };
        compare(expectation, table, &|_| true).into_iter().map(word).collect()
    }

    #[test]
    fn a_table_as_keepalived_made_it_has_only_what_is_down() {
        let expectation = file("keepalived-1-simple.conf", config!("keepalived-1-simple.conf"));
        let mut table = live(config!("keepalived-1-simple.live-rs3down.ipvsadm-Sn"));
        assert_eq!(words(&expectation, &table), ["192.168.53.2:80 down: weight 0 instead of 2"]);
        // Removed by the manager; weight 0 by hand; the sorry server in its place.
        table.services[0].dests.remove(0);
        table.services[0].dests[0].weight = 0;
        let rtsp = &mut table.services[2];
        let other = rtsp.dests[0].clone().at("192.168.53.2:554".parse().expect("an address"));
        rtsp.dests = vec![other];
        assert_eq!(
            words(&expectation, &table),
            [
                "192.168.51.2:80 down: removed from the table",
                "192.168.52.2:80 down: weight 0 instead of 1, which was set by hand",
                "192.168.53.2:80 down: weight 0 instead of 2",
                "192.168.51.2:554 down: removed from the table",
                "192.168.52.2:554 down: removed from the table",
                "192.168.53.2:554 SorryActive",
            ]
        );
    }

    #[test]
    fn the_advanced_files_and_their_tables_agree() {
        let expectation = file("keepalived-2-advanced.conf", config!("keepalived-2-advanced.conf"));
        assert_eq!(words(&expectation, &live(config!("keepalived-2-advanced.live.ipvsadm-Sn"))), [""; 0]);
    }

    #[test]
    fn ldirectord_at_its_start_has_weight_0_everywhere() {
        let expectation = file("ldirectord-1-simple.cf", config!("ldirectord-1-simple.cf"));
        let table = live(config!("ldirectord-1-simple.live.ipvsadm-Sn"));
        let words = words(&expectation, &table);
        assert_eq!(words.iter().filter(|w| w.contains("down: weight 0 instead of")).count(), 5, "{words:?}");
        assert!(words.contains(&"127.0.0.1:80 SorryActive".to_owned()), "{words:?}");
    }

    #[test]
    fn dispatcher_rules_compare_presence_only() {
        let expectation = file("dispatcher-1.rules", config!("dispatcher-1.rules"));
        let table = live(config!("keepalived-1-simple.live-rs3down.ipvsadm-Sn"));
        assert_eq!(words(&expectation, &table), ["192.168.53.2:80 down: weight 0"]);
    }

    #[test]
    fn what_no_manager_does_is_drift() {
        let rules = config!("keepalived-1-simple.live-rs3down.ipvsadm-Sn");
        let expectation = file("rules", rules);
        let mut table = live(rules);
        table.services[0].scheduler = "rr".to_owned();
        table.services[0].dests[0].weight = 5;
        table.services[0].dests.remove(1);
        let mut other = table.services.remove(1);
        other.key = "UDP 10.0.0.9:53".parse().expect("a key");
        table.services.push(other);
        let rtsp = &mut table.services[1];
        rtsp.persistence = None;
        rtsp.dests.push(Dest::new("192.168.59.2:554".parse().expect("an address")));
        assert_eq!(
            words(&expectation, &table),
            [
                "TCP 10.0.0.1:80 the scheduler is rr, the file says wlc",
                "192.168.51.2:80 the weight is 5, the file says 3",
                "192.168.52.2:80 Missing",
                "TCP 10.0.0.3:1755 ServiceMissing",
                "TCP 10.0.0.4:554 persistence is off, the file says persistent 360 s /24",
                "192.168.59.2:554 Extra { weight: 1 }",
                "UDP 10.0.0.9:53 ServiceExtra",
            ]
        );
    }

    #[test]
    fn the_file_of_another_director_is_said_once() {
        let expectation = file("keepalived-1-simple.conf", config!("keepalived-1-simple.conf"));
        let table = live("-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 192.0.2.7:80 -m -w 1\n");
        assert_eq!(words(&expectation, &table), [" NoneLeft { services: 3 }"]);
        // Only sorry servers left is an outage, not another file; and so is an empty table.
        let table = live(
            "-A -t 10.0.0.4:554 -s wrr -p 360 -M 255.255.255.0\n-a -t 10.0.0.4:554 -r 192.168.53.2:554 -i\n",
        );
        assert!(words(&expectation, &table).contains(&"192.168.53.2:554 SorryActive".to_owned()));
        assert_eq!(words(&expectation, &Table::default()).len(), 3);
    }
}
