//! The truth table of a node, row by row, against each real routing daemon: what the check says must be what users get.

mod common;
mod routers;

use common::{Node, SERVICE4};
use routers::Router;
use weir_lab::Result;
use weir_lab::anycast::NameServer;

/// Rows 1 to 6 of the table, and the way back.
fn truth_table(node: &Node, router: &dyn Router) -> Result<()> {
    let check = |wanted: i32, words: &[&str]| node.expect(&router.option(), &[], wanted, words);
    check(
        0,
        &[
            "192.0.2.0/24 announced on 1 of 1 session",
            "answers as wix1",
            "v4_announced=1;",
            "v6_announced=1;",
        ],
    )?;

    node.names.stop()?;
    check(
        2,
        &["192.0.2.0/24 is announced on 1 of 1 session but dead here", "[E-ANYCAST-DEAD]", "v4_healthy=0;"],
    )?;
    router.withdraw()?;
    node.until_upstream_lacks("192.0.2.0/24")?;
    check(
        2,
        &[
            "[E-ANYCAST-DOWN]",
            "192.0.2.0/24 is withdrawn",
            "v4_announced=0;",
            "2001:db8:53::/48 is announced",
        ],
    )?;

    let _names = node.start_names(NameServer::Knot)?;
    check(
        1,
        &[
            "healthy (answers as wix1) but 192.0.2.0/24 is withdrawn",
            "[E-ANYCAST-WITHDRAWN]",
            "[E-ANYCAST-FAMILIES]",
        ],
    )?;
    node.expect(&router.option(), &["--drained"], 1, &["[E-ANYCAST-DRAINED]", "2001:db8:53::/48"])?;

    // The address leaves the node: a probe would be answered by another one.
    node.host.remove_address(SERVICE4)?;
    check(
        1,
        &[
            "not on this node (a packet goes",
            "192.0.2.0/24 is withdrawn",
            "[E-ANYCAST-OFF-NODE]",
            "v4_local=0;",
        ],
    )?;
    router.announce()?;
    node.until_upstream_has("192.0.2.0/24")?;
    check(
        2,
        &["is announced on 1 of 1 session but the address is not on this node", "[E-ANYCAST-NO-ADDRESS]"],
    )?;
    node.host.add_address(SERVICE4)?;
    check(0, &["192.0.2.0/24 announced on 1 of 1 session"])?;

    router.session_down()?;
    node.until_upstream_lacks("192.0.2.0/24")?;
    check(1, &["so 192.0.2.0/24 is not announced on it", "[E-BGP-DOWN]", "v4_sessions=0;"])?;
    router.session_up()?;
    node.until_upstream_has("192.0.2.0/24")?;
    check(0, &["192.0.2.0/24 announced on 1 of 1 session"])
}

#[test]
fn every_row_with_bird_2() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    truth_table(&node, &routers::bird(&node)?)
}

#[test]
fn every_row_with_frr_8() -> Result<()> {
    let Some(node) = Node::for_test(&["frr"])? else { return Ok(()) };
    truth_table(&node, &routers::frr(&node)?)
}

#[test]
fn every_row_with_gobgp_3() -> Result<()> {
    let Some(node) = Node::for_test(&["gobgp"])? else { return Ok(()) };
    truth_table(&node, &routers::gobgp(&node)?)
}

#[test]
fn every_row_with_exabgp() -> Result<()> {
    let Some(node) = Node::for_test(&["exabgp"])? else { return Ok(()) };
    truth_table(&node, &routers::exabgp(&node)?)
}

/// The same with the daemons of Debian 14: BIRD 3.4, FRR 10.7, GoBGP 4.8.
fn forky(needs: &[&str]) -> Result<Option<Node>> {
    let needs = [&["namespace", "release-root"], needs].concat();
    let Some(_lab) = weir_lab::Lab::for_test(&needs) else { return Ok(None) };
    let root = weir_lab::ReleaseRoot::new(
        "forky",
        &["bird3", "frr", "frr-rpki-rtrlib", "gobgpd", "bash", "coreutils"],
    )?;
    Node::with_release(&needs, Some(&root))
}

#[test]
fn every_row_with_bird_3() -> Result<()> {
    let Some(node) = forky(&[])? else { return Ok(()) };
    truth_table(&node, &routers::bird(&node)?)
}

#[test]
fn every_row_with_frr_10() -> Result<()> {
    let Some(node) = forky(&["frr"])? else { return Ok(()) };
    truth_table(&node, &routers::frr(&node)?)
}

#[test]
fn every_row_with_gobgp_4() -> Result<()> {
    let Some(node) = forky(&["gobgp"])? else { return Ok(()) };
    truth_table(&node, &routers::gobgp(&node)?)
}

