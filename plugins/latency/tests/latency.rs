//! Round trips over a wire whose delay, jitter and loss are known, by every way of measuring and with and without rights.

use std::process::Command;

use weir_lab::anycast::{End, Host, NameServer, Wire, wire};
use weir_lab::{Lab, Outcome, Result};

const NEAR: &str = "198.51.100.1";
const FAR: &str = "198.51.100.2";
const FAR6: &str = "2001:db8:7::2";

struct Path {
    near: Host,
    far: Host,
    wire: Wire,
    _lab: Lab,
}

impl Path {
    /// 20 ms of round trip.
    fn for_test(more: &[&str]) -> Result<Option<Self>> {
        let Some(lab) = Lab::for_test(&[&["namespace", "delay"], more].concat()) else { return Ok(None) };
        let (near, far) = (Host::new("near")?, Host::new("far")?);
        let wire = wire(
            &End(&near, "n0", &["198.51.100.1/24", "2001:db8:7::1/64"]),
            &End(&far, "f0", &["198.51.100.2/24", "2001:db8:7::2/64"]),
            Some(10.0),
        )?;
        Ok(Some(Self { near, far, wire, _lab: lab }))
    }

    fn look(&self, more: &[&str]) -> Result<Outcome> {
        let folder = self.near.lab().dir().display().to_string();
        self.near.lab().check("check_latency", &options(more, &folder))
    }

    fn expect(&self, more: &[&str], code: i32, words: &[&str]) -> Result<()> {
        self.look(more)?.expect(code, words);
        Ok(())
    }

    /// As a user without any right.
    fn as_nobody(&self, more: &[&str]) -> Result<Outcome> {
        let mut command: Command =
            self.near.lab().command_as("nobody", self.near.lab().publish("check_latency")?);
        command.args(options(more, "/nonexistent"));
        self.near.lab().run(command)
    }

    fn sysctl(&self, setting: &str) -> Result<()> {
        let mut command = self.near.lab().command("sysctl");
        command.args(["-qw", setting]);
        self.near.lab().run(command)?.expect(0, &[]);
        Ok(())
    }
}

fn options<'a>(more: &[&'a str], folder: &'a str) -> Vec<&'a str> {
    [&["--state-dir", folder, "-n", "10", "--interval", "0.05", "--patience", "0.5"], more].concat()
}

#[test]
fn round_trips_by_icmp_with_every_right() -> Result<()> {
    let Some(path) = Path::for_test(&[])? else { return Ok(()) };
    // Root without the group range: the raw socket.
    for target in [FAR, FAR6] {
        let seen = path.look(&["-H", target, "-w", "0.2"])?;
        seen.expect(0, &["10 of 10 answered by ICMP (raw socket)", "loss=0%"]);
        let median = seen.metric("median");
        assert!((0.020..0.450).contains(&median), "{}", seen.stdout);
    }
    // Nobody without any right: UDP, and it is said.
    let seen = path.as_nobody(&["-H", FAR, "-n", "3"])?;
    seen.expect(0, &["3 of 3 answered by UDP to a closed port"]);
    // Nobody in the range: the datagram socket.
    path.sysctl("net.ipv4.ping_group_range=0 2147483647")?;
    for target in [FAR, FAR6] {
        path.as_nobody(&["-H", target])?.expect(0, &["10 of 10 answered by ICMP |"]);
    }
    Ok(())
}

#[test]
fn loss_jitter_and_delay_are_what_the_wire_does() -> Result<()> {
    let Some(path) = Path::for_test(&[])? else { return Ok(()) };
    path.expect(
        &["-H", FAR, "-w", "0.001"],
        1,
        &["median is ", "expected at most 1.0 ms", "[E-PATH-LATENCY]"],
    )?;
    path.wire.set(5.0, 40.0, 0.0)?;
    path.expect(&["-H", FAR, "-w", "jitter=0.002"], 1, &["jitter is ", "[E-PATH-JITTER]"])?;
    path.wire.set(5.0, 0.0, 0.5)?;
    // Three of four round trips die; less than 30 % or all of forty is one in ten thousand.
    let lossy = ["-H", FAR, "-n", "40", "--interval", "0.02", "-c", "loss=30"];
    path.expect(&lossy, 2, &["[E-PATH-LOSS]", "median=0."])?;
    path.wire.set(5.0, 0.0, 1.0)?;
    path.expect(
        &["-H", FAR],
        2,
        &["none of 10 probes was answered", "[E-PATH-UNREACHABLE]", "loss=100%", "median=U"],
    )?;
    path.expect(&["-H", "203.0.113.9"], 2, &["no way to 203.0.113.9", "[E-NET-UNREACHABLE]"])
}

