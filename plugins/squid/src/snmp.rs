//! Squid's SNMP agent as a source: requests to it are not counted as requests to the cache.
//!
//! Numbers are those of Squid's MIB (`src/mib.txt`), the same since 2.6. It has no clock and no interval of its own; ratios come from the
//! difference to the last run.

use std::net::SocketAddr;

use weir_contract::{Problem, fault};
use weir_probe::Probe;
use weir_probe::snmp::Agent;
use weir_wire::snmp::Value;
use weir_wire::squid::{Counters, Info, Pair, Peer, Role};

use crate::measure::Report;

/// `enterprises.nlanr`; `squid` is 1 below it.
const NLANR: [u32; 7] = [1, 3, 6, 1, 4, 1, 3495];
/// `cachePeerEntry` and its columns: name, address, HTTP port, type, state, pings sent, pings acked, fetches.
const PEERS: [u32; 4] = [1, 5, 1, 3];
const PEER_COLUMNS: [u32; 8] = [2, 4, 5, 7, 8, 9, 10, 11];
/// `cacheProtoAggregateStats` by service: all, misses, hits, DNS, near hits; then the ratios.
const MEDIANS: [u32; 7] = [2, 3, 5, 8, 11, 9, 10];

/// Scalars by their place below [`NLANR`], in the order in which [`scalars`] reads them.
const SCALARS: [&[u32]; 20] = [
    &[1, 1, 1, 0],        // cacheSysVMsize, KiB of objects in memory
    &[1, 1, 2, 0],        // cacheSysStorage, KiB of objects on disk
    &[1, 1, 3, 0],        // cacheUptime, 1/100 s
    &[1, 2, 3, 0],        // cacheVersionId
    &[1, 2, 5, 1, 0],     // cacheMemMaxSize, MiB
    &[1, 2, 5, 2, 0],     // cacheSwapMaxSize, MiB
    &[1, 3, 1, 5, 0],     // cacheCpuUsage, %
    &[1, 3, 1, 7, 0],     // cacheNumObjCount
    &[1, 3, 1, 10, 0],    // cacheCurrentUnusedFDescrCnt
    &[1, 3, 1, 11, 0],    // cacheCurrentResFileDescrCnt
    &[1, 3, 1, 12, 0],    // cacheCurrentFileDescrCnt
    &[1, 3, 2, 1, 1, 0],  // cacheProtoClientHttpRequests
    &[1, 3, 2, 1, 2, 0],  // cacheHttpHits
    &[1, 3, 2, 1, 3, 0],  // cacheHttpErrors
    &[1, 3, 2, 1, 4, 0],  // cacheHttpInKb
    &[1, 3, 2, 1, 5, 0],  // cacheHttpOutKb
    &[1, 3, 2, 1, 10, 0], // cacheServerRequests
    &[1, 3, 2, 1, 11, 0], // cacheServerErrors
    &[1, 3, 2, 1, 12, 0], // cacheServerInKb
    &[1, 3, 2, 1, 15, 0], // cacheClients
];

fn below(place: &[u32]) -> Vec<u32> {
    [&NLANR[..], place].concat()
}

/// Reads what the agent knows into `report`.
///
/// # Errors
/// Those of SNMP; what came before is in the report.
pub(crate) async fn measure(
    probe: &Probe,
    address: SocketAddr,
    community: &str,
    report: &mut Report,
) -> Result<(), Problem> {
    let mut agent = Agent::new(probe, address, community).await?;
    let places: Vec<Vec<u32>> = SCALARS.iter().map(|place| below(place)).collect();
    let values = agent.get(&places).await?;
    scalars(&values, report).ok_or_else(|| {
        Problem::new(
            &fault::SQUID_NOT,
            "the SNMP agent does not know Squid's objects: is it snmp_port of Squid",
        )
    })?;
    let windows: Vec<Vec<u32>> = MEDIANS
        .iter()
        .flat_map(|kind| [5, 60].map(|minutes| below(&[1, 3, 2, 2, 1, *kind, minutes])))
        .collect();
    let values = agent.get(&windows).await?;
    if let Some(info) = &mut report.info {
        medians(&values, info);
    }
    let columns: Vec<Vec<u32>> =
        PEER_COLUMNS.iter().map(|column| below(&[&PEERS[..], &[*column][..]].concat())).collect();
    let rows = agent.table(&columns).await?;
    report.peers = Some(rows.iter().filter_map(|(_, row)| peer(row)).collect());
    Ok(())
}

