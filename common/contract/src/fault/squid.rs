//! Squid.

catalogue! {
    // Squid.
    SQUID_NOT "E-SQUID-NOT" Server Critical
        "What answers is not Squid's cache manager: another server, or an origin behind Squid."
        "check host and port: it must be an http_port of Squid itself"
    SQUID_DENIED "E-SQUID-DENIED" Check Unknown
        "Squid's access list does not allow this host to use the cache manager."
        "put `http_access allow localhost manager` (or this host's acl) before `deny manager` in squid.conf"
    SQUID_PASSWORD "E-SQUID-PASSWORD" Check Unknown
        "Squid wants the cache manager's password, or refuses the one given."
        "compare --password-file with cachemgr_passwd in squid.conf"
    SQUID_PAGE "E-SQUID-PAGE" Check Unknown
        "Squid does not know a page of the cache manager, or may not show it."
        "try --source cache-object (Squid before 3.2) or --source snmp, and look at cachemgr_passwd"
    SQUID_TRUNCATED "E-SQUID-TRUNCATED" Check Unknown
        "A page of the cache manager came in part only."
        "look into cache.log: Squid restarts, or is out of memory or descriptors"
    SQUID_LOG "E-SQUID-LOG" Check Unknown
        "Squid's access log cannot be read."
        "check the path, and let the plugin's user read it: group proxy on Debian"
    SQUID_LOG_FORMAT "E-SQUID-LOG-FORMAT" Check Warning
        "Many lines of the access log are not of the format that was named."
        "give --format what follows logformat NAME in squid.conf"
    SQUID_HITS "E-SQUID-HITS" Content Warning
        "The share of requests answered from the cache is not what was expected."
        "look with check_squid_log which site misses: new content, changed headers, a purge"
    SQUID_BYTE_HITS "E-SQUID-BYTE-HITS" Content Warning
        "The share of bytes saved is not what was expected."
        "look for large misses with check_squid_log, and at quick_abort_* and range_offset_limit if negative"
    SQUID_ERRORS "E-SQUID-ERRORS" Server Warning
        "Too many requests are answered by an error page of Squid."
        "count error pages in access.log by URL: a dead origin, refused clients or broken requests"
    SQUID_ABORTS "E-SQUID-ABORTS" Server Warning
        "Too many clients go away before the end of the answer."
        "compare with service times: clients that wait too long give up"
    SQUID_LOAD "E-SQUID-LOAD" Server Warning
        "Requests, traffic, objects or connections are not what was expected."
        "compare with the other caches of the site: does the balancer still send traffic here"
    SQUID_SLOW "E-SQUID-SLOW" Server Warning
        "Requests are answered too slowly even from the cache."
        "look at the machine: disk wait, CPU, swap, and the queue of the disk caches"
    SQUID_SLOW_ORIGIN "E-SQUID-SLOW-ORIGIN" Server Warning
        "Misses take too long: the origin or the way to it is slow."
        "ask the origin directly and compare; then look at its load"
    SQUID_SLOW_DNS "E-SQUID-SLOW-DNS" Name Warning
        "Names are looked up too slowly by Squid."
        "check dns_nameservers and /etc/resolv.conf on the cache's host"
    SQUID_ORIGIN "E-SQUID-ORIGIN" Server Warning
        "Fetches from origins and peers are not what was expected."
        "look at the origin's error log and at what it is asked for"
    SQUID_FDS "E-SQUID-FDS" Server Warning
        "Squid is running out of file descriptors: soon new clients will wait."
        "raise max_filedescriptors and the limit of the service, then look for idle connections"
    SQUID_CPU "E-SQUID-CPU" Server Warning
        "Squid uses nearly all of one core, and has no more per worker."
        "add workers, or look at slow acls and regular expressions"
    SQUID_MEMORY "E-SQUID-MEMORY" Server Warning
        "The memory cache is not filled as expected."
        "compare cache_mem with the machine's memory"
    SQUID_DISK "E-SQUID-DISK" Server Warning
        "A disk cache or its file system is full."
        "free the file system, or make cache_dir smaller than what it holds"
    SQUID_LRU "E-SQUID-LRU" Server Warning
        "Objects are replaced too early: the disk cache is too small for what is asked."
        "enlarge cache_dir, or keep large rare objects out of it"
    SQUID_RESTART "E-SQUID-RESTART" Server Warning
        "Squid has been started a short while ago."
        "look into cache.log and the journal for why, unless somebody has just done it"
    SQUID_PEER "E-SQUID-PEER" Server Warning
        "Squid holds a parent or sibling for dead."
        "ask the peer's port by hand from the cache's host; see the time of the last failed connection"
    SQUID_NO_PARENT "E-SQUID-NO-PARENT" Server Critical
        "Squid holds every parent for dead: no miss can be served."
        "bring the origin back first; Squid tries it again by itself"
    SQUID_ICP "E-SQUID-ICP" Server Warning
        "A peer leaves too many ICP questions unanswered."
        "check UDP to the peer's ICP port, its icp_access and its load"
}