#[test]
fn a_step_and_steady_loss_are_told_below_the_thresholds() -> Result<()> {
    let Some(path) = Path::for_test(&[])? else { return Ok(()) };
    let quick = [
        "-H",
        FAR,
        "-n",
        "3",
        "--interval",
        "0.01",
        "--steady-loss",
        "0",
        "-w",
        "loss=100",
        "-c",
        "loss=100",
    ];
    for _ in 0..6 {
        path.expect(&quick, 0, &["3 of 3"])?;
    }
    path.wire.set(60.0, 0.0, 0.0)?;
    path.expect(&quick, 0, &[])?;
    path.expect(&quick, 0, &[])?;
    path.expect(&quick, 1, &["round trips rose from ", "and stayed so for 3 runs", "[E-PATH-STEP]"])?;

    path.wire.set(1.0, 0.0, 0.4)?;
    let lossy = [
        "-H",
        FAR6,
        "-n",
        "40",
        "--interval",
        "0.005",
        "--step",
        "0",
        "--steady-loss",
        "2",
        "-w",
        "loss=100",
        "-c",
        "loss=100",
    ];
    path.expect(&lossy, 0, &[])?;
    path.expect(&lossy, 1, &["each of the last 2 runs has lost probes", "[E-PATH-LOSS]"])
}

#[test]
fn services_are_measured_by_their_own_protocol() -> Result<()> {
    let Some(path) = Path::for_test(&["nginx", "knot"])? else { return Ok(()) };
    let web = path.far.lab().nginx().start()?;
    let _names = path.far.names(NameServer::Knot, "far", &[FAR, FAR6])?;
    let (tcp, http) = (format!("tcp:{}", web.port()), format!("http:/@{}", web.port()));
    path.expect(&["-H", FAR, "--probe", &tcp], 0, &["10 of 10 answered by TCP"])?;
    path.expect(&["-H", FAR6, "--probe", &http], 0, &["10 of 10 answered by HTTP"])?;
    path.expect(&["-H", FAR, "--probe", "dns:anycast.test"], 0, &["10 of 10 answered by DNS 53"])?;
    path.expect(
        &["-H", FAR, "--probe", "tcp:1"],
        2,
        &["198.51.100.2:1 refuses connections", "[E-TCP-REFUSED]"],
    )?;
    // HTTP is two round trips: the handshake and the request.
    let seen = path.look(&["-H", FAR, "--probe", &http])?;
    assert!(seen.metric("median") > 0.040, "{}", seen.stdout);
    Ok(())
}

#[test]
fn every_address_of_a_name() -> Result<()> {
    let Some(path) = Path::for_test(&[])? else { return Ok(()) };
    path.near.lab().hosts(&[
        ("media.example", FAR),
        ("media.example", "198.51.100.77"),
        ("media.example", FAR6),
    ])?;
    path.expect(&["-H", "media.example"], 0, &["10 of 10"])?;
    let label = "media.example_198.51.100.2_median=0.";
    path.expect(
        &["-H", "media.example", "--addresses", "all"],
        2,
        &[label, "media.example (198.51.100.77): none of 10 probes"],
    )?;
    path.expect(&["-H", "media.example", "--addresses", "2"], 1, &["[E-PATH-UNREACHABLE]"])?;
    path.expect(&["-H", "media.example", "-H", NEAR], 0, &["198.51.100.1_median=0."])
}

#[test]
fn the_graph_draws_the_same_numbers() -> Result<()> {
    let Some(path) = Path::for_test(&[])? else { return Ok(()) };
    let link = path.near.lab().dir().join(format!("latency_{FAR}"));
    std::os::unix::fs::symlink(path.near.lab().publish("latency_")?, &link)?;
    let run = |argument: &str| {
        let mut command = path.near.lab().command(&link);
        command.arg(argument).env("options", "-n 5 --interval 0.02 --state-dir /nonexistent");
        path.near.lab().run(command)
    };
    run("config")?.expect(
        0,
        &[
            "multigraph latency_198_51_100_2",
            "graph_title 198.51.100.2: round trip",
            "p90.label 90th percentile",
        ],
    );
    let seen = run("")?;
    seen.expect(0, &["median.value ", "loss.value 0", "multigraph latency_198_51_100_2.jitter"]);
    path.wire.set(1.0, 0.0, 1.0)?;
    run("")?.expect(0, &["median.value U", "loss.value 100"]);
    Ok(())
}

