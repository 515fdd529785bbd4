//! What is measured of a director. A field that means the same has the same name in the check and in Munin.

use weir_contract::{Draw, Field, Unit};

/// Servers that get new connections.
pub static SERVERS: Field =
    Field::gauge("servers", Unit::None, "live servers", "Real servers with a weight above 0.");
/// The share of the service that is left.
pub static SHARE: Field = Field::gauge(
    "share",
    Unit::Percent,
    "live share",
    "The weight of the live servers, of the weight that the expectation file gives to all; without such a file, the live \
     servers of all in the table.",
);
/// Connections that count as active.
pub static ACTIVE: Field = Field::gauge(
    "active",
    Unit::None,
    "active connections",
    "Connections in an active state; UDP and one-packet services have none.",
)
.drawn(Draw::Area);
/// All others.
pub static INACTIVE: Field = Field::gauge(
    "inactive",
    Unit::None,
    "inactive connections",
    "Connections that are closing or idle, and all of UDP.",
)
.drawn(Draw::Stack);
/// New connections per second.
pub static CONN_RATE: Field = Field::gauge(
    "conn_rate",
    Unit::PerSecond,
    "new connections",
    "New connections per second, the kernel's moving average, a whole number.",
);
/// Packets per second.
pub static PACKET_RATE: Field = Field::gauge(
    "packet_rate",
    Unit::PerSecond,
    "incoming packets",
    "Packets per second from clients, the kernel's moving average.",
);
/// Bytes per second, from clients.
pub static IN_RATE: Field = Field::gauge(
    "in_rate",
    Unit::BytesPerSecond,
    "incoming bytes",
    "Bytes per second from clients, the kernel's moving average.",
);
/// Bytes per second, to clients.
pub static OUT_RATE: Field = Field::gauge(
    "out_rate",
    Unit::BytesPerSecond,
    "outgoing bytes",
    "Bytes per second to clients; 0 where answers bypass the director (direct routing, tunnels).",
);
/// Servers with weight 0.
pub static ZERO_WEIGHT: Field = Field::gauge(
    "zero_weight",
    Unit::None,
    "servers with weight 0",
    "Real servers in the table that get no new connections.",
);
/// Servers at their upper threshold.
pub static OVERLOADED: Field = Field::gauge(
    "overloaded",
    Unit::None,
    "overloaded servers",
    "Real servers with as many connections as their upper threshold allows; the kernel gives them no more.",
);
/// How far new connections are from the weights.
pub static IMBALANCE: Field = Field::gauge(
    "imbalance",
    Unit::Percent,
    "imbalance",
    "The largest difference between a server's share of the new connections since the last run and its share of the weight.",
);
/// How full the connection table is.
pub static TABLE_LOAD: Field = Field::gauge(
    "table_load",
    Unit::Percent,
    "connection table load",
    "Connections per bucket of the connection table; above 100 % lookups become slow before 7.0, which resizes.",
)
.unbounded();
/// Packets that the backup's socket dropped.
pub static SYNC_DROPS: Field = Field::gauge(
    "sync_drops",
    Unit::None,
    "lost synchronisation packets",
    "Packets of the master that the backup's socket dropped since the last run.",
);

/// Of each service, in the order of importance: perfdata that does not fit on the line is cut at its end.
pub static OF_SERVICE: &[&Field] = &[
    &SERVERS,
    &SHARE,
    &ACTIVE,
    &CONN_RATE,
    &PACKET_RATE,
    &INACTIVE,
    &IN_RATE,
    &OUT_RATE,
    &ZERO_WEIGHT,
    &OVERLOADED,
    &IMBALANCE,
];
/// All measures of the check; a threshold without a name is meant for the first.
pub static FIELDS: &[&Field] = &[
    &SERVERS,
    &SHARE,
    &ACTIVE,
    &CONN_RATE,
    &PACKET_RATE,
    &INACTIVE,
    &IN_RATE,
    &OUT_RATE,
    &ZERO_WEIGHT,
    &OVERLOADED,
    &IMBALANCE,
    &TABLE_LOAD,
    &SYNC_DROPS,
];
