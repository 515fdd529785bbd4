//! The lab's own network: names, addresses, loss with an oracle, hostile servers, and that nothing outlives it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_lab::{Clip, Hostile, Lab, Process, Result, wait_until};

#[test]
fn labs_side_by_side_may_use_the_same_port() -> Result<()> {
    let Some(one) = Lab::for_test(&["namespace", "nginx", "curl"]) else { return Ok(()) };
    let two = Lab::new("the other")?;
    let (first, second) = (one.nginx().start()?, two.nginx().start()?);
    assert_eq!(first.port(), second.port());
    first.write("/who", "one")?;
    second.write("/who", "two")?;
    assert_eq!((one.get(&first.url("/who"))?, two.get(&second.url("/who"))?), ("one".into(), "two".into()));
    Ok(())
}

#[test]
fn names_are_those_of_the_lab() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "dnsmasq"]) else { return Ok(()) };
    let look_up = |name: &str| -> Result<String> {
        let mut getent = lab.command("getent");
        getent.args(["ahosts", name]);
        Ok(lab.run(getent)?.stdout)
    };
    lab.hosts(&[("two.example", "192.0.2.1"), ("two.example", "192.0.2.2")])?;
    let two = look_up("two.example")?;
    assert!(two.contains("192.0.2.1") && two.contains("192.0.2.2"), "{two}");
    let dns = lab.dns(&[("six.example", "2001:db8::1")])?;
    assert!(look_up("six.example")?.contains("2001:db8::1"));
    assert_eq!(look_up("missing.example")?, "");
    assert!(dns.questions("missing.example") > 0);
    Ok(())
}

#[test]
fn a_silent_name_server_leaves_the_client_waiting() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let _silent = lab.silent_dns()?;
    let mut getent = lab.command("timeout");
    getent.args(["2", "getent", "ahosts", "any.example"]);
    assert_eq!(lab.run(getent)?.code, Some(124));
    Ok(())
}

#[test]
fn the_rules_counter_knows_every_lost_packet_and_spares_rtcp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nft"]) else { return Ok(()) };
    let rule = lab.lose_every_nth_rtp(10)?;
    let (media, reports) = lab.enter(|| -> std::io::Result<(u64, u64)> {
        let (from, to) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        to.set_read_timeout(Some(Duration::from_millis(200)))?;
        for n in 0..100_u8 {
            from.send_to(&[0x80, 96, 0, n, 0, 0, 0, 0, 0, 0, 0, 0], to.local_addr()?)?;
            from.send_to(&[0x80, 200, 0, 6], to.local_addr()?)?;
        }
        let (mut media, mut reports, mut packet) = (0, 0, [0; 64]);
        while let Ok(length) = to.recv(&mut packet) {
            if length == 12 { media += 1 } else { reports += 1 }
        }
        Ok((media, reports))
    })??;
    assert_eq!((media, reports), (90, 100));
    assert_eq!(rule.dropped()?, 10);
    rule.lift();
    Ok(())
}

#[test]
fn a_black_hole_neither_refuses_nor_answers() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nft"]) else { return Ok(()) };
    let hole = lab.black_hole("192.0.2.66")?;
    let connect = |address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        lab.enter(|| TcpStream::connect_timeout(&address, Duration::from_millis(300)).unwrap_err().kind())
    };
    assert_eq!(connect("192.0.2.66:80")?, std::io::ErrorKind::TimedOut);
    assert_eq!(connect("192.0.2.67:80")?, std::io::ErrorKind::ConnectionRefused);
    assert!(hole.dropped()? > 0);
    Ok(())
}

/// The first bytes (64 KiB at most, two seconds at most) that a hostile server sends to a GET.
fn first_bytes(lab: &Lab, kind: Hostile) -> Result<std::io::Result<Vec<u8>>> {
    let server = lab.hostile(kind)?;
    let mut client = lab.connect(server.address())?;
    client.set_read_timeout(Some(Duration::from_secs(2)))?;
    client.write_all(b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n")?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while seen.len() < 65_536 {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => seen.extend_from_slice(&buffer[..length]),
            Err(end) => return Ok(if seen.is_empty() { Err(end) } else { Ok(seen) }),
        }
    }
    Ok(Ok(seen))
}

