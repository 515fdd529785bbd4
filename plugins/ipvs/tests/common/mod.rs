//! Guests for the tests of this family, and tables to compare.
#![allow(clippy::unwrap_used, dead_code, reason = "each test file uses some of it")]

use std::fmt::Write as _;

use weir_lab::{Guest, Lab, ReleaseRoot, Result};
use weir_wire::ip_vs::{Stats, ipvsadm};

/// Runs `script` in a guest, with the checks of this build as `$CHECK`, `$VIP` and `$GRAPH` and the folder `guest` as `$GUEST`;
/// it ends at the first command that fails.
pub(crate) fn guest(root: Option<&ReleaseRoot>, script: &str) -> Result<Option<(Lab, Guest)>> {
    let Some(lab) = Lab::for_test(&["uml", "ipvs"]) else { return Ok(None) };
    let folder = lab.dir().join("guest");
    std::fs::create_dir_all(&folder)?;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest"))? {
        let file = file?;
        std::fs::copy(file.path(), folder.join(file.file_name()))?;
    }
    let mut start = format!("set -e\nGUEST={}\n", folder.display());
    for (name, binary) in [("CHECK", "check_ipvs"), ("VIP", "check_vip"), ("GRAPH", "ipvs_")] {
        if let Ok(path) = lab.publish(binary) {
            writeln!(start, "{name}={}", path.display()).unwrap();
        }
    }
    let mut uml = lab.uml();
    if let Some(root) = root {
        uml = uml.release(root.clone());
    }
    let guest = uml.run(&(start + script))?;
    Ok(Some((lab, guest)))
}

/// The root of a release whose kernel has the IPVS of 7.x; `None` where it may not be fetched.
pub(crate) fn newer_kernel() -> Result<Option<ReleaseRoot>> {
    if Lab::for_test(&["uml", "ipvs", "release-root", "namespace"]).is_none() {
        return Ok(None);
    }
    let packages = [
        "user-mode-linux",
        "ipvsadm",
        "iproute2",
        "kmod",
        "bash",
        "coreutils",
        "mount",
        "util-linux",
        "procps",
        "grep",
        "sed",
        "python3",
        "libcap2-bin",
        "keepalived",
        "ldirectord",
    ];
    ReleaseRoot::new("forky", &packages).map(Some)
}

/// That the guest wrote all of `words` into a file.
pub(crate) fn says(guest: &Guest, name: &str, words: &[&str]) -> Result<()> {
    let text = guest.file(name)?;
    for word in words {
        assert!(text.contains(word), "{name} lacks `{word}`: {text}");
    }
    Ok(())
}

/// The lines about services and servers in what `check_ipvs --output human -v` prints, sorted.
pub(crate) fn table_of(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut service = String::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("  ")) {
        let kind = line.split(' ').next().unwrap_or_default();
        if line.starts_with("  ") && line.contains(" active ") {
            lines.push(format!("{service} -> {}", line.trim()));
        } else if ["TCP", "UDP", "SCTP", "FWM"].contains(&kind) && !line.contains(": ") {
            line.clone_into(&mut service);
            lines.push(service.clone());
            service = service.split(" conns ").next().unwrap_or_default().to_owned();
        }
    }
    lines.sort();
    lines
}

/// The same lines from what `ipvsadm -Ln` and `ipvsadm -Ln --stats --exact` printed.
pub(crate) fn printed(counts: &str, stats: Option<&str>) -> Vec<String> {
    let stats = stats.map(|text| ipvsadm::listing(text).unwrap());
    let mut lines = Vec::new();
    for service in ipvsadm::listing(counts).unwrap() {
        let same = stats.as_ref().map(|all| all.iter().find(|s| s.key == service.key).unwrap());
        // What /proc does not tell is not compared: the time of persistence.
        let persistence = service
            .persistence
            .map(|p| if stats.is_some() { format!(" {p}") } else { format!(" persistent /{}", p.prefix) });
        let name = format!("{} {}{}", service.key, service.scheduler, persistence.unwrap_or_default());
        lines.push(format!("{name}{}", counters(same.and_then(|s| s.stats.as_ref()))));
        for dest in &service.dests {
            let stats = same.and_then(|s| s.dest(dest.address())).and_then(|d| d.told().stats.as_ref());
            let (address, forward) = (dest.address(), dest.forward.name());
            let counts = format!("weight {} active {} inactive {}", dest.weight, dest.active, dest.inactive);
            lines.push(format!("{name} -> {address} {forward} {counts}{}", counters(stats)));
        }
    }
    lines.sort();
    lines
}

fn counters(stats: Option<&Stats>) -> String {
    stats.map_or_else(String::new, |s| {
        format!(
            " conns {} packets {}/{} bytes {}/{}",
            s.conns, s.in_packets, s.out_packets, s.in_bytes, s.out_bytes
        )
    })
}
