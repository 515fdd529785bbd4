//! Squid: a cycle of Munin, and an access log.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use weir_lab::Lab;

use super::{Group, Started, row, started};
use crate::sh;

pub(super) const GROUPS: &[Group] =
    &[Group { name: "squid", binaries: &["squid_", "check_squid_log"], start: squid }];

/// What Munin's own five plugins for Squid do in one cycle of a node.
const MUNIN_CYCLE: &str =
    "for plugin in squid_cache squid_icp squid_objectsize squid_requests squid_traffic; do
    /usr/share/munin/plugins/$plugin config; /usr/share/munin/plugins/$plugin
done";
/// Requests, hits and bytes by host: a part of what `check_squid_log` counts.
const AWK: &str = "exec awk '{ split($7, u, \"/\"); n[u[3]]++; b[u[3]] += $5; if ($4 ~ /HIT|UNMODIFIED/) { h[u[3]]++; c[u[3]] += $5 } }
    END { for (s in n) print s, n[s], h[s], b[s], c[s] }' \"$1\"";
/// A real log, so many times: 60 MB.
const LOG_REPEATED: usize = 5000;

fn squid(lab: &Lab) -> Result<Started> {
    let folder = lab.dir();
    for (name, script) in [("munin-cycle", MUNIN_CYCLE), ("awk-by-host", AWK)] {
        fs::write(folder.join(name), format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755))?;
    }
    let log = fs::read(sh::root().join("common/wire/testdata/squid/5.7-access.log"))?;
    fs::write(folder.join("access.log"), log.repeat(LOG_REPEATED))?;
    let server = lab.squid().disk(10).start()?;
    let (port, folder) = (server.port(), folder.display());
    let rows = [
        row(
            "Squid, one cycle of Munin, config and values",
            format!("port={port} MUNIN_CAP_DIRTYCONFIG=1 MUNIN_PLUGSTATE={folder} squid_ config"),
            format!("squidport={port} {folder}/munin-cycle"),
        )
        .cpu(1.0 / 50.0),
        row(
            "Squid's access log, 60 MB",
            format!("check_squid_log --whole {folder}/access.log"),
            format!("{folder}/awk-by-host {folder}/access.log"),
        )
        .cpu(0.5),
    ];
    Ok(started(rows, server))
}
