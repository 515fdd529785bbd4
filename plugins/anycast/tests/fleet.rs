//! The fleet as a border router hears it, and as the nodes report it; a hijacker that announces a part, and one that spoofs the
//! origin.

mod common;

use std::fs;

use common::topology::Topology;
use common::{SERVICE4, SERVICE6};
use weir_lab::Result;
use weir_lab::anycast::{End, Host, wire};

const HIJACKER: &str = "
neighbor 10.0.9.1 {
  router-id 10.0.9.2; local-address 10.0.9.2; local-as 64666; peer-as 64500; hold-time 9;
  family { ipv4 unicast; }
}
";

#[test]
fn hijacks_are_seen_and_the_fleet_is_counted() -> Result<()> {
    let Some(net) = Topology::for_test(&["exabgp", "munin"])? else { return Ok(()) };
    reports(&net)?;
    drawn(&net)?;
    let bad = Host::new("bad")?;
    let _wire =
        wire(&End(&net.router_host, "w9", &["10.0.9.1/30"]), &End(&bad, "u9", &["10.0.9.2/30"]), None)?;
    let hijacker = bad.exabgp(HIJACKER)?;
    let bird = format!("bird:{}", net.router.socket().display());
    let look = |more: &[&str]| {
        let options = [
            "--daemon",
            &bird,
            "--prefix",
            "192.0.2.0/24",
            "--prefix",
            "2001:db8:53::/48",
            "--roa-table",
            "roa4t",
        ];
        let options = [
            &options[..4],
            &options[6..],
            &["--origin", "64511", "--upstream", "64501", "-c", "2:", "-w", "3:"],
            more,
        ];
        net.router_host.lab().check("check_anycast_fleet", &options.concat())
    };
    look(&[])?.expect(
        0,
        &["192.0.2.0/24 is announced by 3: ape4, tr4, wix4", "announcers=3", "specifics=0", "length=2"],
    );

    net.router.until("show protocols bad4", "Established")?;
    hijacker.tell("announce route 192.0.2.0/25 next-hop self")?;
    net.router.until("show route 192.0.2.0/25", "bad4")?;
    look(&[])?.expect(
        2,
        &[
            "192.0.2.0/25 is a part of 192.0.2.0/24, announced by bad4 (AS path 64666)",
            "[E-FLEET-SPECIFIC]",
            "192.0.2.0/25 by bad4 (AS path 64666): the ROA does not allow it",
            "[E-FLEET-ROA]",
            "announcers=3",
        ],
    );
    // A user in that half of the prefix reaches nobody who is known.
    hijacker.tell("withdraw route 192.0.2.0/25 next-hop self")?;
    net.router.until_gone("show route 192.0.2.0/25", "bad4")?;

    hijacker.tell("announce route 192.0.2.0/24 next-hop self as-path [ 64666 64511 ]")?;
    net.router.until("show route 192.0.2.0/24", "bad4")?;
    let spoofed = look(&[])?;
    spoofed
        .expect(2, &["AS 64666 is no allowed upstream", "[E-FLEET-UPSTREAM]", "announcers=3", "foreign=1"]);
    assert!(
        !spoofed.stdout.contains("E-FLEET-ROA"),
        "the ROA is valid for a spoofed origin: {}",
        spoofed.stdout
    );
    hijacker.tell("withdraw route 192.0.2.0/24 next-hop self as-path [ 64666 64511 ]")?;
    net.router.until_gone("show route 192.0.2.0/24", "bad4")?;

    net.wix.tell("disable anycast4")?;
    net.sfo.tell("global rib del 192.0.2.0/24")?;
    net.router.until_gone("show route 192.0.2.0/24", "wix4")?;
    net.router.until_gone("show route 192.0.2.0/24", "tr4")?;
    look(&[])?.expect(2, &["192.0.2.0/24 is announced by only 1: ape4", "[E-FLEET-ANNOUNCERS]"]);
    views_of_other_daemons(&net)
}

