//! `check_squid` against real Squids: known mixes of hits and misses, and everything that breaks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::fs;

use weir_lab::{Lab, Nginx, Outcome, ReleaseRoot, Result, Squid, SquidBuilder};

/// Runs the check with a memory of the lab's own.
fn check(lab: &Lab, squid: &Squid, arguments: &[&str]) -> Result<Outcome> {
    let port = squid.port().to_string();
    let state = lab.dir().display().to_string();
    lab.check("check_squid", &[&["-p", &port, "--state-dir", &state], arguments].concat())
}

/// An origin with objects that may be cached (`/c/N`) and some that may not (`/n/N`), and a Squid before it.
fn origin(lab: &Lab) -> Result<Nginx> {
    let nginx = lab
        .nginx()
        .with("location /c/ { add_header Cache-Control 'max-age=600'; }")
        .with("location /n/ { add_header Cache-Control 'no-store'; }")
        .start()?;
    for n in 0..20 {
        nginx.write(&format!("/c/{n}"), "c".repeat(100_000))?;
        nginx.write(&format!("/n/{n}"), "n".repeat(100_000))?;
    }
    Ok(nginx)
}

fn paths(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("/{kind}/{n}")).collect()
}

fn visit(squid: &Squid, paths: &[String]) -> Result<()> {
    squid.visit("www.example", &paths.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Request ratio, byte ratio and count, worked out of the access log without manager requests.
fn from_log(squid: &Squid) -> (f64, f64, f64) {
    let log = fs::read_to_string(squid.file("access.log")).unwrap();
    let (mut requests, mut hits, mut bytes, mut hit_bytes) = (0.0, 0.0, 0.0, 0.0);
    for line in log.lines().filter(|line| !line.contains("/squid-internal-mgr/")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let size: f64 = words[4].parse().unwrap();
        let hit = words[3].contains("HIT") || words[3].contains("REFRESH_UNMODIFIED");
        (requests, bytes) = (requests + 1.0, bytes + size);
        if hit {
            (hits, hit_bytes) = (hits + 1.0, hit_bytes + size);
        }
    }
    (100.0 * hits / requests, 100.0 * hit_bytes / bytes, requests)
}

#[test]
fn ratios_since_the_last_run_are_those_of_the_access_log() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let squid = lab.squid();
    ratios_are_true(&lab, squid)
}

#[test]
fn the_same_holds_for_two_workers() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let squid = lab.squid().workers(2);
    ratios_are_true(&lab, squid)
}

#[test]
fn the_same_holds_for_squid_6() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx", "release-root"]) else { return Ok(()) };
    let squid = lab.squid().release(&ReleaseRoot::new("trixie", &["squid"])?);
    ratios_are_true(&lab, squid)
}

#[test]
fn the_same_holds_for_squid_7() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx", "release-root"]) else { return Ok(()) };
    let squid = lab.squid().release(&ReleaseRoot::new("forky", &["squid"])?);
    ratios_are_true(&lab, squid)
}

/// A known mix of hits and misses: what the check says is what the access log says, to 0.1 %.
fn ratios_are_true(lab: &Lab, squid: SquidBuilder) -> Result<()> {
    let nginx = origin(lab)?;
    let squid = squid.origin(nginx.port()).start()?;
    let first = check(lab, &squid, &["--window", "last", "-w", "uptime=0:"])?;
    assert_eq!(first.code, Some(0), "{}", first.stdout);
    // 20 misses, 60 hits, 20 misses that are never kept.
    for kind in ["c", "c", "n", "c", "c"] {
        visit(&squid, &paths(kind, 20))?;
    }
    let second = check(lab, &squid, &["--window", "last", "-w", "uptime=0:", "-c", "90:"])?;
    let (hits, bytes, requests) = from_log(&squid);
    // With two workers a few objects are fetched by both.
    assert!(requests == 100.0 && (45.0..=60.0).contains(&hits), "{hits} of {requests}");
    assert!((second.metric("hit_ratio") - hits).abs() < 0.1, "{}", second.stdout);
    // Squid counts bytes in KiB and cuts, which 100 answers of 100 kB do not feel.
    assert!((second.metric("byte_hit_share") - bytes).abs() < 0.1, "{bytes}: {}", second.stdout);
    assert!((second.metric("byte_hit_ratio") - bytes).abs() < 1.0, "{bytes}: {}", second.stdout);
    assert_eq!(second.code, Some(2));
    assert!(
        second.stdout.contains("E-SQUID-HITS") && second.stdout.contains("expected"),
        "{}",
        second.stdout
    );
    // Nothing since: no ratio, no alarm, whatever the threshold.
    let third = check(lab, &squid, &["--window", "last", "-w", "uptime=0:", "-c", "90:"])?;
    assert_eq!(third.code, Some(0), "{}", third.stdout);
    assert!(
        third.stdout.contains("hit_ratio=U") && third.stdout.contains("too little traffic"),
        "{}",
        third.stdout
    );
    Ok(())
}

