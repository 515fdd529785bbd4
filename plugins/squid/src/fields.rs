//! What is measured of a running Squid: the one source of perfdata, Munin fields and the table in the docs.

use weir_contract::{Draw, Field, Unit};

macro_rules! fields {
    ($($name:ident = $field:expr;)*) => {
        $(#[doc = "A measure; its `help` says which."] pub static $name: Field = $field;)*
        /// Every measure of `check_squid`, the most important first.
        pub const ALL: &[&Field] = &[$(&$name),*];
    };
}

fields! {
    HIT_RATIO = Field::gauge("hit_ratio", Unit::Percent, "request hit ratio",
        "Requests answered from the cache in percent of all, our own left out.");
    BYTE_HIT_RATIO = Field { min: Some(-100.0), ..Field::gauge("byte_hit_ratio", Unit::Percent, "byte hit ratio",
        "Squid's own: (sent to clients - fetched) / the larger of both; negative when more is fetched than sent.") };
    BYTE_HIT_SHARE = Field::gauge("byte_hit_share", Unit::Percent, "bytes sent from the cache",
        "Bytes sent from the cache in percent of bytes sent to clients; only since the last run.");
    REQUESTS = Field::gauge("requests", Unit::PerSecond, "requests", "Requests of clients per second, our own left out.");
    ERROR_RATIO = Field::gauge("error_ratio", Unit::Percent, "error pages",
        "Requests answered by an error page of Squid, in percent.");
    ABORT_RATIO = Field::gauge("abort_ratio", Unit::Percent, "aborted requests",
        "Requests whose client went away before the end, in percent.");
    HIT_TIME = Field::gauge("hit_time", Unit::Seconds, "median time of hits", "Median service time of hits.").millis();
    MISS_TIME = Field::gauge("miss_time", Unit::Seconds, "median time of misses",
        "Median service time of misses: what the origin takes.").millis();
    NEAR_HIT_TIME = Field::gauge("near_hit_time", Unit::Seconds, "median time of near hits",
        "Median service time of near hits, where the origin said that the cached object is still good.").millis();
    DNS_TIME = Field::gauge("dns_time", Unit::Seconds, "median time of DNS", "Median time of name lookups.").millis();
    FDS = Field::gauge("fds", Unit::Percent, "file descriptors",
        "Descriptors in use in percent of those that clients may have (maximum - reserved).").unbounded();
    SWAP = Field::gauge("swap_used", Unit::Percent, "disk cache", "A cache directory's use in percent of its size.").unbounded();
    FILE_SYSTEM = Field::gauge("fs_used", Unit::Percent, "file system",
        "Use of the file system (blocks or inodes, the worse) that holds a cache directory.");
    MEMORY = Field::gauge("mem_used", Unit::Percent, "memory cache", "The memory cache's use in percent of cache_mem.").unbounded();
    CPU = Field::gauge("cpu", Unit::Percent, "CPU", "CPU used in percent of one core.").unbounded();
    ORIGIN_REQUESTS = Field::gauge("origin_requests", Unit::PerSecond, "requests to origins",
        "Requests to origins and peers per second.");
    ORIGIN_ERRORS = Field::gauge("origin_errors", Unit::PerSecond, "failed requests to origins",
        "Requests to origins and peers that failed, per second.");
    PEERS_DOWN = Field::gauge("peers_down", Unit::None, "dead peers", "Parents and siblings that Squid holds for dead.");
    ICP_ACKED = Field::gauge("icp_acked", Unit::Percent, "ICP answers",
        "ICP or HTCP questions that a peer answered, in percent, since the last run or the start.");
    UPTIME = Field { max: None, ..Field::gauge("uptime", Unit::Seconds, "uptime", "Time since Squid started.") };
    MEM_HITS = Field::gauge("mem_hit_share", Unit::Percent, "hits from memory", "Hits served from memory in percent of hits.");
    DISK_HITS = Field::gauge("disk_hit_share", Unit::Percent, "hits from disk", "Hits served from disk in percent of hits.");
    CLIENT_BYTES = Field::gauge("client_bytes", Unit::BytesPerSecond, "sent to clients", "Bytes sent to clients per second.");
    ORIGIN_BYTES = Field::gauge("origin_bytes", Unit::BytesPerSecond, "fetched from origins",
        "Bytes received from origins and peers per second.");
    ALL_TIME = Field::gauge("all_time", Unit::Seconds, "median time of requests", "Median service time of all requests.").millis();
    LRU_AGE = Field::gauge("lru_age", Unit::Seconds, "age of the oldest object",
        "Time since the object to be replaced next was used; short means that the disk cache is too small.");
    OBJECTS = Field::gauge("objects", Unit::None, "objects", "Objects known to Squid.");
    OBJECT_SIZE = Field::gauge("object_size", Unit::Bytes, "mean object size", "Mean size of an object.").drawn(Draw::Area);
    CLIENTS = Field::gauge("clients", Unit::None, "clients", "Addresses of clients that Squid remembers.");
    CLIENT_CONNS = Field::gauge("client_conns", Unit::None, "client connections",
        "Connections that clients hold open; only with --client-connections.");
    PEER_CONNS = Field::gauge("peer_conns", Unit::None, "connections to peers", "Connections open to origins and peers that are configured.");
}
