//! The Munin plugin protocol as pure functions.
