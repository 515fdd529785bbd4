//! Real servers for tests: one API that starts, breaks and ends them.
