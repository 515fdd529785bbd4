//! What every check may find.

catalogue! {
    // The check itself: UNKNOWN, because it could not look.
    USAGE "E-USAGE" Check Unknown
        "The command line, an ini file or an environment variable is wrong."
        "run the plugin with --help and mend the service definition"
    PERMISSION "E-PERMISSION" Check Unknown
        "The check may not read or do what it must."
        "give the plugin's user the right that the docs page names"
    INTERNAL "E-INTERNAL" Check Unknown
        "A bug in the plugin: it panicked or could not set itself up."
        "run it by hand with -vvv and report the output"
    NO_DATA "E-NO-DATA" Check Unknown
        "What was to be judged could not be measured in this run."
        "run it by hand with -vvv to see what the source said"
    CHECK_TIMEOUT "E-CHECK-TIMEOUT" Check Unknown
        "The check did not end by itself before its deadline."
        "look for a hung file system or resolver on the monitoring host"

    // Names.
    DNS_NXDOMAIN "E-DNS-NXDOMAIN" Name Critical
        "The name does not exist."
        "check the zone and its delegation, then the spelling of the name"
    DNS_NO_ADDRESS "E-DNS-NO-ADDRESS" Name Critical
        "The name exists but has no address of the wanted family."
        "check the A and AAAA records of the name"
    DNS_FAILED "E-DNS-FAILED" Name Critical
        "The resolver gave an error, such as SERVFAIL or REFUSED."
        "ask the resolvers in /etc/resolv.conf by hand, then the name's own servers"
    DNS_TIMEOUT "E-DNS-TIMEOUT" Name Critical
        "No resolver answered in time."
        "check the resolvers in /etc/resolv.conf and the path to them"

    // Connections.
    TCP_REFUSED "E-TCP-REFUSED" Connect Critical
        "The host answered that nothing listens on the port."
        "start the server, or check its listen address and port"
    UDP_REFUSED "E-UDP-REFUSED" Connect Critical
        "The host answered that nothing listens on the UDP port."
        "start the server, or check its listen address and port"
    TCP_TIMEOUT "E-TCP-TIMEOUT" Connect Critical
        "The connection could not be made in time."
        "check that the host is up and that no firewall drops the port"
    NET_UNREACHABLE "E-NET-UNREACHABLE" Route Critical
        "There is no route to the address, or the network said so."
        "check the route to the address from this host"
    CONN_CLOSED "E-CONN-CLOSED" Connect Critical
        "The peer closed or reset the connection before it had answered."
        "look into the server's log at this time: limits, crashes, access rules"
    ADDR_DEAD "E-ADDR-DEAD" Connect Warning
        "At least one address of the name does not serve."
        "take the dead address out of the zone, or mend its host"

    // TLS.
    TLS_FAILED "E-TLS-FAILED" Tls Critical
        "The TLS handshake failed."
        "compare the protocol versions and ciphers of both sides"
    TLS_TIMEOUT "E-TLS-TIMEOUT" Tls Critical
        "The TLS handshake did not end in time."
        "check that the port really speaks TLS, then the server's load"
    TLS_EXPIRED "E-TLS-EXPIRED" Tls Critical
        "The server's certificate is no longer, or not yet, valid."
        "renew the certificate and check the clocks"
    TLS_UNTRUSTED "E-TLS-UNTRUSTED" Tls Critical
        "No known authority has signed the server's certificate."
        "install the full chain on the server, or name the authority with --ca-file"
    TLS_NAME "E-TLS-NAME" Tls Critical
        "The certificate is for other names."
        "check which certificate the server presents for this name (SNI)"

    // Servers.
    SERVER_TIMEOUT "E-SERVER-TIMEOUT" Server Critical
        "The server accepted the connection but did not answer in time."
        "look whether the server process hangs: its log, its threads, its disk"
    PROTOCOL "E-PROTOCOL" Server Critical
        "The answer is not of the protocol, or breaks it."
        "check that the right service listens on this port"
    LIMIT "E-LIMIT" Server Critical
        "The server sent more than a sane answer holds."
        "look at what the server sends: this is a wrong URL or a broken server"
    AUTH "E-AUTH" Server Critical
        "The server wants credentials, or refuses those given or this client."
        "check user and password (--user, --password-file), the server's access list and its limit of clients"
    REDIRECT_LOOP "E-REDIRECT-LOOP" Server Critical
        "Redirects lead in a circle or are too many."
        "follow the redirects by hand and mend the server's configuration"
    REDIRECT_SCHEME "E-REDIRECT-SCHEME" Server Critical
        "A redirect leads to a scheme or place that may not be followed."
        "check the server's redirect target"
    HTTP_STATUS "E-HTTP-STATUS" Server Critical
        "The server answered with an HTTP error status."
        "look into the server's error log; 404 means that the stream is not mounted"
}