#[test]
fn a_forward_proxy_s_ratios_are_those_of_its_access_log() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let nginx = origin(&lab)?;
    // What is never kept is larger, so that no ratio can pass for the other.
    for path in paths("n", 20) {
        nginx.write(&path, "n".repeat(300_000))?;
    }
    let squid = lab.squid().start()?;
    let wish = ["--window", "last", "-w", "uptime=0:"];
    let first = check(&lab, &squid, &wish)?;
    assert_eq!(first.code, Some(0), "{}", first.stdout);
    // 20 misses, 60 hits, 20 misses that are never kept.
    for kind in ["c", "c", "n", "c", "c"] {
        let urls: Vec<_> =
            paths(kind, 20).iter().map(|path| format!("http://127.0.0.1:{}{path}", nginx.port())).collect();
        squid.forward(&urls.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let second = check(&lab, &squid, &wish)?;
    assert_eq!(second.code, Some(0), "{}", second.stdout);
    let (hits, bytes, requests) = from_log(&squid);
    assert_eq!((hits, requests), (60.0, 100.0));
    // 60 of 140 answers' worth of 100 kB.
    assert!((bytes - 100.0 * 60.0 / 140.0).abs() < 0.1, "{bytes}");
    for (label, logged) in [("hit_ratio", hits), ("byte_hit_share", bytes), ("byte_hit_ratio", bytes)] {
        assert!((second.metric(label) - logged).abs() < 0.1, "{label}, {logged}: {}", second.stdout);
    }
    // As a proxy: each miss went straight to the host of its URL, and no peer had a part in it.
    let log = fs::read_to_string(squid.file("access.log"))?;
    assert_eq!(log.matches(" HIER_DIRECT/127.0.0.1 ").count(), 40, "{log}");
    Ok(())
}

#[test]
fn too_little_traffic_is_not_judged() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let nginx = origin(&lab)?;
    let squid = lab.squid().origin(nginx.port()).start()?;
    let wish = ["--window", "last", "-w", "uptime=0:", "-c", "90:"];
    check(&lab, &squid, &wish)?;
    visit(&squid, &paths("n", 5))?;
    let few = check(&lab, &squid, &wish)?;
    assert_eq!(few.code, Some(0), "{}", few.stdout);
    assert!(
        few.stdout.contains("too little traffic to judge") && few.stdout.contains("hit_ratio=0%"),
        "{}",
        few.stdout
    );
    visit(&squid, &paths("n", 5))?;
    let enough = check(&lab, &squid, &[&wish[..], &["--min-requests", "5"]].concat())?;
    assert_eq!(enough.code, Some(2), "{}", enough.stdout);
    Ok(())
}

#[test]
fn a_restart_is_seen() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid"]) else { return Ok(()) };
    let squid = lab.squid().start()?;
    let young = check(&lab, &squid, &[])?;
    assert_eq!(young.code, Some(1), "{}", young.stdout);
    assert!(young.stdout.contains("E-SQUID-RESTART"), "{}", young.stdout);
    Ok(())
}

