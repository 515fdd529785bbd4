//! What a client sees of three real nodes, in the order of a bad week: all well, a node dead, withdrawn, silent, far away.

mod common;

use common::topology::Topology;
use common::{SERVICE4, SERVICE6};
use weir_lab::Result;

const BOTH: [&str; 4] = ["-H", SERVICE4, "-H", SERVICE6];

#[test]
fn a_bad_week() -> Result<()> {
    let Some(net) = Topology::for_test(&["gst", "ffmpeg"])? else { return Ok(()) };
    all_well(&net)?;
    drawn(&net)?;
    services_agree(&net)?;
    streams(&net)?;
    split(&net)?;
    dead_and_withdrawn(&net)?;
    one_family(&net)?;
    one_family_in_silence(&net)?;
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
    let folder = lab.dir().join("graph-state");
    std::fs::create_dir_all(&folder)?;
    let folder = folder.display();
    let options = format!("-H {SERVICE4} --identity dns:www.anycast.test --state-dir {folder} {nodes}");
    command.env("options", options);
    let seen = lab.run(command)?;
    for line in [
        "wix1_share.value 100",
        "sfo1_node_rtt.value ",
        "inflation.value ",
        "changes.value 0",
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
    net.names[0].resume()?;
    net.until_answered_by("wix1")?;
    // A memory of its own, which no waiting touches: what it has seen is three runs, one a state of the network.
    let folder = net.client.lab().dir().join("memory");
    std::fs::create_dir_all(&folder)?;
    let memory = folder.display().to_string();
    let run = |more: &[&str]| net.look_in(&memory, &[&["-H", SERVICE4, "-v"], more].concat());
    let seen = run(&[])?;
    assert!(seen.stdout.contains("is answered by wix1") && seen.stdout.contains("changes=0;"), "{seen:?}");

    // The route is withdrawn. The two paths that are left are equally long, and the far one wins by its neighbour's router id.
    net.wix.tell("disable anycast4")?;
    net.until_answered_by("sfo1")?;
    let limits = ["-w", "changes=0"];
    // One run has seen it: weather.
    let seen = run(&limits)?;
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert!(seen.stdout.contains("answered by sfo1") && seen.stdout.contains("changes=0;"), "{seen:?}");
    // Two in a row: it is so.
    let seen = run(&limits)?;
    assert_eq!(seen.code, Some(1), "{seen:?}");
    for words in [
        "the answering node changed 1 times within 3600 s, now it is sfo1 [E-ANYCAST-CHANGES]",
        "packets go by way of 198.51.100.1 10.0.3.2, before by way of 198.51.100.1 [E-ANYCAST-PATH]",
    ] {
        assert!(seen.stdout.contains(words), "no `{words}` in {seen:?}");
    }
    // The way is news once, the change counts for the window.
    let seen = run(&limits)?;
    assert!(seen.stdout.contains("changed 1 times") && !seen.stdout.contains("E-ANYCAST-PATH"), "{seen:?}");
    net.expect(
        &["-H", SERVICE4, "-w", "inflation=0.03"],
        1,
        // On a busy machine ape1 may be as near as wix1.
        &["answered by sfo1 in ", "although ", " is only ", "too far", "[E-ANYCAST-INFLATION]"],
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

/// The route stays, and IPv6 answers die on the node: nothing is withdrawn, IPv4 is well, the node's own probe too.
fn one_family_in_silence(net: &Topology) -> Result<()> {
    net.wix_host.ip("route add blackhole 2001:db8:c::/64")?;
    net.expect(
        &[&BOTH[..], &["-t", "2"]].concat(),
        2,
        &["2001:db8:53::53: nobody answers", "[E-ANYCAST-SILENT]", "v4_wix1_share=100%", "v6_lost=100%"],
    )?;
    let daemon = format!("bird:{}", net.wix.socket().display());
    let node = ["-H", SERVICE4, "-H", SERVICE6, "--identity", "dns:www.anycast.test", "--node", "wix1"];
    let node = [&node[..], &["--daemon", &daemon]].concat();
    let local = |more: &[&str]| net.wix_host.lab().check("check_anycast_node", &[&node[..], more].concat());
    assert_eq!(local(&[])?.code, Some(0), "nothing on the node itself is wrong");
    let seen = local(&["--reach", "2001:db8:c::10", "--reach", "198.51.100.10"])?;
    assert_eq!(seen.code, Some(2), "{seen:?}");
    assert!(
        seen.stdout.contains("answers to 2001:db8:c::10 would go into a blackhole [E-ROUTE-KERNEL]"),
        "{seen:?}"
    );
    net.wix_host.ip("route delete blackhole 2001:db8:c::/64").map(drop)
}

/// A stream on every node, which the RTSP servers name in their Server header as the web servers do in X-Node.
fn streams(net: &Topology) -> Result<()> {
    let nodes = [
        (&net.wix_host, "wix1", "203.0.113.1"),
        (&net.ape_host, "ape1", "203.0.113.2"),
        (&net.sfo_host, "sfo1", "203.0.113.3"),
    ];
    let mut servers = Vec::new();
    for (host, name, _) in nodes {
        servers.push(host.lab().gst().on("::").named(&format!("Streams at {name}")).start()?);
    }
    let port = servers[0].port();
    let (rtsp, web) = (format!("rtsp@{port}"), format!("header:X-Node@{}", net.web[0].port()));
    let services = ["--identity", &rtsp, "--identity", &web, "--path", "/live"];
    for (address, name) in nodes.map(|(_, name, own)| (own, name)).into_iter().chain([(SERVICE4, "wix1")]) {
        let seen = net.look(&[&["-H", address], &services[..]].concat())?;
        assert_eq!(seen.code, Some(0), "{seen:?}");
        assert!(seen.stdout.contains(&format!("{address} is answered by {name}")), "{seen:?}");
    }
    let seen = net.look(&["-H", SERVICE6, "--identity", &rtsp])?;
    assert!(seen.stdout.contains("2001:db8:53::53 is answered by wix1"), "{seen:?}");
    // A player really gets the stream of the near node there.
    let mut player = net.client.lab().command("ffprobe");
    player.args([
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        "-show_entries",
        "stream=codec_name",
        "-of",
        "csv=p=0",
    ]);
    player.arg(servers[0].url_at(SERVICE4, "/live"));
    let seen = net.client.lab().run(player)?;
    assert!(seen.stdout.contains("h264"), "{seen:?}");
    Ok(())
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
    assert!(
        seen.stdout.contains("changes are not counted") && seen.stdout.contains("changes=U"),
        "{}",
        seen.stdout
    );
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
    let Some(node) = common::Node::for_test(&["nginx", "openssl", "gst", "vlc", "ffmpeg"])? else {
        return Ok(());
    };
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
    // Windows Media names itself by its version: over TCP in its greeting, over HTTP in a header.
    let media = lab.mmst().start()?;
    let port_of = |url: &str| url.trim_end_matches("/live").rsplit(':').next().unwrap_or_default().to_owned();
    let greeting = format!("mms@{}", port_of(&media.url("/live")));
    let seen = look("127.0.0.1", "9.01.01.3814", &["--identity", &greeting])?;
    assert_eq!(seen.code, Some(0), "{}", seen.stdout);
    assert!(seen.stdout.contains("127.0.0.1 is answered by 9.01.01.3814"), "{}", seen.stdout);
    let seen = look("127.0.0.1", "9.6.7600", &["--identity", &greeting])?;
    assert!(
        seen.stdout.contains("come from `Windows Media 9.01.01.3814`, which is no --node"),
        "{}",
        seen.stdout
    );
    let player = lab.vlc_mmsh().start()?;
    let greeting = format!("mmsh@{}", port_of(player.url()));
    let seen = look("127.0.0.1", "Cougar", &["--identity", &greeting, "--path", "/live"])?;
    assert_eq!(seen.code, Some(0), "{}", seen.stdout);
    // Without the authority the certificate is worth nothing.
    let options = ["-H", SERVICE4, "--node", "wix1", "--host", "www.anycast.test", "--identity", &named];
    let seen = lab.check("check_anycast", &options)?;
    assert_eq!(seen.code, Some(2), "{}", seen.stdout);
    assert!(seen.stdout.contains("E-TLS-UNTRUSTED"), "{}", seen.stdout);
    Ok(())
}
