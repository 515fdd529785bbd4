//! What a client sees of three real nodes, in the order of a bad week: all well, a node dead, withdrawn, silent, far away.

mod common;

use common::topology::Topology;
use common::{SERVICE4, SERVICE6};
use weir_lab::Result;

const BOTH: [&str; 4] = ["-H", SERVICE4, "-H", SERVICE6];

#[test]
fn a_bad_week() -> Result<()> {
    let Some(net) = Topology::for_test(&[])? else { return Ok(()) };
    all_well(&net)?;
    drawn(&net)?;
    services_agree(&net)?;
    split(&net)?;
    dead_and_withdrawn(&net)?;
    one_family(&net)?;
    silent_loss(&net)
}

fn all_well(net: &Topology) -> Result<()> {
    net.until_answered_by("wix1")?;
    let arguments = [&BOTH[..], &["--expect", "wix1", "-w", "inflation=0.03", "-v"]].concat();
    net.expect(
        &arguments,
        0,
        &[
            "192.0.2.53 is answered by wix1",
            "2001:db8:53::53 is answered by wix1",
            "v4_wix1_share=100%",
            "v6_sfo1_share=0%",
            "alive=3",
            "hop 1 198.51.100.1",
            "hop 1 2001:db8:c::1",
            "v4_hops=2",
        ],
    )?;
    net.expect(
        &["-H", SERVICE4, "--expect", "ape1"],
        1,
        &["answered by wix1", "expected ape1", "[E-ANYCAST-NODE]"],
    )
}

/// The graph plugin draws the same.
fn drawn(net: &Topology) -> Result<()> {
    let lab = net.client.lab();
    let link = lab.dir().join("anycast_dns");
    std::os::unix::fs::symlink(lab.publish("anycast_")?, &link)?;
    let mut command = lab.command(&link);
    let nodes = "--node wix1=203.0.113.1 --node ape1=203.0.113.2 --node sfo1=203.0.113.3";
    let options = format!("-H {SERVICE4} --identity dns:www.anycast.test --state-dir /nonexistent {nodes}");
    command.env("options", options);
    let seen = lab.run(command)?;
    for line in [
        "wix1_share.value 100",
        "sfo1_node_rtt.value ",
        "inflation.value ",
        "changes.value ",
        "alive.value 3",
    ] {
        assert!(seen.stdout.contains(line), "no `{line}` in {}{}", seen.stdout, seen.stderr);
    }
    Ok(())
}

fn services_agree(net: &Topology) -> Result<()> {
    let port = net.web[0].port();
    assert_eq!(
        [port; 3],
        [net.web[0].port(), net.web[1].port(), net.web[2].port()],
        "one service on all nodes"
    );
    let header = format!("header:X-Node@{port}");
    let body = format!("body@{port}");
    net.expect(&["-H", SERVICE4, "--identity", &header, "--identity", &body], 0, &["is answered by wix1"])?;
    // A header that nobody sends is a node without a name.
    let missing = format!("header:X-Nobody@{port}");
    net.expect(&["-H", SERVICE4, "--identity", &missing], 2, &["HTTP", "[E-ANYCAST-DISAGREE]"])
}

/// Two equal ways at the router: a single probe would call it flapping.
fn split(net: &Topology) -> Result<()> {
    let router = net.router_host.lab();
    weir_lab_run(router, "sysctl -qw net.ipv4.fib_multipath_hash_policy=1")?;
    net.router_host.ip("route add 192.0.2.53/32 nexthop via 10.0.1.2 nexthop via 10.0.2.2")?;
    net.expect(
        &["-H", SERVICE4, "--ports", "32"],
        1,
        &["source ports reach several nodes: ape1 ", "wix1 ", "[E-ANYCAST-SPLIT]"],
    )?;
    net.router_host.ip("route delete 192.0.2.53/32").map(drop)
}

fn weir_lab_run(lab: &weir_lab::Lab, line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let mut command = lab.command(words.next().unwrap_or_default());
    command.args(words);
    let seen = lab.run(command)?;
    assert_eq!(seen.code, Some(0), "{line}: {}", seen.stderr);
    Ok(())
}

fn dead_and_withdrawn(net: &Topology) -> Result<()> {
    net.names[0].pause()?;
    net.expect(
        &["-H", SERVICE4, "-t", "2"],
        2,
        &["nobody answers, on none of 8 source ports", "[E-ANYCAST-SILENT]"],
    )?;
    // The route is withdrawn: BGP prefers the shorter path, and that is the far one of the two that are left or a tie.
    net.wix.tell("disable anycast4")?;
    net.router.until_gone("show route 192.0.2.0/24", "wix4")?;
    net.names[0].resume()?;
    let seen = net.look(&["-H", SERVICE4, "-w", "inflation=0.03"])?;
    assert_eq!(seen.code, Some(1), "{}", seen.stdout);
    assert!(seen.stdout.contains("is answered by") && seen.stdout.contains("inflation="), "{}", seen.stdout);
    // The tie-break picks the far node: prefer it on purpose, as a router id would.
    net.ape.tell(&[
        "configure terminal",
        "route-map PREPEND permit 10",
        "set as-path prepend 64511 64511 64511",
    ])?;
    net.until_answered_by("sfo1")?;
    net.expect(
        &["-H", SERVICE4, "-w", "inflation=0.03"],
        1,
        &["answered by sfo1 in ", "although wix1 is only", "too far", "[E-ANYCAST-INFLATION]"],
    )?;
    // The third run in a row on the far node: the change counts, the way is new.
    net.expect(
        &["-H", SERVICE4, "-w", "changes=0"],
        1,
        &["the answering node changed 1 times", "now it is sfo1"],
    )?;
    net.wix.tell("enable anycast4")?;
    net.until_answered_by("wix1")
}

