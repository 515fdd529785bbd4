//! Files of the managers against the tables that the real daemons made of them.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// The files and names of a test.
#[derive(Default)]
struct Here(HashMap<&'static str, &'static str>);

impl Surroundings for Here {
    fn include(&mut self, pattern: &str, _from: &str) -> Result<Vec<(String, String)>, String> {
        let text = self.0.get(pattern).ok_or(format!("no file {pattern}"))?;
        Ok(vec![(pattern.to_owned(), (*text).to_owned())])
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        self.0.get(name).and_then(|ip| ip.parse().ok()).into_iter().collect()
    }

    fn port(&mut self, name: &str, _protocol: Protocol) -> Option<u16> {
        (name == "rtsp").then_some(554)
    }
}

fn here() -> Here {
    Here(HashMap::from([
        ("conf.d/*.conf", include_str!("../../../testdata/ip_vs/config/conf.d/x.conf")),
        ("vod.example.net", "10.0.0.4"),
        ("media1.example.net", "192.168.51.2"),
        ("media2.example.net", "192.168.52.2"),
    ]))
}

fn read(text: &str, config_id: Option<&str>) -> Expectation {
    parse("test.conf", text, config_id, &mut here()).expect("readable")
}

/// Asserts that the file says exactly what `live` (an `ipvsadm -Sn`) holds.
fn assert_equal(expectation: &Expectation, live: &str) {
    let live = read(live, None);
    let mut services: Vec<_> = expectation.services.iter().collect();
    services.sort_by_key(|service| service.key);
    let mut live: Vec<_> = live.services.iter().collect();
    live.sort_by_key(|service| service.key);
    for (own, live) in services.iter().zip(&live) {
        let mut own = (*own).clone();
        let mut live = (*live).clone();
        own.servers.sort_by_key(|server| server.address);
        live.servers.sort_by_key(|server| server.address);
        for (own, live) in own.servers.iter_mut().zip(&live.servers) {
            (own.when_down, own.upper, own.lower) = (live.when_down, None, None);
        }
        assert_eq!(own, Expected { sorry: own.sorry, ..live });
    }
    assert_eq!(services.len(), live.len());
}

#[test]
fn keepalived_with_everything_is_what_the_daemon_loads() {
    let text = include_str!("../../../testdata/ip_vs/config/keepalived-2-advanced.conf");
    let plain = read(text, None);
    assert_equal(
        &plain,
        include_str!("../../../testdata/ip_vs/config/keepalived-2-advanced.live.ipvsadm-Sn"),
    );
    assert_eq!(plain.daemon, None);
    let site_b = read(text, Some("siteb"));
    assert_equal(
        &site_b,
        include_str!("../../../testdata/ip_vs/config/keepalived-2-advanced.siteb.live.ipvsadm-Sn"),
    );
    assert_eq!(site_b.daemon, Some(ExpectedDaemon { interface: "bond0".to_owned(), sync_id: Some(51) }));
}

#[test]
fn keepalived_says_what_becomes_of_a_dead_server() {
    let simple = read(include_str!("../../../testdata/ip_vs/config/keepalived-1-simple.conf"), None);
    let http = &simple.services[0].servers;
    assert_eq!(
        http.iter().map(|s| s.when_down).collect::<Vec<_>>(),
        [WhenDown::Removed, WhenDown::Removed, WhenDown::Weightless]
    );
    assert_eq!((http[0].upper, http[0].lower), (Some(2000), Some(1600)));
    assert_eq!(simple.services[1].sorry, Some("192.168.53.2:554".parse().expect("an address")));
    assert_eq!(simple.services[2].servers[0].when_down, WhenDown::Stays);
    assert_eq!(simple.timeouts, Some([900, 120, 300]));
    // The third server was down when the table was saved: weight 0 instead of 2.
    let mut live = simple.clone();
    live.services[0].servers[2].weight = Some(0);
    assert_equal(
        &live,
        include_str!("../../../testdata/ip_vs/config/keepalived-1-simple.live-rs3down.ipvsadm-Sn"),
    );
}