/// Munin on the border router: who answers, and how many announce, from one plugin; a real master stores it.
fn drawn(net: &Topology) -> Result<()> {
    let nodes = "--node wix1=203.0.113.1 --node ape1=203.0.113.2 --node sfo1=203.0.113.3";
    let config = format!(
        "[anycast_*]\nuser root\nenv.options -H {SERVICE4} --identity dns:www.anycast.test {nodes}\n\
         env.fleet --daemon bird:{} --prefix 192.0.2.0/24 --prefix 2001:db8:53::/48 -c 2:\n",
        net.router.socket().display()
    );
    let plugin = weir_lab::bin("anycast_")?;
    let munin = net.router_host.lab().munin().plugin("anycast_dns", &plugin).config(&config).start()?;
    let described = munin.config("anycast_dns")?;
    for line in ["multigraph anycast_dns.announcers", "_192_0_2_0_24_announcers.critical 2:"] {
        assert!(described.contains(line), "no `{line}` in {described}");
    }
    let values = munin.dirty_config("anycast_dns")?;
    for line in
        ["wix1_share.value 100", "alive.value 3", "_192_0_2_0_24_announcers.value 3", "changes.value 0"]
    {
        assert!(values.contains(line), "no `{line}` in {values}{}", munin.log());
    }
    munin.update()?;
    for (graph, field, wanted) in [
        ("anycast_dns", "wix1_share", "100"),
        ("anycast_dns-announcers", "_192_0_2_0_24_announcers", "3"),
        ("anycast_dns-announcers", "_2001_db8_53___48_announcers", "3"),
    ] {
        assert_eq!(munin.last_value(graph, field)?, wanted, "{graph} {field}");
    }
    Ok(())
}

/// Each node runs its check and pushes the file.
fn reports(net: &Topology) -> Result<()> {
    let folder = net.client.lab().dir().join("reports");
    fs::create_dir_all(&folder)?;
    let daemons = [
        (&net.wix_host, "wix1", format!("bird:{}", net.wix.socket().display())),
        (&net.ape_host, "ape1", format!("frr:{}", net.ape.folder().display())),
        (&net.sfo_host, "sfo1", "gobgp".to_owned()),
    ];
    for (host, node, daemon) in &daemons {
        let options = ["-H", SERVICE4, "-H", SERVICE6, "--identity", "dns:www.anycast.test", "--node", node];
        let seen = host.lab().check(
            "check_anycast_node",
            &[&options[..], &["--daemon", daemon, "--output", "json"]].concat(),
        )?;
        assert_eq!(seen.code, Some(0), "{}", seen.stdout);
        fs::write(folder.join(format!("{node}.json")), seen.stdout)?;
    }
    let folder_option = folder.display().to_string();
    let look = |more: &[&str]| {
        let options =
            ["--reports", &folder_option, "--prefix", "192.0.2.0/24", "--node", "wix1,ape1,sfo1", "-c", "2:"];
        net.client.lab().check("check_anycast_fleet", &[&options[..], more].concat())
    };
    look(&[])?.expect(0, &["192.0.2.0/24 is announced by 3: ape1, sfo1, wix1", "announcers=3"]);
    // Reports that are old count as unknown, not as withdrawn.
    for node in ["wix1", "ape1"] {
        let file = fs::File::options().append(true).open(folder.join(format!("{node}.json")))?;
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(1000))?;
    }
    look(&[])?
        .expect(3, &["the report of wix1 is 100", "s old, more than 180 s", "[E-FLEET-OLD]", "announcers=U"]);
    look(&["--node", "lax1"])?.expect(3, &["lax1 has never reported"]);
    Ok(())
}

/// FRR and GoBGP as the router that is asked; each knows its own route and nothing else here, which is no announcement heard.
fn views_of_other_daemons(net: &Topology) -> Result<()> {
    let frr = format!("frr:{}", net.ape.folder().display());
    let options = ["--prefix", "198.51.100.0/24", "-c", "1:", "--origin", "64500", "--daemon"];
    let seen = net.ape_host.lab().check("check_anycast_fleet", &[&options[..], &[frr.as_str()]].concat())?;
    seen.expect(0, &["198.51.100.0/24 is announced by 1: 10.0.2.1", "length=1"]);
    let seen = net.sfo_host.lab().check("check_anycast_fleet", &[&options[..], &["gobgp"]].concat())?;
    seen.expect(0, &["198.51.100.0/24 is announced by 1: 10.0.4.1", "length=2"]);
    Ok(())
}