/// The processes that gather for a link.
fn gatherers(link: &str) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let wanted = format!("{link}\0acquire\0");
    numbers
        .filter(|pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted)
        })
        .collect()
}

/// A real node: its plugin runs have a moment, the probes come from a process between them.
#[test]
fn probes_are_spread_over_the_time_between_fetches() -> Result<()> {
    let Some(path) = Path::for_test(&["munin"])? else { return Ok(()) };
    path.sysctl("net.ipv4.ping_group_range=0 2147483647")?;
    // A name that no other test has, so that its process can be found.
    let link = format!("latency_far{}", std::process::id());
    let config =
        format!("[latency_*]\nenv.options -H {FAR} -n 10 --interval 0.5 --patience 0.28\nenv.spread 3\n");
    let node = path.near.lab().munin().plugin(&link, &weir_lab::bin("latency_")?).config(&config).start()?;
    let (second, minute) = (std::time::Duration::from_secs(1), std::time::Duration::from_mins(1));
    // A busy machine adds to round trips and loses some: what is wanted comes when it calms down.
    let number = |text: &str, field: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(&format!("{field}.value "))?.parse().ok())
    };
    let until = |what: &str, wanted: &dyn Fn(Option<f64>, Option<f64>) -> bool| {
        let seen =
            || node.fetch(&link).is_ok_and(|text| wanted(number(&text, "median"), number(&text, "loss")));
        weir_lab::wait_until(what, minute, seen)
    };
    // Nothing has been gathered yet: the first run probes by itself, which takes 4.5 s here.
    let fetched = node.fetch(&link)?;
    assert!(number(&fetched, "median").is_some_and(|ms| ms >= 20.0), "{fetched}{}", node.log());
    let first = gatherers(&link);
    assert_eq!(first.len(), 1, "one process gathers: {}", node.log());
    weir_lab::wait_until("a run that needs no time of its own", minute, || {
        let began = std::time::Instant::now();
        node.fetch(&link).is_ok_and(|text| number(&text, "median").is_some()) && began.elapsed() < second * 2
    })?;
    let described = node.dirty_config(&link)?;
    assert!(number(&described, "p90").is_some_and(|ms| ms >= 20.0), "{described}{}", node.log());
    // What happens between fetches is seen.
    path.wire.set(60.0, 0.0, 0.0)?;
    until("the slower wire", &|median, _| median.is_some_and(|ms| ms >= 120.0))?;
    path.wire.set(10.0, 0.0, 1.0)?;
    until("total loss", &|median, loss| loss == Some(100.0) && median.is_none())?;
    path.wire.set(10.0, 0.0, 0.0)?;
    until("the wire as it was", &|median, loss| loss == Some(0.0) && median.is_some_and(|ms| ms < 100.0))?;
    assert_eq!(gatherers(&link), first, "still the same process");
    // One that was killed is replaced by the next fetch.
    let kill = format!("kill -KILL {}", first[0]);
    let mut command = path.near.lab().command("sh");
    command.args(["-c", &kill]);
    path.near.lab().run(command)?.expect(0, &[]);
    weir_lab::wait_until("its end", minute, || gatherers(&link).is_empty())?;
    node.fetch(&link)?;
    assert_eq!(gatherers(&link).len(), 1, "{}", node.log());
    // Nobody asks any more.
    weir_lab::wait_until("the end of the process that nobody needs", minute, || gatherers(&link).is_empty())
}

#[test]
fn probes_fill_the_time_that_they_are_given() -> Result<()> {
    let Some(path) = Path::for_test(&[])? else { return Ok(()) };
    let options =
        ["-H", FAR, "-n", "10", "--spread", "2", "--patience", "0.5", "--state-dir", "/nonexistent"];
    let seen = path.near.lab().check("check_latency", &options)?;
    seen.expect(0, &["10 of 10"]);
    let took = seen.took.as_secs_f64();
    assert!((1.8..8.0).contains(&took), "nine intervals of 0.2 s: {took}");
    let seen = path.near.lab().check("check_latency", &["-H", FAR, "--spread", "50"])?;
    seen.expect(3, &["10 probes every 5.00 s", "do not fit into the timeout of 10.0 s"]);
    Ok(())
}