fn one_family(net: &Topology) -> Result<()> {
    net.wix.tell("disable anycast6")?;
    net.router.until_gone("show route 2001:db8:53::/48", "wix6")?;
    net.expect(&BOTH, 2, &["is answered by wix1, DNS 53 at 2001:db8:53::53 by ", "[E-ANYCAST-DISAGREE]"])?;
    net.wix.tell("enable anycast6")?;
    net.router.until("show route 2001:db8:53::/48", "wix6")
}

/// The wire to the near node loses everything and stays up: users fall into a hole until the hold time is over.
fn silent_loss(net: &Topology) -> Result<()> {
    net.wix_wire.set(1.0, 0.0, 1.0)?;
    net.expect(&["-H", SERVICE4, "-t", "2"], 2, &["[E-ANYCAST-SILENT]"])?;
    weir_lab::wait_until("another node", std::time::Duration::from_secs(30), || {
        net.look(&["-H", SERVICE4, "--ports", "1", "--hops", "0", "-t", "1"]).is_ok_and(|seen| {
            seen.stdout.contains("is answered by sfo1") || seen.stdout.contains("is answered by ape1")
        })
    })?;
    net.wix_wire.set(1.0, 0.0, 0.0)
}

#[test]
fn a_name_that_nobody_knows_is_critical() -> Result<()> {
    let Some(node) = common::Node::for_test(&[])? else { return Ok(()) };
    let arguments = [
        "-H",
        SERVICE4,
        "--identity",
        "dns:www.anycast.test",
        "--node",
        "ape1",
        "--state-dir",
        "/nonexistent",
        "-v",
    ];
    let seen = node.host.lab().check("check_anycast", &arguments)?;
    assert_eq!(seen.code, Some(2), "{}", seen.stdout);
    assert!(
        seen.stdout.contains("8 of 8 answers come from `wix1`, which is no --node [E-ANYCAST-IDENTITY]"),
        "{}",
        seen.stdout
    );
    assert!(seen.stdout.contains("changes are not counted"), "{}", seen.stdout);
    let seen = node
        .host
        .lab()
        .check("check_anycast", &["-H", SERVICE4, "--identity", "dns:nosuch.example", "--node", "wix1"])?;
    assert!(
        seen.stdout.contains("wix1 answers REFUSED for nosuch.example. [E-ANYCAST-ERROR]"),
        "{}",
        seen.stdout
    );
    assert_eq!(seen.code, Some(2), "{}", seen.stdout);
    Ok(())
}

/// The same question by TLS and RTSP: a name in the certificate, a header behind TLS, the Server header of an RTSP server.
#[test]
fn streams_and_certificates_name_the_node() -> Result<()> {
    let Some(node) = common::Node::for_test(&["nginx", "openssl", "gst"])? else { return Ok(()) };
    let lab = node.host.lab();
    let authority = lab.authority()?;
    let certificate = authority.issue(&["www.anycast.test", "wix1.anycast.test"])?;
    let web = lab
        .nginx()
        .tls(&certificate)
        .with("location / { add_header X-Node wix1; return 200 wix1; }")
        .start()?;
    let port = web.tls_url("www", "").rsplit(':').next().unwrap_or_default().to_owned();
    let rtsp = lab.gst().start()?;
    let (named, header) = (format!("certificate@{port}"), format!("tls-header:X-Node@{port}"));
    let (ca, stream) = (authority.ca_file().display().to_string(), format!("rtsp@{}", rtsp.port()));
    let look = |address: &str, node: &str, how: &[&str]| {
        let options = [
            "-H",
            address,
            "--node",
            node,
            "--host",
            "www.anycast.test",
            "--ca-file",
            &ca,
            "--state-dir",
            "/nonexistent",
        ];
        lab.check("check_anycast", &[&options[..], how].concat())
    };
    for address in [SERVICE4, SERVICE6] {
        let seen = look(address, "wix1", &["--identity", &named, "--identity", &header])?;
        assert_eq!(seen.code, Some(0), "{}", seen.stdout);
        assert!(seen.stdout.contains("is answered by wix1"), "{}", seen.stdout);
    }
    let seen = look("127.0.0.1", "GStreamer", &["--identity", &stream])?;
    assert_eq!(seen.code, Some(0), "{}", seen.stdout);
    // Without the authority the certificate is worth nothing.
    let options = ["-H", SERVICE4, "--node", "wix1", "--host", "www.anycast.test", "--identity", &named];
    let seen = lab.check("check_anycast", &options)?;
    assert_eq!(seen.code, Some(2), "{}", seen.stdout);
    assert!(seen.stdout.contains("E-TLS-UNTRUSTED"), "{}", seen.stdout);
    Ok(())
}