/// As keepalived 2.2.7 makes its table of them.
#[test]
fn what_the_daemon_makes_of_odd_files() {
    let of = |text: &str| read(text, None).services;
    let text = "virtual_server 192.0.2.1 554 {\n protocol TCP\n real_server 192.0.2.7 554 { weight 2 }\n real_server 192.0.2.8 554 {\n\
                weight 3\n TCP_CHECK { connect_timeout 1 }\n }\n lb_algo rr\n}\n";
    let service = &of(text)[0];
    assert_eq!((service.scheduler.as_deref(), service.servers.len()), (Some("rr"), 2));
    assert_eq!(service.servers.iter().map(|s| s.weight).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!(service.servers[1].when_down, WhenDown::Removed, "it is checked");

    // Without a port, a protocol, a method that exists.
    let text = "virtual_server 192.0.2.1 80 {\nlvs_method nat\nsorry_server 192.0.2.9\nreal_server 192.0.2.7 {\n}\n}\n";
    let service = &of(text)[0];
    assert_eq!(service.key.to_string(), "UDP 192.0.2.1:80");
    assert_eq!(service.servers[0].address.to_string(), "192.0.2.7:80");
    assert_eq!(service.sorry.map(|sorry| sorry.to_string()).as_deref(), Some("192.0.2.9:0"));
    assert_eq!(service.servers[0].forward, Some(Forward::Masq));

    let text = "virtual_server 192.0.2.1 80 {\ninhibit_on_failure\nreal_server 192.0.2.7 80 {\ninhibit_on_failure off\nTCP_CHECK {\n}\n}\n}\n";
    assert_eq!(of(text)[0].servers[0].when_down, WhenDown::Removed);
}

#[test]
fn sequences_and_lists_are_repeated() {
    let keys = |start: &str| {
        let text = format!("$VS=virtual_server 192.0.2.$I 80 {{ \\\nprotocol TCP \\\n}}\n{start} $VS\n");
        let services = read(&text, None).services;
        services.iter().map(|s| s.key.address().expect("an address").ip().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(keys("~SEQ(I,41,43)"), ["192.0.2.41", "192.0.2.42", "192.0.2.43"]);
    assert_eq!(keys("~SEQ(I, 2)"), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(keys("~SEQ(I, 9, -4, 1)"), ["192.0.2.9", "192.0.2.5", "192.0.2.1"]);
    assert_eq!(keys("~LST(I, 7, 9)"), ["192.0.2.7", "192.0.2.9"]);
    let error = |text: &str| parse("test.conf", text, None, &mut here()).expect_err(text).to_string();
    assert!(error("global_defs {\n}\n~LST({$a,$b},{1,2}) x\n").starts_with("test.conf:3: `~LST("));
    assert!(error("global_defs {\n}\n~SEQ(I,1,999999999) x\n").ends_with("~SEQ has too many values"));
}

#[test]
fn a_keepalived_file_is_told_by_any_of_its_beginnings() {
    for text in [
        "includer conf.d/*.conf\n",
        "@main virtual_server 192.0.2.1 80 {\n}\n",
        "vrrp_script a {\n script \"x | y | z | a | b | c | d\"\n}\n",
        "! a comment\n$A=1\n",
    ] {
        assert_eq!(Manager::of(text), Some(Manager::Keepalived), "{text}");
    }
    assert_eq!(
        Manager::of("# a | b | c | d | e | f | g\nTCP|192.0.2.1|80|80|0|*|192.0.2.7\n"),
        Some(Manager::Dispatcher)
    );
}

#[test]
fn what_could_not_be_included_is_lacking() {
    let text = "include nosuch.conf\nvirtual_server 192.0.2.1 80 {\n}\n";
    assert_eq!(read(text, None).lacks.as_deref(), Some("test.conf:1: no file nosuch.conf"));
    assert_eq!(read("include conf.d/*.conf\n", None).lacks, None);
}

#[test]
fn ranges_and_networks_of_a_group() {
    let of = |text: &str| member_count(text);
    assert_eq!(of("192.0.2.10-12 80"), Ok(3));
    assert_eq!(of("192.0.2.10-192.0.2.12 80"), Ok(3));
    assert_eq!(of("192.0.2.8/30 80"), Ok(4));
    assert_eq!(of("2001:db8::1e-1f 80"), Ok(2));
    assert!(of("10.0.0.0/8 80").expect_err("too many").contains("test.conf:2"));
    assert!(of("192.0.2.12-10 80").is_err());
    assert!(of("192.0.2.1/99 80").is_err());
    let many = "10.0.0.0/20 80\n".repeat(40);
    assert_eq!(of(&many), Err("test.conf:26: the group has too many servers".to_owned()));
}

fn member_count(member: &str) -> Result<usize, String> {
    let text = format!("virtual_server_group G {{\n{member}\n}}\nvirtual_server group G {{\n}}\n");
    parse("test.conf", &text, None, &mut here()).map(|e| e.services.len()).map_err(|error| error.to_string())
}

#[test]
fn parameters_that_name_one_another_end_with_an_error() {
    let text = "$A=$B\n$B=$A $A\nvirtual_server $A 80 {\n}\n";
    let error = parse("test.conf", text, None, &mut here()).expect_err("endless").to_string();
    assert_eq!(error, "test.conf:3: parameters name one another without end");
}

#[test]
fn blocks_without_end_are_an_error_and_no_stack_overflow() {
    let text = "virtual_server 192.0.2.1 80 {\n".repeat(MAX_TEXT / 40);
    let error = parse("test.conf", &text, None, &mut here()).expect_err("too deep").to_string();
    assert!(error.ends_with("blocks stand in one another too deeply"), "{error}");
}

#[test]
fn ldirectord_with_marks_ranges_names_and_ipv6_is_what_it_loads() {
    let advanced = read(include_str!("../../../testdata/ip_vs/config/ldirectord-2-advanced.cf"), None);
    assert_equal(
        &advanced,
        include_str!("../../../testdata/ip_vs/config/ldirectord-2-advanced.live.ipvsadm-Sn"),
    );
}

#[test]
fn ldirectord_keeps_quiescent_servers_and_has_a_fallback() {
    let simple = read(include_str!("../../../testdata/ip_vs/config/ldirectord-1-simple.cf"), None);
    let http = &simple.services[0];
    assert_eq!(http.servers.iter().map(|s| s.weight).collect::<Vec<_>>(), [Some(3), Some(1), Some(2)]);
    assert!(http.servers.iter().all(|s| s.when_down == WhenDown::Weightless));
    assert_eq!((http.servers[0].lower, http.servers[0].upper), (Some(1600), Some(2000)));
    assert_eq!(http.sorry, Some("127.0.0.1:80".parse().expect("an address")));
    // One line for all services: its port counts with NAT only.
    let sorry = |method: &str| {
        let text =
            format!("fallback=127.0.0.1:80 {method}\nvirtual=192.0.2.1:443\n    real=192.0.2.7:443 gate\n");
        read(&text, None).services[0].sorry.expect("a fallback").to_string()
    };
    let off = "virtual=192.0.2.1:80\n    real=192.0.2.7:80 gate\n    checktype=off\n";
    let off = read(off, None);
    assert_eq!((off.services.len(), off.uncompared.len()), (0, 1), "nothing is activated");
    assert_eq!((sorry("gate"), sorry("masq")), ("127.0.0.1:443".to_owned(), "127.0.0.1:80".to_owned()));
}

#[test]
fn dispatcher_rules_add_up_and_say_what_is_not_checked() {
    let first = read(include_str!("../../../testdata/ip_vs/config/dispatcher-1.rules"), None);
    assert_eq!(first.services.iter().map(|s| s.servers.len()).collect::<Vec<_>>(), [3, 2, 2]);
    let second = read(include_str!("../../../testdata/ip_vs/config/dispatcher-2.rules"), None);
    assert_eq!(second.services[0].key.to_string(), "TCP 10.0.0.4:443");
    assert_eq!(second.services[0].servers[1].address.to_string(), "192.168.52.2:8443");
    assert_eq!(second.services[1].servers[0].address.to_string(), "192.168.51.2:80");
    assert!(!second.uncompared.is_empty());
    assert_eq!(second.notes, ["test.conf:4: rules of HTTP with the match `/movies/*` are not checked"]);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let error = parse("motd", "welcome\n", None, &mut here()).expect_err("unknown").to_string();
    assert!(error.starts_with("motd: neither rules of ipvsadm"), "{error}");
}

proptest! {
    #[test]
    fn no_file_is_fatal(words in proptest::collection::vec(prop_oneof![
        Just("virtual_server"), Just("virtual_server_group"), Just("group"), Just("real_server"), Just("{"), Just("}"), Just("\n"),
        Just(" "), Just("192.0.2.1"), Just("80"), Just("$A="), Just("${A}"), Just("\\\n"), Just("@x "), Just("\""), Just("#"),
        Just("virtual="), Just("    real="), Just("a->b"), Just("|"), Just("TELNET|"), Just("include x"), Just("fwmark"), Just("-A -t"),
        Just("ü"), Just("weight"), Just("1-2"), Just("/0"),
    ], 0..60)) {
        let text = words.concat();
        for start in ["global_defs {\n}\n", "virtual=192.0.2.1:80\n", "A|192.0.2.1|1|1|0|*|192.0.2.2\n", ""] {
            let _ = parse("fuzz", &format!("{start}{text}"), Some("x"), &mut here());
        }
    }
}
