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

#[test]
fn what_stands_behind_a_brace_is_ignored_as_the_daemon_does() {
    let text = "virtual_server 192.0.2.1 554 {\n real_server 192.0.2.7 554 {\n weight 2\n TCP_CHECK { connect_port 8554 }\n }\n lb_algo rr\n}\n";
    let service = &read(text, None).services[0];
    assert_eq!((service.scheduler.as_deref(), service.servers[0].weight), (Some("rr"), Some(2)));
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
}

#[test]
fn dispatcher_rules_add_up_and_say_what_is_not_checked() {
    let first = read(include_str!("../../../testdata/ip_vs/config/dispatcher-1.rules"), None);
    assert_eq!(first.services.iter().map(|s| s.servers.len()).collect::<Vec<_>>(), [3, 2, 2]);
    let second = read(include_str!("../../../testdata/ip_vs/config/dispatcher-2.rules"), None);
    assert_eq!(second.services[0].key.to_string(), "TCP 10.0.0.4:443");
    assert_eq!(second.services[0].servers[1].address.to_string(), "192.168.52.2:8443");
    assert_eq!(second.services[1].servers[0].address.to_string(), "192.168.51.2:80");
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
