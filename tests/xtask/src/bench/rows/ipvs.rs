//! The balancer: a director's kernel in a guest, with 10,000 real servers in two shapes: at rest, and with a connection in every
//! service, because a check asks for more where there is traffic.

use std::fmt::Write;
use std::fs;

use anyhow::Result;
use weir_lab::Lab;

use super::{Group, Started, row};

const BINARIES: &[&str] = &["check_ipvs", "ipvs_"];

pub(super) const GROUPS: &[Group] = &[
    Group { name: "ipvs-services", binaries: BINARIES, start: |lab| director(lab, 1000, 10) },
    Group { name: "ipvs-servers", binaries: BINARIES, start: |lab| director(lab, 10, 1000) },
    Group { name: "ipvs-services-in-use", binaries: BINARIES, start: |lab| in_use(lab, 1000, 10) },
    Group { name: "ipvs-servers-in-use", binaries: BINARIES, start: |lab| in_use(lab, 10, 1000) },
    Group { name: "ipvs-services-emulated", binaries: BINARIES, start: |lab| emulated(lab, 1000, 10) },
    Group { name: "ipvs-servers-emulated", binaries: BINARIES, start: |lab| emulated(lab, 10, 1000) },
];

/// The goal of issue 5: a quarter of the time of `ipvsadm -Ln`.
const QUARTER: f64 = 0.25;

/// Asks each service for a connection, whose packets go nowhere: nobody closes it.
const CLIENTS: &str = r#"
ip link add dummy0 type dummy; ip link set dummy0 up; ip address add 192.0.2.9/24 dev dummy0
ip route add 172.16.0.0/12 dev dummy0; ip route add local 10.0.0.0/8 dev lo
python3 - <<END &
import resource, socket, subprocess, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
clients = []
for line in subprocess.run(["ipvsadm", "-Sn"], capture_output=True, text=True).stdout.splitlines():
    if line.startswith("-A"):
        host, port = line.split()[2].split(":")
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((host, int(port)))
        clients.append(client)
open("ready", "w").close()
time.sleep(600)
END
until [ -e ready ]; do sleep 0.1; done
"#;

fn director(lab: &Lab, services: usize, servers: usize) -> Result<Started> {
    let mut rules = String::new();
    for service in 0..services {
        let service = format!("10.{}.{}.1:554", service / 250, service % 250);
        writeln!(rules, "-A -t {service} -s wlc")?;
        for server in 0..servers {
            writeln!(rules, "-a -t {service} -r 172.16.{}.{}:554 -m -w 1", server / 250, server % 250 + 1)?;
        }
    }
    let file = lab.dir().join("rules");
    fs::write(&file, rules)?;
    let ready = format!("load ip_vs ip_vs_wlc dummy\nipvsadm -R < {}\n", file.display());
    let shape = |what: &str| format!("{what}, {services} services x {servers} servers, in a guest");
    let rows = vec![
        row(shape("the table"), "check_ipvs", "ipvsadm -Ln").cpu(QUARTER),
        row(shape("every counter"), "check_ipvs --output json -v", "ipvsadm -Ln --stats --exact"),
        row(shape("graphs"), "MUNIN_PLUGSTATE=/run ipvs_ fetch", "ipvsadm -Ln --stats --exact"),
        row(shape("start-up"), "weir-noop", "ipvsadm --version"),
    ];
    Ok(Started { rows, inside: Some(ready), emulated: false, _servers: Box::new(()) })
}

fn in_use(lab: &Lab, services: usize, servers: usize) -> Result<Started> {
    let mut started = director(lab, services, servers)?;
    started.rows.truncate(1);
    for row in &mut started.rows {
        row.what.push_str(", in use");
    }
    started.inside = started.inside.map(|ready| ready + CLIENTS);
    Ok(started)
}

/// The same by a kernel as directors have it.
fn emulated(lab: &Lab, services: usize, servers: usize) -> Result<Started> {
    let mut started = director(lab, services, servers)?;
    for row in &mut started.rows {
        row.what.push_str(", a distribution's kernel");
    }
    Ok(Started { emulated: true, ..started })
}