#[test]
fn hostile_servers_do_what_their_names_say() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let kind = |error: std::io::Result<Vec<u8>>| error.map_err(|error| error.kind());
    assert_eq!(kind(first_bytes(&lab, Hostile::Silent)?), Err(std::io::ErrorKind::WouldBlock));
    assert_eq!(kind(first_bytes(&lab, Hostile::Reset)?), Err(std::io::ErrorKind::ConnectionReset));
    let text = |kind: Hostile| -> Result<String> {
        Ok(String::from_utf8_lossy(&first_bytes(&lab, kind)??).into_owned())
    };
    let dripped = text(Hostile::Drip(Duration::from_millis(1)))?;
    assert!(dripped.ends_with("\r\n\r\nhello"), "{dripped}");
    assert!(text(Hostile::EndlessHeader)?.lines().count() > 1000);
    assert!(text(Hostile::EndlessLine)?.lines().count() == 2);
    assert_eq!(text(Hostile::EndlessBody)?.len() / 65_536, 1);
    assert!(text(Hostile::ShortBody)?.ends_with("Content-Length: 1000\r\n\r\n#EXTM3U\n"));
    assert!(text(Hostile::RedirectLoop)?.contains("Location: /again\r\n"));
    assert!(text(Hostile::RedirectTo("file:///etc/passwd".into()))?.contains("Location: file:///etc/passwd"));
    assert!(text(Hostile::HugePlaylist)?.matches("#EXTINF").count() > 500);
    assert!(text(Hostile::GzipBomb)?.contains("Content-Encoding: gzip"));
    assert!(text(Hostile::Shoutcast)?.contains("StreamTitle='Artist - Cafe 'n' Title';"));
    assert!(text(Hostile::RtspRedirect("rtsp://b.example/".into()))?.contains("Location: rtsp://b.example/"));
    assert_eq!(text(Hostile::Answer(b"SSH-2.0-x\r\n".to_vec()))?, "SSH-2.0-x\r\n");
    let refusing = lab.hostile(Hostile::Refuse)?;
    assert!(lab.connect(refusing.address()).is_err());
    Ok(())
}

#[test]
fn a_silent_rtsp_server_plays_nothing_to_an_unrelated_client() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.hostile(Hostile::RtspSilent)?;
    let mut ffprobe = lab.command("timeout");
    ffprobe.args([
        "3",
        "ffprobe",
        "-loglevel",
        "debug",
        "-rtsp_transport",
        "tcp",
        &server.url("rtsp", "/live"),
    ]);
    let outcome = lab.run(ffprobe)?;
    assert!(outcome.stderr.contains("hello state=0"), "PLAY was answered: {}", outcome.stderr);
    assert_eq!(outcome.code, Some(124), "and then nothing came: {}", outcome.stderr);
    Ok(())
}

#[test]
fn nothing_is_left_after_a_lab() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let source = icecast.source("live.mp3", Clip::Tone)?;
    // A daemon that leaves its process group, as munin-node and icinga2 do.
    let mut stray = lab.command("setsid");
    stray.args(["--fork", "sleep", "1000"]).stdout(Stdio::null()).stderr(Stdio::null());
    stray.status()?;
    let name = lab.dir().file_name().unwrap().to_str().unwrap().to_owned();
    let pids = members(&name);
    assert_eq!(pids.len(), 3, "server, source and stray");
    let dir = lab.dir().to_owned();
    drop((source, icecast, lab));
    assert!(!Path::new("/run/netns").join(&name).exists() && !Path::new("/etc/netns").join(&name).exists());
    assert!(!dir.exists());
    assert_eq!(alive(&pids), Vec::<&String>::new());
    Ok(())
}

#[test]
fn nothing_is_left_after_a_killed_test() -> Result<()> {
    let Some(_lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()?;
    let name = format!("weir-{}-0", victim.id());
    wait_until("the victim's server", Duration::from_secs(10), || !members(&name).is_empty())?;
    let pids = members(&name);
    victim.kill()?;
    victim.wait()?;
    let namespace = Path::new("/run/netns").join(&name);
    wait_until("the end of the namespace", Duration::from_secs(10), || !namespace.exists())?;
    assert_eq!(alive(&pids), Vec::<&String>::new());
    std::fs::remove_dir_all(std::env::temp_dir().join(&name))?;
    Ok(())
}

#[test]
fn remains_of_a_test_whose_guard_was_killed_too_are_swept() -> Result<()> {
    let Some(_lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let name = "weir-4194305-0"; // above the kernel's largest pid: surely dead
    assert!(Command::new("ip").args(["netns", "add", name]).status()?.success());
    let sleep = ["netns", "exec", name, "setsid", "--fork", "sleep", "1000"];
    assert!(Command::new("ip").args(sleep).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success());
    let pids = members(name);
    drop(Lab::new("sweeper")?);
    assert_eq!(alive(&pids), Vec::<&String>::new());
    assert!(!Path::new("/run/netns").join(name).exists());
    Ok(())
}

#[test]
#[ignore = "killed by nothing_is_left_after_a_killed_test"]
fn victim() {
    let lab = Lab::new("victim").unwrap();
    let mut sleep = lab.command("sleep");
    sleep.arg("1000");
    let _sleep = Process::start(&lab, "sleep", sleep).unwrap();
    std::thread::sleep(Duration::from_secs(50));
}

/// Processes that live in a namespace.
fn members(namespace: &str) -> Vec<String> {
    let out = Command::new("ip")
        .args(["netns", "pids", namespace])
        .output()
        .map(|out| out.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
}

/// Those that still run. An ended one whose parent has not asked for it yet (state Z, proc(5)) does not.
fn alive(pids: &[String]) -> Vec<&String> {
    let runs = |pid: &&String| {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    pids.iter().filter(runs).collect()
}
