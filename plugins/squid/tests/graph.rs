//! `squid_` as a real Munin runs it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use weir_lab::{Lab, Result};

const BINARY: &str = env!("CARGO_BIN_EXE_squid_");

#[test]
fn a_master_stores_ratios_and_peers_of_a_real_squid() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "nginx", "munin"]) else { return Ok(()) };
    let nginx = lab.nginx().with("add_header Cache-Control 'max-age=600';").start()?;
    nginx.write("/a", "a".repeat(5000))?;
    let sibling = format!("cache_peer 127.0.0.1 sibling {} {} proxy-only name=next", lab.port(), lab.port());
    let squid = lab.squid().origin(nginx.port()).with(&sibling).disk(20).start()?;
    let link = format!("squid_{}", squid.port());
    let munin = lab.munin().plugin(&link, Path::new(BINARY)).start()?;
    let config = munin.config(&link)?;
    assert!(config.starts_with(&format!("multigraph {link}\ngraph_title")), "{config}");
    assert!(!config.contains(".peers\n"), "config asks nobody: {config}");
    munin.fetch(&link)?;
    // One miss, three hits, since then.
    squid.visit("www.example", &["/a", "/a", "/a", "/a"])?;
    munin.update()?;
    assert_eq!(munin.last_value(&link, "hit_ratio")?, "75");
    assert_eq!(munin.last_value(&format!("{link}-requests"), "hits")?, "3");
    // The second run knows the peers that the first has seen; both live at one address.
    let values = munin.fetch(&link)?;
    assert!(
        values.contains("\norigin_fetches.value 1\n") && values.contains("\nnext_up.value 0\n"),
        "{values}"
    );
    assert!(values.contains("_swap_used.value 0."), "{values}");
    Ok(())
}

#[test]
fn a_dead_squid_is_unknown_and_no_bad_exit() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "munin"]) else { return Ok(()) };
    let munin = lab.munin().plugin("squid_1", Path::new(BINARY)).start()?;
    let values = munin.fetch("squid_1")?;
    assert!(values.contains("hit_ratio.value U\n"), "{values}");
    let direct = lab.run({
        let mut command = lab.command(BINARY);
        command.env("port", "1");
        command
    })?;
    assert!(direct.code == Some(0) && direct.stderr.contains("E-TCP-REFUSED"), "{}", direct.stderr);
    Ok(())
}

#[test]
fn old_names_continue_the_files_of_munin_s_own_plugins() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid", "munin"]) else { return Ok(()) };
    let squid = lab.squid().start()?;
    let conf = format!("[squid_*]\nenv.port {}\nenv.munin_names 1\n", squid.port());
    let munin = lab
        .munin()
        .plugin("squid_local", Path::new(BINARY))
        .config(&conf.replace("[squid_*]", "[squid_*]\nenv.host 127.0.0.1"))
        .start()?;
    munin.update()?;
    assert!(munin.last_value("squid_requests", "requests").is_ok());
    assert!(munin.last_value("squid_cache", "Maximum").is_ok());
    Ok(())
}

#[test]
fn a_local_squid_is_found_and_suggested() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "squid"]) else { return Ok(()) };
    let squid = lab.squid().start()?;
    let ask = |argument: &str| {
        let mut command = lab.command(BINARY);
        command.arg(argument).env("squid_conf", squid.file("squid.conf"));
        lab.run(command)
    };
    assert_eq!(ask("suggest")?.stdout, format!("{}\n{}\n", squid.port(), squid.accel_port()));
    assert_eq!(ask("autoconf")?.stdout, "yes\n");
    squid.stop()?;
    let dead = ask("autoconf")?.stdout;
    assert!(dead.starts_with("no (") && dead.contains("refuses connections"), "{dead}");
    Ok(())
}
