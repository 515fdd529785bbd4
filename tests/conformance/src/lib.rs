//! Every binary against every rule of the Nagios and Munin contracts.
