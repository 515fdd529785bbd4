//! `check_rtp` and why nothing comes: two hosts with several wires between them, as root and as a user without rights.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use support::{critical, ok, unknown};
use weir_lab::anycast::{End, Host, wire};
use weir_lab::{Clip, Lab, Outcome, Result, together, wait_until};

/// A sender and a receiver, joined by three wires: over the third the sender's addresses are not where the receiver routes them.
struct Network {
    sender: Host,
    receiver: Host,
}

fn network() -> Result<Network> {
    let (sender, receiver) = (Host::new("sender")?, Host::new("receiver")?);
    for (number, there) in [(1, 1), (2, 2), (3, 9)] {
        let own = [format!("10.0.{number}.1/24"), format!("2001:db8:{number}::1/64")];
        let other = [format!("10.0.{there}.2/24"), format!("2001:db8:{there}::2/64")];
        let names = [format!("s{number}"), format!("r{number}")];
        wire(
            &End(&sender, &names[0], &[&own[0], &own[1]]),
            &End(&receiver, &names[1], &[&other[0], &other[1]]),
            None,
        )?;
    }
    for (host, route) in [
        (&sender, "route replace 239.1.0.0/16 dev s1"),
        (&sender, "route replace 239.9.0.0/16 dev s3"),
        (&sender, "route replace ff05::101/128 dev s1 table local"),
        // Where a receiver that was set up in a hurry looks.
        (&receiver, "route replace 224.0.0.0/4 dev r2"),
    ] {
        host.ip(route)?;
    }
    host_setting(&sender, "net.ipv4.ip_forward=0")?;
    // Before the kernel has noticed the link, what is sent there is dropped without a word, membership reports too.
    for (host, names) in [(&sender, ["s1", "s2", "s3"]), (&receiver, ["r1", "r2", "r3"])] {
        for name in names {
            wait_until("a link", Duration::from_secs(30), || {
                host.ip(&format!("link show {name}")).is_ok_and(|seen| seen.contains("state UP"))
            })?;
        }
    }
    Ok(Network { sender, receiver })
}

fn host_setting(host: &Host, setting: &str) -> Result<()> {
    let mut sysctl = host.lab().command("sysctl");
    sysctl.args(["-qw", setting]);
    host.lab().run(sysctl).map(drop)
}

/// The check as root, or as somebody without rights.
fn rtp(host: &Host, root: bool, arguments: &[&str]) -> Result<Outcome> {
    let lab = host.lab();
    if root {
        return lab.check("check_rtp", arguments);
    }
    let mut command = lab.command_as("nobody", lab.dir().join("bin/check_rtp"));
    command.args(arguments);
    lab.run(command)
}