/// `None` when the counters of requests are not there.
fn scalars(values: &[Value], report: &mut Report) -> Option<()> {
    let number = |at: usize| values.get(at).and_then(Value::number);
    let count = |at: usize| number(at).and_then(|n| u64::try_from(n).ok());
    let size = |at: usize, unit: f64| number(at).map(|n| n as f64 * unit);
    let percent =
        |used: Option<f64>, max: Option<f64>| used.zip(max.filter(|m| *m > 0.0)).map(|(u, m)| 100.0 * u / m);
    let (memory, disk) = (size(0, 1024.0), size(1, 1024.0));
    let uptime = size(2, 0.01);
    let in_use = count(10);
    report.counters = Some(Counters {
        // The agent has no clock; time since start serves as one, and going backwards tells a restart.
        now: uptime?,
        requests: number(11)?,
        hits: number(12)?,
        errors: number(13)?,
        kbytes_in: number(14)?,
        kbytes_out: number(15)?,
        server_requests: number(16)?,
        server_errors: number(17)?,
        server_kbytes_in: number(18)?,
        ..Counters::default()
    });
    report.info = Some(Info {
        // Never that of the manager: its clock is another, so that an interval must not span both.
        start_time: Some("over SNMP".to_owned()),
        version: values.get(3).and_then(Value::text).unwrap_or_default(),
        memory_used: percent(memory, size(4, 1024.0 * 1024.0)),
        memory_size: memory,
        swap_used: percent(disk, size(5, 1024.0 * 1024.0)),
        swap_size: disk,
        cpu_five: size(6, 1.0),
        cpu_sixty: size(6, 1.0),
        objects: count(7),
        fds_max: in_use.zip(count(8)).map(|(used, free)| used + free),
        fds_reserved: count(9),
        fds_used: in_use,
        clients: count(19),
        uptime,
        ..Info::default()
    });
    Some(())
}

/// Medians in milliseconds, ratios in whole percent; five minutes and an hour of each.
fn medians(values: &[Value], info: &mut Info) {
    let pair = |at: usize, unit: f64| {
        let number = |at: usize| values.get(at).and_then(Value::number).map(|n| n as f64 * unit);
        Some(Pair { five: number(2 * at)?, sixty: number(2 * at + 1)? })
    };
    info.all_time = pair(0, 1e-3);
    info.miss_time = pair(1, 1e-3);
    info.hit_time = pair(2, 1e-3);
    info.dns_time = pair(3, 1e-3);
    info.near_hit_time = pair(4, 1e-3);
    info.hit_ratio = pair(5, 1.0);
    info.byte_hit_ratio = pair(6, 1.0);
}

fn peer(row: &[Value]) -> Option<Peer> {
    let [name, _address, port, kind, state, sent, acked, fetches] = row else { return None };
    let count = |value: &Value| value.number().and_then(|n| u64::try_from(n).ok());
    let host = name.text()?;
    let port = port.number().and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    // The configured name is not in the MIB: the port keeps two peers of one host apart.
    let mut peer = Peer { name: format!("{host}-{port}"), host, port, workers: 1, ..Peer::default() };
    peer.role = if kind.number() == Some(1) { Role::Sibling } else { Role::Parent };
    peer.workers_up = u32::from(state.number() == Some(1));
    peer.fetches = count(fetches).unwrap_or(0);
    (peer.pings_sent, peer.pings_acked) = (count(sent).filter(|n| *n > 0), count(acked));
    Some(peer)
}