#[test]
fn a_refused_manager_says_who_refuses() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let denied = lab.squid().before("http_access deny manager").start()?;
    let outcome = check(&lab, &denied, &[])?;
    assert_eq!(outcome.code, Some(3), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("E-SQUID-DENIED") && outcome.stdout.contains("http_access"),
        "{}",
        outcome.stdout
    );

    let locked = lab.squid().with("cachemgr_passwd s3cret info counters 5min").start()?;
    let outcome = check(&lab, &locked, &[])?;
    assert!(outcome.code == Some(3) && outcome.stdout.contains("E-SQUID-PASSWORD"), "{}", outcome.stdout);
    let (right, wrong) = (lab.dir().join("right"), lab.dir().join("wrong"));
    fs::write(&right, "s3cret\n")?;
    fs::write(&wrong, "guess\n")?;
    let outcome = check(&lab, &locked, &["--password-file", &wrong.display().to_string()])?;
    assert!(outcome.stdout.contains("refuses the password"), "{}", outcome.stdout);
    let outcome =
        check(&lab, &locked, &["--password-file", &right.display().to_string(), "-w", "uptime=0:", "-vvv"])?;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("s3cret") && !outcome.stdout.contains("czNjcmV0"), "{}", outcome.stdout);

    let nginx = lab.nginx().start()?;
    let other = lab.check("check_squid", &["-p", &nginx.port().to_string()])?;
    assert!(other.code == Some(2) && other.stdout.contains("E-SQUID-NOT"), "{}", other.stdout);
    Ok(())
}

#[test]
fn a_dead_origin_and_a_hung_squid_are_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid"]) else { return Ok(()) };
    let dead = lab.port();
    let squid = lab.squid().origin(dead).with("connect_timeout 1 seconds").start()?;
    let wish = ["--window", "last", "-w", "uptime=0:", "--min-requests", "10"];
    check(&lab, &squid, &wish)?;
    visit(&squid, &paths("c", 20))?;
    let outcome = check(&lab, &squid, &wish)?;
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("E-SQUID-NO-PARENT"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("E-SQUID-ERRORS"), "{}", outcome.stdout);
    squid.pause()?;
    let outcome = check(&lab, &squid, &["-t", "1"])?;
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("stage counters") && outcome.stdout.contains("E-SERVER-TIMEOUT"),
        "{}",
        outcome.stdout
    );
    Ok(())
}

#[test]
fn two_peers_at_one_address_stay_two() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let nginx = origin(&lab)?;
    let next = lab.squid().start()?;
    let silent = lab.port();
    let squid = lab
        .squid()
        .origin(nginx.port())
        .with(&format!(
            "cache_peer 127.0.0.1 sibling {} {} proxy-only name=next",
            next.port(),
            next.icp_port()
        ))
        .with(&format!("cache_peer 127.0.0.1 sibling {silent} {silent} proxy-only name=silent"))
        .with("dead_peer_timeout 1 seconds\nicp_query_timeout 100")
        .start()?;
    visit(&squid, &paths("n", 20))?;
    let outcome = check(&lab, &squid, &["-w", "uptime=0:", "--output", "json"])?;
    assert!(outcome.stdout.contains("next_icp_acked"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("silent_icp_acked"), "{}", outcome.stdout);
    // Squid takes its time until it holds a silent peer for dead.
    let mut said = String::new();
    let found = weir_lab::wait_until("the dead sibling", std::time::Duration::from_secs(15), || {
        let _ = visit(&squid, &paths("n", 5));
        said = check(&lab, &squid, &["-w", "uptime=0:"]).map(|outcome| outcome.stdout).unwrap_or_default();
        said.starts_with("SQUID WARNING") && said.contains("sibling silent (127.0.0.1:")
    });
    assert!(found.is_ok() && !said.contains("sibling next"), "{said}");
    Ok(())
}

#[test]
fn a_slow_origin_is_told_from_a_slow_cache() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid"]) else { return Ok(()) };
    let slow = lab.serve(|client| {
        use std::io::{Read, Write};
        let _ = client.read(&mut [0; 4096]);
        std::thread::sleep(std::time::Duration::from_millis(300));
        let _ =
            client.write_all(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nslow");
    })?;
    let squid = lab.squid().origin(slow.address().port()).start()?;
    visit(&squid, &paths("n", 10))?;
    // Squid works out its medians once a minute; the log knows at once.
    let log = squid.file("access.log").display().to_string();
    let outcome =
        lab.check("check_squid_log", &["--whole", &log, "--min-requests", "5", "-w", "miss_time=0.1"])?;
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("E-SQUID-SLOW-ORIGIN"), "{}", outcome.stdout);
    Ok(())
}