#[test]
fn why_nothing_comes_is_found_out() -> Result<()> {
    let needs = ["namespace", "ffmpeg", "nft"];
    if Lab::for_test(&needs).is_none() {
        return Ok(());
    }
    let Network { sender, receiver } = network()?;
    receiver.lab().publish("check_rtp")?;
    let _senders = [
        sender.lab().ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.1.2.3:5000?pkt_size=1316&ttl=4")?,
        sender.lab().ffmpeg_sender(Clip::VideoTs, "rtp_mpegts", "rtp://[ff05::101]:5004")?,
        sender.lab().ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.9.9.9:5000?pkt_size=1316&ttl=4")?,
    ];
    let (root, nobody) = (true, false);
    let cases: [(bool, &[&str], i32, &[&str]); 14] = [
        (root, &["udp://239.1.2.3:5000", "--interface", "r1"], 0, &["from 10.0.1.1 on r1", "TTL 4"]),
        (nobody, &["udp://239.1.2.3:5000", "--interface", "10.0.1.2"], 0, &["from 10.0.1.1 on r1"]),
        (nobody, &["udp://10.0.1.1@239.1.2.3:5000", "--interface", "r1"], 0, &["from 10.0.1.1 on r1"]),
        (root, &["rtp://[ff05::101%r1]:5004"], 0, &["on r1"]),
        (
            root,
            &["udp://239.1.2.3:5000"],
            2,
            &["E-MCAST-INTERFACE", "on r2 within", "from 10.0.1.1 to port 5000 on r1"],
        ),
        (
            nobody,
            &["udp://239.1.2.3:5000"],
            2,
            &["E-MCAST-INTERFACE", "from 10.0.1.1 to port 5000 on r1", "CAP_NET_RAW"],
        ),
        (
            root,
            &["rtp://[2001:db8:1::9]@[ff05::101]:5004", "--interface", "r1"],
            2,
            &["E-MCAST-SOURCE", "from 2001:db8:1::1 to port 5004"],
        ),
        (
            root,
            &["rtp://[ff05::101]:5004", "--interface", "r2"],
            2,
            &["E-MCAST-INTERFACE", "port 5004 on r1"],
        ),
        (
            root,
            &["udp://10.0.1.9@239.1.2.3:5000", "--interface", "r1"],
            2,
            &["E-MCAST-SOURCE", "10.0.1.9 sends none"],
        ),
        (
            nobody,
            &["udp://239.1.2.3:5000", "--source", "10.0.1.9", "--interface", "r1"],
            2,
            &["E-MCAST-SOURCE", "from 10.0.1.1"],
        ),
        (root, &["udp://239.1.2.3:5001", "--interface", "r1"], 2, &["E-MCAST-PORT", "to port 5000 on r1"]),
        (
            nobody,
            &["udp://239.1.2.3:5001", "--interface", "r1"],
            2,
            &["E-MCAST-SILENT", "for which nobody here listens"],
        ),
        (
            root,
            &["udp://239.1.7.7:5000", "--interface", "r1"],
            2,
            &["E-MCAST-SILENT", "the membership report left by r1", "r2, r3 either"],
        ),
        // Without a filter what comes the wrong way round is heard.
        (root, &["udp://239.9.9.9:5000", "--interface", "r3"], 0, &["from 10.0.3.1 on r3"]),
    ];
    let seen = together(cases, |(root, arguments, ..)| {
        rtp(&receiver, root, &[arguments, &["-v", "--watch", "2"][..]].concat())
    })?;
    for (seen, (_, arguments, code, words)) in seen.iter().zip(cases) {
        match code {
            0 => ok(seen, words),
            _ => critical(seen, words),
        }
        assert!(seen.took.as_secs() < 10, "{arguments:?} took {:?}", seen.took);
    }

    // Without time to see a report leave, nobody says that it did not. Alone, as so little time is lost in a crowd.
    let hasty = ["udp://239.1.8.8:5000", "--interface", "r1", "-t", "2.2", "-v", "--watch", "2"];
    critical(&rtp(&receiver, root, &hasty)?, &["E-MCAST-SILENT"]);

    // What this host itself does, one after the other: its counters are one for all.
    for setting in ["net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.r3.rp_filter=1"] {
        host_setting(&receiver, setting)?;
    }
    let filtered = together([root, nobody], |who| {
        rtp(&receiver, who, &["udp://239.9.9.9:5000", "--interface", "r3", "-v"])
    })?;
    for seen in &filtered {
        critical(seen, &["E-MCAST-RPF", "rp_filter 1, strict"]);
    }
    host_setting(&receiver, "net.ipv4.conf.all.rp_filter=0")?;
    let firewall = receiver.lab().drop_packets("udp dport 5000")?;
    let run = |who| rtp(&receiver, who, &["udp://239.1.2.3:5000", "--interface", "r1", "-v"]);
    let walled = together([root, nobody], run)?;
    critical(
        &walled[0],
        &["E-MCAST-FIREWALL", "from 10.0.1.1 to port 5000 on r1 (TTL 4) were seen on the wire"],
    );
    critical(&walled[1], &["E-MCAST-SILENT", "perhaps its firewall"]);
    assert!(firewall.dropped()? > 0);
    firewall.lift();
    let mut nft = receiver.lab().command("nft");
    nft.arg("add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o ip protocol igmp drop");
    assert_eq!(receiver.lab().run(nft)?.code, Some(0));
    critical(
        &rtp(&receiver, root, &["udp://239.1.7.7:5000", "--interface", "r1"])?,
        &["E-MCAST-MEMBERSHIP", "next: look for a firewall"],
    );
    // Where somebody else has joined already no report is due, so a missing one proves nothing.
    let _other = receiver.lab().enter(|| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.join_multicast_v4(&"239.1.6.6".parse().unwrap(), &"10.0.1.2".parse().unwrap())?;
        Ok(socket)
    })??;
    critical(
        &rtp(&receiver, root, &["udp://239.1.6.6:5000", "--interface", "r1"])?,
        &["E-MCAST-SILENT", "the kernel lists the membership"],
    );
    sender.ip("link set s2 down")?;
    wait_until("no link", Duration::from_secs(30), || {
        receiver.ip("link show r2").is_ok_and(|seen| !seen.contains("state UP"))
    })?;
    unknown(
        &rtp(&receiver, root, &["udp://239.1.5.5:5000", "--interface", "r2"])?,
        &["E-MCAST-JOIN", "the interface has no link"],
    );
    receiver.ip("link set r2 down")?;
    unknown(
        &rtp(&receiver, root, &["udp://239.1.2.3:5000", "--interface", "r2"])?,
        &["E-MCAST-JOIN", "the interface is down"],
    );
    Ok(())
}