#[test]
fn a_socket_that_cannot_be_read_is_unknown() -> Result<()> {
    let Some(node) = Node::for_test(&["users"])? else { return Ok(()) };
    node.expect(
        "bird:/nonexistent/bird.ctl",
        &[],
        3,
        &["there is no /nonexistent/bird.ctl", "[E-NO-DATA]", "v4_announced=U"],
    )?;
    node.expect("exabgp:/nonexistent", &[], 3, &["[E-NO-DATA]"])?;
    let router = routers::bird(&node)?;
    // As a user without rights; root may open everything.
    let mut check = node.host.lab().command_as("nobody", node.host.lab().publish("check_anycast_node")?);
    check.args([
        "-H",
        SERVICE4,
        "--identity",
        "dns:anycast.test",
        "--node",
        "wix1",
        "--daemon",
        &router.option(),
    ]);
    let seen = node.host.lab().run(check)?;
    assert_eq!(seen.code, Some(3), "{}", seen.stdout);
    assert!(
        seen.stdout.contains("not allowed to open") && seen.stdout.contains("[E-PERMISSION]"),
        "{}",
        seen.stdout
    );
    Ok(())
}

/// A router that hears a neighbour: what the authorisations say of its paths, and that they are stale once it has died with
/// graceful restart.
fn listens(node: &Node, kind: &str) -> Result<()> {
    let _cache = node.host.rtr(&routers::AUTHORISED)?;
    let (router, more) = routers::listener(node, kind)?;
    let look = |prefix: &str, code: i32, words: &[&str]| -> Result<()> {
        let options = ["--daemon", &router.option(), "--prefix", prefix, "-c", "1:", "-v"];
        let options = [&options[..], &more].concat();
        let mut seen = node.host.lab().check("check_anycast_fleet", &options)?;
        let begin = std::time::Instant::now();
        let wanted = |seen: &weir_lab::Outcome| {
            seen.code == Some(code) && words.iter().all(|w| seen.stdout.contains(w))
        };
        // Session, cache and validation each take their time.
        while !wanted(&seen) && begin.elapsed() < std::time::Duration::from_secs(30) {
            std::thread::sleep(std::time::Duration::from_millis(200));
            seen = node.host.lab().check("check_anycast_fleet", &options)?;
        }
        assert!(wanted(&seen), "{kind}: wanted {code} and {words:?}: {seen:?}");
        Ok(())
    };
    look(
        "203.0.113.0/24",
        2,
        &["203.0.113.0/24 by ", "(AS path 64500): the ROA does not allow it [E-FLEET-ROA]"],
    )?;
    look("198.51.100.0/24", 0, &["198.51.100.0/24 is announced by 1"])?;
    node.upstream.kill()?;
    look(
        "198.51.100.0/24",
        2,
        &["is kept from before a graceful restart [E-BGP-STALE]", "[E-FLEET-ANNOUNCERS]"],
    )?;
    // On a node the session tells it; only version 3 of GoBGP does not say it of sessions.
    let told = if kind == "gobgp3" {
        "so 192.0.2.0/24 is not announced on it"
    } else {
        "kept from before a graceful restart"
    };
    let options = ["-H", SERVICE4, "--identity", "dns:anycast.test", "--node", "wix1", "--daemon"];
    let seen =
        node.host.lab().check("check_anycast_node", &[&options[..], &[router.option().as_str()]].concat())?;
    assert!(seen.stdout.contains(told), "{kind}: {seen:?}");
    Ok(())
}

#[test]
fn bird_2_and_its_neighbour() -> Result<()> {
    let Some(node) = Node::for_test(&["rpki"])? else { return Ok(()) };
    listens(&node, "bird")
}

#[test]
fn frr_8_and_its_neighbour() -> Result<()> {
    let Some(node) = Node::for_test(&["frr", "rpki"])? else { return Ok(()) };
    listens(&node, "frr8")
}

#[test]
fn gobgp_3_and_its_neighbour() -> Result<()> {
    let Some(node) = Node::for_test(&["gobgp", "rpki"])? else { return Ok(()) };
    listens(&node, "gobgp3")
}

#[test]
fn bird_3_and_its_neighbour() -> Result<()> {
    let Some(node) = forky(&["rpki"])? else { return Ok(()) };
    listens(&node, "bird")
}

#[test]
fn frr_10_and_its_neighbour() -> Result<()> {
    let Some(node) = forky(&["frr", "rpki"])? else { return Ok(()) };
    listens(&node, "frr10")
}

#[test]
fn gobgp_4_and_its_neighbour() -> Result<()> {
    let Some(node) = forky(&["gobgp", "rpki"])? else { return Ok(()) };
    listens(&node, "gobgp4")
}

