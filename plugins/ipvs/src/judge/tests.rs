use clap::Parser;
use weir_wire::ip_vs::expect;
use weir_wire::ip_vs::{Daemon, DaemonRole, ipvsadm};

use super::*;
use crate::duty::Passed;
use crate::memory::Memory;
use crate::names::Machine;
use crate::sync::{Facts, Heard, Interface};

const RULES: &str = "-A -t 192.0.2.1:80 -s rr\n\
    -a -t 192.0.2.1:80 -r 198.51.100.7:80 -m -w 10\n\
    -a -t 192.0.2.1:80 -r 198.51.100.8:80 -m -w 30\n";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: IpvsArgs,
}

fn args(words: &str) -> IpvsArgs {
    Line::try_parse_from(format!("x {words}").split_whitespace()).expect("options").args
}

/// What the kernel would tell of a table of `rules`, with counters.
fn table(rules: &str) -> Table {
    let mut services = ipvsadm::rules(rules).expect("rules");
    for service in &mut services {
        service.stats = Some(Stats::default());
        for dest in &mut service.dests {
            dest.tell(|told| {
                told.stats = Some(Stats::default());
                told.upper = Some(0);
            });
        }
    }
    Table { source: Source::Netlink, services, daemons: Some(Vec::new()), ..Table::default() }
}

fn report(rules: &str) -> Report {
    Report { table: table(rules), before: Some(Memory::default()), ..Report::default() }
}

fn expecting(rules: &str, file: &str) -> Report {
    let expectation = expect::parse("rules", file, None, &mut Machine).expect("rules");
    Report { expectation: Some(expectation), ..report(rules) }
}

/// Each finding, as `CODE: text` behind its state.
fn found(words: &str, report: &Report) -> Vec<(State, String)> {
    let outcome = judge(&args(words), report, &|_| true, true);
    let line = |finding: &Finding| (finding.state, format!("{}: {}", finding.fault.code, finding.text));
    outcome.findings.iter().map(line).collect()
}

fn codes(words: &str, report: &Report) -> Vec<&'static str> {
    let outcome = judge(&args(words), report, &|_| true, true);
    outcome.findings.iter().map(|finding| finding.fault.code).collect()
}

#[test]
fn what_was_asked_for_and_is_not_told_is_unknown() {
    let mut report = report(RULES);
    report.table.source = Source::Text;
    for dest in report.table.services.iter_mut().flat_map(|service| &mut service.dests) {
        dest.tell(|told| (told.stats, told.upper) = (None, None));
    }
    report.table.services[0].stats = None;
    let unseen = |label: &str, why: &str| {
        vec![(State::Unknown, format!("E-IPVS-UNSEEN: not known here: {label}: {why}"))]
    };
    for (words, label) in [
        ("-w imbalance=20", "imbalance"),
        ("-w table_load=50", "connection table load"),
        ("-c conn_rate=9", "new connections"),
        ("-w overloaded=1", "overloaded servers"),
    ] {
        assert_eq!(found(words, &report), unseen(label, "a saved listing does not tell it"), "{words}");
        report.table.source = Source::Proc;
        report.table.unprivileged = true;
        assert_eq!(found(words, &report), unseen(label, "CAP_NET_ADMIN is missing"), "{words}");
        (report.table.source, report.table.unprivileged) = (Source::Text, false);
    }
    assert_eq!(found("", &report), [], "nothing was asked for");
}

#[test]
fn an_imbalance_that_is_to_come_is_no_finding_and_is_explained() {
    let report = report(RULES);
    assert_eq!(found("-w imbalance=20", &report), []);
    let outcome = judge(&args("-w imbalance=20"), &report, &|_| true, true);
    let told = |text: &str| outcome.details.iter().any(|line| line.contains(text));
    assert!(told("imbalance: no earlier run"), "{:?}", outcome.details);
}

#[test]
fn a_service_whose_servers_are_all_full_refuses_clients() {
    let mut report = report(RULES);
    let fill = |report: &mut Report, at: usize| {
        let dest = &mut report.table.services[0].dests[at];
        dest.active = 2;
        dest.tell(|told| told.upper = Some(2));
    };
    fill(&mut report, 0);
    assert_eq!(codes("", &report), ["E-IPVS-OVERLOAD"]);
    assert_eq!(found("", &report)[0].0, State::Warning);
    fill(&mut report, 1);
    let text = "E-IPVS-OVERLOAD: all 2 live servers are at their upper threshold: new clients are refused";
    assert_eq!(found("", &report), [(State::Critical, text.to_owned())]);
    report.table.services[0].dests[0].weight = 0;
    assert_eq!(found("-w zero_weight=1", &report)[0].0, State::Critical, "weight 0 is no way out");
}

