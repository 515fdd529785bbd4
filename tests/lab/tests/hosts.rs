//! The monitoring hosts of the lab: real Nagios, Icinga and Munin run a program and tell what they made of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use weir_lab::{Lab, Result};

/// An executable shell script where every user may run it.
fn script(lab: &Lab, name: &str, body: &str) -> Result<PathBuf> {
    let folder = lab.dir().join("scripts");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

const WARNING: &str = "echo \"DEMO WARNING: $1 and $(id -un) | 'lag'=1.5s;1;2;0\"; echo more; exit 1";

#[test]
fn nagios_tells_state_output_and_perfdata() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nagios4"]) else { return Ok(()) };
    let check = script(&lab, "check_demo", WARNING)?;
    let services = lab
        .nagios()
        .service("slow", &format!("{} 'two words'", check.display()))
        .service("ok", "/bin/echo fine")
        .run()?;
    assert_eq!(services["ok"].state, 0);
    let slow = &services["slow"];
    assert_eq!((slow.state, slow.output.as_str()), (1, "DEMO WARNING: two words and nagios"));
    assert_eq!((slow.perfdata.as_str(), slow.long_output.as_str()), ("'lag'=1.5s;1;2;0", "more"));
    Ok(())
}

#[test]
fn nagios_refuses_a_command_that_is_not_defined() {
    let Some(lab) = Lab::for_test(&["namespace", "nagios4"]) else { return };
    let commands = lab.dir().join("commands.cfg");
    fs::write(
        &commands,
        "define command {\n  command_name check_here\n  command_line $USER1$/check_here $ARG1$\n}\n",
    )
    .unwrap();
    let service = |command: &str| {
        format!(
            "define service {{\n  use weir-service\n  host_name lab\n  service_description s\n  check_command {command}\n}}\n"
        )
    };
    lab.nagios().config(&commands).objects(&service("check_here!x")).verify().unwrap();
    let problem = lab.nagios().config(&commands).objects(&service("check_gone!x")).verify().unwrap_err();
    assert!(problem.to_string().contains("check_gone"), "{problem}");
}

#[test]
fn icinga2_tells_state_output_and_perfdata() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "icinga2"]) else { return Ok(()) };
    let check = script(&lab, "check_demo", WARNING)?;
    let services = lab.icinga2().service("slow", &check, &["two \"words\" $x$"]).run()?;
    let slow = &services["slow"];
    assert_eq!((slow.state, slow.output.as_str()), (1, "DEMO WARNING: two \"words\" $x$ and nagios"));
    assert!(slow.perfdata.contains("lag") && slow.perfdata.contains("1.5"), "{}", slow.perfdata);
    Ok(())
}

#[test]
fn icinga2_refuses_a_check_command_that_is_not_defined() {
    let Some(lab) = Lab::for_test(&["namespace", "icinga2"]) else { return };
    let service = |command: &str| {
        format!(
            "object Service \"s\" {{\n  import \"weir-service\"\n  host_name = \"lab\"\n  check_command = \"{command}\"\n}}\n"
        )
    };
    lab.icinga2().objects(&service("ping4")).verify().unwrap();
    let problem = lab.icinga2().objects(&service("check_gone")).verify().unwrap_err();
    assert!(problem.to_string().contains("check_gone"), "{problem}");
}

/// A wildcard plugin that knows every word of the protocol.
const GRAPH: &str = "
#%# family=auto
#%# capabilities=autoconf suggest
name=${0##*/}
case $1 in
autoconf) echo yes; exit ;;
suggest) echo alpha; echo beta; exit ;;
config) echo \"graph_title ${name#demo_}\"; echo graph_category streaming; echo lag.label lag
    [ \"$MUNIN_CAP_DIRTYCONFIG\" = 1 ] || exit 0 ;;
esac
echo lag.value $lag";

#[test]
fn munin_stores_the_value_that_the_plugin_gave() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "munin"]) else { return Ok(()) };
    let graph = script(&lab, "demo_", GRAPH)?;
    let munin = lab.munin().plugin("demo_live", &graph).config("[demo_*]\nenv.lag 77.25").start()?;
    assert_eq!(munin.list()?, ["demo_live"]);
    assert!(munin.config("demo_live")?.starts_with("graph_title live\n"));
    assert_eq!(munin.fetch("demo_live")?, "lag.value 77.25\n");
    assert!(munin.dirty_config("demo_live")?.ends_with("lag.label lag\nlag.value 77.25\n"));
    munin.update()?;
    assert_eq!(munin.last_value("demo_live", "lag")?, "77.25");
    let problem = munin.last_value("demo_live", "gone").unwrap_err().to_string();
    assert!(problem.contains("node.example-demo_live-lag-g.rrd"), "{problem}");
    Ok(())
}

#[test]
fn munin_node_configure_suggests_links() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "munin"]) else { return Ok(()) };
    let graph = script(&lab, "demo_", GRAPH)?;
    let links = lab.munin_suggestions(graph.parent().unwrap())?;
    assert!(links.contains("/demo_alpha") && links.contains("/demo_beta"), "{links}");
    Ok(())
}