#[test]
fn exhausted_descriptors_and_a_full_disk_cache_are_found() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let nginx = origin(&lab)?;
    nginx.write("/c/big", "b".repeat(900_000))?;
    let squid = lab
        .squid()
        .origin(nginx.port())
        .disk(1)
        .descriptors(256)
        .with("maximum_object_size 1 MB\ncache_swap_low 100\ncache_swap_high 100\nmaximum_object_size_in_memory 1 KB")
        .start()?;
    squid.visit("www.example", &["/c/big"])?;
    // Idle clients hold descriptors.
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], squid.port()));
    let clients: Vec<_> = (0..130).map(|_| lab.connect(address)).collect::<Result<_>>()?;
    let wish = ["-w", "uptime=0:", "-c", "fds=60", "-c", "swap_used=50"];
    // Squid accepts clients and writes objects in its own time.
    let mut said = String::new();
    let found = weir_lab::wait_until("both findings", std::time::Duration::from_secs(15), || {
        said = check(&lab, &squid, &wish).map(|outcome| outcome.stdout).unwrap_or_default();
        said.starts_with("SQUID CRITICAL") && said.contains("E-SQUID-FDS") && said.contains("E-SQUID-DISK")
    });
    assert!(found.is_ok(), "{said}");
    drop(clients);
    Ok(())
}

#[test]
fn a_truncated_page_and_an_origin_s_page_are_not_believed() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let page = include_str!("../../../common/wire/testdata/squid/5.7-counters.txt");
    let answer =
        |body: &str| format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{body}").into_bytes();
    for (body, code, fault) in
        [(&page[..700], 3, "E-SQUID-TRUNCATED"), ("<html>It works</html>\n", 2, "E-SQUID-NOT")]
    {
        let server = lab.hostile(weir_lab::Hostile::Answer(answer(body)))?;
        let port = server.address().port().to_string();
        let outcome = lab.check("check_squid", &["-p", &port])?;
        assert_eq!(outcome.code, Some(code), "{}", outcome.stdout);
        assert!(outcome.stdout.contains(fault), "{}", outcome.stdout);
    }
    for kind in [weir_lab::Hostile::EndlessBody, weir_lab::Hostile::EndlessHeader, weir_lab::Hostile::Garbage]
    {
        let server = lab.hostile(kind)?;
        let outcome = lab.check("check_squid", &["-p", &server.address().port().to_string(), "-t", "3"])?;
        assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    }
    Ok(())
}

#[test]
fn snmp_tells_the_same_and_counts_nothing_of_ours() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let nginx = origin(&lab)?;
    let squid = lab.squid().origin(nginx.port()).before("http_access deny manager").start()?;
    let port = squid.snmp_port().to_string();
    // The manager is closed: auto goes on to SNMP.
    let wish = ["--snmp-port", &port, "-C", "public", "-w", "uptime=0:"];
    check(&lab, &squid, &wish)?;
    for kind in ["c", "c", "n", "c", "c"] {
        visit(&squid, &paths(kind, 20))?;
    }
    let outcome = check(&lab, &squid, &wish)?;
    let (hits, bytes, _) = from_log(&squid);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
    assert!((outcome.metric("hit_ratio") - hits).abs() < 0.1, "{hits}: {}", outcome.stdout);
    assert!((outcome.metric("byte_hit_ratio") - bytes).abs() < 1.0, "{bytes}: {}", outcome.stdout);
    assert!(
        outcome.stdout.contains("Squid 5.7") && outcome.stdout.contains("1 of 1 peers up"),
        "{}",
        outcome.stdout
    );
    let silent =
        check(&lab, &squid, &["--source", "snmp", "--snmp-port", &port, "-C", "wrong", "-t", "1.5"])?;
    assert!(silent.code == Some(2) && silent.stdout.contains("stage snmp"), "{}", silent.stdout);
    Ok(())
}

#[test]
fn the_old_way_of_asking_serves_too() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid"]) else { return Ok(()) };
    let squid = lab.squid().start()?;
    let outcome = check(&lab, &squid, &["--source", "cache-object", "-w", "uptime=0:"])?;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("Squid 5.7"), "{}", outcome.stdout);
    // The manager answers on every http_port, accelerator or not.
    for port in [squid.port(), squid.accel_port()] {
        let state = lab.dir().display().to_string();
        let wish = ["-p", &port.to_string(), "-w", "uptime=0:", "--state-dir", &state];
        let outcome = lab.check("check_squid", &wish)?;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
    }
    Ok(())
}
