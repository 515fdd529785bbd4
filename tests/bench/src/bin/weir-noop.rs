//! Does nothing: what starting a static program costs at least.

fn main() {}