#[test]
fn only_defaults_are_silenced_by_what_was_said_already() {
    let maintenance = RULES.replace("-w 10", "-w 0");
    let report = expecting(&maintenance, &maintenance);
    assert_eq!(codes("", &report), [""; 0], "as the file says");
    assert_eq!(codes("-c zero_weight=0", &report), ["E-IPVS-WEIGHT0"]);
    let other = "-A -t 192.0.2.9:80 -s rr\n-a -t 192.0.2.9:80 -r 198.51.100.7:80 -m -w 1\n";
    let both = expecting(&format!("{maintenance}{other}"), other);
    assert_eq!(codes("", &both), ["E-IPVS-SERVICE-EXTRA", "E-IPVS-WEIGHT0"], "the file does not name it");

    let empty = super::tests::report("-A -t 192.0.2.1:80 -s rr\n");
    assert_eq!(codes("", &empty), ["E-IPVS-EMPTY"]);
    assert_eq!(codes("-c servers=2:", &empty), ["E-IPVS-EMPTY", "E-IPVS-SERVERS"]);
    assert_eq!(
        codes("-c share=50:", &empty),
        ["E-IPVS-EMPTY", "E-IPVS-SERVERS"],
        "of nothing, nothing is left"
    );
}

#[test]
fn a_share_says_of_what() {
    let maintenance = RULES.replace("-w 30", "-w 0");
    let text = |report: &Report| found("-w share=80: -w zero_weight=9", report).pop().unwrap_or_default().1;
    assert!(text(&report(&maintenance)).contains("(50.0 % of the servers)"));
    let of_weight = text(&expecting(&maintenance, RULES));
    assert!(of_weight.contains("(25.0 % of the weight)"), "{of_weight}");
}

fn backup(interface: Interface, rows: &str) -> Facts {
    let socket = "header\n595: 510000E0:2290 00000000:0000 07 0:0 00:0 0 0 0 655 2 0 0\n";
    let daemon = Daemon {
        role: DaemonRole::Backup,
        interface: "eth1".to_owned(),
        sync_id: 7,
        group: Some("224.0.0.81".parse().expect("a group")),
        port: 8848,
    };
    let socket = weir_wire::ip_vs::proc::sockets(socket).pop();
    Facts { daemon, interface, socket, received: crate::sync::Received::read(rows.as_bytes()) }
}

#[test]
fn a_backup_that_only_holds_old_connections_is_deaf() {
    let row = |left: u64| format!("TCP 0 0 0 0 0 0 ESTABLISHED SYNC {left}\n");
    let mut report = report(RULES);
    let mut heard = None;
    let mut told = Vec::new();
    for minute in 0..9 {
        report.sync = vec![backup(Interface::Up, &row(7200 - minute * 60))];
        report.heard = Heard::next(heard.as_ref(), &report.sync, 1000 + minute * 60);
        told.push(codes("--sync backup", &report).len());
        heard = Heard::parse(&report.heard.text());
    }
    assert_eq!(told, [0, 0, 0, 0, 0, 1, 1, 1, 1], "from the fifth minute on");
    // One that carries the traffic itself has nothing to hear, unless it must be the backup.
    report.traffic = Some(Passed::next(None, 100, 0, 1000).1);
    assert_eq!(codes("--sync both", &report), ["E-IPVS-SYNC"], "only the master daemon is missing");
    report.traffic = Some(Passed::next(None, 0, 0, 1000).1);
    assert_eq!(codes("--sync any", &report), ["E-IPVS-SYNC-SILENT"]);
}

#[test]
fn a_daemon_that_cannot_be_seen_is_unknown_and_one_that_cannot_work_is_not_well() {
    let mut report = report(RULES);
    let rows = "TCP 0 0 0 0 0 0 ESTABLISHED SYNC 800\n";
    report.sync = vec![backup(Interface::Unknown, rows)];
    assert_eq!(codes("--sync backup", &report), ["E-IPVS-UNSEEN"]);
    for interface in [Interface::Down, Interface::Gone, Interface::NoCarrier] {
        report.sync = vec![backup(interface, rows)];
        assert_eq!(codes("--sync any", &report), ["E-IPVS-SYNC"], "{interface:?}");
    }
    assert_eq!(codes("--sync master", &report)[0], "E-IPVS-SYNC");
    // Without the kernel's list one with a port of its own may run.
    report.table.daemons = None;
    report.sync.clear();
    assert_eq!(codes("--sync master", &report), ["E-IPVS-UNSEEN"]);
    assert_eq!(codes("--sync any -c sync_drops=0", &report), ["E-IPVS-UNSEEN"; 2]);
}

#[test]
fn a_role_is_not_guessed() {
    let mut report = report(RULES);
    assert_eq!(codes("--role active", &report), ["E-IPVS-UNSEEN"]);
    report.traffic = Some(Passed::next(None, 0, 0, 1000).1);
    assert_eq!(codes("--role active", &report), ["E-IPVS-ROLE"]);
    assert_eq!(codes("--role standby", &report), [""; 0]);
    report.traffic = Some(Passed::next(None, 5, 9, 1000).1);
    assert_eq!(codes("--role active", &report), [""; 0]);
    assert_eq!(codes("--role standby", &report), ["E-IPVS-ROLE"]);
    for (holds, told) in [(Some(true), &[][..]), (Some(false), &["E-IPVS-ROLE"]), (None, &["E-IPVS-UNSEEN"])]
    {
        report.holds = holds;
        assert_eq!(codes("--role vip", &report), told, "{holds:?}");
    }
}
