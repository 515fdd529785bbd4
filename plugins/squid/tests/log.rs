//! `check_squid_log` and `squid_sites_` on the logs of a real Squid.
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use weir_lab::{Lab, Nginx, Outcome, Result, Squid};

fn platform(lab: &Lab) -> Result<(Nginx, Squid)> {
    let nginx = lab
        .nginx()
        .with("location /c/ { add_header Cache-Control 'max-age=600'; }")
        .with("location /n/ { add_header Cache-Control 'no-store'; }")
        .start()?;
    nginx.write("/c/news/1", "c".repeat(20_000))?;
    nginx.write("/n/1", "n".repeat(10_000))?;
    let squid = lab.squid().origin(nginx.port()).start()?;
    Ok((nginx, squid))
}

fn check(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    let state = lab.dir().display().to_string();
    lab.check("check_squid_log", &[&["--state-dir", &state, "--output", "json"], arguments].concat())
}

/// `"name": ..., "value": N` of the JSON output.
fn value(outcome: &Outcome, name: &str) -> f64 {
    let key = format!("\"{name}\"");
    let at = outcome.stdout.find(&key).unwrap_or_else(|| panic!("no {name} in {}", outcome.stdout));
    let after = outcome.stdout[at..].split_once("\"value\":").unwrap().1.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-')).unwrap();
    after[..end].parse().unwrap_or_else(|_| panic!("{name} is {after}"))
}

#[test]
fn every_format_and_rotation_counts_the_same_requests() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let (_nginx, squid) = platform(&lab)?;
    squid.visit("news.example", &["/c/news/1", "/c/news/1", "/c/news/1", "/n/1"])?;
    squid.visit("vod.example", &["/n/1", "/gone"])?;
    squid.manager("info")?;
    let format = "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %un %Sh/%<a %mt \"%{Host}>h\"";
    for (file, format) in [("access.log", "squid"), ("combined.log", "combined"), ("weir.log", format)] {
        let file = squid.file(file).display().to_string();
        let outcome = check(&lab, &[&file, "--format", format])?;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
        assert_eq!(value(&outcome, "requests"), 6.0, "{file}: {}", outcome.stdout);
        assert_eq!(value(&outcome, "news.example_hit_ratio"), 50.0);
        assert_eq!(value(&outcome, "vod.example_status_4xx"), 50.0);
    }
    // Squid's own rotation, then compression, then more requests: what is new is counted, once.
    squid.visit("news.example", &["/c/news/1", "/c/news/1"])?;
    squid.rotate()?;
    let gzip = lab.command("gzip").arg(squid.file("access.log.0")).status()?;
    assert!(gzip.success());
    squid.visit("news.example", &["/c/news/1"])?;
    let log = squid.file("access.log").display().to_string();
    let outcome = check(&lab, &[&log])?;
    assert_eq!(
        (value(&outcome, "requests"), value(&outcome, "hit_ratio")),
        (3.0, 100.0),
        "{}",
        outcome.stdout
    );
    assert_eq!(value(&check(&lab, &[&log])?, "requests"), 0.0);
    Ok(())
}

#[test]
fn a_channel_that_misses_is_named() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx"]) else { return Ok(()) };
    let (_nginx, squid) = platform(&lab)?;
    squid.visit("live.example", &["/c/news/1", "/c/news/1", "/c/news/1", "/n/1", "/n/1", "/n/1", "/n/1"])?;
    let sites = lab.dir().join("sites");
    fs::write(&sites, "news  live.example/c/news/*\nrest  *.example\n")?;
    let (log, sites) = (squid.file("access.log").display().to_string(), sites.display().to_string());
    let wish = ["--sites", &sites, "--min-requests", "3", "-c", "10:", "--output", "nagios"];
    let outcome = lab.check("check_squid_log", &[&[&log, "--whole"], &wish[..]].concat())?;
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("rest: request hit ratio is 0.0 %"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("E-SQUID-HITS") && outcome.stdout.contains("news_hit_ratio=66.6"),
        "{}",
        outcome.stdout
    );
    Ok(())
}

#[test]
fn a_log_that_cannot_be_read_is_unknown_and_a_wrong_format_is_said() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let gone = check(&lab, &["/nonexistent/access.log"])?;
    assert!(gone.code == Some(3) && gone.stdout.contains("E-SQUID-LOG"), "{}", gone.stdout);
    let log = lab.dir().join("access.log");
    fs::write(&log, "this is no log\n")?;
    let wrong = check(&lab, &["--whole", &log.display().to_string()])?;
    assert!(wrong.code == Some(1) && wrong.stdout.contains("E-SQUID-LOG-FORMAT"), "{}", wrong.stdout);
    Ok(())
}

#[test]
fn munin_draws_the_sites_of_a_file() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx", "munin"]) else { return Ok(()) };
    let (_nginx, squid) = platform(&lab)?;
    let sites = lab.dir().join("sites");
    fs::write(&sites, "news live.example/c/news/*\n")?;
    let conf = format!(
        "[squid_sites_*]\nuser proxy\nenv.log {}\nenv.sites {}\n",
        squid.file("access.log").display(),
        sites.display()
    );
    let binary = Path::new(env!("CARGO_BIN_EXE_squid_sites_"));
    let munin = lab.munin().plugin("squid_sites_local", binary).config(&conf).start()?;
    assert!(munin.config("squid_sites_local")?.contains("news_hit_ratio.label news request hit ratio"));
    munin.fetch("squid_sites_local")?;
    squid.visit("live.example", &["/c/news/1", "/c/news/1", "/c/news/1", "/c/news/1"])?;
    munin.update()?;
    assert_eq!(munin.last_value("squid_sites_local", "news_hit_ratio")?, "75");
    Ok(())
}