/// GoBGP's API by a unix socket: what the file's rights allow, and what a dead or hanging daemon looks like.
#[test]
fn gobgp_by_its_unix_socket() -> Result<()> {
    let Some(node) = Node::for_test(&["gobgp", "users"])? else { return Ok(()) };
    let router = routers::gobgp(&node)?;
    let option = format!("gobgp:{}", router.socket().display());
    node.expect(&option, &[], 0, &["192.0.2.0/24 announced on 1 of 1 session"])?;
    let both = ["--session", "10.0.1.1", "--session", "2001:db8:101::1"];
    node.expect(&option, &both, 0, &["192.0.2.0/24 announced on 1 of 1 session"])?;
    node.expect(
        &option,
        &["--session", "10.0.1.9"],
        1,
        &["no session that carries 192.0.2.0/24 named 10.0.1.9"],
    )?;
    let mut check = node.host.lab().command_as("nobody", node.host.lab().publish("check_anycast_node")?);
    check.args(["-H", SERVICE4, "--identity", "dns:anycast.test", "--node", "wix1", "--daemon", &option]);
    let seen = node.host.lab().run(check)?;
    assert_eq!(seen.code, Some(3), "{}", seen.stdout);
    assert!(seen.stdout.contains("[E-PERMISSION]"), "{}", seen.stdout);
    router.pause()?;
    node.expect(&option, &[], 3, &["the daemon hangs", "[E-NO-DATA]"])?;
    router.kill()?;
    node.expect(&option, &[], 1, &["the daemon has died", "[E-BGP-DAEMON]"])?;
    node.expect("gobgp", &[], 1, &["the daemon has died", "[E-BGP-DAEMON]"])?;
    // A name server speaks no HTTP/2.
    node.expect("gobgp:192.0.2.53:53", &[], 3, &["this is no GoBGP", "[E-NO-DATA]"])
}

#[test]
fn a_daemon_that_was_killed_leaves_a_socket_and_is_named() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let router = routers::bird(&node)?;
    router.kill()?;
    node.expect(&router.option(), &[], 1, &["the daemon has died", "[E-BGP-DAEMON]"])
}

#[test]
fn a_daemon_that_hangs_is_unknown_within_the_deadline() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let router = routers::bird(&node)?;
    router.pause()?;
    node.expect(&router.option(), &[], 3, &["the daemon hangs", "answers as wix1"])
}

#[test]
fn a_foreign_name_behind_the_own_address_is_dead() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let router = routers::bird(&node)?;
    node.expect(
        &router.option(),
        &["--node", "ape1"],
        2,
        &["DNS 53 answers as `wix1`, not as ape1", "[E-ANYCAST-DEAD]"],
    )
}

/// A route that clashes with the route to its own gateway: the kernel refuses it, BIRD marks it `!`, and answers to clients
/// do not find their way although everything else is well.
#[test]
fn a_route_that_the_kernel_refused_is_critical() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let router = routers::bird_that_loses_its_gateway(&node)?;
    node.expect(
        &router.option(),
        &["--reach", "2001:db8:c::10"],
        2,
        &["the kernel does not have the route 2001:db8:c::/64 by up6", "[E-ROUTE-KERNEL]"],
    )?;
    node.expect(&router.option(), &[], 0, &["OK"])
}

#[test]
fn a_neighbour_that_restarts_leaves_stale_routes() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let router = routers::bird(&node)?;
    node.upstream.kill()?;
    router.until("show protocols", "Active")?;
    node.expect(
        &router.option(),
        &[],
        1,
        &["routes of up4 kept from before a graceful restart", "[E-BGP-STALE]", "[E-BGP-DOWN]"],
    )
}

#[test]
fn a_long_hold_time_without_bfd_can_be_limited() -> Result<()> {
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let router = routers::bird(&node)?;
    node.expect(
        &router.option(),
        &["-w", "hold=5"],
        1,
        &["hold time is 9.00 s, expected at most 5.00 s", "[E-BGP-HOLD]"],
    )
}

/// What calls itself GoBGP and is not: silent, no HTTP/2, an answer that heeds no window and has no end, one that is no protobuf.
#[test]
fn a_hostile_api_is_unknown_within_the_deadline() -> Result<()> {
    use std::io::{Read, Write};
    let Some(node) = Node::for_test(&[])? else { return Ok(()) };
    let frame = |kind: u8, flags: u8, stream: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], body].concat()
    };
    // SETTINGS, then HEADERS with :status 200 from the static table.
    let begin = [frame(4, 0, 0, &[]), frame(1, 4, 1, &[0x88])].concat();
    let flood = frame(0, 0, 1, &[0; 16_000]);
    let broken =
        [begin.clone(), frame(0, 0, 1, b"\0\0\0\0\x01\xff"), frame(1, 5, 1, b"\0\x0bgrpc-status\x010")]
            .concat();
    let cases: [(&str, Vec<u8>, Vec<u8>); 4] = [
        ("the daemon hangs", Vec::new(), Vec::new()),
        ("this is no GoBGP", b"220 mail.example ESMTP\r\n".to_vec(), Vec::new()),
        ("this is no GoBGP", begin, flood),
        ("GoBGP's answer is broken at byte 0", broken, Vec::new()),
    ];
    for (words, first, then) in cases {
        let server = node.host.lab().serve(move |client| {
            let mut answer = || -> std::io::Result<()> {
                client.write_all(&first)?;
                while !then.is_empty() {
                    client.write_all(&then)?;
                }
                // Until the client goes.
                while client.read(&mut [0; 4096])? > 0 {}
                Ok(())
            };
            let _ = answer();
        })?;
        let daemon = format!("gobgp:{}", server.address());
        node.expect(&daemon, &[], 3, &[words, "[E-NO-DATA]", "v4_announced=U", "answers as wix1"])?;
    }
    Ok(())
}
